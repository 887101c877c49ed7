#pragma once
#include <algorithm>
#include <limits>

#include "mlot/scalar/match_columns.hpp"
#include "mlot/scalar/sort_indices.hpp"
#include "mlot/simd/device.hpp"
#include "mlot/simd/exponentials.hpp"
#include "mlot/simd/lanes.hpp"
#include "mlot/simd/packed_matrix.hpp"
#include "mlot/simd/parallel.hpp"
#include "mlot/simd/row_blocks.hpp"
/// Ids are compared in blocks of one vector, the blocks of largest mass first, some blocks at a
/// time (a chunk). After a chunk the columns are matched with the best ids found. The matching says
/// what an id may cost at most to change it, and the mass how far down the order such an id could
/// be: a column sees blocks as far as that. When all have, and found nothing that changes the
/// matching, it is the answer. Where mass tells nothing, every column sees every block.
/// A few blocks' probabilities of some tokens are made at a time, in memory's order, and stay in
/// the first-level cache while the columns go by. Which blocks a chunk has depends on the data
/// alone, never on threads.
namespace mlot::MLOT_SET::simd::MLOT_THREADS {
using scalar::cheapest_ids;
using scalar::unusable_costs;
using scalar::write_matching;

inline constexpr index_t pairs_of_a_tile = 32;   ///< summed by themselves, for accuracy
inline constexpr index_t blocks_of_a_group = 8;  ///< read together, row by row
inline constexpr index_t pairs_ahead = 4;        ///< whose logits are asked for
inline constexpr index_t least_chunk = 32;       ///< blocks that all columns see at a time

/// One sequence's search. All threads of a team go through it together.
template <class Batch, class T, storage S>
class id_search {
  static constexpr index_t width = Batch::size;

 public:
  using number = T;
  id_search(match_columns<T, S, host_memory> const& p, arena<host_memory>& space)
      : p_(p),
        blocks_((p.logits.cols + width - 1) / width),
        cheapest_(p.teacher.cols, p.logits.cols, p.rule, space),
        inverse_temperature_(space.vector<T>(p.tokens.longest)),
        share_(space.vector<T>(p.tokens.longest)),
        block_mass_(space.vector<T>(blocks_)),
        order_(space.vector<index_t>(blocks_)),
        chunk_(space.vector<index_t>(blocks_)),
        teacher_mass_(space.vector<double>(p.teacher.cols)),
        limit_(space.vector<double>(p.teacher.cols)),
        found_(space.vector<index_t>(p.teacher.cols)),
        seen_(space.vector<index_t>(p.teacher.cols)),
        wanted_(space.vector<index_t>(p.teacher.cols)),
        active_(space.vector<index_t>(p.teacher.cols)),
        cost_(space.matrix<T>(least_chunk * p.teacher.cols, width)) {}

  /// Matches sequence b's columns. One after the other: what the loop below needs of it.
  void run(index_t b, team const& threads) {
    if (threads.rank == 0) begin(b);
    threads.wait();
    for (index_t k = threads.share(blocks_); k < threads.share_end(blocks_); ++k)
      block_mass_(k) = largest_mass(k);
    threads.wait();
    if (threads.rank == 0) {
      sort_blocks();
      plan();
    }
    threads.wait();
    while (!finished_) {
      index_t const end = threads.share_end(count_);
      for (index_t n = threads.share(count_); n < end; n += blocks_of_a_group)
        compare(n, (std::min)(blocks_of_a_group, end - n));
      threads.wait();
      for (index_t a = threads.share(actives_); a < threads.share_end(actives_); ++a) keep(a);
      threads.wait();
      if (threads.rank == 0) plan();
      threads.wait();
    }
  }
  /// Whether there is an answer.
  bool matched() const { return matched_; }
  cheapest_ids const& answer() const { return cheapest_; }

 private:
  index_t ids_from(index_t v) const { return (std::min)(width, p_.logits.cols - v); }
  index_t teacher_token(index_t pair) const {
    return p_.teacher_offset(b_) +
           (p_.pairs.by_position() ? pair : p_.pairs.teacher(p_.pairs.offset(b_) + pair));
  }
  index_t student_token(index_t pair) const {  // within the sequence
    return p_.pairs.by_position() ? pair : p_.pairs.student(p_.pairs.offset(b_) + pair);
  }

  // Once a sequence, and cold: for size.
  [[gnu::noinline, gnu::cold]] void begin(index_t b) {
    b_ = b;
    index_t const tokens = p_.tokens.count(b);
    pairs_ = p_.pairs.count(b, p_.teacher_offset(b + 1) - p_.teacher_offset(b), tokens);
    for (index_t j = 0; j < tokens; ++j) {
      index_t const i = p_.tokens.offset(b) + j;
      inverse_temperature_(j) = T(1) / p_.temperature(i);
      share_(j) = p_.partition(i) > T(0) ? T(1) / p_.partition(i) : T(0);
    }
    most_pairs_ = pairs_ > 0;  // of one token; they lie together
    for (index_t n = 1, run = 1; n < pairs_; ++n) {
      run = student_token(n) == student_token(n - 1) ? run + 1 : 1;
      most_pairs_ = (std::max)(most_pairs_, run);
    }
    // What mass and costs promise of their accuracy, twice; and the sums of their tokens.
    double const of_one = sizeof(T) == 4 ? 4e-5 : 4e-13;
    slack_ = of_one + double(tokens + pairs_) * double(std::numeric_limits<T>::epsilon());
    index_t const k = p_.teacher.cols;
    // Blocks for K ids; one is perhaps not full.
    enough_ = (std::min)((std::max)(k / width + 2, least_chunk), blocks_);
    for (index_t l = 0; l < k; ++l) {
      T const absence = cost_of_absence(l);
      teacher_mass_(l) = double(absence);
      cheapest_.clear(l, double(absence));
      limit_(l) = infinity<double>;
      found_(l) = seen_(l) = 0;
      wanted_(l) = enough_;
    }
    actives_ = begin_ = count_ = 0;
    finished_ = false;
    outdated_ = true;
  }
  /// sum |t - 0|, with the bits that an id of probability 0 gets.
  T cost_of_absence(index_t l) const {
    T sum(0);
    for (index_t begin = 0; begin < pairs_; begin += pairs_of_a_tile) {
      T part(0);
      for (index_t n = begin; n < (std::min)(begin + pairs_of_a_tile, pairs_); ++n)
        part += std::abs(p_.teacher(teacher_token(n), l));
      sum += part;
    }
    return sum;
  }
  T largest_mass(index_t block) const {
    if (p_.mass.data == nullptr) return infinity<T>;
    index_t const v = block * width, ids = ids_from(v);
    T const* const mass = &p_.mass(b_, v);
    return lane_max(ids == width ? load_lanes<Batch>(mass, all_lanes{})
                                 : load_lanes<Batch>(mass, first_lanes{ids}));
  }
  void sort_blocks() {
    for (index_t k = 0; k < blocks_; ++k) order_(k) = k;
    if (p_.mass.data != nullptr)
      scalar::sort_indices(order_.data, blocks_, [&](index_t k, index_t other) {
        return block_mass_(k) > block_mass_(other) ||
               (block_mass_(k) == block_mass_(other) && k < other);
      });
  }

  /// Chooses the next chunk and the columns that are to see it; or finishes.
  void plan() {
    for (index_t a = 0; a < actives_; ++a) {
      index_t const l = active_(a);
      seen_(l) = begin_ + count_;
      outdated_ |= found_(l) != 0;
      found_(l) = 0;
    }
    if (outdated_ && begin_ + count_ >= enough_) match();
    while (!finished_ && !choose()) outdated_ ? match() : finish();
  }
  void match() {
    matched_ = cheapest_.match();
    if (!matched_) return finish();
    outdated_ = false;
    for (index_t l = 0; l < seen_.size; ++l) {
      limit_(l) = cheapest_.limit(l);
      wanted_(l) = reach(l);
    }
  }
  void finish() { finished_ = true; }
  /// The first blocks that a column wants and has not seen; false where there are none. More at a
  /// time for few columns, but not so many that the next matching would spare much.
  bool choose() {
    begin_ = blocks_;
    for (index_t l = 0; l < seen_.size; ++l)
      if (seen_(l) < wanted_(l)) begin_ = (std::min)(begin_, seen_(l));
    index_t end = begin_;
    actives_ = 0;
    for (index_t l = 0; l < seen_.size; ++l)
      if (seen_(l) == begin_ && begin_ < wanted_(l)) {
        active_(actives_++) = l;
        end = (std::max)(end, wanted_(l));
      }
    if (actives_ == 0) return false;
    count_ = (std::min)(
        {end - begin_, (std::max)(least_chunk, begin_ / 4), least_chunk * seen_.size / actives_});
    std::copy_n(&order_(begin_), count_, chunk_.data);
    scalar::sort_indices(chunk_.data, count_, [](index_t k, index_t other) { return k < other; });
    return true;
  }
  /// Blocks in which an id could cost column l no more than what changes the matching.
  index_t reach(index_t l) const {
    double const bound = teacher_mass_(l) * (1 - slack_) - limit_(l) * (1 + slack_);
    double const underflow = double(pairs_) * double((std::numeric_limits<T>::min)());
    index_t low = 0, high = blocks_;  // of blocks whose mass suffices: at least, at most
    while (low < high) {
      index_t const middle = (low + high) / 2;
      double const mass = double(block_mass_(order_(middle)));
      bool const suffices = double(most_pairs_) * mass * (1 + slack_) + underflow >= bound;
      (suffices ? low : high) = suffices ? middle + 1 : middle;
    }
    return low;
  }

  /// Writes the costs (active columns, width) of the chunk's blocks from n on, `count` of them.
  void compare(index_t n, index_t count) const {
    T* const out = &cost_(n * actives_, 0);
    std::fill_n(out, count * actives_ * width, T(0));
    for (index_t begin = 0; begin < pairs_; begin += pairs_of_a_tile) {
      index_t const pairs = (std::min)(pairs_of_a_tile, pairs_ - begin);
      Batch student[blocks_of_a_group][pairs_of_a_tile];
      T const* teacher[pairs_of_a_tile];
      for (index_t at = 0; at < pairs; ++at) {
        teacher[at] = &p_.teacher(teacher_token(begin + at), 0);
        write_probabilities(begin + at, n, count, &student[0][at]);
      }
      for (index_t g = 0; g < count; ++g)
        for_row_groups(0, actives_,
                       [&]<index_t Columns>(index_t a, std::integral_constant<index_t, Columns>) {
                         add_differences<Columns>(teacher, student[g], pairs, &active_(a),
                                                  out + (g * actives_ + a) * width);
                       });
    }
  }
  /// The student's logits of a pair; null where it has none.
  S const* logits(index_t pair) const {
    index_t const j = student_token(pair), r = p_.tokens.row(p_.tokens.offset(b_) + j);
    return r < 0 || share_(j) == T(0) ? nullptr : &p_.logits(r, 0);
  }
  /// A pair's student probabilities in `count` blocks, pairs_of_a_tile apart. Rows lie far from
  /// each other in memory: what comes next is asked for on the way.
  void write_probabilities(index_t pair, index_t n, index_t count, Batch* to) const {
    index_t const j = student_token(pair), i = p_.tokens.offset(b_) + j;
    T const share = share_(j);
    S const* const z = logits(pair);
    S const* const ahead = logits((std::min)(pair + pairs_ahead, pairs_ - 1));
    Batch const top(p_.maximum(i)), inverse(inverse_temperature_(j));
    for (index_t g = 0; g < count; ++g, to += pairs_of_a_tile) {
      index_t const v = width * chunk_(n + g), ids = ids_from(v);
      if (ahead != nullptr) __builtin_prefetch(ahead + v);
      auto const write = [=, this](auto which) {
        Batch const logits = p_.logits.col_stride == 1
                                 ? load_lanes<Batch>(z + v, which, -infinity<T>)
                                 : gather_logits(z, v);
        *to = product(exponential(product(Batch(logits - top), inverse)), Batch(share));
      };
      if (z == nullptr)
        *to = Batch(T(0));
      else
        ids == width ? write(all_lanes{}) : write(first_lanes{ids});
    }
  }
  /// Logits of one block that do not lie side by side.
  [[gnu::noinline, gnu::cold]] Batch gather_logits(S const* z, index_t v) const {
    alignas(64) T lane[width];
    for (index_t l = 0; l < width; ++l)
      lane[l] = l < ids_from(v) ? load_as<T>(z[(v + l) * p_.logits.col_stride]) : -infinity<T>;
    return Batch::load_aligned(lane);
  }
  template <index_t Columns>
  static void add_differences(T const* const* teacher, Batch const* student, index_t count,
                              index_t const* active, T* out) {
    Batch sum[Columns];
    index_t column[Columns];
    for (index_t c = 0; c < Columns; ++c) {
      sum[c] = Batch(T(0));
      column[c] = active[c];
    }
    for (index_t n = 0; n < count; ++n) {
      Batch const s = student[n];
      T const* const t = teacher[n];
      for (index_t c = 0; c < Columns; ++c) sum[c] += xsimd::abs(Batch(t[column[c]]) - s);
    }
    for (index_t c = 0; c < Columns; ++c) {
      T* const to = out + c * width;
      (Batch::load_aligned(to) + sum[c]).store_aligned(to);
    }
  }
  /// Offers the chunk's ids to active column `a`.
  void keep(index_t a) {
    index_t const l = active_(a);
    for (index_t n = 0; n < count_; ++n) {
      T const* const cost = &cost_(n * actives_ + a, 0);
      if (!xsimd::any(Batch::load_aligned(cost) <= Batch(T(cheapest_.most(l))))) continue;
      index_t const v = width * chunk_(n);
      for (index_t at = 0; at < ids_from(v); ++at) {
        cheapest_.offer(l, v + at, double(cost[at]));
        found_(l) |= double(cost[at]) <= limit_(l);
      }
    }
  }

  match_columns<T, S, host_memory> const& p_;
  index_t blocks_;
  cheapest_ids cheapest_;
  host::vector<T> inverse_temperature_, share_;  // (longest sequence)
  host::vector<T> block_mass_;                   // (blocks) the largest of a block's ids
  host::vector<index_t> order_;                  // (blocks) by falling mass
  host::vector<index_t> chunk_;                  // blocks begin_ to begin_ + count_ of it, rising
  host::vector<double> teacher_mass_;            // (K) over the pairs
  host::vector<double> limit_;   // (K) what a cost must not exceed to change the last matching
  host::vector<index_t> found_;  // (K) whether one did not, since
  host::vector<index_t> seen_, wanted_;  // (K) how many blocks of the order
  host::vector<index_t> active_;         // columns that see the chunk
  host::matrix<T> cost_;                 // (blocks of the chunk x active columns, width)
  index_t b_ = 0, pairs_ = 0, most_pairs_ = 0, actives_ = 0, begin_ = 0, count_ = 0, enough_ = 0;
  double slack_ = 0;
  bool finished_ = false, matched_ = false, outdated_ = true;
};

/// Memory of one search for every sequence, and whether it found an answer.
template <class Search>
struct search_scratch {
  packed_matrix<typename Search::number const> teacher, mass;
  host::vector<index_t> matched;
  host::matrix<unsigned char> own;  // (B, bytes of a search)
  template <class Primitive>
  search_scratch(Primitive const& p, arena<host_memory>& space)
      : teacher(p.teacher, space), mass(p.mass, space) {
    arena<host_memory> one;
    Search(p, one);
    matched = space.vector<index_t>(p.tokens.sequences());
    own = space.matrix<unsigned char>(p.tokens.sequences(), index_t(one.bytes()));
  }
  arena<host_memory> of(index_t b) const {
    return arena<host_memory>({reinterpret_cast<std::byte*>(&own(b, 0)), std::size_t(own.cols)});
  }
};

template <class Arch, has_lanes T, storage S>
std::size_t scratch_size(device<Arch>, match_columns<T, S, host_memory> const& p) {
  arena<host_memory> space;
  search_scratch<id_search<lanes_of<T, Arch>, T, S>>(p, space);
  return space.bytes();
}

template <class Arch, has_lanes T, storage S>
status run(device<Arch>, match_columns<T, S, host_memory> const& given,
           workspace<host_memory> scratch) {
  using search = id_search<lanes_of<T, Arch>, T, S>;
  arena<host_memory> space(scratch);
  search_scratch<search> const all(given, space);
  all.teacher.load(), all.mass.load();
  match_columns<T, S, host_memory> p = given;
  p.teacher = all.teacher.view(), p.mass = all.mass.view();
  index_t const sequences = p.tokens.sequences(), work = p.logits.cols * p.teacher.cols;
  auto const find = [&](search& own, index_t b) {
    all.matched(b) = own.matched();
    if (own.matched()) write_matching(p, b, own.answer());
  };
  if (sequences < max_threads()) {
    for (index_t b = 0; b < sequences; ++b) {
      arena<host_memory> memory = all.of(b);
      search own(p, memory);
      parallel_team(p.tokens.count(b) * work, [&](team const& threads) { own.run(b, threads); });
      find(own, b);
    }
  } else {
    parallel_for(sequences, 1, p.tokens.tokens() * work, [&](index_t b) {
      arena<host_memory> memory = all.of(b);
      search own(p, memory);
      own.run(b, team{});
      find(own, b);
    });
  }
  for (index_t b = 0; b < sequences; ++b)
    if (all.matched(b) == 0) return unusable_costs(b);
  return {};
}
}  // namespace mlot::MLOT_SET::simd::MLOT_THREADS
