#pragma once
#include <string>
#include <utility>
#include <vector>

#include "devices.hpp"
#include "framed.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
/// All losses over one batch of logits.
namespace loss_test {
using mlot::index_t;

struct batch_shape {
  std::vector<index_t> teacher_lengths{}, student_lengths{};
  bool labelled = true, ignored = false;  ///< with labels; none of which counts
  bool bare = false;                      ///< no offsets where there is no sequence
  index_t m = 7, n = 6;
};

template <class T>
class every_loss {
 public:
  explicit every_loss(batch_shape const& of)
      : teacher_tokens_(of.teacher_lengths),
        student_tokens_(of.student_lengths),
        teacher_(of.bare ? 0 : teacher_tokens_.rows, of.m),
        student_(of.bare ? 0 : student_tokens_.rows, of.n),
        label_(student_.rows()),
        gradient_(student_.rows(), of.n),
        labelled_(of.labelled),
        bare_(of.bare) {
    random_source random(7);
    auto const logit = [&](index_t, index_t) { return T(2 * random.normal()); };
    kit::fill(teacher_, logit);
    kit::fill(student_, logit);
    kit::fill(label_, [&](index_t, index_t) {
      return of.ignored || of.n == 0 ? -100 : random.below(of.n);
    });
  }
  /// Calls visit(name, loss) with every loss; its outputs are `terms` and `gradient`.
  void for_each(auto visit) {
    mlot::row_labels<mlot::host_memory> labels;
    if (labelled_) labels.label = label_.vector();
    visit_as(visit, "multi_level",
             mlot::multi_level<T>{.teacher_logits = teacher_.matrix(),
                                  .teacher_tokens = teacher_rows(),
                                  .student_logits = student_.matrix(),
                                  .student_tokens = student_rows(),
                                  .labels = labels});
    visit_as(visit, "universal_logit",
             mlot::universal_logit<T>{.teacher_logits = teacher_.matrix(),
                                      .teacher_tokens = teacher_rows(),
                                      .student_logits = student_.matrix(),
                                      .student_tokens = student_rows(),
                                      .labels = labels});
    visit_as(visit, "sinkd",
             mlot::sinkd<T>{.teacher_logits = teacher_.matrix(),
                            .teacher_samples = teacher_rows(),
                            .student_logits = student_.matrix(),
                            .student_samples = student_rows(),
                            .labels = labels});
    auto const divergence = [&]<class Kind>(Kind) {
      visit_as(visit, "divergence_distillation",
               mlot::divergence_distillation<T, Kind>{
                   .teacher = {.logits = teacher_.matrix(), .tokens = teacher_rows()},
                   .student_logits = student_.matrix(),
                   .student_tokens = student_rows(),
                   .labels = labels});
    };
    divergence(mlot::forward_kl());
    divergence(mlot::reverse_kl());
    divergence(mlot::jensen_shannon<T>());
    divergence(mlot::total_variation());
    if (!of_one_length()) return;
    visit_as(visit, "distillkitplus",
             mlot::distillkitplus<T>{.teacher_logits = teacher_.matrix(),
                                     .student_logits = student_.matrix(),
                                     .teacher_spans = teacher_rows(),
                                     .student_spans = student_rows()});
    for (auto const matching : {mlot::reference_matching::own, mlot::reference_matching::greedy})
      visit_as(visit, "reference_code",
               mlot::reference_code<T>{.teacher_logits = teacher_.matrix(),
                                       .student_logits = student_.matrix(),
                                       .teacher_windows = teacher_rows(),
                                       .student_windows = student_rows(),
                                       .matching = matching});
  }
  kit::framed<T>& gradient() { return gradient_; }

 private:
  mlot::token_rows<> rows(kit::tokens const& of) const {
    return bare_ ? mlot::token_rows<>() : of.view();
  }
  mlot::token_rows<> teacher_rows() const { return rows(teacher_tokens_); }
  mlot::token_rows<> student_rows() const { return rows(student_tokens_); }
  /// As windows and spans are.
  bool of_one_length() const {
    return student_tokens_.count() == student_tokens_.longest * student_tokens_.sequences() &&
           teacher_tokens_.offset == student_tokens_.offset;
  }
  template <class Loss>
  void visit_as(auto& visit, std::string const& name, Loss loss) {
    kit::framed<T> terms(terms_of(loss));
    gradient_.clear();
    loss.terms = terms.vector();
    loss.gradient = gradient_.matrix();
    INFO(name);
    visit(name, loss, terms);
  }
  static index_t terms_of(auto const& loss) {
    return requires { loss.kind; }
    || requires { loss.options.mean_over_pairs; }
    ? 3 : index_t(mlot::multi_level_term::count);
  }

  kit::tokens teacher_tokens_, student_tokens_;
  kit::framed<T> teacher_, student_;
  kit::framed<index_t> label_;
  kit::framed<T> gradient_;
  bool labelled_, bare_;
};
}  // namespace loss_test
