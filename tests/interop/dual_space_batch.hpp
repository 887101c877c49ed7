#pragma once
#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "interop/dual_space_instances.hpp"
#include "oracle/dual_space_oracle.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
namespace kit {
struct dual_space_shape {
  std::vector<index_t> teacher_lengths{4, 2, 0, 3}, student_lengths{3, 0, 2, 4};
  index_t teacher_width = 5, student_width = 3, teacher_vocabulary = 9, student_vocabulary = 7;
  bool labelled = true, teacher_labelled = false, masked = false, absent = true;
  double scale = 1;
  std::uint64_t seed = 1;
};

inline oracle::rows as_rows(auto& from, auto counts) {
  oracle::rows out;
  for (index_t i = 0; i < from.rows(); ++i) {
    out.emplace_back();
    for (index_t c = 0; c < from.cols(); ++c)
      out.back().push_back(counts(i) ? static_cast<long double>(mlot::load_as<double>(from(i, c)))
                                     : 0);
  }
  return out;
}

/// One model's arrays. Only rows that are tokens, and maps and heads, have numbers.
template <class S>
struct dual_space_arrays {
  kit::tokens tokens;
  framed<S> hidden, input, target, head, logits;
  framed<index_t> label;
  bool labelled;

  dual_space_arrays(random_source& random, std::vector<index_t> const& lengths, index_t width,
                    index_t vocabulary, bool has_labels, bool masked, dual_space_shape const& of)
      : tokens(lengths, of.absent),
        hidden(tokens.rows, width, {3, 0, 2}),
        input(tokens.rows, width, {1, 3, 1}),
        target(tokens.rows, width),
        head(vocabulary, width, {1, 3, 1}),
        logits(tokens.rows, vocabulary, {1, 3, 1}),
        label(tokens.rows),
        labelled(has_labels) {
    auto const draw = [&](auto& m, index_t i, double size, double offset) {
      for (index_t c = 0; c < m.cols(); ++c)
        m(i, c) = mlot::store_as<S>(static_cast<float>(size * random.normal() + offset));
    };
    for (index_t const r : tokens.row) {
      if (r < 0) continue;
      draw(hidden, r, 3, 0.5), draw(input, r, 0.2, 0.1), draw(target, r, 0.2, 0);
      draw(logits, r, 2 * of.scale, 0);
      for (index_t v = 1; v < vocabulary; ++v)
        if (masked && random.below(6) == 0) logits(r, v) = S(-mlot::infinity<float>);
      label(r) = random.below(4) == 0 ? -100 : random.below(vocabulary);
    }
    for (index_t v = 0; v < vocabulary; ++v) draw(head, v, of.scale, 0);
  }
  bool is_token(index_t r) const {
    return std::find(tokens.row.begin(), tokens.row.end(), r) != tokens.row.end();
  }
  mlot::dual_space_model<S, mlot::host_memory> view() {
    mlot::dual_space_model<S, mlot::host_memory> m{.hidden = hidden.matrix(),
                                                   .input_embedding = input.matrix(),
                                                   .target_embedding = target.matrix(),
                                                   .head = head.matrix(),
                                                   .logits = logits.matrix(),
                                                   .tokens = tokens.view()};
    if (labelled) m.labels = {label.vector()};
    return m;
  }
  oracle::dual_space_side for_oracle() {
    auto const token = [&](index_t r) { return is_token(r); };
    auto const all = [](index_t) { return true; };
    oracle::dual_space_side side{as_rows(hidden, token),
                                 as_rows(input, token),
                                 as_rows(target, token),
                                 as_rows(head, all),
                                 as_rows(logits, token),
                                 {},
                                 {}};
    for (index_t b = 0; b < tokens.sequences(); ++b) {
      side.tokens.emplace_back();
      for (index_t i = tokens.offset[std::size_t(b)]; i < tokens.offset[std::size_t(b) + 1]; ++i)
        if (index_t const r = tokens.row[std::size_t(i)]; r >= 0)
          side.tokens.back().push_back(std::size_t(r));
    }
    for (index_t r = 0; r < tokens.rows; ++r)
      side.labels.push_back(!labelled || !is_token(r) || label(r) < 0 ? -1 : long(label(r)));
    return side;
  }
};

template <class T>
struct linear_arrays {
  framed<T> weight, bias;
  linear_arrays(index_t outputs, index_t inputs)
      : weight(outputs, inputs, {1, 3, 1}), bias(outputs) {}
  mlot::linear_map<T> view() { return {weight.matrix(), bias.vector()}; }
  mlot::linear_map<T const> input() { return {weight.matrix(), bias.vector()}; }
  void draw(random_source& random) {
    double const size = 1 / std::sqrt(double(weight.cols()));
    auto const number = [&](index_t, index_t) { return T(float(size * random.normal())); };
    fill(weight, number), fill(bias, number);
  }
  oracle::map_of_rows for_oracle() {
    auto const all = [](index_t) { return true; };
    return {as_rows(weight, all), as_rows(bias, all).front()};
  }
  bool exactly_written() const { return weight.exactly_written() && bias.exactly_written(); }
  bool untouched() const { return weight.untouched() && bias.untouched(); }
  bool same_bits(linear_arrays const& other) const {
    return weight.same_bits(other.weight) && bias.same_bits(other.bias);
  }
};

/// Everything that a dual_space reads and writes, and the oracle's answer to it. About half of the
/// labels are those that the projected logits favour.
template <class T, class S = T, class G = S, class Kind = mlot::forward_kl>
struct dual_space_batch {
  using loss_type = mlot::dual_space<T, Kind, S, S, G>;
  random_source random;
  dual_space_arrays<S> teacher, student;
  linear_arrays<T> query, to_student, to_teacher;
  framed<T> terms{mlot::dual_space_term::count}, sequence_terms;
  framed<G> logit_gradient, hidden_gradient;
  linear_arrays<T> query_gradient, to_student_gradient, to_teacher_gradient;
  loss_type loss;

  explicit dual_space_batch(dual_space_shape const& of, Kind kind = {})
      : random(of.seed),
        teacher(random, of.teacher_lengths, of.teacher_width, of.teacher_vocabulary,
                of.teacher_labelled, of.masked, of),
        student(random, of.student_lengths, of.student_width, of.student_vocabulary, of.labelled,
                of.masked && !std::is_same_v<Kind, mlot::forward_kl>, of),
        query(2 * of.teacher_width, 2 * of.student_width),
        to_student(of.student_width, of.teacher_width),
        to_teacher(of.teacher_width, of.student_width),
        sequence_terms(student.tokens.sequences(), 4, {1, 3, 1}),
        logit_gradient(student.tokens.rows, of.student_vocabulary, {1, 3, 1}),
        hidden_gradient(student.tokens.rows, of.student_width, {3, 0, 2}),
        query_gradient(2 * of.teacher_width, 2 * of.student_width),
        to_student_gradient(of.student_width, of.teacher_width),
        to_teacher_gradient(of.teacher_width, of.student_width) {
    query.draw(random), to_student.draw(random), to_teacher.draw(random);
    loss = {.teacher = teacher.view(),
            .student = student.view(),
            .query = query.input(),
            .teacher_to_student = to_student.input(),
            .student_to_teacher = to_teacher.input(),
            .kind = kind,
            .terms = terms.vector(),
            .sequence_terms = sequence_terms.matrix(),
            .logit_gradient = logit_gradient.matrix(),
            .hidden_gradient = hidden_gradient.matrix(),
            .query_gradient = query_gradient.view(),
            .teacher_to_student_gradient = to_student_gradient.view(),
            .student_to_teacher_gradient = to_teacher_gradient.view()};
    if (!of.labelled) return;
    auto const best = expected().best;
    for (index_t const r : student.tokens.row)
      if (r >= 0 && best[std::size_t(r)] < std::size_t(of.student_vocabulary) &&
          random.below(2) == 0)
        student.label(r) = index_t(best[std::size_t(r)]);
    for (index_t const r : student.tokens.row)  // no label is hidden
      if (r >= 0 && student.label(r) >= 0 &&
          !std::isfinite(mlot::load_as<float>(student.logits(r, student.label(r)))))
        student.logits(r, student.label(r)) = S(0.5f);
  }

  double divisor() const {
    auto const& o = loss.options;
    return o.reduce == mlot::reduction::sum ? 1
           : o.reduce == mlot::reduction::divisor
               ? double(o.divisor)
               : std::max<double>(1, double(student.tokens.count()));
  }
  oracle::dual_space_problem problem() {
    return {.teacher = teacher.for_oracle(),
            .student = student.for_oracle(),
            .query = query.for_oracle(),
            .teacher_to_student = to_student.for_oracle(),
            .student_to_teacher = to_teacher.for_oracle(),
            .kind = std::is_same_v<Kind, mlot::forward_kl> ? oracle::dual_space_kind::forward_kl
                    : std::is_same_v<Kind, mlot::reverse_kl>
                        ? oracle::dual_space_kind::reverse_kl
                        : oracle::dual_space_kind::jensen_shannon,
            .ratio = static_cast<long double>(loss.options.ratio),
            .temperature = static_cast<long double>(loss.options.temperature),
            .divisor = divisor()};
  }
  oracle::dual_space_result expected() {
    auto p = problem();
    if (!teacher.labelled) p.teacher.labels.clear();
    return oracle::dual_space(p);
  }

  template <class Device>
  void run() {
    succeeds<Device>(loss);
  }
  double total() { return double(terms(mlot::dual_space_term::total)); }
  bool exactly_written() const {
    return terms.exactly_written() && sequence_terms.exactly_written() &&
           logit_gradient.exactly_written() && hidden_gradient.exactly_written() &&
           query_gradient.exactly_written() && to_student_gradient.exactly_written() &&
           to_teacher_gradient.exactly_written();
  }
  bool untouched() const {
    return terms.untouched() && sequence_terms.untouched() && gradients_untouched();
  }
  bool gradients_untouched() const {
    return logit_gradient.untouched() && hidden_gradient.untouched() &&
           query_gradient.untouched() && to_student_gradient.untouched() &&
           to_teacher_gradient.untouched();
  }
  bool same_bits(dual_space_batch const& other) const {
    return terms.same_bits(other.terms) && sequence_terms.same_bits(other.sequence_terms) &&
           logit_gradient.same_bits(other.logit_gradient) &&
           hidden_gradient.same_bits(other.hidden_gradient) &&
           query_gradient.same_bits(other.query_gradient) &&
           to_student_gradient.same_bits(other.to_student_gradient) &&
           to_teacher_gradient.same_bits(other.to_teacher_gradient);
  }
};

/// Errors of every output against the oracle: of terms relative to 1 + the term, of gradients to
/// their norm, of that of P_q, where almost nothing may be left of a sum, to the norm of summands.
struct dual_space_error {
  double terms = 0, logits = 0, hidden = 0, query = 0, to_student = 0, to_teacher = 0;
};
inline double gradient_error(auto& is, oracle::rows const& should, oracle::rows const& unit,
                             double upstream) {
  norm_error error, size;
  for (std::size_t i = 0; i < should.size(); ++i)
    for (std::size_t c = 0; c < should[i].size(); ++c) {
      error.add(mlot::load_as<double>(is(index_t(i), index_t(c))), upstream * should[i][c]);
      size.add(0, upstream * unit[i][c]);
    }
  error.norm = size.norm;
  return error.value();
}
template <class T>
double gradient_error(linear_arrays<T>& is, oracle::map_of_rows const& should,
                      oracle::map_of_rows const& unit, double upstream) {
  return std::max(gradient_error(is.weight, should.weight, unit.weight, upstream),
                  gradient_error(is.bias, {should.bias}, {unit.bias}, upstream));
}
inline dual_space_error errors_of(auto& batch, oracle::dual_space_result const& should) {
  double const upstream = double(batch.loss.upstream);
  largest_error terms;
  for (index_t c = 0; c < mlot::dual_space_term::count; ++c)
    terms.add(std::fabs(batch.terms(c) - should.terms[c]) / (1 + std::fabs(should.terms[c])));
  for (index_t b = 0; b < batch.sequence_terms.rows(); ++b)
    for (index_t c = 0; c < 4; ++c) {
      long double const term = should.sequence_terms[std::size_t(b)][std::size_t(c)];
      terms.add(std::fabs(batch.sequence_terms(b, c) - term) / (1 + std::fabs(term)));
    }
  return {
      terms.value,
      gradient_error(batch.logit_gradient, should.logit_gradient, should.logit_gradient, upstream),
      gradient_error(batch.hidden_gradient, should.hidden_gradient, should.hidden_gradient,
                     upstream),
      gradient_error(batch.query_gradient, should.query, should.query_summands, upstream),
      gradient_error(batch.to_student_gradient, should.teacher_to_student,
                     should.teacher_to_student, upstream),
      gradient_error(batch.to_teacher_gradient, should.student_to_teacher,
                     should.student_to_teacher, upstream)};
}
}  // namespace kit
