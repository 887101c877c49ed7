#pragma once
#include "mlot/interop/dual_space_options.hpp"
#include "mlot/interop/dual_space_steps.hpp"
/// Dual-space distillation across vocabularies. In no umbrella: its matrix products are Eigen's,
/// which allocates. Include it beside mlot/mlot.hpp or mlot/simd.hpp.
namespace mlot::MLOT_SET {
/// Dual-space distillation with cross-model attention: the hidden states of either model are
/// brought into the other's space by attention between the tokens of a sequence, and meet the
/// other's head there, so that distributions over one vocabulary are compared although the
/// tokenizers differ. For a ragged batch in one call, with the analytic gradient.
///
/// A sequence has n student tokens of width d and m teacher tokens of width D; x are the ids read,
/// y the ids to come, E embeddings, h hidden states, W heads, z the logits of the models; P_q, P_t
/// and P_s are the maps `query`, `teacher_to_student` and `student_to_teacher`; tau `temperature`.
///
///   Q    = P_q([E_S(x); E_S(y)])                                          (n, 2D)
///   K    = [E_T(x); E_T(y)] / std([E_T(x); E_T(y)])                       (m, 2D)
///   A    = Q K^T / sqrt(2D)                                               (n, m)
///   z^ts = softmax_row(A) P_t(h_T / std(h_T) + E_T(y) / std(E_T(y))) W_S^T  (n, student's V)
///   z^st = softmax_row(A^T) P_s(h_S) W_T^T                                (m, teacher's V)
///
///   CE   = sum_j CE(y_j, z^S_j)
///   L_ce = sum_j CE(y_j, z^ts_j)
///   L_ts = sum_j [argmax z^ts_j = y_j] D(q || p)    q, p = softmax of z^ts_j / tau, z^S_j / tau
///   L_st = sum_i KL(q || p)                         q, p = softmax of z^T_i / tau, z^st_i / tau
///   L    = (1 / divisor) sum_b {(1 - r) CE + r (L_ce + L_ts + L_st)}
///
/// j runs over the student's tokens that have a label, i over the teacher's that have one, or over
/// all of them where the teacher has no labels. Every token that is not absent takes part in
/// attention, labelled or not; no other position does, where published code adds -1e5 to its
/// score. A sequence without tokens on one side has CE alone. Ties of argmax go to the lower id.
/// Kind is D, see mlot/divergence/ and docs/divergences.md. No term is multiplied by tau^2.
/// std is one number for a whole tensor: of all the teacher's tokens in the batch that are not
/// absent, the root of the unbiased variance of all elements (their number less one divides).
/// Where it is 0, or there is one element, nothing is divided.
/// Constants of the gradient: all of the teacher (hidden states and std, embeddings, logits, head),
/// the student's embeddings and head, and of L_ts q and its condition. So z^S has a gradient by CE
/// and L_ts; P_t by L_ce; P_s and h_S by L_st; P_q by L_ce and L_st.
/// Logits are final. -inf masks an id of z^S or z^T, and an id that only one side has is as
/// `divergence` says: forward KL in L_ts is +inf where the student masks an id of its head, so
/// leave such ids out of the views. Empty sequences, sequences without labels and an empty batch
/// are ordinary. A weight of 0 counts nothing, even of an infinite term.
/// Answers fault::data with row and column for NaN or an infinity in tokens' hidden states and
/// embeddings or in a map, NaN or +inf in tokens' logits that take part in a term, and a head's row
/// that gives projected logits which are not finite; the gradients are then unspecified, the terms
/// untouched. After any other fault all outputs are untouched.
/// Memory beside the arguments, in elements: n (6d + 6D) + m (2d + 5D) + 5nm of the longest
/// sequence with all gradients, and `chunk` times the larger vocabulary, once for both directions.
/// Accuracy: terms 1e-5 relative in float, 1e-11 in double, every gradient as much of its norm,
/// that of P_q of the norm of its summands, against long double:
/// tests/interop/dual_space_test.cpp. Same bits for any number of threads, see matrix_product.
/// Source: Zhang et al., Dual-Space Knowledge Distillation for Large Language Models, arXiv
/// 2406.17328.
template <real T, class Kind = forward_kl, storage Teacher = T, storage Student = T,
          storage Gradient = Student, class Memory = host_memory>
requires divergence_kind<Kind, T>
struct dual_space {
  using memory = Memory;
  using value_type = T;
  using kind_type = Kind;
  using teacher_storage = Teacher;
  using student_storage = Student;
  using gradient_storage = Gradient;
  dual_space_model<Teacher, Memory> teacher{};       ///< m tokens of width D
  dual_space_model<Student, Memory> student{};       ///< n tokens of width d
  linear_map<T const, Memory> query{};               ///< P_q, 2d -> 2D
  linear_map<T const, Memory> teacher_to_student{};  ///< P_t, D -> d
  linear_map<T const, Memory> student_to_teacher{};  ///< P_s, d -> D
  Kind kind{};
  dual_space_options<T> options{};
  T upstream = T(1);  ///< factor of the gradients: dObjective / dL, loss scaling

  vector_view<T, Memory> terms{};           ///< (5) written, see dual_space_term
  matrix_view<T, Memory> sequence_terms{};  ///< (B, 4) before weights and division, optional
  // Gradients, each of them optional. That of the logits may be written over them.
  matrix_view<Gradient, Memory> logit_gradient{};   ///< (student rows, V) dL/dz^S
  matrix_view<Gradient, Memory> hidden_gradient{};  ///< (student rows, d) dL/dh_S
  linear_map<T, Memory> query_gradient{};
  linear_map<T, Memory> teacher_to_student_gradient{};
  linear_map<T, Memory> student_to_teacher_gradient{};

  constexpr index_t sequences() const { return student.tokens.sequences(); }
  constexpr T divisor() const {
    if (options.reduce == reduction::divisor) return options.divisor;
    if (options.reduce == reduction::sum || student.tokens.tokens() == 0) return T(1);
    return T(double(student.tokens.tokens()));
  }
  /// Factors in the gradient of CE, and of the other terms.
  constexpr T cross_entropy_weight() const {
    return T(upstream / divisor() * T(T(1) - options.ratio));
  }
  constexpr T distillation_weight() const { return T(upstream / divisor() * options.ratio); }

  constexpr status check() const {
    index_t const b = sequences(), d = student.width(), D = teacher.width();
    requirement all;
    check_model(all, teacher_arguments, teacher);
    check_model(all, student_arguments, student);
    all.count("dual_space.teacher.tokens", teacher.tokens.sequences(), b, "sequences",
              "as many as student.tokens has");
    check_map(all, "dual_space.query", query, 2 * D, 2 * d, false);
    check_map(all, "dual_space.teacher_to_student", teacher_to_student, d, D, false);
    check_map(all, "dual_space.student_to_teacher", student_to_teacher, D, d, false);
    all.also(kind.check())
        .that(options.ratio >= T(0) && options.ratio <= T(1), fault::value,
              "dual_space.options.ratio", as_double(options.ratio), "0 to 1")
        .temperature("dual_space.options.temperature", options.temperature)
        .at_least("dual_space.options.chunk", options.chunk, 1, "at least 1")
        .temperature("dual_space.options.divisor", options.divisor)
        .finite("dual_space.upstream", upstream)
        .also(check_weights())
        .vector("dual_space.terms", terms, dual_space_term::count, "5 elements")
        .optional("dual_space.sequence_terms", sequence_terms, b, dual_space_term::of_a_sequence,
                  "one row a sequence, 4 columns")
        .optional("dual_space.logit_gradient", logit_gradient, student.logits.rows,
                  student.logits.cols, "the shape of student.logits")
        .optional("dual_space.hidden_gradient", hidden_gradient, student.hidden.rows, d,
                  "the shape of student.hidden");
    check_map(all, "dual_space.query_gradient", query_gradient, 2 * D, 2 * d, true);
    check_map(all, "dual_space.teacher_to_student_gradient", teacher_to_student_gradient, d, D,
              true);
    check_map(all, "dual_space.student_to_teacher_gradient", student_to_teacher_gradient, D, d,
              true);
    return all.answer();
  }

 private:
  /// Of the factors of the terms' gradients with respect to logits. Slopes of divergences are
  /// logarithms: so much of them an element has room for.
  constexpr status check_weights() const {
    weight_factor<T> const loss_scale{"dual_space.upstream", upstream};
    weight_factor<T> const divided{"dual_space.options.divisor", divisor(), true};
    weight_factor<T> const tau{"dual_space.options.temperature", options.temperature, true};
    constexpr double most_slope = 0x1p20;
    T at_most(0);
    return requirement()
        .product({loss_scale, divided}, cross_entropy_weight(), 1, at_most)
        .product({loss_scale, divided}, distillation_weight(), 1, at_most)
        .product({loss_scale, divided, tau}, T(distillation_weight() / options.temperature),
                 most_slope, at_most)
        .answer();
  }
  struct model_arguments {
    char const *hidden, *input_embedding, *target_embedding, *head, *logits, *tokens, *labels;
  };
  static constexpr model_arguments teacher_arguments{"dual_space.teacher.hidden",
                                                     "dual_space.teacher.input_embedding",
                                                     "dual_space.teacher.target_embedding",
                                                     "dual_space.teacher.head",
                                                     "dual_space.teacher.logits",
                                                     "dual_space.teacher.tokens",
                                                     "dual_space.teacher.labels"};
  static constexpr model_arguments student_arguments{"dual_space.student.hidden",
                                                     "dual_space.student.input_embedding",
                                                     "dual_space.student.target_embedding",
                                                     "dual_space.student.head",
                                                     "dual_space.student.logits",
                                                     "dual_space.student.tokens",
                                                     "dual_space.student.labels"};
  template <storage S>
  static constexpr void check_model(requirement& all, model_arguments const& names,
                                    dual_space_model<S, Memory> const& model) {
    index_t const rows = model.logits.rows, vocabulary = model.logits.cols, width = model.width();
    all.usable(names.logits, model.logits)
        .at_least(names.logits, vocabulary, 1, "at least one column")
        .at_least(names.hidden, width, 1, "at least one column")
        .matrix(names.hidden, model.hidden, rows, width, "as many rows as logits")
        .matrix(names.input_embedding, model.input_embedding, rows, width, "the shape of hidden")
        .matrix(names.target_embedding, model.target_embedding, rows, width, "the shape of hidden")
        .matrix(names.head, model.head, vocabulary, width, "a row an id, columns as hidden")
        .that(matrix_product<T>::rows_without_gaps(model.head), fault::shape, names.head,
              double(model.head.col_stride), "rows without gaps")
        .also(model.tokens.check(names.tokens, rows));
    if (all.answer().ok())  // labels of rows that there are
      all.also(model.labels.check(names.labels, model.tokens, rows, vocabulary));
  }
  template <class U>
  static constexpr void check_map(requirement& all, char const* name,
                                  linear_map<U, Memory> const& map, index_t outputs, index_t inputs,
                                  bool optional) {
    char const* const allowed = "a weight (outputs, inputs) and a bias (outputs) or none";
    if (!optional || map.weight.data != nullptr)
      all.matrix(name, map.weight, outputs, inputs, allowed)
          .that(matrix_product<T>::rows_without_gaps(map.weight), fault::shape, name,
                double(map.weight.col_stride), "rows without gaps");
    all.optional(name, map.bias, outputs, allowed);
  }
};

template <std::derived_from<on::scalar> Device, real T, class Kind, storage Teacher,
          storage Student, storage Gradient>
void list_steps(
    pipeline<Device>& steps,
    dual_space<T, Kind, Teacher, Student, Gradient, typename Device::memory> const& loss) {
  dual_space_steps<Device, dual_space<T, Kind, Teacher, Student, Gradient>>(steps, loss).list();
}
}  // namespace mlot::MLOT_SET
