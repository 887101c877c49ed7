#pragma once
#include <algorithm>
#include <cmath>

#include "mlot/divergence/adaptive_kl.hpp"
#include "mlot/primitive/divergence.hpp"
#include "mlot/scalar/logit_gradient.hpp"
#include "mlot/scalar/vocabulary_mass.hpp"
namespace mlot::MLOT_SET::scalar {
/// log p(z) = (z - maximum) inverse_temperature - log_partition, of one token.
template <real T>
struct softmax_of_token {
  T maximum = -infinity<T>, inverse_temperature = T(1), log_partition = T(0);

  softmax_of_token(T const& top, T const& partition, T const& temperature)
      : maximum(top), inverse_temperature(T(1) / temperature) {
    using std::log;
    if (exists()) log_partition = T(log(partition));
  }
  /// Whether the token has a distribution: an absent one has none, nor has a row of -inf.
  bool exists() const { return maximum > -infinity<T>; }
  T log_probability(T const& z) const {
    return z > -infinity<T> ? T((z - maximum) * inverse_temperature - log_partition)
                            : T(-infinity<T>);
  }
};

/// The pairs of a batch in the order of their student tokens.
struct listed_pairs {
  vector_view<index_t, host_memory> teacher_row;  ///< (pairs)
  vector_view<index_t, host_memory> first_pair;   ///< (student tokens + 1)

  template <class Primitive>
  listed_pairs(Primitive const& p, arena<host_memory>& space)
      : teacher_row(space.vector<index_t>(p.most_pairs())),
        first_pair(space.vector<index_t>(p.student_tokens.tokens() + 1)) {}

  template <class Primitive>
  void list(Primitive const& p) {
    index_t pairs = 0, token = 0;
    for (index_t b = 0; b < p.sequences(); ++b) {
      index_t const teacher_first = p.teacher.tokens.first(b);
      index_t const student_first = p.student_tokens.first(b);
      p.pairs.for_each(b, p.teacher.tokens.count(b), p.student_tokens.count(b),
                       [&](index_t t, index_t s) {
                         for (; token <= student_first + s; ++token) first_pair(token) = pairs;
                         teacher_row(pairs++) = p.teacher.tokens.row(teacher_first + t);
                       });
    }
    for (; token <= p.student_tokens.tokens(); ++token) first_pair(token) = pairs;
    teacher_row.size = pairs;
  }
};

/// The outputs of a sequence from those of its pairs and tokens, and zeros to rows of no token.
template <class Primitive, real T>
void write_divergences(Primitive const& p, listed_pairs const& pairs,
                       vector_view<T, host_memory> value, vector_view<T, host_memory> entropy) {
  for (index_t b = 0; b < p.sequences(); ++b) {
    wide_t<T> sum(0), entropy_sum(0);
    for (index_t j = p.student_tokens.first(b); j < p.student_tokens.first(b + 1); ++j) {
      for (index_t n = pairs.first_pair(j); n < pairs.first_pair(j + 1); ++n) sum += value(n);
      entropy_sum += entropy(j);
    }
    p.out(b) = T(sum);
    if (!p.cross_entropy.empty()) p.cross_entropy(b) = T(entropy_sum);
  }
  if (!p.backward()) return;
  for_rows_without_token(p.student_tokens, p.student_logits.rows, [&](index_t r) {
    auto const row = p.gradient.row(r);
    for (index_t v = 0; v < row.size; ++v)
      row(v) = store_as<std::remove_cvref_t<decltype(row(v))>>(T(0));
  });
}

/// What is known of every row that takes part: what the host devices keep between their passes.
template <class Divergence>
struct compared_tokens;
template <real T, class Kind, storage Teacher, storage S, storage G>
struct compared_tokens<
    divergence<T, Kind, dense_teacher<T, Teacher, host_memory>, S, G, host_memory>> {
  using primitive = divergence<T, Kind, dense_teacher<T, Teacher, host_memory>, S, G, host_memory>;
  primitive const& p;
  listed_pairs pairs;
  vector_view<T, host_memory> teacher_maximum, teacher_partition;                  ///< (pairs)
  vector_view<T, host_memory> student_maximum, student_partition, unit_partition;  ///< (tokens)
  vector_view<T, host_memory> centre;         ///< (pairs) <p, h>
  vector_view<T, host_memory> forward_share;  ///< (pairs) of an adaptive kind
  vector_view<index_t, host_memory> ends;     ///< {0, pairs}

  compared_tokens(primitive const& of, arena<host_memory>& space)
      : p(of),
        pairs(p, space),
        teacher_maximum(space.vector<T>(p.most_pairs())),
        teacher_partition(space.vector<T>(p.most_pairs())),
        student_maximum(space.vector<T>(p.student_tokens.tokens())),
        student_partition(space.vector<T>(p.student_tokens.tokens())),
        unit_partition(sums_twice() ? space.vector<T>(p.student_tokens.tokens())
                                    : student_partition),
        centre(space.vector<T>(p.most_pairs())),
        forward_share(space.vector<T>(adaptive_kind<Kind> ? p.most_pairs() : 0)),
        ends(space.vector<index_t>(2)) {}

  /// Whether cross-entropy needs a partition of its own.
  bool sums_twice() const { return !p.labels.label.empty() && p.temperature != T(1); }

  void list_pairs() {
    pairs.list(p);
    index_t const count = pairs.teacher_row.size;
    ends(0) = 0, ends(1) = count;
    teacher_maximum.size = teacher_partition.size = count;
  }
  /// The sums over the vocabulary of the teacher's token of every pair, and of the student's
  /// tokens.
  vocabulary_mass<T, Teacher, host_memory> teacher_sums() const {
    return {.logits = p.teacher.logits,
            .tokens = {ends, pairs.teacher_row, pairs.teacher_row.size},
            .maximum = teacher_maximum,
            .at = {{p.teacher_temperature(), teacher_partition, {}}}};
  }
  vocabulary_mass<T, S, host_memory> student_sums() const {
    return {.logits = p.student_logits,
            .tokens = p.student_tokens,
            .maximum = student_maximum,
            .at = {{p.temperature, student_partition, {}},
                   {T(1), sums_twice() ? unit_partition : vector_view<T, host_memory>{}, {}}}};
  }
  softmax_of_token<T> teacher(index_t pair) const {
    return {teacher_maximum(pair), teacher_partition(pair), p.teacher_temperature()};
  }
  softmax_of_token<T> student(index_t token) const {
    return {student_maximum(token), student_partition(token), p.temperature};
  }
  bool compares(index_t token, index_t pair) const {
    return teacher(pair).exists() && student(token).exists();
  }
  Kind kind(index_t pair) const {
    Kind own = p.kind;
    if constexpr (adaptive_kind<Kind>) own.forward_share = forward_share(pair);
    return own;
  }
  T cross_entropy(index_t token) const {
    using std::log;
    index_t const r = p.student_tokens.row(token);
    if (!p.labels.counts(r)) return T(0);
    T const z = load_as<T>(p.student_logits(r, p.labels.label(r)));
    if (z == -infinity<T>) return infinity<T>;
    return T(log(unit_partition(token)) - (z - student_maximum(token)));
  }
  /// The factor of exp(z - maximum) in the gradient of a token's cross-entropy.
  T label_coefficient(index_t token) const {
    bool const counts = p.labels.counts(p.student_tokens.row(token));
    return counts && unit_partition(token) > T(0)
               ? T(p.cross_entropy_weight / unit_partition(token))
               : T(0);
  }
  /// The label of a token where its entry of the gradient is not 0 for another reason, or -1.
  index_t unmasked_label(index_t token) const {
    index_t const r = p.student_tokens.row(token);
    if (!p.labels.counts(r)) return -1;
    index_t const label = p.labels.label(r);
    return load_as<T>(p.student_logits(r, label)) > -infinity<T> ? label : -1;
  }
  /// A fault of teacher_sums() or student_sums(), by the name that the caller knows.
  static status named(status found, char const* argument) {
    if (!found.ok()) found.argument = argument;
    return found;
  }
};

/// What one id adds to the sums over a row: D, <p, h> and the p that it is the mean over.
template <real T>
struct divergence_sums {
  wide_t<T> value{0}, slope{0}, mass{0};

  void add(divergence_term<T> const& term, T const& p) {
    value += term.value;
    if (!(term.slope < infinity<T>)) return;
    slope += term.slope;
    mass += p;
  }
  T centre() const { return mass > wide_t<T>(0) ? T(slope / mass) : T(0); }
};

/// A pair seen by the scalar device.
template <class Divergence>
struct compared_pair {
  using T = std::remove_cvref_t<decltype(std::declval<Divergence>().temperature)>;
  Divergence const& p;
  index_t teacher_row, student_row;
  softmax_of_token<T> teacher, student;

  probability_pair<T> at(index_t v) const {
    using std::abs, std::exp;
    T const log_q = v < p.teacher.logits.cols
                        ? teacher.log_probability(load_as<T>(p.teacher.logits(teacher_row, v)))
                        : T(-infinity<T>);
    T const log_p = v < p.student_logits.cols
                        ? student.log_probability(load_as<T>(p.student_logits(student_row, v)))
                        : T(-infinity<T>);
    return {T(exp(log_q)), T(exp(log_p)), log_q, log_p, T(exp(-T(abs(T(log_q - log_p)))))};
  }
  index_t widest() const { return (std::max)(p.teacher.logits.cols, p.student_logits.cols); }

  /// Of an adaptive kind; `order` (m) is to work in.
  T forward_share(vector_view<index_t, host_memory> order) const {
    using std::abs;
    auto const z = [&](index_t v) { return load_as<T>(p.teacher.logits(teacher_row, v)); };
    for (index_t v = 0; v < order.size; ++v) order(v) = v;
    std::sort(order.data, order.data + order.size,
              [&](index_t v, index_t w) { return z(v) < z(w) || (z(v) == z(w) && v < w); });
    wide_t<T> sum(0), head(0), tail(0);
    for (index_t v = order.size; v < p.student_logits.cols; ++v) tail += at(v).p;
    for (index_t n = 0; n < order.size; ++n) {
      probability_pair<T> const x = at(order(n));
      sum += x.q;
      (sum <= adaptive_kl<T>::tail_mass ? tail : head) += T(abs(T(x.q - x.p)));
    }
    return adaptive_kl<T>::share(T(head), T(tail));
  }
};

template <real T, class Kind, storage Teacher, storage S, storage G>
using dense_divergence =
    divergence<T, Kind, dense_teacher<T, Teacher, host_memory>, S, G, host_memory>;

template <class Kind>
constexpr index_t order_size(index_t vocabulary) {
  return adaptive_kind<Kind> ? vocabulary : 0;
}

template <real T, class Kind, storage Teacher, storage S, storage G>
std::size_t scratch_size(device, dense_divergence<T, Kind, Teacher, S, G> const& p) {
  arena<host_memory> space;
  compared_tokens<dense_divergence<T, Kind, Teacher, S, G>>(p, space);
  space.vector<index_t>(order_size<Kind>(p.teacher.logits.cols));
  return space.bytes();
}

template <real T, class Kind, storage Teacher, storage S, storage G>
status run(device, dense_divergence<T, Kind, Teacher, S, G> const& p,
           workspace<host_memory> scratch) {
  using std::exp;
  using primitive = dense_divergence<T, Kind, Teacher, S, G>;
  arena<host_memory> space(scratch);
  compared_tokens<primitive> all(p, space);
  auto const order = space.vector<index_t>(order_size<Kind>(p.teacher.logits.cols));
  all.list_pairs();
  if (auto const s = run(device{}, all.teacher_sums(), {}); !s.ok())
    return all.named(s, "divergence.teacher.logits");
  if (auto const s = run(device{}, all.student_sums(), {}); !s.ok())
    return all.named(s, "divergence.student_logits");

  for (index_t b = 0; b < p.sequences(); ++b) {
    wide_t<T> value(0), cross_entropy(0);
    for (index_t j = p.student_tokens.first(b); j < p.student_tokens.first(b + 1); ++j) {
      index_t const r = p.student_tokens.row(j);
      auto const seen = [&](index_t n) {
        return compared_pair<primitive>{p, all.pairs.teacher_row(n), r, all.teacher(n),
                                        all.student(j)};
      };
      cross_entropy += all.cross_entropy(j);
      for (index_t n = all.pairs.first_pair(j); n < all.pairs.first_pair(j + 1); ++n) {
        if (!all.compares(j, n)) continue;
        compared_pair<primitive> const pair = seen(n);
        if constexpr (adaptive_kind<Kind>) all.forward_share(n) = pair.forward_share(order);
        divergence_sums<T> sums;
        for (index_t v = 0; v < pair.widest(); ++v)
          sums.add(all.kind(n).term(pair.at(v)), pair.at(v).p);
        value += sums.value;
        all.centre(n) = sums.centre();
      }
      if (!p.backward() || r < 0) continue;
      index_t const label = all.unmasked_label(j);
      for (index_t v = 0; v < p.student_logits.cols; ++v) {
        T const z = load_as<T>(p.student_logits(r, v));
        T sum(0);
        for (index_t n = all.pairs.first_pair(j); n < all.pairs.first_pair(j + 1); ++n) {
          if (!all.compares(j, n) || z == -infinity<T>) continue;
          probability_pair<T> const x = seen(n).at(v);
          T const slope = all.kind(n).term(x).slope;
          if (slope < infinity<T>)
            sum += T(p.weight(b) / p.temperature) * T(slope - x.p * all.centre(n));
        }
        if (T const c = all.label_coefficient(j); c != T(0) && z > -infinity<T>)
          sum += T(c * T(exp(T(z - all.student_maximum(j)))));
        if (v == label) sum -= p.cross_entropy_weight;
        p.gradient(r, v) = store_as<G>(sum);
      }
    }
    p.out(b) = T(value);
    if (!p.cross_entropy.empty()) p.cross_entropy(b) = T(cross_entropy);
  }
  if (p.backward())
    for_rows_without_token(p.student_tokens, p.student_logits.rows, [&](index_t r) {
      for (index_t v = 0; v < p.student_logits.cols; ++v) p.gradient(r, v) = store_as<G>(T(0));
    });
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
