#pragma once
#include "mlot/core/pipeline.hpp"
#include "mlot/loss/multi_level_options.hpp"
#include "mlot/primitive/ranked_difference.hpp"
#include "mlot/primitive/sequence_totals.hpp"
#include "mlot/primitive/table_product.hpp"
namespace mlot::MLOT_SET {
/// Places in universal_logit::terms.
namespace universal_logit_term {
enum : index_t { cross_entropy, ranked_difference, total, count };
}

/// Options of the loss; the defaults are those of the paper's example.
template <real T>
struct universal_logit_options {
  index_t k = 0;                 ///< ranks that are compared; 0: all
  T temperature = T(1);          ///< of the student's probabilities, above 0
  T teacher_temperature = T(0);  ///< of the teacher's; 0: the same
  T weight = T(1.5);             ///< of ULD against cross-entropy
  bool mean_over_pairs = true;   ///< ULD(b): the mean over aligned tokens, or the sum
  reduction reduce = reduction::sum;
  T divisor = T(1);  ///< for reduction::divisor, above 0
};

/// Universal logit distillation, ULD: cross-entropy and the difference between sorted probabilities
/// of aligned tokens, for a ragged batch in one call, with the analytic gradient.
///
///   L = (1 / divisor) sum_b {CE(b) + weight ULD(b)}
///
/// ULD(b) is that of ranked_difference, which says how ties are ranked: in [0, 2] as a mean. With
/// mean_over_pairs = false and reduction::mean_per_token both terms are means over tokens.
/// Logits are final. Masked ids, empty sequences, sequences without labels and an empty batch are
/// ordinary. NaN or +inf in a token's row answers fault::data with row and column. After any fault
/// the outputs are untouched. Reads either side twice and writes the gradient once; allocates
/// nothing.
/// Accuracy: terms 1e-5 relative in float, 1e-11 in double, the gradient as much of its norm,
/// against long double: tests/loss/universal_logit_test.cpp.
/// Source: Boizard et al., Towards Cross-Tokenizer Distillation: the Universal Logit Distillation
/// Loss for LLMs, arXiv 2402.12030.
template <real T, storage Teacher = T, storage Student = T, storage Gradient = Student,
          class Memory = host_memory>
struct universal_logit {
  using memory = Memory;
  matrix_view<Teacher const, Memory> teacher_logits{};  ///< (teacher rows, m) any row stride
  token_rows<Memory> teacher_tokens{};                  ///< B sequences
  matrix_view<Student const, Memory> student_logits{};  ///< (student rows, n)
  token_rows<Memory> student_tokens{};                  ///< B sequences
  row_labels<Memory> labels{};  ///< (student rows), or empty: no cross-entropy
  token_pairs<Memory> pairs{};  ///< by position unless given
  universal_logit_options<T> options{};
  T upstream = T(1);  ///< factor of the gradient: dObjective / dL, loss scaling

  vector_view<T, Memory> terms{};            ///< (3) written, see universal_logit_term
  matrix_view<Gradient, Memory> gradient{};  ///< (student rows, n) dL/dz; no memory: forward only
  /// (B, 2) CE(b) and ULD(b) before weight and division, optional
  matrix_view<T, Memory> sequence_terms{};

  constexpr index_t sequences() const { return student_tokens.sequences(); }
  constexpr T divisor() const {
    if (options.reduce == reduction::divisor) return options.divisor;
    if (options.reduce == reduction::sum || student_tokens.tokens() == 0) return T(1);
    return T(double(student_tokens.tokens()));
  }
  constexpr T teacher_temperature() const {
    return options.teacher_temperature == T(0) ? options.temperature : options.teacher_temperature;
  }
  constexpr bool has_labels() const { return !labels.label.empty(); }

  constexpr status check() const {
    index_t const b = sequences();
    return requirement()
        .usable("universal_logit.teacher_logits", teacher_logits)
        .usable("universal_logit.student_logits", student_logits)
        .count(teacher_logits.cols <= 0x7fffffff, "universal_logit.teacher_logits",
               teacher_logits.cols, -1, "columns", "at most 2^31 - 1")
        .count(student_logits.cols <= 0x7fffffff, "universal_logit.student_logits",
               student_logits.cols, -1, "columns", "at most 2^31 - 1")
        .also(teacher_tokens.check("universal_logit.teacher_tokens", teacher_logits.rows))
        .also(student_tokens.check("universal_logit.student_tokens", student_logits.rows))
        .count("universal_logit.teacher_tokens", teacher_tokens.sequences(), b, "sequences",
               "as many as student_tokens has")
        .also(labels.check("universal_logit.labels", student_tokens, student_logits.rows,
                           student_logits.cols))
        .also(pairs.check("universal_logit.pairs", teacher_tokens.offset, student_tokens.offset))
        .at_least("universal_logit.options.k", options.k, 0, "at least 0")
        .temperature("universal_logit.options.temperature", options.temperature)
        .temperature("universal_logit.options.teacher_temperature", teacher_temperature())
        .finite("universal_logit.options.weight", options.weight)
        .temperature("universal_logit.options.divisor", options.divisor)
        .finite("universal_logit.upstream", upstream)
        .also(check_weights())
        .vector("universal_logit.terms", terms, universal_logit_term::count, "3 elements")
        .optional("universal_logit.gradient", gradient, student_logits.rows, student_logits.cols,
                  "the shape of student_logits")
        .optional("universal_logit.sequence_terms", sequence_terms, b, 2,
                  "one row a sequence, 2 columns")
        .answer();
  }

 private:
  /// Of the factors that the gradients of the terms have in list_steps().
  constexpr status check_weights() const {
    if (gradient.data == nullptr) return {};
    weight_factor<T> const loss_scale{"universal_logit.upstream", upstream};
    weight_factor<T> const divided{"universal_logit.options.divisor", divisor(), true};
    T const scale = T(upstream / divisor());
    bool const one_pair = options.mean_over_pairs || pairs.by_position();  // or their mean
    T at_most(0);
    return requirement()
        .product({loss_scale, divided}, scale, 1, at_most)
        .product({{"universal_logit.options.weight", options.weight},
                  loss_scale,
                  divided,
                  {"universal_logit.options.temperature", options.temperature, true}},
                 T(T(scale * options.weight) / options.temperature),
                 one_pair ? 2 : 2 * double(pairs.student.size), at_most)
        .answer();
  }
};

template <class Device, real T, storage Teacher, storage Student, storage Gradient>
void list_steps(
    pipeline<Device>& steps,
    universal_logit<T, Teacher, Student, Gradient, typename Device::memory> const& loss) {
  using memory = typename Device::memory;
  auto const& o = loss.options;
  // Faults in data end in the first two steps, before anything is written.
  vector_view<T const, memory> unit_partition;
  auto const softmax = [&]<storage S>(matrix_view<S const, memory> logits,
                                      token_rows<memory> const& tokens, T const& temperature,
                                      bool needs_unit, char const* argument) {
    auto const new_vector = [&] { return steps.template vector<T>(tokens.tokens()); };
    vocabulary_mass<T, S, memory> sums{.logits = logits, .tokens = tokens, .maximum = new_vector()};
    sums.at[0] = {.temperature = temperature, .partition = new_vector()};
    bool const apart = needs_unit && temperature != T(1);
    if (apart) sums.at[1].partition = new_vector();
    if (needs_unit) unit_partition = sums.at[apart].partition;
    steps.step(sums, argument);
    return token_softmax<T, S, memory>{.logits = logits,
                                       .tokens = tokens,
                                       .maximum = sums.maximum,
                                       .partition = sums.at[0].partition,
                                       .temperature = temperature};
  };
  auto const teacher = softmax(loss.teacher_logits, loss.teacher_tokens, loss.teacher_temperature(),
                               false, "universal_logit.teacher_logits");
  auto const student = softmax(loss.student_logits, loss.student_tokens, o.temperature,
                               loss.has_labels(), "universal_logit.student_logits");

  T const share = T(1) / loss.divisor(), scale = T(loss.upstream / loss.divisor());
  // What sequence_totals adds up; its first two columns are not used.
  auto const sums = steps.template matrix<T>(loss.sequences(), 4);
  auto const totals = steps.template vector<T>(5);
  steps.step(cross_entropy<T, Student, memory>{
      .logits = loss.student_logits,
      .tokens = loss.student_tokens,
      .labels = loss.labels,
      .maximum = student.maximum,
      .partition = loss.has_labels() ? unit_partition : student.partition,
      .out = sums.column(2)});
  steps.step(
      ranked_difference<T, Teacher, Student, Gradient, memory>{.teacher = teacher,
                                                               .student = student,
                                                               .pairs = loss.pairs,
                                                               .k = o.k,
                                                               .mean_over_pairs = o.mean_over_pairs,
                                                               .out = sums.column(3),
                                                               .weight = T(scale * o.weight),
                                                               .labels = loss.labels,
                                                               .label_partition = unit_partition,
                                                               .cross_entropy_weight = scale,
                                                               .gradient = loss.gradient});
  steps.step(sequence_totals<T, memory>{.terms = sums,
                                        .weight = {T(0), T(0), share, share},
                                        .total_weight = {T(0), T(0), T(1), o.weight},
                                        .out = totals});
  auto const copy = [&](matrix_view<T, memory> from, matrix_view<T, memory> to) {
    steps.step(table_product<T, memory>{.left = from, .out = to});
  };
  matrix_view<T, memory> const last{totals.data == nullptr ? nullptr : totals.data + 2,
                                    universal_logit_term::count, 1, 1};
  copy(last, {loss.terms.data, loss.terms.size, 1, loss.terms.stride});
  if (loss.sequence_terms.data != nullptr)
    copy({sums.at(2), sums.rows, 2, sums.row_stride, 1}, loss.sequence_terms);
}
}  // namespace mlot::MLOT_SET
