#pragma once
#include <cmath>

#include "mlot/grid/adaptive_share.hpp"
#include "mlot/grid/aligned_pairs.hpp"
#include "mlot/grid/compared_rows.hpp"
#include "mlot/grid/row_sums.hpp"
#include "mlot/grid/row_tokens.hpp"
#include "mlot/primitive/divergence.hpp"
/// A student row and its teacher's are read three times by one block: for the sums over either, for
/// value and <p, h>, and for the gradient.
namespace mlot::MLOT_SET::simt {
template <class T, class Memory>
struct divergence_scratch {
  row_tokens<Memory> rows;
  vector_view<T, Memory> entropy;  ///< (student tokens) cross-entropy
  // (pairs) the value; the teacher's row, -1 where the pair counts nothing, and what its gradient
  // takes beside the logits
  vector_view<T, Memory> value;
  vector_view<index_t, Memory> teacher_row;
  vector_view<T, Memory> maximum, minus_log_partition, centre, forward_share;

  template <class Primitive>
  divergence_scratch(Primitive const& p, arena<Memory>& space)
      : rows(p.student_logits.rows, space) {
    entropy = space.template vector<T>(p.student_tokens.tokens());
    teacher_row = space.template vector<index_t>(p.most_pairs());
    for (auto* const of_pair : {&value, &maximum, &minus_log_partition, &centre, &forward_share})
      *of_pair = space.template vector<T>(p.most_pairs());
  }
};

template <class Memory, class T, class Kind, class Teacher, class S, class G>
using dense_divergence_in = divergence<T, Kind, dense_teacher<T, Teacher, Memory>, S, G, Memory>;

template <grid Device, class Primitive>
aligned_pairs<typename Device::memory> pairs_of_divergence(Primitive const& p) {
  return {p.pairs, p.teacher.tokens.offset, p.student_tokens.offset, p.student_tokens.tokens()};
}

/// Nothing known yet of rows, tokens and pairs; and what is wrong with given pairs.
template <grid Device, class T>
struct divergence_begin_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  divergence_scratch<T, memory> scratch;
  aligned_pairs<memory> pairs;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    scratch.rows.clear(block);
    for_items(block, scratch.entropy.size, [&](index_t j) { scratch.entropy(j) = T(0); });
    for_items(block, scratch.value.size, [&](index_t n) {
      scratch.value(n) = T(0);
      scratch.teacher_row(n) = -1;
    });
    pairs.report_wrong(block, findings);
  }
};

/// One block a student row; N temperatures: the student's, and 1 where cross-entropy needs it.
template <grid Device, class T, class Kind, class Teacher, class S, class G, int N>
struct divergence_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.row_threads;
  static constexpr bool alone = true;
  using shared = nothing_shared;
  dense_divergence_in<memory, T, Kind, Teacher, S, G> p;
  divergence_scratch<T, memory> scratch;
  aligned_pairs<memory> pairs;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const r = block.index();
    if (!scratch.rows.is_token(r)) return clear(block, r);
    index_t const j = scratch.rows.of(r), b = segment_of(p.student_tokens.offset, j);
    auto const range = pairs.of(b, j);
    auto place = places::in(p.student_logits.row(r));
    for (index_t n = range.first; n < range.past; ++n)
      if (index_t const teacher = teacher_row(block, b, n, j); teacher >= 0)
        place = place.and_in(p.teacher.logits.row(teacher));
    token const of = student_at(block, r, place);
    if (block.thread() == 0) scratch.entropy(j) = cross_entropy(of);
    for (index_t n = range.first; n < range.past; ++n)
      compare(block, of, n, teacher_row(block, b, n, j));
    if (!p.backward()) return;
    if (!of.student.exists()) return clear(block, r);
    block.sync();
    T const weight = p.weight(b) / p.temperature;
    index_t const n = p.student_logits.cols, both = least(n, p.teacher.logits.cols);
    write_gradient(block, of, range, weight, 0, both);
    write_gradient(block, of, range, weight, both, n);
  }

 private:
  using compared = compared_rows<T, Kind, Teacher, S, memory>;
  /// The same for all rows of a token: equal ones then have equal sums.
  using places = place_of_packs<pack_width<Teacher, S>>;
  /// A student's token, the same for all threads.
  struct token {
    index_t row, label;  ///< label -1: there is none
    log_softmax<T> student;
    T unit_partition;
    places place;
  };

  template <class Block>
  MLOT_DEVICE void clear(Block& block, index_t r) const {
    if (p.backward()) clear_row<T>(block, p.gradient.row(r));
  }
  template <class Block>
  MLOT_DEVICE token student_at(Block& block, index_t r, places place) const {
    using std::log;
    exponentials<T, N, false> powers{{rate_of(p.temperature)}};
    if constexpr (N > 1) powers.rate[1] = rate_of(T(1));
    T const reach = N > 1 ? least(p.temperature, T(1)) : p.temperature;
    auto const sums = row_sums(block, p.student_logits, r, place, powers, reach, findings,
                               finding::student_logit);
    index_t label = p.labels.counts(r) ? p.labels.label(r) : -1;
    if (p.labels.counts(r) && (label < 0 || label >= p.student_logits.cols)) {
      report(block, findings, finding::label, r);
      label = -1;
    }
    return {r,
            label,
            {sums.maximum, T(1) / p.temperature, -log(sums.partition[0])},
            sums.partition[N - 1],
            place};
  }
  MLOT_DEVICE T cross_entropy(token const& of) const {
    using std::log;
    if (of.label < 0) return T(0);
    T const z = load_as<T>(p.student_logits(of.row, of.label));
    if (!(z > -infinity<T>) || !of.student.exists()) return infinity<T>;
    return log(of.unit_partition) - (z - of.student.maximum);
  }

  /// The teacher's row of pair n, if it is one of student token j; or -1.
  template <class Block>
  MLOT_DEVICE index_t teacher_row(Block& block, index_t b, index_t n, index_t j) const {
    auto const tokens = pairs.at(b, n);
    index_t const r = tokens.student == j ? p.teacher.tokens.row(tokens.teacher) : -1;
    if (r < p.teacher.logits.rows) return r;
    report(block, findings, finding::row, tokens.teacher);
    return -1;
  }
  /// Value of pair n, and what its gradient needs of the whole row.
  template <class Block>
  MLOT_DEVICE void compare(Block& block, token const& of, index_t n, index_t r) const {
    using std::log;
    if (r < 0) return;
    T const tau = p.teacher_temperature();
    auto const sums =
        row_sums(block, p.teacher.logits, r, of.place, exponentials<T, 1, false>{{rate_of(tau)}},
                 tau, findings, finding::teacher_logit);
    log_softmax<T> const teacher{sums.maximum, T(1) / tau, -log(sums.partition[0])};
    if (!teacher.exists() || !of.student.exists()) return;
    compared const rows{p.teacher.logits.row(r), p.student_logits.row(of.row), of.place, teacher,
                        of.student};
    Kind kind = p.kind;
    if constexpr (adaptive_kind<Kind>) kind.forward_share = head_and_tail<T>::share(block, rows);
    values<T, 3> own{};  // value, slope and the p of finite slopes
    rows.for_ids(block, [&](probability_pair<T> const& x, index_t) {
      divergence_term<T> const term = kind.term(x);
      bool const finite = term.slope < infinity<T>;
      own.of[0] += term.value;
      own.of[1] += finite ? term.slope : T(0);
      own.of[2] += finite ? x.p : T(0);
    });
    values<T, 3> const all = block.all(own, plus());
    if (block.thread() > 0) return;
    scratch.value(n) = all.of[0];
    scratch.teacher_row(n) = r;
    scratch.maximum(n) = teacher.maximum;
    scratch.minus_log_partition(n) = teacher.minus_log_partition;
    scratch.centre(n) = all.of[2] > T(0) ? all.of[1] / all.of[2] : T(0);
    if constexpr (adaptive_kind<Kind>) scratch.forward_share(n) = kind.forward_share;
  }

  /// Columns first .. past - 1, which both models have or only the student has.
  template <class Block>
  MLOT_DEVICE void write_gradient(Block& block, token const& of,
                                  typename aligned_pairs<memory>::range range, T weight,
                                  index_t first, index_t past) const {
    constexpr int width = pack_width<S, Teacher, G>;
    bool const teacher_has = first < p.teacher.logits.cols;
    auto const teacher_columns = [&](index_t r) {
      return columns_of(p.teacher.logits.row(r), first, past);
    };
    auto const logits = columns_of(p.student_logits.row(of.row), first, past);
    auto const gradient = columns_of(p.gradient.row(of.row), first, past);
    auto place = place_of_packs<width>::in(logits).and_in(gradient);
    for (index_t n = range.first; n < range.past && teacher_has; ++n)
      if (scratch.teacher_row(n) >= 0)
        place = place.and_in(teacher_columns(scratch.teacher_row(n)));
    T const coefficient = of.label >= 0 ? p.cross_entropy_weight / of.unit_partition : T(0);
    T const inverse_temperature = T(1) / p.teacher_temperature();
    index_t const label = of.label - first;
    for_columns<T, width, compared_packs<T, width>>(block, past - first, place, [&](auto part) {
      T z[part.count], sum[part.count];
      part.load(logits, z);
      MLOT_UNROLL
      for (int j = 0; j < part.count; ++j)
        sum[j] =
            coefficient == T(0) ? T(0) : coefficient * exponential(T(z[j] - of.student.maximum));
      for (index_t n = range.first; n < range.past; ++n) {
        index_t const r = scratch.teacher_row(n);
        if (r < 0) continue;
        log_softmax<T> const teacher{scratch.maximum(n), inverse_temperature,
                                     scratch.minus_log_partition(n)};
        compared const rows{{}, {}, {}, teacher, of.student};
        Kind kind = p.kind;
        if constexpr (adaptive_kind<Kind>) kind.forward_share = scratch.forward_share(n);
        T const centre = scratch.centre(n);
        T x[part.count];
        if (teacher_has) part.load(teacher_columns(r), x);
        MLOT_UNROLL
        for (int j = 0; j < part.count; ++j) {
          probability_pair<T> const ids = rows.at(teacher_has ? x[j] : -infinity<T>, z[j]);
          T const slope = kind.term(ids).slope;
          bool const adds = slope < infinity<T> && z[j] > -infinity<T>;
          sum[j] += adds ? weight * (slope - ids.p * centre) : T(0);
        }
      }
      MLOT_UNROLL
      for (int j = 0; j < part.count; ++j)
        if (part.column(j) == label && z[j] > -infinity<T>) sum[j] -= p.cross_entropy_weight;
      part.store(gradient, sum);
    });
  }
};

/// One block a sequence: its pairs and tokens added up.
template <grid Device, class T>
struct divergence_sums_kernel {
  using memory = typename Device::memory;
  static constexpr int threads = Device::tuning.row_threads;
  using shared = nothing_shared;
  divergence_scratch<T, memory> scratch;
  aligned_pairs<memory> pairs;
  vector_view<T, memory> out, cross_entropy;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index_t const b = block.index();
    auto const sum = [&](vector_view<T, memory> const& x,
                         vector_view<index_t const, memory> const& offset) {
      T own(0);
      for (index_t n = offset(b) + block.thread(); n < offset(b + 1); n += threads) own += x(n);
      return block.all(own, plus());
    };
    T const value = sum(scratch.value, pairs.offset());
    T const entropy = sum(scratch.entropy, pairs.student_offset);
    if (block.thread() > 0) return;
    out(b) = value;
    if (!cross_entropy.empty()) cross_entropy(b) = entropy;
  }
};

template <grid Device, real T, class Kind, storage Teacher, storage S, storage G>
std::size_t scratch_size(
    Device, dense_divergence_in<typename Device::memory, T, Kind, Teacher, S, G> const& p) {
  arena<typename Device::memory> space;
  divergence_scratch<T, typename Device::memory>(p, space);
  return space.bytes();
}

template <grid Device, real T, class Kind, storage Teacher, storage S, storage G>
status run(Device device,
           dense_divergence_in<typename Device::memory, T, Kind, Teacher, S, G> const& p,
           workspace<typename Device::memory> lent) {
  using memory = typename Device::memory;
  launches<Device> launch(device);
  arena<memory> space(lent);
  divergence_scratch<T, memory> const scratch(p, space);
  auto const pairs = pairs_of_divergence<Device>(p);
  using begin = divergence_begin_kernel<Device, T>;
  using tokens = row_tokens_kernel<Device>;
  index_t const items =
      most(most(p.student_logits.rows, p.student_tokens.tokens()), p.most_pairs());
  launch(item_blocks<Device>(items, begin::threads), begin{scratch, pairs, device.findings});
  launch(item_blocks<Device>(p.student_tokens.tokens(), tokens::threads),
         tokens{scratch.rows, p.student_tokens, device.findings});
  auto const compare = [&]<int N>(std::integral_constant<int, N>) {
    launch(p.student_logits.rows, divergence_kernel<Device, T, Kind, Teacher, S, G, N>{
                                      p, scratch, pairs, device.findings});
  };
  if (!p.labels.label.empty() && p.temperature != T(1))
    compare(std::integral_constant<int, 2>());
  else
    compare(std::integral_constant<int, 1>());
  launch(p.sequences(), divergence_sums_kernel<Device, T>{scratch, pairs, p.out, p.cross_entropy});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
