#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>

#include "mlot/core/segment.hpp"
#include "mlot/primitive/probability_bucket.hpp"
#include "mlot/scalar/ranked_difference.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/parallel.hpp"
/// Nothing is sorted that need not be. The probabilities of both tokens are counted in the same
/// buckets, 32 an octave; counts add up to ranks. Where the ranks of the student's bucket all lie
/// behind those of the teacher's, every one of its ids meets a smaller probability; where they all
/// lie before, a larger one. Either way a bucket has one sign. The few buckets in which the ranks
/// of both meet are sorted, each by itself. With the signs,
///
///   sum_l |p_(l) - s_(l)| = sum_v s(v) sign of id v + sum_u p(u) sign of id u,
///
/// exactly 0 for equal probabilities.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::for_each_teacher_of;
using scalar::for_rows_without_token;

/// One token's probabilities, in buckets, and on which side of the other model's they lie.
template <class Batch>
class bucketed_token {
 public:
  using T = typename Batch::value_type;
  using bucket = probability_bucket<T>;
  /// `direction`: whether add_directions is going to be called.
  bucketed_token(index_t vocabulary, bool direction, arena<host_memory>& space)
      : vocabulary_(vocabulary),
        probability_(space.vector<T>(vocabulary).data),
        direction_(direction ? space.vector<T>(vocabulary).data : nullptr),
        met_(space.vector<std::int32_t>(vocabulary).data),
        rank_(space.vector<std::int32_t>(bucket::count + 1).data),
        place_(space.vector<std::int32_t>(bucket::count).data),
        sign_(space.vector<T>(bucket::count).data) {}

  T const* probability() const { return probability_; }
  T* direction() const { return direction_; }

  template <storage S>
  void read(token_softmax<T, S, host_memory> const& of, index_t i) {
    std::fill_n(rank_, bucket::count + 1, 0);
    index_t const r = of.tokens.row(i);
    T const partition = of.partition(i), maximum = of.maximum(i);
    if (r < 0 || !(partition > T(0))) {
      std::fill_n(probability_, vocabulary_, T(0));
      return;
    }
    S const* const z = &of.logits(r, 0);
    Batch const top(maximum > -infinity<T> ? maximum : T(0)), share(T(1) / partition);
    Batch const inverse(T(1) / of.temperature), least(bucket::least);
    T* const p = probability_;
    std::int32_t* const count = rank_ + 1;
    for (index_t begin = 0; begin < vocabulary_; begin += block) {
      index_t const size = (std::min)(block, vocabulary_ - begin);
      for_lanes<Batch>(size, [=](index_t v, auto which) {
        __builtin_prefetch(z + begin + v + ahead);
        Batch const x = load_lanes<Batch>(z + begin + v, which, -infinity<T>) - top;
        Batch const e = product(exponential(product(x, inverse)), share);
        Batch const counted = xsimd::select(e >= least, e, Batch(T(0)));
        store_lanes(p + begin + v, Batch((xsimd::min)(counted, Batch(T(1)))), which);
      });
      for (index_t v = begin; v < begin + size; ++v) ++count[bucket::of(p[v])];
    }
    count[bucket::last] = 0;
    for (index_t n = 0; n < bucket::count; ++n) count[n] += rank_[n];
  }

  /// Which sign each bucket has, against `other`; ranks from `ranks` on have none.
  void compare(bucketed_token const& other, index_t ranks) {
    std::int32_t met = 0;
    for (index_t n = 0; n < bucket::count; ++n) {
      index_t const begin = rank_[n], end = rank_[n + 1];
      place_[n] = met;
      if (begin == end || begin >= ranks)
        sign_[n] = T(0);
      else if (end <= ranks && begin >= other.rank_[n + 1])
        sign_[n] = T(1);
      else if (end <= ranks && end <= other.rank_[n])
        sign_[n] = T(-1);
      else {
        sign_[n] = meets;
        met += std::int32_t(end - begin);
      }
    }
    double sum = 0;
    for (index_t begin = 0; begin < vocabulary_; begin += block) {
      index_t const size = (std::min)(block, vocabulary_ - begin);
      alignas(64) T sign[block];
      look_up(probability_ + begin, size, sign_, sign);
      sum += take_block(begin, size, sign);
    }
    sum_ = sum;
    for (index_t n = 0; n < bucket::count; ++n)
      if (sign_[n] == meets)
        std::sort(met_ + first_met(n), met_ + place_[n], [p = probability_](auto v, auto w) {
          return p[v] > p[w] || (p[v] == p[w] && v < w);
        });
  }
  /// The signs of the ids in buckets that meet, when both tokens were compared. Answers the sum of
  /// all ids' probabilities times signs.
  double resolve(bucketed_token const& other, index_t ranks) {
    for (index_t n = 0; n < bucket::count; ++n) {
      if (sign_[n] != meets) continue;
      index_t const end = (std::min<index_t>)(rank_[n + 1], ranks);
      index_t const first = other.rank_[n], last = other.rank_[n + 1];
      std::int32_t const* id = met_ + first_met(n);
      for (index_t l = rank_[n]; l < end; ++l, ++id) {
        T opposite = T(l < first ? 2 : 0);
        if (l >= first && l < last)
          opposite = other.probability_[other.met_[other.first_met(n) + l - first]];
        T const sign = mlot::sign(T(probability_[*id] - opposite));
        sum_ += double(sign * probability_[*id]);
        if (direction_ != nullptr) direction_[*id] += sign;
      }
    }
    return sum_;
  }
  void clear_directions() { std::fill_n(direction_, vocabulary_, T(0)); }

 private:
  static constexpr index_t block = 1024, ahead = 1024;
  static constexpr T meets = T(2);  ///< no sign: the ranks of both models meet in this bucket
  index_t first_met(index_t n) const { return place_[n] - (rank_[n + 1] - rank_[n]); }
  /// What a compiler makes gathers of, where there are any.
  static void look_up(T const* __restrict p, index_t size, T const* __restrict table,
                      T* __restrict sign) {
    for (index_t v = 0; v < size; ++v) sign[v] = table[bucket::of(p[v])];
  }
  double take_block(index_t begin, index_t size, T* sign) {
    Batch sum(T(0));
    for_lanes<Batch>(size, [&, this](index_t v, auto which) {
      Batch signs = load_lanes<Batch>(sign + v, which);
      if (xsimd::any(signs == Batch(meets))) {  // in the order of ids
        for (index_t id = v; id < (std::min)(v + index_t(Batch::size), size); ++id)
          if (sign[id] == meets) {
            met_[place_[bucket::of(probability_[begin + id])]++] = std::int32_t(begin + id);
            sign[id] = T(0);
          }
        signs = load_lanes<Batch>(sign + v, which);
      }
      sum = multiply_add(load_lanes<Batch>(probability_ + begin + v, which), signs, sum);
      if (direction_ != nullptr) {
        T* const to = direction_ + begin + v;
        store_lanes(to, Batch(load_lanes<Batch>(to, which) + signs), which);
      }
    });
    return double(lane_sum(sum));
  }

  index_t vocabulary_;
  T *probability_, *direction_;
  std::int32_t* met_;            ///< the ids in buckets that meet, one bucket after the other
  std::int32_t *rank_, *place_;  ///< of a bucket's first id; behind its last in met_
  T* sign_;                      ///< of all ids of a bucket, or `meets`
  double sum_ = 0;
};

/// What the threads share, and what each of those that take part has for itself.
template <class Batch, class Primitive>
struct ranked_scratch {
  static constexpr index_t most_workers = 16;
  Primitive const& p;
  index_t workers;
  vector_view<double, host_memory> difference;  ///< (student tokens) summed over their pairs
  struct worker {
    bucketed_token<Batch> teacher, student;
    worker(Primitive const& of, arena<host_memory>& space)
        : teacher(of.teacher.logits.cols, false, space),
          student(of.student.logits.cols, of.backward(), space) {}
  };
  index_t bytes;        ///< of what one thread has
  unsigned char* lent;  ///< (workers, bytes)

  ranked_scratch(Primitive const& of, arena<host_memory>& space)
      : p(of), workers((std::min)(of.student.tokens.tokens(), most_workers)) {
    arena<host_memory> counted;
    worker(p, counted);
    bytes = index_t(counted.bytes());
    difference = space.vector<double>(p.student.tokens.tokens());
    lent = space.vector<unsigned char>(workers * bytes).data;
  }
  worker worker_at(index_t rank) const {
    auto const first = reinterpret_cast<std::byte*>(lent + rank * bytes);
    arena<host_memory> own({first, std::size_t(bytes)});
    return {p, own};
  }
};

/// Student token j's row of the gradient; `mean` is its sum of s h.
template <class Batch, class T, storage Teacher, storage Student, storage Gradient>
void write_gradient(ranked_difference<T, Teacher, Student, Gradient, host_memory> const& p,
                    bucketed_token<Batch> const& token, double mean, index_t b, index_t j) {
  index_t const r = p.student.tokens.row(j), n = p.student.logits.cols;
  if (r < 0) return;
  Student const* const z = &p.student.logits(r, 0);
  Gradient* const out = &p.gradient(r, 0);
  T const *const s = token.probability(), *const h = token.direction();
  Batch const scale(T(p.weight(b) / (p.divisor(b) * p.student.temperature))), middle(T{T(mean)});
  auto const distilled = [=](index_t v, auto which) {
    Batch const direction = load_lanes<Batch>(h + v, which) - middle;
    return product(Batch(scale * load_lanes<Batch>(s + v, which)), direction);
  };
  if (!p.labels.counts(r) || !(p.label_partition(j) > T(0))) {
    for_lanes<Batch>(
        n, [=](index_t v, auto which) { store_lanes(out + v, distilled(v, which), which); });
    return;
  }
  index_t const label = p.labels.label(r);
  bool const masked = load_as<T>(z[label]) == -infinity<T>;  // `out` may be where z is
  Batch const top(p.student.maximum(j));
  Batch const share(T(p.cross_entropy_weight / p.label_partition(j)));
  for_lanes<Batch>(n, [=](index_t v, auto which) {
    Batch const x = load_lanes<Batch>(z + v, which, -infinity<T>) - top;
    store_lanes(out + v, Batch(multiply_add(share, exponential(x), distilled(v, which))), which);
  });
  if (!masked) out[label] = store_as<Gradient>(T(load_as<T>(out[label]) - p.cross_entropy_weight));
}

template <real T, storage Teacher, storage Student, storage Gradient>
bool contiguous_rows(ranked_difference<T, Teacher, Student, Gradient, host_memory> const& p) {
  return p.teacher.logits.col_stride == 1 && p.student.logits.col_stride == 1 &&
         p.gradient.col_stride == 1;
}

template <class Arch, has_lanes T, storage Teacher, storage Student, storage Gradient>
std::size_t scratch_size(device<Arch>,
                         ranked_difference<T, Teacher, Student, Gradient, host_memory> const& p) {
  if (!contiguous_rows(p)) return scratch_size(scalar::device{}, p);
  arena<host_memory> space;
  ranked_scratch<lanes_of<T, Arch>, std::remove_cvref_t<decltype(p)>>(p, space);
  return space.bytes();
}

template <class Arch, has_lanes T, storage Teacher, storage Student, storage Gradient>
status run(device<Arch>, ranked_difference<T, Teacher, Student, Gradient, host_memory> const& p,
           workspace<host_memory> scratch) {
  using batch = lanes_of<T, Arch>;
  if (!contiguous_rows(p)) return run_strided(p, scratch);
  token_rows<host_memory> const &teacher = p.teacher.tokens, &student = p.student.tokens;
  index_t const tokens = student.tokens(), ranks = p.ranks();
  arena<host_memory> space(scratch);
  ranked_scratch<batch, std::remove_cvref_t<decltype(p)>> const all(p, space);
  std::atomic<index_t> next = 0;
  parallel_team(tokens * (p.teacher.logits.cols + p.student.logits.cols), [&](team const& threads) {
    if (threads.rank >= all.workers) return;
    auto own = all.worker_at(threads.rank);
    for (index_t j; (j = next.fetch_add(1, std::memory_order_relaxed)) < tokens;) {
      index_t const b = segment_of(student.offset, j);
      double difference = 0, mean = 0;
      own.student.read(p.student, j);
      if (p.backward()) own.student.clear_directions();
      for_each_teacher_of(p.pairs, teacher, student, b, j, [&](index_t i) {
        own.teacher.read(p.teacher, i);
        own.teacher.compare(own.student, ranks);
        own.student.compare(own.teacher, ranks);
        double const of_student = own.student.resolve(own.teacher, ranks);
        difference += of_student + own.teacher.resolve(own.student, ranks);
        mean += of_student;
      });
      all.difference(j) = difference;
      if (p.backward()) write_gradient(p, own.student, mean, b, j);
    }
  });
  for (index_t b = 0; b < student.sequences(); ++b) {
    double sum = 0;
    for (index_t j = student.offset(b); j < student.offset(b + 1); ++j) sum += all.difference(j);
    p.out(b) = T(sum) / p.divisor(b);
  }
  if (p.backward())
    for_rows_without_token(student, p.student.logits.rows, [&](index_t r) {
      std::fill_n(&p.gradient(r, 0), p.student.logits.cols, store_as<Gradient>(T(0)));
    });
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
