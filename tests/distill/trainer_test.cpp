#include "distill/trainer.hpp"

#include "distill/experiment.hpp"
#include "distill/report.hpp"
#include "distill/schedule.hpp"
#include "random.hpp"
#include "test.hpp"

using namespace distill;

namespace {
/// Likes token t + 1 at token t.
class counting_teacher : public logit_source {
 public:
  index_t vocabulary() const override { return 12; }
  void logits(std::span<index_t const> tokens, matrix_ref<float> out) const override {
    out.setZero();
    for (index_t t = 0; t < index_t(tokens.size()); ++t) out(t, (t + 1) % 12) = 3;
  }
};

training_data small_data() {
  random_source random(9);
  training_data out = {.train = {}, .held_out = {}, .student_vocabulary = 9, .student_start = 1};
  for (int i = 0; i < 14; ++i) {
    sample s = {{}, {}, 0};
    for (auto length = 1 + random.below(6); length > 0; --length) {
      s.teacher.push_back(token(random.below(12)));
      s.student.push_back(token(2 + length % 7));
      s.student.push_back(token(2 + (3 * length) % 7));
    }
    s.bytes = index_t(3 * s.student.size());
    (i < 10 ? out.train : out.held_out).push_back(s);
  }
  return out;
}

training_options small_options() {
  training_options out;
  out.epochs = 6;
  out.batch_segments = 4;
  out.width = out.hidden = 8;
  return out;
}

bool same(std::vector<run_record> const& a, std::vector<run_record> const& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t r = 0; r < a.size(); ++r)
    for (std::size_t e = 0; e < a[r].epochs.size(); ++e) {
      epoch_record const &x = a[r].epochs[e], &y = b[r].epochs[e];
      if (x.train_bits != y.train_bits || x.held_out_bits != y.held_out_bits ||
          x.held_out.total != y.held_out.total)
        return false;
    }
  return true;
}
}  // namespace

TEST_CASE("a student learns, on either objective") {
  training_data const data = small_data();
  counting_teacher const teacher;
  for (objective const goal : {objective::cross_entropy, objective::distilled}) {
    trainer student(data, teacher, small_options(), goal, 1);
    index_t told = 0;
    run_record const record = student.run([&](epoch_record const&) { ++told; });
    CHECK(told == 6);
    CHECK(record.epochs.size() == 6);
    CHECK(record.time.steps == 6 * 3);
    CHECK(record.epochs.back().train_bits < record.epochs.front().train_bits);
    CHECK(std::isfinite(record.epochs.back().held_out.total));
  }
}

TEST_CASE("a seed gives the same bits again, however many train at a time") {
  training_data const data = small_data();
  counting_teacher const teacher;
  comparison const one = compare(data, teacher, small_options(), 3, 1);
  comparison const four = compare(data, teacher, small_options(), 3, 4);
  CHECK(same(one.plain, four.plain));
  CHECK(same(one.distilled, four.distilled));
  CHECK_FALSE(same({one.plain[0]}, {one.plain[1]}));
  REQUIRE(one.example != nullptr);
}

TEST_CASE("without weight the loss trains as cross-entropy does") {
  training_data const data = small_data();
  counting_teacher const teacher;
  training_options options = small_options();
  options.loss.alpha = 0;
  comparison const runs = compare(data, teacher, options, 1, 1);
  CHECK(last_bits(runs.distilled[0]) == Approx(last_bits(runs.plain[0])).epsilon(1e-4));
}

TEST_CASE("held-out bits per byte are those of the definition") {
  training_data const data = small_data();
  counting_teacher const teacher;
  training_options options = small_options();
  options.epochs = 1;
  options.rate = 0;  // nothing is learned, so the first student is judged
  trainer run(data, teacher, options, objective::cross_entropy, 4);
  double const judged = run.run([](epoch_record const&) {}).epochs[0].held_out_bits;
  double bits = 0;
  index_t bytes = 0;
  matrix<float> z;
  for (sample const& s : data.held_out) {
    batch b;
    b.append(s);
    run.student().forward(b.student, z);
    for (index_t t = 0; t < b.student.size(); ++t)
      bits -= std::log2(std::exp(double(z(t, b.student.tokens[std::size_t(t)]))) /
                        z.row(t).array().cast<double>().exp().sum());
    bytes += s.bytes;
  }
  CHECK(judged == Approx(bits / double(bytes)).epsilon(1e-5));
}

TEST_CASE("every job is done once, and the first failure is told") {
  std::vector<int> done(50);
  for_each_job(50, 4, [&](index_t i) { ++done[std::size_t(i)]; });
  CHECK(std::count(done.begin(), done.end(), 1) == 50);
  for_each_job(0, 4, [](index_t) { FAIL(); });
  CHECK_THROWS_WITH(for_each_job(9, 3,
                                 [](index_t i) {
                                   if (i == 4) throw user_error("the fifth");
                                 }),
                    "the fifth");
}

TEST_CASE("the report says when a difference lies within the spread") {
  auto const runs = [](std::vector<double> const& bits) {
    std::vector<run_record> out;
    for (double const b : bits) {
      run_record run;
      run.epochs = {{.train_bits = 1, .held_out_bits = b, .held_out = {}}};
      run.time = {.student = 1, .teacher = 1, .loss = 2, .steps = 1};
      out.push_back(run);
    }
    return out;
  };
  std::string const within =
      report({loss_kind::multi_level, runs({2, 2.2}), runs({1.95, 2.18}), nullptr});
  CHECK(within.find("Within") != within.npos);
  std::string const beyond =
      report({loss_kind::multi_level, runs({2, 2.02}), runs({1.8, 1.81}), nullptr});
  CHECK(beyond.find("Within") == beyond.npos);
  CHECK(beyond.find("Beyond the seeds' spread") != beyond.npos);
  CHECK(report({loss_kind::multi_level, runs({2}), runs({1}), nullptr}).find("one seed cannot") !=
        within.npos);
}
