// A student language model learns from a teacher that reads other tokens: the whole way, from raw
// text to the comparison of training with and without mlot's loss.
#include <cstdio>

#include "distill/corpus.hpp"
#include "distill/gradient_check.hpp"
#include "distill/pictures.hpp"
#include "distill/progress.hpp"
#include "distill/report.hpp"
#include "distill/settings.hpp"

namespace distill {
namespace {
int check_gradients(loss_options const& loss) {
  constexpr double allowed = 1e-6;
  bool good = true;
  auto const check = [&](char const* what, loss_options const& options) {
    gradient_report const report = check_gradient(options, 200, 1);
    bool const right = report.largest_error <= allowed;
    good = good && right;
    std::printf("%-44s %3d parameters  largest relative error %.1e  %s\n", what,
                int(report.probes.size()), report.largest_error, right ? "ok" : "WRONG");
  };
  loss_options plain = loss;
  plain.alpha = 0;
  check("student, CE", plain);
  check(("student, " + title_of(loss.kind)).c_str(), loss);
  return good ? 0 : 1;
}

int run(settings const& s) {
  if (s.check) return check_gradients(s.training.loss);
  std::error_code failed;
  std::filesystem::create_directories(s.out, failed);
  if (failed) throw user_error("--out: cannot make the folder " + s.out.string());

  stopwatch whole;
  account done;
  corpus const text = s.corpus.empty() ? austen_corpus(s.out / "cache") : file_corpus(s.corpus);
  done.line("corpus", "%d segments to learn from, %d held out", int(text.train.size()),
            int(text.held_out.size()));

  course const from = prepare(text, s.course, done);
  comparison runs = compare(from.data, from.teacher, s.training, s.seeds, s.threads);
  done.line("students", "2 objectives x %d seeds, %d segments x %d epochs, judged on %d",
            int(s.seeds), int(from.data.train.size()), int(s.training.epochs),
            int(from.data.held_out.size()));

  std::printf("\n%s\n", report(runs).c_str());
  for (auto const& file : draw_pictures(s.out, runs, from, s.training.loss))
    std::printf("%s\n", file.string().c_str());
  std::printf("%.0f s in all\n", whole.lap());
  return 0;
}
}  // namespace
}  // namespace distill

int main(int argc, char** argv) {
  try {
    auto const settings = distill::parse_command_line(argc, argv);
    return settings ? distill::run(*settings) : 0;
  } catch (distill::user_error const& wrong) {
    std::fprintf(stderr, "distill: %s\n", wrong.what());
    return 2;
  } catch (std::exception const& failed) {
    std::fprintf(stderr, "distill: %s\n", failed.what());
    return 1;
  }
}
