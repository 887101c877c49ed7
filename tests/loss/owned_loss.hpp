#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "mlot/mlot.hpp"
#include "oracle/loss_oracle.hpp"
namespace loss_test {
using mlot::index_t;

/// Lists of rows, sequence by sequence, as mlot takes them.
class row_lists {
 public:
  explicit row_lists(oracle::rows_of_sequences const& from) {
    for (auto const& rows : from) {
      row_.insert(row_.end(), rows.begin(), rows.end());
      offset_.push_back(index_t(row_.size()));
      longest_ = std::max(longest_, index_t(rows.size()));
    }
  }
  mlot::token_rows<> view() const {
    return {{offset_.data(), index_t(offset_.size())}, {row_.data(), count()}, longest_};
  }
  index_t count() const { return index_t(row_.size()); }
  index_t longest() const { return longest_; }

 private:
  std::vector<index_t> offset_{0}, row_;
  index_t longest_ = 0;
};

/// The description of a batch that the oracle computes, as arguments of mlot::multi_level with the
/// memory behind them: poisoned outputs, frames around all. Change `loss` as you like, then run.
template <mlot::real T, mlot::storage Teacher = T, mlot::storage Student = T,
          mlot::storage Gradient = Student>
class owned_loss {
  // Filled before the views below are made.
  row_lists teacher_rows_, student_rows_;
  index_t sequences_, width_;

 public:
  kit::framed<Teacher> teacher;
  kit::framed<Student> student;
  kit::framed<Gradient> gradient;
  kit::framed<T> terms, sequence_terms, plan;
  kit::framed<index_t> teacher_columns, student_columns;
  kit::framed<index_t> teacher_transport_columns, student_transport_columns;
  mlot::multi_level<T, Teacher, Student, Gradient> loss;
  std::vector<std::byte> scratch;

  explicit owned_loss(oracle::loss_problem const& p, kit::layout where = {1, 3, 1})
      : teacher_rows_(p.teacher_rows),
        student_rows_(p.student_rows),
        sequences_(index_t(p.student_rows.size())),
        width_(std::min(index_t(p.k), index_t(p.rule == oracle::column_rule::rank
                                                  ? std::max(p.teacher.cols, p.student.cols)
                                                  : p.teacher.cols))),
        teacher(index_t(p.teacher.rows), index_t(p.teacher.cols), where),
        student(index_t(p.student.rows), index_t(p.student.cols), where),
        gradient(index_t(p.student.rows), index_t(p.student.cols), where),
        terms(5),
        sequence_terms(sequences_, 4),
        plan(teacher_rows_.count(), student_rows_.longest(), where),
        teacher_columns(sequences_, width_),
        student_columns(sequences_, width_),
        teacher_transport_columns(sequences_, width_),
        student_transport_columns(sequences_, width_),
        labels_(p.labels.begin(), p.labels.end()) {
    store(p.teacher, teacher);
    store(p.student, student);
    loss = {.teacher_logits = teacher.matrix(),
            .teacher_tokens = teacher_rows_.view(),
            .student_logits = student.matrix(),
            .student_tokens = student_rows_.view(),
            .labels = {{labels_.data(), index_t(labels_.size())}},
            .pairs = {},
            .options = {},
            .upstream = T(p.upstream),
            .terms = terms.vector(),
            .gradient = gradient.matrix(),
            .teacher_columns = teacher_columns.matrix(),
            .student_columns = student_columns.matrix(),
            .teacher_transport_columns = teacher_transport_columns.matrix(),
            .student_transport_columns = student_transport_columns.matrix(),
            .plan = plan.matrix(),
            .sequence_terms = sequence_terms.matrix()};
    set_options(p);
    if (p.pairs) set_pairs(*p.pairs);
    if (p.teacher_columns)
      give_columns(*p.teacher_columns, *p.student_columns,
                   p.teacher_transport_columns.value_or(*p.teacher_columns),
                   p.student_transport_columns.value_or(*p.student_columns));
  }
  owned_loss(owned_loss const&) = delete;
  owned_loss& operator=(owned_loss const&) = delete;

  /// Column matching `given`, with these columns.
  void give_columns(oracle::columns const& of_teacher, oracle::columns const& of_student,
                    oracle::columns const& transport_of_teacher,
                    oracle::columns const& transport_of_student) {
    loss.options.matching = mlot::column_matching::given;
    auto const write = [](oracle::columns const& from, kit::framed<index_t>& to) {
      kit::fill(to, [&](index_t b, index_t l) { return from[std::size_t(b)][std::size_t(l)]; });
    };
    write(of_teacher, teacher_columns);
    write(of_student, student_columns);
    write(transport_of_teacher, teacher_transport_columns);
    write(transport_of_student, student_transport_columns);
  }
  void give_columns(oracle::loss_result const& from) {
    give_columns(from.teacher_columns, from.student_columns, from.teacher_transport_columns,
                 from.student_transport_columns);
  }
  template <class Device>
  mlot::status run(Device device) {
    scratch.assign(mlot::workspace_size(device, loss), std::byte{0xff});
    return kit::in_the_end<Device>(mlot::compute(device, loss, {scratch.data(), scratch.size()}));
  }
  bool outputs_untouched() const {
    return terms.untouched() && gradient.untouched() && plan.untouched() &&
           sequence_terms.untouched() && teacher_columns.untouched() &&
           student_columns.untouched() && teacher_transport_columns.untouched() &&
           student_transport_columns.untouched();
  }
  template <class Other>
  bool same_bits(Other const& other) const {
    return terms.same_bits(other.terms) && gradient.same_bits(other.gradient) &&
           plan.same_bits(other.plan) && sequence_terms.same_bits(other.sequence_terms) &&
           teacher_columns.same_bits(other.teacher_columns) &&
           student_columns.same_bits(other.student_columns);
  }

 private:
  template <class Element>
  static void store(oracle::table const& from, kit::framed<Element>& to) {
    kit::fill(to, [&](index_t i, index_t j) {
      return mlot::store_as<Element>(
          mlot::accumulator_t<Element>(from(std::size_t(i), std::size_t(j))));
    });
  }
  void set_options(oracle::loss_problem const& p) {
    auto& o = loss.options;
    o.k = p.k;
    o.temperature = T(p.temperature);
    o.teacher_temperature = T(p.teacher_temperature);
    o.transport_temperature = T(p.transport_temperature);
    o.epsilon = T(p.epsilon);
    o.iterations = p.iterations;
    o.alpha = T(p.alpha), o.holistic = T(p.holistic);
    o.beta = T(p.beta), o.gamma = T(p.gamma);
    o.reduce = p.divisor == 1 ? mlot::reduction::sum : mlot::reduction::divisor;
    o.divisor = T(p.divisor);
    if (p.rule == oracle::column_rule::greedy) o.matching = mlot::column_matching::greedy;
    if (p.rule == oracle::column_rule::exact) o.matching = mlot::column_matching::exact;
    if (p.own_transport_ranking) o.ranking = mlot::transport_ranking::own;
    if (p.plan_constant) o.derivative = mlot::sinkhorn_derivative::plan_constant;
    if (p.token_level) {
      o.level = mlot::transport_level::token;
      loss.plan = {};
    }
  }
  void set_pairs(std::vector<std::vector<oracle::token_pair>> const& pairs) {
    for (auto const& of_sequence : pairs) {
      for (auto const& [i, j] : of_sequence) pair_teacher_.push_back(i), pair_student_.push_back(j);
      pair_offset_.push_back(index_t(pair_teacher_.size()));
    }
    loss.pairs = {{pair_offset_.data(), index_t(pair_offset_.size())},
                  {pair_teacher_.data(), index_t(pair_teacher_.size())},
                  {pair_student_.data(), index_t(pair_student_.size())}};
  }

  std::vector<index_t> labels_, pair_offset_{0}, pair_teacher_, pair_student_;
};

/// |x - reference| / |reference|; where the reference is zero, so must x be.
inline double difference_of(long double x, long double reference) {
  kit::norm_error d;
  if (x != reference) d.add(x, reference);  // equal infinities do not differ
  return d.value();
}
/// The same of a matrix (its Frobenius norm), from rows of the reference.
template <class Element, class Rows>
double difference_of(kit::framed<Element>& x, Rows const& reference) {
  kit::norm_error d;
  for (index_t i = 0; i < x.rows(); ++i)
    for (index_t j = 0; j < x.cols(); ++j) {
      auto const& expected = reference[std::size_t(i)][std::size_t(j)];
      if constexpr (std::is_integral_v<Element>)
        d.add((long double)(x(i, j)), (long double)(expected));
      else
        d.add((long double)(mlot::load_as<mlot::accumulator_t<Element>>(x(i, j))), expected);
    }
  return d.value();
}
}  // namespace loss_test
