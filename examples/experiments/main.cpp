// The experiments that readers of the MultiLevelOT paper ask for, on the demo's text and models:
// every table is some students, each trained on several seeds. Writes JSON; plot.py makes tables
// and pictures of it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <thread>

#include "experiments/results.hpp"

namespace experiments {
namespace {
struct settings {
  std::filesystem::path corpus, out = "build/results", cache = "build/distill/cache";
  distill::index_t seeds = 5, threads = 1;
  bool quick = false;
  std::vector<std::string> wanted;
};

constexpr char lengths[] = "lengths";

void run(settings const& s, std::vector<table> const& tables) {
  std::filesystem::create_directories(s.out);
  account done;
  distill::corpus const text = s.corpus.empty() ? austen_corpus(s.cache) : file_corpus(s.corpus);
  done.line("corpus", "%d segments to learn from, %d held out", int(text.train.size()),
            int(text.held_out.size()));
  auto const wants = [&](std::string const& name) {
    return s.wanted.empty() || std::count(s.wanted.begin(), s.wanted.end(), name) > 0;
  };
  trials trained(text, s.seeds, s.threads);
  for (table const& asked : tables)
    if (wants(asked.name)) {
      trained.train(asked, done);
      save(s.out / (asked.name + ".json"), asked, trained, s.threads);
    }
  if (wants(lengths)) save(s.out / "lengths.json", measure_lengths(text, s.quick, done));
}

int main_of(int argc, char** argv) {
  settings s;
  s.threads = std::max<distill::index_t>(1, std::thread::hardware_concurrency());
  std::vector<std::string> names;
  for (table const& each : all_tables(false)) names.push_back(each.name);
  names.push_back(lengths);

  CLI::App app("Runs the paper's experiments at the demo's size and writes a JSON file a table.",
               "experiments");
  app.add_option("tables", s.wanted, "Which (default: all)")->check(CLI::IsMember(names));
  app.add_option("--corpus", s.corpus, "A plain text of some MB (default: Jane Austen's novels)");
  app.add_option("--out", s.out, "Folder for the files")->capture_default_str();
  app.add_option("--cache", s.cache, "Folder of the downloaded novels")->capture_default_str();
  app.add_option("--seeds", s.seeds, "Students a row")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--threads", s.threads, "Students trained at a time; changes times alone")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_flag("--quick", s.quick, "Tiny students, to see that everything works");
  CLI11_PARSE(app, argc, argv);
  run(s, all_tables(s.quick));
  return 0;
}
}  // namespace
}  // namespace experiments

int main(int argc, char** argv) {
  try {
    return experiments::main_of(argc, argv);
  } catch (std::exception const& failed) {
    std::fprintf(stderr, "experiments: %s\n", failed.what());
    return 1;
  }
}
