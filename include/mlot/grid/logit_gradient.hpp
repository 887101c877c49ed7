#pragma once
#include <cmath>

#include "mlot/core/segment.hpp"
#include "mlot/grid/exponentials.hpp"
#include "mlot/grid/pack.hpp"
#include "mlot/grid/row_tokens.hpp"
#include "mlot/primitive/logit_gradient.hpp"
/// A block reads one row once and writes it once. Columns with sparse entries are written after
/// that, each by one thread and with all that belongs to it: the dense part made again, then the
/// entries, summed in T. Their logits are read before, since the gradient may lie in their place.
namespace mlot::MLOT_SET::simt {
/// Which token each row is, and which entries of a sequence have the same id. Entry e is column e
/// of the first set of columns, or from its K on of the second.
template <class T, class S, class G, class Memory>
struct gradient_index {
  row_tokens<Memory> rows;
  int sets;                             ///< of columns
  matrix_view<bool, Memory> leads{};    ///< (B, entries) the first with its id
  matrix_view<index_t, Memory> next{};  ///< (B, entries) the next with its id, or `entries`

  gradient_index(logit_gradient<T, S, G, Memory> const& p, arena<Memory>& space)
      : rows(p.logits.rows, space), sets(p.column_gradients()) {
    index_t entries = 0;
    for (int c = 0; c < sets; ++c) entries += p.columns[c].ids.cols;
    leads = space.template matrix<bool>(p.tokens.sequences(), entries);
    next = space.template matrix<index_t>(p.tokens.sequences(), entries);
  }
  MLOT_DEVICE index_t entries() const { return next.cols; }
};

/// Where entry e stands.
struct gradient_entry {
  int set;
  index_t l;
  template <class Gradient>
  MLOT_DEVICE static gradient_entry of(Gradient const& p, index_t e) {
    index_t const first = p.columns[0].ids.cols;
    return e < first ? gradient_entry{0, e} : gradient_entry{1, e - first};
  }
  template <class Gradient>
  MLOT_DEVICE index_t id(Gradient const& p, index_t b) const {
    return p.columns[set].ids(b, l);
  }
};

/// Nothing known yet of the rows; and the entries of one id, by comparing all of a sequence.
template <grid Device, class T, class S, class G>
struct gradient_entries_kernel {
  static constexpr int threads = Device::tuning.table_threads;
  using shared = nothing_shared;
  logit_gradient<T, S, G, typename Device::memory> p;
  gradient_index<T, S, G, typename Device::memory> index;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared&) const {
    index.rows.clear(block);
    index_t const entries = index.entries();
    for_items(block, p.tokens.sequences() * entries, [&](index_t n) {
      index_t const b = n / entries, e = n % entries;
      auto const id = [&](index_t of) { return gradient_entry::of(p, of).id(p, b); };
      index_t const v = id(e);
      bool leads = v >= 0 && v < p.logits.cols;
      if (v >= p.logits.cols)
        report(block, findings, finding::column_id, b, gradient_entry::of(p, e).l);
      for (index_t other = 0; other < e && leads; ++other) leads = id(other) != v;
      index_t next = e + 1;
      while (next < entries && id(next) != v) ++next;
      index.leads(b, e) = leads;
      index.next(b, e) = next;
    });
  }
};

/// A row's gradient without its sparse entries: the sum of coefficient 2^((z - maximum) rate) over
/// up to three temperatures, equal ones merged.
template <class T>
class dense_row {
 public:
  MLOT_DEVICE void add(T temperature, T partition, T weight) {
    T const rate = rate_of(temperature);
    T const coefficient = partition > T(0) ? weight / partition : T(0);
    bool merged = false;
    MLOT_UNROLL
    for (int k = 0; k < 3; ++k)
      if (k < count_ && !merged && rate_[k] == rate) {
        coefficient_[k] += coefficient;
        merged = true;
      }
    MLOT_UNROLL
    for (int k = 0; k < 3; ++k)
      if (k == count_ && !merged) {
        rate_[k] = rate;
        coefficient_[k] = coefficient;
      }
    count_ += !merged;
  }
  MLOT_DEVICE bool empty() const { return count_ == 0; }
  MLOT_DEVICE T at(T below_maximum) const {
    T sum(0);
    MLOT_UNROLL
    for (int k = 0; k < 3; ++k)
      if (k < count_) sum += coefficient_[k] * power_of_two(T(below_maximum * rate_[k]));
    return sum;
  }
  /// Calls body(value), where value(x) is at(x) for as many temperatures as there are. One
  /// exponential serves two of which one is twice the other.
  template <class Body>
  MLOT_DEVICE void with_value(Body body) {
    if (count_ > 1 && rate_[0] == 2 * rate_[1]) {
      T const rate = rate_[0], coefficient = coefficient_[0];
      rate_[0] = rate_[1], coefficient_[0] = coefficient_[1];
      rate_[1] = rate, coefficient_[1] = coefficient;
    }
    bool const squares = count_ > 1 && rate_[1] == 2 * rate_[0];
    if (count_ == 1)
      body(value<1, false>());
    else if (count_ == 2)
      squares ? body(value<2, true>()) : body(value<2, false>());
    else
      squares ? body(value<3, true>()) : body(value<3, false>());
  }

 private:
  template <int N, bool Squares>
  struct value_of {
    exponentials<T, N, Squares> powers;
    T coefficient[N];
    MLOT_DEVICE T operator()(T below_maximum) const {
      using std::fma;  // by name: equal logits have equal gradients wherever this is compiled
      T e[N];
      powers(below_maximum, e);
      T sum = coefficient[0] * e[0];
      for (int k = 1; k < N; ++k) sum = fma(coefficient[k], e[k], sum);
      return sum;
    }
  };
  template <int N, bool Squares>
  MLOT_DEVICE value_of<N, Squares> value() const {
    value_of<N, Squares> all;
    for (int k = 0; k < N; ++k) all.powers.rate[k] = rate_[k], all.coefficient[k] = coefficient_[k];
    return all;
  }
  T coefficient_[3]{}, rate_[3]{};
  int count_ = 0;
};

/// One block a row.
template <grid Device, class T, class S, class G>
struct logit_gradient_kernel {
  static constexpr int threads = Device::tuning.row_threads;
  static constexpr index_t most_kept = 2048;
  struct shared {
    T kept[most_kept];  ///< what is to be written for the first entries
    T at_label;         ///< and for a label that no entry has
  };
  logit_gradient<T, S, G, typename Device::memory> p;
  gradient_index<T, S, G, typename Device::memory> index;
  std::uint64_t* findings;

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    index_t const r = block.index();
    if (!index.rows.is_token(r)) return clear_row<T>(block, p.gradient.row(r));
    row const of(block, *this, r);
    totals const sums = block.all(of.own_totals(block), plus());
    dense_row<T> dense;
    if (of.top > -infinity<T>) {
      MLOT_UNROLL
      for (int c = 0; c < 2; ++c)
        if (of.usable[c])
          dense.add(of.temperature[c], p.columns[c].partition(of.i),
                    -sums.of[c] / of.temperature[c]);
      if (of.labelled) dense.add(T(1), p.label_partition(of.i), p.cross_entropy_weight);
    }
    auto const dense_at = [&](index_t v) {
      return dense.empty() ? T(0) : dense.at(load_as<T>(p.logits(r, v)) - of.top);
    };
    of.for_led(block, [&](index_t e, index_t v) {
      if (e < most_kept) s.kept[e] = of.plus_entries(e, dense_at(v));
    });
    bool const label_apart = of.adds_label && sums.labels == 0 && block.thread() == 0;
    if (label_apart) s.at_label = dense_at(of.label) - p.cross_entropy_weight;
    block.sync();
    auto const logits = p.logits.row(r);
    auto const gradient = p.gradient.row(r);
    if (dense.empty())
      clear_row<T>(block, gradient);
    else
      dense.with_value([&](auto value) {
        for_rows<T>(block, logits, gradient, [&](auto part) {
          T x[part.count];
          part.load(logits, x);
          MLOT_UNROLL
          for (int j = 0; j < part.count; ++j) x[j] = value(T(x[j] - of.top));
          part.store(gradient, x);
        });
      });
    block.sync();
    of.for_led(block, [&](index_t e, index_t v) {
      gradient(v) =
          store_as<G>(e < most_kept ? s.kept[e] : of.plus_entries(e, load_as<T>(gradient(v))));
    });
    if (label_apart) gradient(of.label) = store_as<G>(s.at_label);
  }

 private:
  struct totals {
    T of[2];     ///< of the entries of each set
    int labels;  ///< how many are the label
    MLOT_DEVICE friend totals operator+(totals a, totals const& b) {
      a.of[0] += b.of[0];
      a.of[1] += b.of[1];
      a.labels += b.labels;
      return a;
    }
  };

  /// What concerns one token, the same for all threads.
  struct row {
    logit_gradient_kernel const& all;
    index_t i, b, label;
    T top, temperature[2];
    bool usable[2];   ///< sets there are, at a temperature that is one
    bool labelled;    ///< has a label that counts
    bool adds_label;  ///< which is not masked

    template <class Block>
    MLOT_DEVICE row(Block& block, logit_gradient_kernel const& kernel, index_t r)
        : all(kernel), i(kernel.index.rows.of(r)) {
      auto const& given = all.p;
      b = segment_of(given.tokens.offset, i);
      top = given.maximum(i);
      MLOT_UNROLL
      for (int c = 0; c < 2; ++c) {
        bool const used = c < all.index.sets;
        temperature[c] = used ? given.columns[c].temperature(i) : T(1);
        usable[c] = used && is_temperature(temperature[c]);
        if (used && !usable[c]) report(block, all.findings, finding::temperature, i);
      }
      labelled = given.labels.counts(r);
      label = labelled ? given.labels.label(r) : -1;
      if (labelled && (label < 0 || label >= given.logits.cols)) {
        report(block, all.findings, finding::label, r);
        labelled = false;
        label = -1;
      }
      adds_label =
          labelled && top > -infinity<T> && load_as<T>(given.logits(r, label)) > -infinity<T>;
    }
    /// This thread's share of all entries.
    template <class Block>
    MLOT_DEVICE totals own_totals(Block& block) const {
      totals own{};
      for (index_t e = block.thread(); e < all.index.entries(); e += threads) {
        auto const entry = gradient_entry::of(all.p, e);
        T const h = all.p.columns[entry.set].at(i, entry.l);
        own.of[0] += entry.set == 0 ? h : T(0);
        own.of[1] += entry.set == 1 ? h : T(0);
        own.labels += entry.id(all.p, b) == label;
      }
      return own;
    }
    /// Calls visit(e, v) for this thread's share of the ids v, e the first entry of each.
    template <class Block, class Visit>
    MLOT_DEVICE void for_led(Block& block, Visit visit) const {
      for (index_t e = block.thread(); e < all.index.entries(); e += threads)
        if (all.index.leads(b, e)) visit(e, gradient_entry::of(all.p, e).id(all.p, b));
    }
    /// sum + everything that belongs to the id of entry e, in order, the label last.
    MLOT_DEVICE T plus_entries(index_t e, T sum) const {
      index_t const v = gradient_entry::of(all.p, e).id(all.p, b);
      for (; e < all.index.entries(); e = all.index.next(b, e)) {
        auto const entry = gradient_entry::of(all.p, e);
        bool const second = entry.set == 1;  // no index into registers
        if (second ? usable[1] : usable[0])
          sum +=
              all.p.columns[entry.set].at(i, entry.l) / (second ? temperature[1] : temperature[0]);
      }
      return adds_label && v == label ? sum - all.p.cross_entropy_weight : sum;
    }
  };
};

template <grid Device, real T, storage S, storage G>
std::size_t scratch_size(Device, logit_gradient<T, S, G, typename Device::memory> const& p) {
  arena<typename Device::memory> space;
  gradient_index<T, S, G, typename Device::memory>(p, space);
  return space.bytes();
}

template <grid Device, real T, storage S, storage G>
status run(Device device, logit_gradient<T, S, G, typename Device::memory> const& p,
           workspace<typename Device::memory> scratch) {
  launches<Device> launch(device);
  arena<typename Device::memory> space(scratch);
  gradient_index<T, S, G, typename Device::memory> const index(p, space);
  using entries = gradient_entries_kernel<Device, T, S, G>;
  using tokens = row_tokens_kernel<Device>;
  index_t const links = p.tokens.sequences() * index.next.cols;
  launch(item_blocks<Device>(p.logits.rows + links, entries::threads),
         entries{p, index, device.findings});
  launch(item_blocks<Device>(p.tokens.tokens(), tokens::threads),
         tokens{index.rows, p.tokens, device.findings});
  launch(p.logits.rows, logit_gradient_kernel<Device, T, S, G>{p, index, device.findings});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
