// A student language model learns from a teacher that reads other tokens: the whole way, from raw
// text to the comparison of training with and without mlot's loss.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "distill/corpus.hpp"
#include "distill/gradient_check.hpp"
#include "distill/kneser_ney.hpp"
#include "distill/pictures.hpp"
#include "distill/report.hpp"
#include "distill/settings.hpp"
#include "distill/stopwatch.hpp"

namespace distill {
namespace {
/// At most `count` of `all`, evenly spaced.
std::vector<std::string> thinned(std::vector<std::string> const& all, index_t count) {
  std::size_t const kept = std::min(all.size(), std::size_t(count));
  std::vector<std::string> out;
  for (std::size_t i = 0; i < kept; ++i) out.push_back(all[i * all.size() / kept]);
  return out;
}

std::vector<sample> encode(std::vector<std::string> const& text, tokenizer const& teacher,
                           tokenizer const& student) {
  std::vector<sample> out;
  for (std::string const& segment : text)
    out.push_back({teacher.encode(segment), student.encode(segment), index_t(segment.size())});
  return out;
}

/// How much of the student's tokens is `which`.
double share_of(token which, std::vector<sample> const& text) {
  double count = 0, all = 0;
  for (sample const& s : text) {
    count += double(std::count(s.student.begin(), s.student.end(), which));
    all += double(s.student.size());
  }
  return all > 0 ? count / all : 0;
}

kneser_ney count_ngrams(std::vector<std::string> const& text, tokenizer const& t, int order) {
  std::vector<std::vector<token>> encoded;
  for (std::string const& segment : text) encoded.push_back(t.encode(segment));
  return kneser_ney(encoded, t.size(), t.start(), order);
}

double teacher_bits_per_byte(logit_source const& teacher, std::vector<sample> const& text) {
  double nats = 0;
  index_t bytes = 0;
  matrix<float> rows;
  batch b;
  for (sample const& s : text) {
    b.clear();
    b.append(s);
    rows.resize(b.teacher.size(), teacher.vocabulary());
    teacher.logits(b.teacher[0], rows);
    for (index_t t = 0; t < b.teacher.size(); ++t) {
      auto const z = rows.row(t).array().cast<double>();
      double const top = z.maxCoeff();
      nats += top + std::log((z - top).exp().sum()) - z(b.teacher[0][std::size_t(t)]);
    }
    bytes += s.bytes;
  }
  return nats / (std::numbers::ln2 * double(bytes));
}

int check_gradients(loss_options const& loss) {
  constexpr double allowed = 1e-6;
  bool good = true;
  auto const check = [&](char const* what, loss_options const& options) {
    gradient_report const report = check_gradient(options, 200, 1);
    good = good && report.largest_error <= allowed;
    std::printf("%-44s %3zu parameters  largest relative error %.1e  %s\n", what,
                report.probes.size(), report.largest_error,
                report.largest_error <= allowed ? "ok" : "WRONG");
  };
  loss_options plain = loss;
  plain.alpha = 0;
  check("student, cross-entropy", plain);
  check("student, cross-entropy + MultiLevelOT", loss);
  return good ? 0 : 1;
}

/// A line of the account of what was done, with the seconds it took.
class account {
 public:
  template <class... Arguments>
  void line(char const* name, char const* pattern, Arguments... arguments) {
    char text[128];
    std::snprintf(text, sizeof text, pattern, arguments...);
    std::printf("%-12s%-76s%6.1f s\n", name, text, watch_.lap());
    std::fflush(stdout);
  }

 private:
  stopwatch watch_;
};

int run(settings const& s) {
  if (s.check) return check_gradients(s.training.loss);
  std::error_code failed;
  std::filesystem::create_directories(s.out, failed);
  if (failed) throw user_error("--out: cannot make the folder " + s.out.string());

  stopwatch whole;
  account done;
  corpus const text = s.corpus.empty() ? austen_corpus(s.out / "cache") : file_corpus(s.corpus);
  done.line("corpus", "%zu segments to learn from, %zu held out", text.train.size(),
            text.held_out.size());

  auto const teacher_tokens =
      tokenizer::train(text.train, tokenizer_kind::unigram, s.teacher_pieces);
  auto const student_tokens = tokenizer::train(text.train, tokenizer_kind::bpe, s.student_pieces);
  done.line("tokenizers", "teacher: unigram, %d pieces; student: BPE, %d",
            int(teacher_tokens.size()), int(student_tokens.size()));

  kneser_ney const teacher = count_ngrams(text.train, teacher_tokens, s.teacher_order);
  training_data const data = {
      .train = encode(thinned(text.train, s.train_segments), teacher_tokens, student_tokens),
      .held_out =
          encode(thinned(text.held_out, s.held_out_segments), teacher_tokens, student_tokens),
      .student_vocabulary = student_tokens.size(),
      .student_start = student_tokens.start()};
  done.line("teacher", "Kneser-Ney %d-gram, %d n-grams, %.3f bits/byte held out", s.teacher_order,
            int(teacher.size()), teacher_bits_per_byte(teacher, data.held_out));

  if (double const unknown = share_of(student_tokens.unknown(), data.held_out); unknown > 0)
    done.line("", "%.2f %% of the student's held-out tokens are unknown characters", 100 * unknown);

  comparison runs = compare(data, teacher, s.training, s.seeds, s.threads);
  done.line("students", "2 objectives x %d seeds, %zu segments x %d epochs, judged on %zu",
            int(s.seeds), data.train.size(), int(s.training.epochs), data.held_out.size());

  std::printf("\n%s\n", report(runs).c_str());
  for (auto const& file :
       draw_pictures(s.out, runs, data, teacher, s.training.loss, teacher_tokens, student_tokens))
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
