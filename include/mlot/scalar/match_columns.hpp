#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "mlot/primitive/match_columns.hpp"
#include "mlot/scalar/device.hpp"
#include "mlot/scalar/linear_assignment.hpp"
namespace mlot::MLOT_SET::scalar {
/// For each of K columns, the K ids of least cost among those offered, by cost and id; and the
/// matching that they make. Ids from V on are zero columns: what exact uses where K exceeds V.
class cheapest_ids {
 public:
  cheapest_ids(index_t k, index_t vocabulary, matching_rule rule, arena<host_memory>& space)
      : vocabulary_(vocabulary),
        rule_(rule),
        kept_(space.vector<index_t>(k)),
        edge_(space.vector<index_t>(k)),
        absence_(space.vector<double>(k)),
        id_(space.matrix<index_t>(k, k)),
        cost_(space.matrix<double>(k, k)),
        different_(space.vector<index_t>(rule == matching_rule::exact ? k * k : 0)),
        column_(space.matrix<index_t>(rule == matching_rule::exact ? k : 0, k)),
        assignment_(column_.rows, different_.size, space) {}

  index_t columns() const { return kept_.size; }
  /// Begins anew with column l, which costs that much without an id.
  void clear(index_t l, double absence) {
    kept_(l) = 0;
    absence_(l) = absence;
    for (index_t v = vocabulary_; v < columns() && rule_ == matching_rule::exact; ++v)
      offer(l, v, absence);
  }
  /// What an id must not exceed to be kept.
  double most(index_t l) const {
    return kept_(l) < columns() ? infinity<double> : cost_(l, columns() - 1);
  }
  /// Costs that are no finite number are not kept.
  void offer(index_t l, index_t id, double cost) {
    auto const before = [&](index_t place) {
      return cost < cost_(l, place) || (cost == cost_(l, place) && id < id_(l, place));
    };
    index_t& kept = kept_(l);
    if (!(cost < infinity<double>) || (kept == columns() && !before(kept - 1))) return;
    index_t place = kept < columns() ? kept++ : kept - 1;
    for (; place > 0 && before(place - 1); --place) {
      id_(l, place) = id_(l, place - 1);
      cost_(l, place) = cost_(l, place - 1);
    }
    id_(l, place) = id;
    cost_(l, place) = cost;
  }

  /// Matches the columns with the ids kept. False where one that should have an id finds none.
  bool match() { return rule_ == matching_rule::greedy ? match_greedily() : match_exactly(); }
  /// After match(): an id that was not offered for column l changes nothing if it costs more.
  double limit(index_t l) const {
    if (edge_(l) < 0) return -infinity<double>;
    return rule_ == matching_rule::greedy ? cost_(l, edge_(l)) : assignment_.row_price(l);
  }
  /// After match(): column l's id, and what the matching costs.
  index_t id(index_t l) const {
    index_t const v = edge_(l) < 0 ? vocabulary_ : id_(l, edge_(l));
    return v < vocabulary_ ? v : -1;
  }
  double objective() const {
    double sum = 0;
    for (index_t l = 0; l < columns(); ++l) sum += edge_(l) < 0 ? absence_(l) : cost_(l, edge_(l));
    return sum;
  }

 private:
  bool match_greedily() {
    for (index_t l = 0; l < columns(); ++l) {
      auto const is_free = [&](index_t e) {
        for (index_t other = 0; other < l; ++other)
          if (id(other) == id_(l, e)) return false;
        return true;
      };
      index_t& e = edge_(l) = 0;
      while (e < kept_(l) && !is_free(e)) ++e;
      if (e < kept_(l)) continue;
      if (l < vocabulary_) return false;
      e = -1;
    }
    return true;
  }
  /// With as few of the ids kept as prove to be enough.
  bool match_exactly() {
    index_t const k = columns();
    for (index_t l = 0; l < k; ++l)
      if (kept_(l) < k) return false;
    for (index_t edges = (std::min<index_t>)(k, 8); k > 0; edges = (std::min)(k, 2 * edges)) {
      bool enough = assign(edges);
      for (index_t l = 0; l < k && enough && edges < k; ++l)
        enough = assignment_.row_price(l) <= cost_(l, edges);
      if (enough || edges == k) return enough;
    }
    return true;
  }
  /// Chooses among the `edges` cheapest ids of every column; false where they do not suffice.
  bool assign(index_t edges) {
    index_t const k = columns();
    index_t* const ids = different_.data;  // one column of the problem for every different id
    for (index_t l = 0; l < k; ++l) std::copy_n(&id_(l, 0), edges, ids + l * edges);
    // Without an order of ours they would be one symbol for all instruction sets.
    auto const before = [](index_t a, index_t b) { return a < b; };
    std::sort(ids, ids + k * edges, before);
    index_t* const end = std::unique(ids, ids + k * edges);
    for (index_t l = 0; l < k; ++l)
      for (index_t e = 0; e < edges; ++e)
        column_(l, e) = std::lower_bound(ids, end, id_(l, e), before) - ids;
    host::matrix<index_t const> const column{column_.data, k, edges, k};
    host::matrix<double const> const cost{cost_.data, k, edges, k};
    if (!assignment_.solve(column, cost)) return false;
    for (index_t l = 0; l < k; ++l) edge_(l) = assignment_.edge(l);
    return true;
  }

  index_t vocabulary_;
  matching_rule rule_;
  host::vector<index_t> kept_, edge_;  // (K)
  host::vector<double> absence_;       // (K)
  host::matrix<index_t> id_;           // (K, K)
  host::matrix<double> cost_;          // (K, K)
  host::vector<index_t> different_;
  host::matrix<index_t> column_;
  linear_assignment assignment_;
};

/// Writes sequence b's answer.
template <real T, storage S>
void write_matching(match_columns<T, S, host_memory> const& p, index_t b,
                    cheapest_ids const& cheapest) {
  for (index_t l = 0; l < p.ids.cols; ++l) p.ids(b, l) = cheapest.id(l);
  if (!p.objective.empty()) p.objective(b) = T(cheapest.objective());
}
/// No id is left for a column because the costs are no numbers.
inline status unusable_costs(index_t sequence) {
  return {fault::data, "match_columns.teacher", "finite, with logits that vocabulary_mass accepts",
          std::numeric_limits<double>::quiet_NaN(), sequence};
}

template <real T, storage S>
struct match_scratch {
  cheapest_ids cheapest;
  vector_view<T, host_memory> student;       // (longest sequence) one id's probabilities
  vector_view<wide_t<T>, host_memory> cost;  // (K)
  match_scratch(match_columns<T, S, host_memory> const& p, arena<host_memory>& space)
      : cheapest(p.teacher.cols, p.logits.cols, p.rule, space),
        student(space.vector<T>(p.tokens.longest)),
        cost(space.vector<wide_t<T>>(p.teacher.cols)) {}
};
template <real T, storage S>
std::size_t scratch_size(device, match_columns<T, S, host_memory> const& p) {
  arena<host_memory> space;
  match_scratch<T, S>(p, space);
  return space.bytes();
}

template <real T, storage S>
status run(device, match_columns<T, S, host_memory> const& p, workspace<host_memory> scratch) {
  using std::abs, std::exp;
  arena<host_memory> space(scratch);
  match_scratch<T, S> own(p, space);
  cheapest_ids& cheapest = own.cheapest;
  auto const student = own.student;
  auto const cost = own.cost;
  index_t const k = p.teacher.cols, vocabulary = p.logits.cols;
  for (index_t b = 0; b < p.tokens.sequences(); ++b) {
    index_t const teacher_first = p.teacher_offset(b), first = p.tokens.offset(b);
    index_t const teacher_count = p.teacher_offset(b + 1) - teacher_first;
    // D(l, v) for all l, where v is the id whose probabilities are in `student`.
    auto const compare = [&] {
      for (index_t l = 0; l < k; ++l) cost(l) = wide_t<T>(0);
      p.pairs.for_each(b, teacher_count, p.tokens.count(b), [&](index_t i, index_t j) {
        for (index_t l = 0; l < k; ++l)
          cost(l) += T(abs(T(p.teacher(teacher_first + i, l) - student(j))));
      });
    };
    for (index_t j = 0; j < p.tokens.count(b); ++j) student(j) = T(0);
    compare();
    for (index_t l = 0; l < k; ++l) cheapest.clear(l, as_double(cost(l)));
    for (index_t v = 0; v < vocabulary; ++v) {
      for (index_t j = 0; j < p.tokens.count(b); ++j) {
        index_t const i = first + j, r = p.tokens.row(i);
        T const z = r < 0 ? -infinity<T> : load_as<T>(p.logits(r, v));
        student(j) = z == -infinity<T>
                         ? T(0)
                         : T(exp(T((z - p.maximum(i)) / p.temperature(i))) / p.partition(i));
      }
      compare();
      for (index_t l = 0; l < k; ++l) cheapest.offer(l, v, as_double(cost(l)));
    }
    if (!cheapest.match()) return unusable_costs(b);
    write_matching(p, b, cheapest);
  }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
