#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "mlot/primitive/sparse_teacher.hpp"
#include "mlot/scalar/divergence.hpp"
#include "mlot/scalar/scalar_row.hpp"
#include "mlot/scalar/sparse_space.hpp"
namespace mlot::MLOT_SET::scalar {
template <real T, class Kind, storage Teacher, storage S, storage G>
using sparse_divergence =
    divergence<T, Kind, sparse_teacher<T, Teacher, host_memory>, S, G, host_memory>;

/// Goes through the pairs of one student token after the other. Row is how a device passes over
/// the vocabulary; over outcomes, which are few, both host devices go alike.
template <class Row, class Primitive>
struct sparse_tokens;
template <class Row, real T, class Kind, storage Teacher, storage S, storage G>
struct sparse_tokens<Row, sparse_divergence<T, Kind, Teacher, S, G>> {
  sparse_divergence<T, Kind, Teacher, S, G> const& p;
  listed_pairs const& pairs;
  vector_view<T, host_memory> value;    ///< (pairs) written
  vector_view<T, host_memory> entropy;  ///< (student tokens) written

  index_t listed() const { return p.teacher.ids.cols; }
  bool in_student(index_t id) const { return 0 <= id && id < p.student_logits.cols; }
  bool compares_rest() const { return p.teacher.missing != missing_mass::inside; }

  /// Takes the listed ids out of the student's row. False, with the place in `at`, where the list
  /// cannot be used.
  bool take_listed(index_t t, sparse_space<T> const& own, index_t& at) const {
    T const inverse = T(1) / p.teacher_temperature();
    for (at = 0; at < listed(); ++at) {
      index_t const id = p.teacher.ids(t, at);
      T const l = load_as<T>(p.teacher.log_probabilities(t, at));
      if (id < -1 || !(l < infinity<T>)) return false;
      own.log_q(at) = id < 0 ? -infinity<T> : T(l * inverse);
      own.logit(at) = in_student(id) ? own.others(id) : T(-infinity<T>);
      if (!in_student(id)) continue;
      if (own.others(id) != own.others(id)) return false;  // listed twice
      own.others(id) = T(taken);
    }
    for (index_t c = 0; c < listed(); ++c)
      if (index_t const id = p.teacher.ids(t, c); in_student(id)) own.others(id) = -infinity<T>;
    return once_beyond_student(t, own, at);
  }
  /// The same for listed ids that the student's row has no place for: sorted, as wide heads list
  /// many.
  bool once_beyond_student(index_t t, sparse_space<T> const& own, index_t& at) const {
    index_t beyond = 0;
    for (index_t c = 0; c < listed(); ++c)
      if (index_t const id = p.teacher.ids(t, c); id >= p.student_logits.cols)
        own.order(beyond++) = id;
    index_t* const last = own.order.data + beyond;
    std::sort(own.order.data, last);
    index_t const* const twice = std::adjacent_find(own.order.data, last);
    if (twice == last) return true;
    bool seen = false;
    for (at = 0; p.teacher.ids(t, at) != *twice || !seen; ++at)
      seen = seen || p.teacher.ids(t, at) == *twice;
    return false;
  }
  void put_back(index_t t, sparse_space<T> const& own) const {
    for (index_t c = 0; c < listed(); ++c)
      if (index_t const id = p.teacher.ids(t, c); in_student(id)) own.others(id) = own.logit(c);
  }
  index_t ids_beyond(index_t t) const {
    index_t count = p.student_logits.cols;
    for (index_t c = 0; c < listed(); ++c) count -= in_student(p.teacher.ids(t, c));
    return count;
  }
  static bool usable_leftover(T const& mass) { return mass >= T(0) && mass < infinity<T>; }
  /// The teacher's mass beyond its list.
  T leftover(index_t t) const {
    using std::exp;
    if (!p.teacher.leftover.empty()) return p.teacher.leftover(t);
    wide_t<T> left(1);
    for (index_t c = 0; c < listed(); ++c)
      if (p.teacher.ids(t, c) >= 0) left -= T(exp(load_as<T>(p.teacher.log_probabilities(t, c))));
    return T(left) > T(T(double(listed() + 1)) * std::numeric_limits<T>::epsilon()) ? T(left)
                                                                                    : T(0);
  }
  /// log of q(rest) Z.
  T log_weight_of_rest(index_t t) const {
    using std::log;
    index_t const beyond = ids_beyond(t);
    if (p.teacher.missing != missing_mass::uniform || beyond == 0) return -infinity<T>;
    T const mass = leftover(t), log_count = T(log(T(double(beyond))));
    return mass > T(0) ? T(log_count + (T(log(mass)) - log_count) / p.teacher_temperature())
                       : T(-infinity<T>);
  }
  /// Subtracts log sum exp. False where there is no mass.
  static bool normalise(vector_view<T, host_memory> const& log_weight) {
    using std::exp, std::log;
    T const top = scalar_row<T>::largest(log_weight);
    if (!(top > -infinity<T>)) return false;
    T const log_sum = T(log(scalar_row<T>::sum(log_weight, top, T(1))));
    for (index_t c = 0; c < log_weight.size; ++c) log_weight(c) = T(log_weight(c) - top) - log_sum;
    return true;
  }

  probability_pair<T> outcome(sparse_space<T> const& own, index_t c) const {
    using std::abs, std::exp;
    T const log_q = own.log_q(c), log_p = own.log_p(c);
    return {T(exp(log_q)), T(exp(log_p)), log_q, log_p, T(exp(-T(abs(T(log_q - log_p)))))};
  }
  /// Of an adaptive kind. The rest stands where one of its ids would in the order of q, before
  /// equal ones, and of them as many belong to the tail as its sum allows.
  T forward_share(index_t t, sparse_space<T> const& own) const {
    using std::abs, std::floor, std::log;
    index_t const rest = listed();
    T const ids = T(double((std::max<index_t>)(ids_beyond(t), 1))), log_ids = T(log(ids));
    auto const log_of_one = [&](index_t c) {
      return c == rest ? T(own.log_q(c) - log_ids) : own.log_q(c);
    };
    auto const id = [&](index_t c) { return c == rest ? index_t(-2) : p.teacher.ids(t, c); };
    for (index_t c = 0; c <= rest; ++c) own.order(c) = c;
    std::sort(own.order.data, own.order.data + rest + 1, [&](index_t c, index_t d) {
      T const left = log_of_one(c), right = log_of_one(d);
      return left < right || (left == right && id(c) < id(d));
    });
    wide_t<T> sum(0), head(0), tail(0);
    for (index_t n = 0; n <= rest; ++n) {
      index_t const c = own.order(n);
      probability_pair<T> const x = outcome(own, c);
      T const gap = T(abs(T(x.q - x.p)));
      wide_t<T> const left = wide_t<T>(adaptive_kl<T>::tail_mass) - sum;
      sum += x.q;
      if (sum <= adaptive_kl<T>::tail_mass) {
        tail += gap;
      } else if (c == rest && left > wide_t<T>(0)) {
        T const in_tail = T(T(floor(T(T(left) / T(x.q / ids)))) / ids);
        tail += T(gap * in_tail);
        head += T(gap * T(T(1) - in_tail));
      } else {
        head += gap;
      }
    }
    return adaptive_kl<T>::share(T(head), T(tail));
  }

  /// Adds a pair's value, and to own.sum its gradient. False where its list cannot be used.
  bool compare(index_t b, index_t n, sparse_space<T> const& own) const {
    using std::log;
    index_t const t = pairs.teacher_row(n), rest = listed();
    value(n) = T(0);
    if (t < 0) return true;
    index_t at;
    if (!take_listed(t, own, at) || !(p.teacher.leftover.empty() || usable_leftover(leftover(t))))
      return false;
    own.log_q(rest) = log_weight_of_rest(t);
    T const inverse = T(1) / p.temperature;
    T const top = compares_rest() ? Row::largest(own.others) : T(-infinity<T>);
    T const mass = top > -infinity<T> ? Row::sum(own.others, top, inverse) : T(0);
    own.logit(rest) = top;
    T const reference = scalar_row<T>::largest(own.logit);
    for (index_t c = 0; c <= rest; ++c)
      own.log_p(c) =
          own.logit(c) > -infinity<T> ? T((own.logit(c) - reference) * inverse) : T(-infinity<T>);
    if (mass > T(0)) own.log_p(rest) += T(log(mass));
    if (normalise(own.log_q) && normalise(own.log_p)) {
      Kind kind = p.kind;
      if constexpr (adaptive_kind<Kind>) kind.forward_share = forward_share(t, own);
      divergence_sums<T> sums;
      for (index_t c = 0; c <= rest; ++c) {
        probability_pair<T> const x = outcome(own, c);
        divergence_term<T> const term = kind.term(x);
        sums.add(term, x.p);
        own.slope(c) = term.slope;
      }
      value(n) = T(sums.value);
      if (p.backward()) add_gradient(t, T(p.weight(b) * inverse), sums.centre(), top, mass, own);
    }
    put_back(t, own);
    return true;
  }
  void add_gradient(index_t t, T const& weight, T const& centre, T const& top, T const& mass,
                    sparse_space<T> const& own) const {
    auto const centred = [&](index_t c) {
      return own.slope(c) < infinity<T> ? T(own.slope(c) - outcome(own, c).p * centre) : T(0);
    };
    if (T const c = centred(listed()); mass > T(0) && c != T(0))
      Row::add(own.others, top, T(T(1) / p.temperature), T(T(weight * c) / mass), own.sum);
    for (index_t c = 0; c < listed(); ++c)
      if (own.logit(c) > -infinity<T>) own.sum(p.teacher.ids(t, c)) += T(weight * centred(c));
  }

  /// Value and gradient of one student token. False where an array cannot be used: see fault_of.
  bool run(index_t b, index_t j, sparse_space<T> const& own) const {
    using std::log;
    index_t const r = p.student_tokens.row(j), first = pairs.first_pair(j);
    index_t const last = pairs.first_pair(j + 1);
    entropy(j) = T(0);
    for (index_t n = first; n < last; ++n) value(n) = T(0);
    if (r < 0) return true;
    T top;
    if (!Row::load(p.student_logits.row(r), own.others, top)) return false;
    if (p.backward()) std::fill_n(own.sum.data, own.sum.size, T(0));
    for (index_t n = first; n < last; ++n)
      if (!compare(b, n, own)) return false;
    if (p.labels.counts(r)) {
      index_t const label = p.labels.label(r);
      T const z = own.others(label),
              mass = top > -infinity<T> ? Row::sum(own.others, top, T(1)) : T(0);
      entropy(j) = z > -infinity<T> ? T(log(mass) - (z - top)) : infinity<T>;
      if (p.backward() && mass > T(0))
        Row::add(own.others, top, T(1), T(p.cross_entropy_weight / mass), own.sum);
      if (p.backward() && z > -infinity<T>) own.sum(label) -= p.cross_entropy_weight;
    }
    if (p.backward()) Row::write(own.sum, p.gradient.row(r));
    return true;
  }
  /// Of the first token that run() refused.
  status fault_of(index_t j, sparse_space<T> const& own) const {
    T top;
    index_t const r = p.student_tokens.row(j);
    if (!Row::load(p.student_logits.row(r), own.others, top)) {
      status found = unusable_logit<T>(p.student_logits, r);
      found.argument = "divergence.student_logits";
      return found;
    }
    for (index_t n = pairs.first_pair(j); n < pairs.first_pair(j + 1); ++n) {
      index_t const t = pairs.teacher_row(n);
      index_t at;
      if (t < 0) continue;
      if (!take_listed(t, own, at)) {
        if (T const l = load_as<T>(p.teacher.log_probabilities(t, at)); !(l < infinity<T>))
          return {fault::data,
                  "divergence.teacher.log_probabilities",
                  "finite or -inf",
                  as_double(l),
                  t,
                  at};
        return {fault::data,
                "divergence.teacher.ids",
                "vocabulary ids, each once in a row, or -1",
                double(p.teacher.ids(t, at)),
                t,
                at};
      }
      if (!p.teacher.leftover.empty() && !usable_leftover(p.teacher.leftover(t)))
        return {fault::data, "divergence.teacher.leftover", "finite and at least 0",
                as_double(p.teacher.leftover(t)), t};
      put_back(t, own);
    }
    return {};
  }

 private:
  static constexpr double taken = std::numeric_limits<double>::quiet_NaN();
};

/// All that a host device keeps beside the threads' spaces.
template <real T>
struct sparse_lists {
  listed_pairs pairs;
  vector_view<T, host_memory> value, entropy;
  template <class Primitive>
  sparse_lists(Primitive const& p, arena<host_memory>& space)
      : pairs(p, space),
        value(space.vector<T>(p.most_pairs())),
        entropy(space.vector<T>(p.student_tokens.tokens())) {}
};

template <real T, class Kind, storage Teacher, storage S, storage G>
std::size_t scratch_size(device, sparse_divergence<T, Kind, Teacher, S, G> const& p) {
  arena<host_memory> space;
  sparse_lists<T>(p, space);
  sparse_spaces<T>(p, 1, space);
  return space.bytes();
}

template <real T, class Kind, storage Teacher, storage S, storage G>
status run(device, sparse_divergence<T, Kind, Teacher, S, G> const& p,
           workspace<host_memory> scratch) {
  arena<host_memory> space(scratch);
  sparse_lists<T> lists(p, space);
  sparse_space<T> const own = sparse_spaces<T>(p, 1, space).of(0);
  lists.pairs.list(p);
  sparse_tokens<scalar_row<T>, sparse_divergence<T, Kind, Teacher, S, G>> const tokens{
      p, lists.pairs, lists.value, lists.entropy};
  for (index_t b = 0; b < p.sequences(); ++b)
    for (index_t j = p.student_tokens.first(b); j < p.student_tokens.first(b + 1); ++j)
      if (!tokens.run(b, j, own)) return tokens.fault_of(j, own);
  write_divergences(p, lists.pairs, lists.value, lists.entropy);
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
