#pragma once
#include "mlot/primitive/top_columns.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::on {
/// Keeps the best K of the ids offered so far, sorted; offers come in rising id order.
template <real T>
struct ranking {
  vector_view<T const, host_memory> mass;
  vector_view<index_t, host_memory> ids;
  index_t kept = 0;

  bool full() const { return kept == ids.size; }
  T const& last() const { return mass(ids(kept - 1)); }
  void offer(index_t id) {
    // A later id ranks behind an equal mass, so ties keep the lower id.
    if (ids.empty() || (full() && !(mass(id) > last()))) return;
    index_t place = full() ? kept - 1 : kept++;
    for (; place > 0 && mass(id) > mass(ids(place - 1)); --place) ids(place) = ids(place - 1);
    ids(place) = id;
  }
  /// Marks the places that no id fills.
  void finish() {
    for (index_t l = kept; l < ids.size; ++l) ids(l) = -1;
  }
};

template <real T>
status run(scalar, top_columns<T, host_memory> const& p, workspace<host_memory>) {
  for (index_t b = 0; b < p.mass.rows; ++b) {
    ranking<T> best{p.mass.row(b), p.ids.row(b)};
    for (index_t v = 0; v < p.mass.cols; ++v) best.offer(v);
    best.finish();
  }
  return {};
}
}  // namespace mlot::on
