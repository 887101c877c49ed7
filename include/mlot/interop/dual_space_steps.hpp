#pragma once
#include <algorithm>
#include <cmath>
#include <string_view>

#include "mlot/core/pipeline.hpp"
#include "mlot/divergence/forward_kl.hpp"
#include "mlot/interop/cross_attention.hpp"
#include "mlot/interop/dual_space_options.hpp"
#include "mlot/interop/head_product.hpp"
#include "mlot/interop/token_tables.hpp"
#include "mlot/primitive/divergence.hpp"
#include "mlot/primitive/logit_gradient.hpp"
#include "mlot/primitive/vocabulary_mass.hpp"
namespace mlot::MLOT_SET {
/// The steps of a dual_space. A sequence at a time: its tokens without gaps (n of the student, m of
/// the teacher), attention both ways, projected logits in chunks with their gradient, attention
/// backwards. The arrays are those of the longest sequence.
template <class Device, class Loss>
class dual_space_steps {
 public:
  dual_space_steps(pipeline<Device>& to, Loss const& of)
      : steps(to),
        loss(of),
        d(of.student.width()),
        D(of.teacher.width()),
        most_n(of.student.tokens.longest),
        most_m(of.teacher.tokens.longest),
        chunk((std::min)(of.options.chunk, (std::max)(most_n, most_m))) {}

  void list() {
    check_data();
    begin_gradients();
    steps.step(host_step{[&] {
      auto const& t = loss.teacher;
      using wide = wide_t<T>;
      deviation(0) = standard_deviation<wide>(t.tokens, t.input_embedding, t.target_embedding);
      deviation(1) = standard_deviation<wide>(t.tokens, t.hidden);
      deviation(2) = standard_deviation<wide>(t.tokens, t.target_embedding);
    }});
    for (index_t b = 0; b < loss.sequences(); ++b) list_sequence(b);
    finish();
  }

 private:
  using T = typename Loss::value_type;
  using Teacher = typename Loss::teacher_storage;
  using Student = typename Loss::student_storage;
  using Gradient = typename Loss::gradient_storage;
  using table = host::matrix<T>;
  using array = host::vector<T>;
  using indices = host::vector<index_t>;

  pipeline<Device>& steps;
  Loss const& loss;
  index_t const d, D, most_n, most_m, chunk;
  index_t covered = 0;  ///< rows of the student's logits whose gradient is written

  array new_array(index_t size) { return steps.template vector<T>(size); }
  indices new_indices(index_t size) { return steps.template vector<index_t>(size); }
  static table shaped(array const& memory, index_t rows, index_t cols) {
    return {memory.data, rows, cols, cols};
  }
  template <class U>
  static host::vector<U> part(host::vector<U> const& v, index_t first, index_t count) {
    return {v.data == nullptr ? nullptr : v.data + first * v.stride, count, v.stride};
  }
  template <class M>
  static void clear(M const& m) {
    for (index_t i = 0; i < m.rows && m.data != nullptr; ++i)
      for (index_t j = 0; j < m.cols; ++j) m(i, j) = {};
  }

  // Of the batch.
  host::vector<wide_t<T>> deviation = steps.template vector<wide_t<T>>(3);
  wide_t<T> index_deviation() const { return deviation(0); }
  wide_t<T> hidden_deviation() const { return deviation(1); }
  wide_t<T> target_deviation() const { return deviation(2); }
  host::matrix<wide_t<T>> sums =
      steps.template matrix<wide_t<T>>(loss.sequences(), dual_space_term::of_a_sequence);
  // Of a sequence.
  indices student_row = new_indices(most_n), student_label = new_indices(most_n);
  indices teacher_row = new_indices(most_m);
  array student_index = new_array(most_n * 2 * d);    ///< [E_S(x); E_S(y)]
  array teacher_index = new_array(most_m * 2 * D);    ///< K
  array student_hidden = new_array(most_n * d);       ///< h_S
  array teacher_hidden = new_array(most_m * D);       ///< what P_t sees
  array query = new_array(most_n * 2 * D);            ///< Q
  array teacher_value = new_array(most_m * d);        ///< V_T
  array student_value = new_array(most_n * D);        ///< V_S
  array score = new_array(most_n * most_m);           ///< A sqrt(2D)
  array teacher_weight = new_array(most_n * most_m);  ///< softmax_row(A)
  array student_weight = new_array(most_n * most_m);  ///< softmax_row(A^T)
  array projected_teacher = new_array(most_n * d);    ///< H_t
  array projected_student = new_array(most_m * D);    ///< H_s
  // Of a chunk.
  index_t const widest = (std::max)(loss.student.logits.cols, loss.teacher.logits.cols);
  array logits = new_array(chunk * widest);
  array maximum = new_array(chunk), partition = new_array(chunk);
  array compared = new_array(1), entropy = new_array(1), projected_entropy = new_array(1);
  indices ends = new_indices(2), own_row = new_indices(chunk), other_row = new_indices(chunk);
  indices shifted_row = new_indices(chunk);
  // Gradients with respect to the above.
  bool const backward = loss.hidden_gradient.data != nullptr || loss.query_gradient.given() ||
                        loss.teacher_to_student_gradient.given() ||
                        loss.student_to_teacher_gradient.given();
  array new_gradient(index_t size) { return new_array(backward ? size : 0); }
  array projected_teacher_gradient = new_gradient(most_n * d);
  array projected_student_gradient = new_gradient(most_m * D);
  array teacher_value_gradient = new_gradient(most_m * d);
  array student_value_gradient = new_gradient(most_n * D);
  array weight_gradient = new_gradient(most_n * most_m);
  array score_gradient = new_gradient(most_n * most_m);
  array query_gradient = new_gradient(most_n * 2 * D);
  array hidden_gradient = new_gradient(most_n * d);
  // What either model's logits are made with.
  array widened =
      new_array((std::max)(model_head<T, Student>::memory(d), model_head<T, Teacher>::memory(D)));
  model_head<T, Student> const student_head{loss.student.head, widened};
  model_head<T, Teacher> const teacher_head{loss.teacher.head, widened};

  /// Everything but logits and heads, which show what is wrong with them later.
  void check_data() {
    list_check(loss.teacher, "dual_space.teacher.hidden", "dual_space.teacher.input_embedding",
               "dual_space.teacher.target_embedding");
    list_check(loss.student, "dual_space.student.hidden", "dual_space.student.input_embedding",
               "dual_space.student.target_embedding");
    list_check(loss.query, "dual_space.query");
    list_check(loss.teacher_to_student, "dual_space.teacher_to_student");
    list_check(loss.student_to_teacher, "dual_space.student_to_teacher");
  }
  template <storage S>
  void list_check(dual_space_model<S, host_memory> const& model, char const* hidden,
                  char const* input, char const* target) {
    steps.step(host_step{[&] { return finite_elements(hidden, model.hidden, model.tokens); }});
    steps.step(
        host_step{[&] { return finite_elements(input, model.input_embedding, model.tokens); }});
    steps.step(
        host_step{[&] { return finite_elements(target, model.target_embedding, model.tokens); }});
  }
  void list_check(linear_map<T const> const& map, char const* name) {
    host::matrix<T const> const bias{map.bias.data, map.bias.size > 0 ? 1 : 0, map.bias.size, 0,
                                     map.bias.stride};
    steps.step(host_step{[&] { return finite_elements(name, map.weight); }});
    steps.step(host_step{[&] { return finite_elements(name, bias); }});
  }

  /// What is added to, or written only in part, begins as 0.
  void begin_gradients() {
    steps.step(host_step{[&] {
      auto const clear_map = [](linear_map<T> const& map) {
        clear(map.weight);
        for (index_t o = 0; o < map.bias.size; ++o) map.bias(o) = T(0);
      };
      clear(sums);
      clear(loss.hidden_gradient);
      clear_map(loss.query_gradient);
      clear_map(loss.teacher_to_student_gradient);
      clear_map(loss.student_to_teacher_gradient);
    }});
    steps.step(host_step{[&] {
      ends(0) = 0;
      for (index_t i = 0; i < chunk; ++i) own_row(i) = i;
    }});
  }

  void list_sequence(index_t b) {
    index_t const n = present_tokens(loss.student.tokens, b);
    index_t const m = present_tokens(loss.teacher.tokens, b);
    bool const attends = n > 0 && m > 0;
    list_rows(b);
    if (attends) list_inputs(n, m);
    auto const shares = shared_score(n, m);
    if (attends) {
      list_linear(steps, shaped(student_index, n, 2 * d), loss.query, shaped(query, n, 2 * D));
      list_linear(steps, shaped(teacher_hidden, m, D), loss.teacher_to_student,
                  shares.to_student.value);
      list_linear(steps, shaped(student_hidden, n, d), loss.student_to_teacher,
                  shares.to_teacher.value);
      steps.step(matrix_product<T>{.left = shaped(query, n, 2 * D),
                                   .right = transposed(shaped(teacher_index, m, 2 * D)),
                                   .out = shares.to_student.score});
      list_attention(steps, shares.to_student);
      list_attention(steps, shares.to_teacher);
    }
    for_present_tokens(loss.student.tokens, b, chunk,
                       [&](index_t first, index_t count, index_t end) {
                         list_student_chunk(b, attends, first, count, end);
                       });
    if (!attends) return;
    for_present_tokens(loss.teacher.tokens, b, chunk, [&](index_t first, index_t count, index_t) {
      list_teacher_chunk(b, first, count);
    });
    if (backward) list_gradients(n, m, shares);
  }

  /// The two directions of attention, which share their scores.
  struct directions {
    attention<T> to_student, to_teacher;
  };
  directions shared_score(index_t n, index_t m) const {
    T const temperature = T(std::sqrt(T(2 * D)));
    table const scores = shaped(score, n, m);
    return {{.score = scores,
             .value = shaped(teacher_value, m, d),
             .weight = shaped(teacher_weight, n, m),
             .out = shaped(projected_teacher, n, d),
             .temperature = temperature},
            {.score = transposed(scores),
             .value = shaped(student_value, n, D),
             .weight = shaped(student_weight, m, n),
             .out = shaped(projected_student, m, D),
             .temperature = temperature}};
  }

  /// Rows and labels of a sequence's tokens that are not absent.
  void list_rows(index_t b) {
    steps.step(host_step{[&] {
      auto const collect = [&](token_rows<> const& tokens, auto use) {
        index_t present = 0;
        for (index_t i = tokens.first(b); i < tokens.first(b) + tokens.count(b); ++i)
          if (index_t const r = tokens.row(i); r >= 0) use(present++, r);
      };
      auto const& labels = loss.student.labels;
      collect(loss.student.tokens, [&](index_t i, index_t r) {
        student_row(i) = r;
        student_label(i) = labels.counts(r) ? labels.label(r) : labels.ignore_index;
      });
      collect(loss.teacher.tokens, [&](index_t i, index_t r) { teacher_row(i) = r; });
    }});
  }

  /// What the maps and the scores are made of, without gaps.
  void list_inputs(index_t n, index_t m) {
    steps.step(host_step{[&] {
      auto const& s = loss.student;
      table const index = shaped(student_index, n, 2 * d), hidden = shaped(student_hidden, n, d);
      for (index_t i = 0; i < n; ++i)
        for (index_t r = student_row(i), c = 0; c < d; ++c) {
          index(i, c) = load_as<T>(s.input_embedding(r, c));
          index(i, d + c) = load_as<T>(s.target_embedding(r, c));
          hidden(i, c) = load_as<T>(s.hidden(r, c));
        }
    }});
    steps.step(host_step{[&] {
      using wide = wide_t<T>;
      auto const& t = loss.teacher;
      table const index = shaped(teacher_index, m, 2 * D), hidden = shaped(teacher_hidden, m, D);
      for (index_t i = 0; i < m; ++i)
        for (index_t r = teacher_row(i), c = 0; c < D; ++c) {
          wide const input = load_as<wide>(t.input_embedding(r, c));
          wide const target = load_as<wide>(t.target_embedding(r, c));
          index(i, c) = T(input / index_deviation());
          index(i, D + c) = T(target / index_deviation());
          hidden(i, c) =
              T(load_as<wide>(t.hidden(r, c)) / hidden_deviation() + target / target_deviation());
        }
    }});
  }

  /// The tokens of a chunk, in rows that lie in `rows`.
  token_rows<> chunk_tokens(indices const& rows, index_t count) const {
    return {ends, part(rows, 0, count), count};
  }
  static status bad_projection(status const& found, char const* head) {
    return {fault::data, head, "one whose products with projected hidden states are finite",
            found.value, found.column};
  }

  /// CE, L_ce and L_ts of up to `chunk` tokens, and the gradient of the rows of the student's
  /// logits up to row `end` that no chunk before has covered.
  void list_student_chunk(index_t b, bool attends, index_t first, index_t count, index_t end) {
    index_t const begin = covered;
    covered = end;
    auto const& student = loss.student;
    bool const projects = attends && !student.labels.label.empty();
    table const z = shaped(logits, count, student.logits.cols);
    row_labels<host_memory> const labels{part(student_label, first, count),
                                         student.labels.ignore_index};
    auto const tops = part(maximum, 0, count), parts = part(partition, 0, count);
    steps.step(host_step{[&] {
      ends(1) = count;
      for (index_t i = 0; i < count; ++i)
        shifted_row(i) = student_row(first + i) - begin, other_row(i) = -1;
    }});
    auto const own = chunk_tokens(own_row, count);
    if (projects) {
      list_logits(steps, shaped(projected_teacher, most_n, d).row_range(first, count), student_head,
                  z);
      steps.step(
          renamed{vocabulary_mass<T, T, host_memory>{
                      .logits = z, .tokens = own, .maximum = tops, .at = {{T(1), parts, {}}}},
                  [](status const& s) { return bad_projection(s, "dual_space.student.head"); }});
      steps.step(cross_entropy<T, T, host_memory>{.logits = z,
                                                  .tokens = own,
                                                  .labels = labels,
                                                  .maximum = tops,
                                                  .partition = parts,
                                                  .out = projected_entropy});
      steps.step(host_step{[&] {
        for (index_t i = 0; i < count; ++i) other_row(i) = agrees(z, tops, labels, i) ? i : -1;
        sums(b, dual_space_term::projected_cross_entropy) += projected_entropy(0);
      }});
    }
    auto const gradient = loss.logit_gradient.row_range(begin, end - begin);
    bool const labelled = !student.labels.label.empty();
    steps.step(renamed{
        divergence<T, typename Loss::kind_type, dense_teacher<T>, Student, Gradient, host_memory>{
            .teacher = {.logits = z, .tokens = chunk_tokens(other_row, count)},
            .student_logits = student.logits.row_range(begin, end - begin),
            .student_tokens = chunk_tokens(shifted_row, count),
            .temperature = loss.options.temperature,
            .labels = {labelled ? part(student.labels.label, begin, end - begin)
                                : host::vector<index_t const>{},
                       student.labels.ignore_index},
            .kind = loss.kind,
            .out = compared,
            .cross_entropy = entropy,
            .weight = loss.distillation_weight(),
            .cross_entropy_weight = loss.cross_entropy_weight(),
            .gradient = gradient},
        [begin](status s) {
          s.row += begin;
          s.argument = "dual_space.student.logits";
          return s;
        }});
    steps.step(host_step{[&] {
      sums(b, dual_space_term::cross_entropy) += entropy(0);
      sums(b, dual_space_term::teacher_to_student) += compared(0);
    }});
    if (!backward || !attends) return;
    table const states = shaped(projected_teacher_gradient, most_n, d).row_range(first, count);
    if (projects) {
      steps.step(
          logit_gradient<T, T, T, host_memory>{.logits = z,
                                               .tokens = own,
                                               .maximum = tops,
                                               .labels = labels,
                                               .label_partition = parts,
                                               .cross_entropy_weight = loss.distillation_weight(),
                                               .gradient = z});
      list_state_gradient(steps, z, student_head, states);
    } else {
      steps.step(host_step{[&] { clear(states); }});
    }
  }

  /// argmax z_i = y_i, the lowest id of the largest.
  static bool agrees(table const& z, array const& maximum, row_labels<host_memory> const& labels,
                     index_t i) {
    if (!labels.counts(i) || z(i, labels.label(i)) != maximum(i)) return false;
    for (index_t v = 0; v < labels.label(i); ++v)
      if (z(i, v) == maximum(i)) return false;
    return true;
  }

  /// L_st of up to `chunk` tokens of the teacher.
  void list_teacher_chunk(index_t b, index_t first, index_t count) {
    auto const& teacher = loss.teacher;
    table const z = shaped(logits, count, teacher.logits.cols);
    steps.step(host_step{[&] {
      ends(1) = count;
      for (index_t i = 0; i < count; ++i) {
        index_t const r = teacher_row(first + i);
        bool const counts = teacher.labels.label.empty() || teacher.labels.counts(r);
        other_row(i) = counts ? r : -1;
      }
    }});
    list_logits(steps, shaped(projected_student, most_m, D).row_range(first, count), teacher_head,
                z);
    steps.step(
        renamed{divergence<T, forward_kl, dense_teacher<T, Teacher>, T, T, host_memory>{
                    .teacher = {.logits = teacher.logits, .tokens = chunk_tokens(other_row, count)},
                    .student_logits = z,
                    .student_tokens = chunk_tokens(own_row, count),
                    .temperature = loss.options.temperature,
                    .out = compared,
                    .weight = loss.distillation_weight(),
                    .gradient = backward ? z : table{}},
                [](status s) {
                  if (std::string_view(s.argument) != "divergence.teacher.logits")
                    return bad_projection(s, "dual_space.teacher.head");
                  s.argument = "dual_space.teacher.logits";
                  return s;
                }});
    steps.step(host_step{[&] { sums(b, dual_space_term::student_to_teacher) += compared(0); }});
    if (backward)
      list_state_gradient(steps, z, teacher_head,
                          shaped(projected_student_gradient, most_m, D).row_range(first, count));
  }

  /// From the gradients of H_t and H_s to those of the maps and of the student's hidden states.
  void list_gradients(index_t n, index_t m, directions const& shares) {
    table const scores = shaped(score_gradient, n, m);
    table const to_queries = shaped(query_gradient, n, 2 * D);
    table const to_teacher_value = shaped(teacher_value_gradient, m, d);
    table const to_student_value = shaped(student_value_gradient, n, D);
    table const to_hidden = shaped(hidden_gradient, n, d);
    steps.step(host_step{[&] { clear(scores); }});
    list_attention_gradient(steps, shares.to_student,
                            {.out = shaped(projected_teacher_gradient, n, d),
                             .weight = shaped(weight_gradient, n, m),
                             .value = to_teacher_value,
                             .score = scores});
    list_attention_gradient(steps, shares.to_teacher,
                            {.out = shaped(projected_student_gradient, m, D),
                             .weight = shaped(weight_gradient, m, n),
                             .value = to_student_value,
                             .score = transposed(scores)});
    steps.step(matrix_product<T>{
        .left = scores, .right = shaped(teacher_index, m, 2 * D), .out = to_queries});
    list_linear_gradient(steps, shaped(student_index, n, 2 * d), to_queries, loss.query_gradient);
    list_linear_gradient(steps, shaped(teacher_hidden, m, D), to_teacher_value,
                         loss.teacher_to_student_gradient);
    list_linear_gradient(steps, shaped(student_hidden, n, d), to_student_value,
                         loss.student_to_teacher_gradient);
    if (loss.hidden_gradient.data == nullptr) return;
    steps.step(matrix_product<T>{
        .left = to_student_value, .right = loss.student_to_teacher.weight, .out = to_hidden});
    steps.step(host_step{[&] {
      for (index_t i = 0; i < to_hidden.rows; ++i)
        for (index_t c = 0; c < to_hidden.cols; ++c)
          loss.hidden_gradient(student_row(i), c) = store_as<Gradient>(to_hidden(i, c));
    }});
  }

  /// Rows of the student's logits behind the last token, then the terms.
  void finish() {
    steps.step(host_step{[&] {
      auto const& rows = loss.logit_gradient;
      clear(rows.row_range(covered, rows.rows - covered));
      if (loss.sequence_terms.data != nullptr)
        for (index_t b = 0; b < sums.rows; ++b)
          for (index_t c = 0; c < sums.cols; ++c) loss.sequence_terms(b, c) = T(sums(b, c));
      wide_t<T> total(0);
      for (index_t c = 0; c < sums.cols; ++c) {
        wide_t<T> term(0);
        for (index_t b = 0; b < sums.rows; ++b) term += sums(b, c);
        term /= wide_t<T>(loss.divisor());
        wide_t<T> const r(loss.options.ratio);
        wide_t<T> const share = c == dual_space_term::cross_entropy ? wide_t<T>(1) - r : r;
        if (share != wide_t<T>(0)) total += share * term;
        loss.terms(c) = T(term);
      }
      loss.terms(dual_space_term::total) = T(total);
    }});
  }
};
}  // namespace mlot::MLOT_SET
