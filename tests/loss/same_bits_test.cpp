// Every loss, in every form that takes another way through the kernels, has the same bits for any
// number of threads and in every run. Shapes lie on both sides of the lengths at which work is cut.
#include "devices.hpp"
#include "framed.hpp"
#include "primitive/thread_count.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
using namespace mlot;

namespace {
struct shape {
  std::vector<index_t> teacher_lengths, student_lengths;
  index_t m, n;
};
shape const shapes[] = {{{234}, {234}, 300, 300},  // threads that meet in one sequence
                        {{17, 17, 17}, {17, 17, 17}, 65, 127},
                        {{40, 3, 65, 1, 0, 33, 129}, {37, 5, 64, 2, 4, 0, 130}, 301, 277},
                        {{5, 17}, {6, 16}, 4101, 2049}};  // more columns than one task has

/// A batch of logits, and what losses write of it.
template <class Device, class T>
class batch {
 public:
  explicit batch(shape const& of)
      : teacher_tokens_(of.teacher_lengths),
        student_tokens_(of.student_lengths),
        teacher_(teacher_tokens_.rows, of.m),
        student_(student_tokens_.rows, of.n),
        label_(student_tokens_.rows),
        gradient_(student_tokens_.rows, of.n) {
    random_source random(7);
    auto const logit = [&](index_t, index_t) { return T(2 * random.normal()); };
    kit::fill(teacher_, logit);
    kit::fill(student_, logit);
    kit::fill(label_, [&](index_t, index_t) { return random.below(of.n); });
    for (index_t j = 0; j < student_tokens_.count(); ++j) position_.push_back(j % longest());
    bool const rectangular = student_tokens_.count() == longest() * student_tokens_.sequences();
    square_ = rectangular && of.teacher_lengths == of.student_lengths;
  }
  /// What every form of every loss writes: its name and bytes.
  std::vector<std::pair<std::string, std::vector<std::byte>>> results() {
    written_.clear();
    run_multi_level();
    run_others();
    run_divergences();
    return std::move(written_);
  }

 private:
  index_t longest() const { return student_tokens_.longest; }

  void run_multi_level() {
    using options = multi_level_options<T>;
    run_form("the defaults", [](options&) {});
    run_form("2 : 1", [](options& o) { o.temperature = T(2), o.transport_temperature = T(1); });
    run_form("one temperature", [](options& o) { o.transport_temperature = T(1); });
    run_form("1 : 3", [](options& o) { o.transport_temperature = T(3); });
    run_form("greedy", [](options& o) { o.matching = column_matching::greedy; });
    run_form("exact", [](options& o) { o.matching = column_matching::exact; });
    run_form("own ranking", [](options& o) { o.ranking = transport_ranking::own; });
    run_form("at tokens", [](options& o) { o.level = transport_level::token; });
    run_form("plan constant",
             [](options& o) { o.derivative = sinkhorn_derivative::plan_constant; });
    for (index_t const memory : {index_t(0), index_t(1) << 31})
      for (auto const domain :
           {sinkhorn_domain::scaling, sinkhorn_domain::absorbed, sinkhorn_domain::logarithmic})
        run_form("transport", [=](options& o) { o.domain = domain, o.cost_memory = memory; });
    run_form("small epsilon", [](options& o) { o.epsilon = T(1e-3); });
  }
  void run_form(char const* name, auto change) {
    multi_level<T> loss{.teacher_logits = teacher_.matrix(),
                        .teacher_tokens = teacher_tokens_.view(),
                        .student_logits = student_.matrix(),
                        .student_tokens = student_tokens_.view(),
                        .labels = {label_.vector()}};
    loss.options.iterations = 4;
    change(loss.options);
    run(name, loss, multi_level_term::count);
  }
  void run_others() {
    run("sinkd",
        sinkd<T>{.teacher_logits = teacher_.matrix(),
                 .teacher_samples = teacher_tokens_.view(),
                 .student_logits = student_.matrix(),
                 .student_samples = student_tokens_.view(),
                 .labels = {label_.vector()},
                 .iterations = 6},
        multi_level_term::count);
    for (index_t const k : {0, 33})
      run("universal_logit",
          universal_logit<T>{.teacher_logits = teacher_.matrix(),
                             .teacher_tokens = teacher_tokens_.view(),
                             .student_logits = student_.matrix(),
                             .student_tokens = student_tokens_.view(),
                             .labels = {label_.vector()},
                             .options = {.k = k}},
          universal_logit_term::count);
    if (!square_) return;
    host::vector<index_t const> const position{position_.data(), index_t(position_.size())};
    host::vector<index_t const> const offset{student_tokens_.offset.data(),
                                             student_tokens_.sequences() + 1};
    token_pairs<> const pairs{offset, position, position};
    run("distillkitplus",
        distillkitplus<T>{.teacher_logits = teacher_.matrix(),
                          .student_logits = student_.matrix(),
                          .teacher_spans = teacher_tokens_.view(),
                          .student_spans = student_tokens_.view(),
                          .pairs = pairs},
        multi_level_term::count);
    for (auto const matching : {reference_matching::own, reference_matching::greedy})
      run("reference_code",
          reference_code<T>{.teacher_logits = teacher_.matrix(),
                            .student_logits = student_.matrix(),
                            .teacher_windows = teacher_tokens_.view(),
                            .student_windows = student_tokens_.view(),
                            .pairs = pairs,
                            .matching = matching},
          multi_level_term::count);
  }
  void run_divergences() {
    run_divergence("forward_kl", forward_kl());
    run_divergence("reverse_kl", reverse_kl());
    run_divergence("jensen_shannon", jensen_shannon<T>());
    run_divergence("skewed_kl", skewed_kl<T>());
    run_divergence("skewed_reverse_kl", skewed_reverse_kl<T>());
    run_divergence("adaptive_kl", adaptive_kl<T>());
    run_divergence("total_variation", total_variation());
  }
  template <class Kind>
  void run_divergence(char const* name, Kind const& kind) {
    bool const equal = teacher_tokens_.offset == student_tokens_.offset;
    run(name,
        divergence_distillation<T, Kind>{
            .teacher = {.logits = teacher_.matrix(), .tokens = teacher_tokens_.view()},
            .student_logits = student_.matrix(),
            .student_tokens = student_tokens_.view(),
            .labels = {label_.vector()},
            .pairs = equal ? token_pairs<>() : shorter_.view(),
            .kind = kind,
            .options = {.temperature = T(2)}},
        divergence_distillation_term::count);
  }

  template <class Loss>
  void run(char const* name, Loss loss, index_t count) {
    INFO(name);
    kit::framed<T> terms(count);
    gradient_.clear();
    loss.terms = terms.vector();
    loss.gradient = gradient_.matrix();
    kit::succeeds<Device>(loss);
    std::vector<std::byte> bytes;
    auto const append = [&](T const& x) {
      auto const* const first = reinterpret_cast<std::byte const*>(&x);
      bytes.insert(bytes.end(), first, first + sizeof x);
    };
    for (index_t c = 0; c < count; ++c) append(terms(c));
    for (index_t r = 0; r < gradient_.rows(); ++r)
      for (index_t v = 0; v < gradient_.cols(); ++v) append(gradient_(r, v));
    written_.emplace_back(name, std::move(bytes));
  }

  kit::tokens teacher_tokens_, student_tokens_;
  kit::pairs_to_the_shorter shorter_{teacher_tokens_, student_tokens_};
  kit::framed<T> teacher_, student_;
  kit::framed<index_t> label_;
  kit::framed<T> gradient_;
  std::vector<index_t> position_;
  bool square_ = false;
  std::vector<std::pair<std::string, std::vector<std::byte>>> written_;
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("every loss gives the same bits for 1 to 8 threads and in every run",
                        "[determinism]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (shape const& of : shapes) {
    batch<Device, T> all(of);
    auto const expected = [&] {
      kit::thread_count const set(1);
      return all.results();
    }();
    CHECK(expected.size() > 20);
    constexpr bool shares_work = !std::is_same_v<Device, on::scalar>;
    for (int const threads : {2, 3, 4, 5, 6, 7, 8, 3, 1}) {
      if (!shares_work && threads > 1) continue;
      kit::thread_count const set(threads);
      auto const is = all.results();
      for (std::size_t n = 0; n < expected.size(); ++n) {
        INFO(is[n].first << " on " << threads << " threads, vocabulary " << of.m);
        CHECK((is[n].second == expected[n].second));
      }
    }
  }
}
