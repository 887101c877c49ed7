#pragma once
#include "mlot/core/pipeline.hpp"
#include "mlot/divergence/forward_kl.hpp"
#include "mlot/loss/multi_level_options.hpp"
#include "mlot/primitive/divergence.hpp"
#include "mlot/primitive/sequence_totals.hpp"
#include "mlot/primitive/table_product.hpp"
namespace mlot::MLOT_SET {
/// Places in divergence_distillation::terms.
namespace divergence_distillation_term {
enum : index_t { cross_entropy, divergence, total, count };
}

template <real T>
struct divergence_distillation_options {
  T ratio = T(0.5);      ///< r, the share of the divergence, 0 to 1
  T temperature = T(1);  ///< tau of both distributions, unless the teacher has its own; above 0
  /// Multiplies D by tau^2: its gradient is then as large at every tau (Hinton et al. 2015).
  bool temperature_squared = false;
  reduction reduce = reduction::sum;
  T divisor = T(1);  ///< for reduction::divisor, above 0
};

namespace detail {
inline constexpr renaming divergence_distillation_names[] = {
    {"divergence.teacher.logits", "divergence_distillation.teacher.logits"},
    {"divergence.teacher.ids", "divergence_distillation.teacher.ids"},
    {"divergence.teacher.log_probabilities", "divergence_distillation.teacher.log_probabilities"},
    {"divergence.teacher.leftover", "divergence_distillation.teacher.leftover"},
    {"divergence.teacher.tokens", "divergence_distillation.teacher.tokens"},
    {"divergence.teacher.temperature", "divergence_distillation.teacher.temperature"},
    {"divergence.student_logits", "divergence_distillation.student_logits"},
    {"divergence.student_tokens", "divergence_distillation.student_tokens"},
    {"divergence.pairs", "divergence_distillation.pairs"},
    {"divergence.labels", "divergence_distillation.labels"},
    {"divergence.gradient", "divergence_distillation.gradient"},
    {"divergence.temperature", "divergence_distillation.options.temperature"},
    {}};
}  // namespace detail

/// Distillation over one vocabulary: cross-entropy and a divergence between the distributions of
/// aligned tokens, for a ragged batch in one call, with the analytic gradient.
///
///   L = (1 / divisor) sum_b {(1 - r) CE(b) + r s D(b)},   s = temperature^2 or 1
///
/// Kind is D, see mlot/divergence/ and docs/divergences.md; `divergence` says what an id counts
/// that only one side has, and where D is +inf. A weight of 0 counts nothing, even of an infinite
/// term. Logits are final. Vocabularies padded to different widths, masked ids, empty sequences,
/// sequences without labels and an empty batch are ordinary. Without labels CE is 0.
/// NaN or +inf in a row that takes part answers fault::data with row and column; `gradient` is then
/// unspecified, since rows are read once. After any other fault all outputs are untouched, after
/// this one all others. Allocates nothing.
/// Accuracy: that of divergence: tests/loss/divergence_distillation_test.cpp.
template <real T, class Kind = forward_kl, class Teacher = dense_teacher<T>, storage Student = T,
          storage Gradient = Student, class Memory = host_memory>
struct divergence_distillation {
  using memory = Memory;
  using comparison = divergence<T, Kind, Teacher, Student, Gradient, Memory>;
  Teacher teacher{};
  matrix_view<Student const, Memory> student_logits{};  ///< (student rows, n) any row stride
  token_rows<Memory> student_tokens{};                  ///< B sequences
  row_labels<Memory> labels{};  ///< (student rows), or empty: no cross-entropy
  /// By position unless given. Both sides then have as many tokens in a sequence, or one has none:
  /// host memory, else fault::shape. Device memory: up to the shorter.
  token_pairs<Memory> pairs{};
  Kind kind{};
  divergence_distillation_options<T> options{};
  T upstream = T(1);  ///< factor of the gradient: dObjective / dL, loss scaling

  vector_view<T, Memory> terms{};            ///< (3) written, see divergence_distillation_term
  matrix_view<Gradient, Memory> gradient{};  ///< (student rows, n) dL/dz; no memory: forward only
  vector_view<T, Memory> sequence_cross_entropy{};  ///< (B) CE(b), before division; optional
  vector_view<T, Memory> sequence_divergence{};     ///< (B) D(b), before s and division; optional

  constexpr T divisor() const {
    if (options.reduce == reduction::divisor) return options.divisor;
    if (options.reduce == reduction::sum || student_tokens.tokens() == 0) return T(1);
    return T(double(student_tokens.tokens()));
  }
  constexpr T cross_entropy_weight() const { return T(T(1) - options.ratio); }
  constexpr T divergence_weight() const {
    T const tau = options.temperature;
    return options.temperature_squared ? T(options.ratio * tau * tau) : options.ratio;
  }
  /// All sequences, with the gradient of the whole loss; where its values go is for the caller.
  constexpr comparison compared() const {
    T const scale = T(upstream / divisor());
    return {.teacher = teacher,
            .student_logits = student_logits,
            .student_tokens = student_tokens,
            .temperature = options.temperature,
            .pairs = pairs,
            .labels = labels,
            .kind = kind,
            .weight = {T(scale * divergence_weight())},
            .cross_entropy_weight = T(scale * cross_entropy_weight()),
            .gradient = gradient};
  }

  constexpr status check() const {
    index_t const sequences = student_tokens.sequences();
    requirement all;
    all.also(known_as(detail::divergence_distillation_names, compared().inputs().answer()))
        .that(options.ratio >= T(0) && options.ratio <= T(1), fault::value,
              "divergence_distillation.options.ratio", as_double(options.ratio), "0 to 1")
        .temperature("divergence_distillation.options.divisor", options.divisor)
        .finite("divergence_distillation.upstream", upstream)
        .vector("divergence_distillation.terms", terms, divergence_distillation_term::count,
                "3 elements")
        .optional("divergence_distillation.sequence_cross_entropy", sequence_cross_entropy,
                  sequences, "one element a sequence")
        .optional("divergence_distillation.sequence_divergence", sequence_divergence, sequences,
                  "one element a sequence")
        .also(check_weights());
    if (all.answer().ok()) all.also(check_lengths());  // offsets can be read
    return all.answer();
  }

 private:
  /// Slopes are logarithms of probabilities: so much of them an element of the gradient has room
  /// for.
  static constexpr double most_slope = 0x1p20;
  /// Of the factors that the gradients of the terms have in list_steps().
  constexpr status check_weights() const {
    weight_factor<T> const loss_scale{"divergence_distillation.upstream", upstream};
    weight_factor<T> const divided{"divergence_distillation.options.divisor", divisor(), true};
    // Its square is in the weight of a divergence, and it divides the gradient.
    weight_factor<T> const tau{"divergence_distillation.options.temperature", options.temperature,
                               options.temperature < T(1)};
    double const meetings = pairs.by_position() ? 1 : double(pairs.student.size);  // of one token
    T values(0), at_most(0);
    comparison const all = compared();
    requirement weights;
    weights.product({tau}, divergence_weight(), 1, values);
    if (gradient.data == nullptr) return weights.answer();
    return weights.product({loss_scale, divided}, all.cross_entropy_weight, 1, at_most)
        .product({loss_scale, divided, tau}, T(all.weight.one / options.temperature),
                 meetings * most_slope, at_most)
        .answer();
  }
  /// Token t meets token t: both sides are the same text. Device memory is not read.
  constexpr status check_lengths() const {
    if constexpr (std::is_same_v<Memory, host_memory>)
      for (index_t b = 0; pairs.by_position() && b < student_tokens.sequences(); ++b) {
        if (b >= teacher.tokens.sequences()) break;
        index_t const t = teacher.tokens.count(b), s = student_tokens.count(b);
        if (t != s && t > 0 && s > 0)
          return {fault::shape,
                  "divergence_distillation.teacher.tokens",
                  "as many in a sequence as the student has, or pairs given",
                  double(t),
                  b,
                  -1,
                  "tokens",
                  s};
      }
    return {};
  }
};

template <class Device, real T, class Kind, class Teacher, storage Student, storage Gradient>
void list_steps(pipeline<Device>& steps,
                divergence_distillation<T, Kind, Teacher, Student, Gradient,
                                        typename Device::memory> const& loss) {
  using memory = typename Device::memory;
  // What sequence_totals adds up: its last two columns are the terms, the others are not used.
  auto const sums = steps.template matrix<T>(loss.student_tokens.sequences(), 4);
  auto const totals = steps.template vector<T>(5);
  auto values = loss.compared();
  values.cross_entropy = sums.column(2);
  values.out = sums.column(3);
  steps.step(values);
  steps.rename(detail::divergence_distillation_names);
  T const share = T(1) / loss.divisor();
  steps.step(sequence_totals<T, memory>{
      .terms = sums,
      .weight = {T(0), T(0), share, share},
      .total_weight = {T(0), T(0), loss.cross_entropy_weight(), loss.divergence_weight()},
      .out = totals});
  auto const column = [](auto const& v) {
    return matrix_view<T, memory>{v.data, v.size, 1, v.stride};
  };
  auto const copy = [&](auto const& from, auto const& to) {
    if (!to.empty()) steps.step(table_product<T, memory>{.left = column(from), .out = column(to)});
  };
  copy(values.cross_entropy, loss.sequence_cross_entropy);
  copy(values.out, loss.sequence_divergence);
  auto const terms = column(totals).row_range(2, divergence_distillation_term::count);
  copy(terms.column(0), loss.terms);
}
}  // namespace mlot::MLOT_SET
