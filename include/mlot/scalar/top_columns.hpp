#pragma once
#include "mlot/primitive/top_columns.hpp"
#include "mlot/scalar/device.hpp"
namespace mlot::MLOT_SET::scalar {
/// Keeps the best K of the ids offered so far, sorted; offers come in rising id order.
template <storage T>
struct ranking {
  vector_view<T const, host_memory> mass;
  vector_view<index_t, host_memory> ids;
  index_t kept = 0;

  accumulator_t<T> mass_of(index_t id) const { return load_as<accumulator_t<T>>(mass(id)); }
  bool full() const { return kept == ids.size; }
  accumulator_t<T> last() const { return mass_of(ids(kept - 1)); }
  void offer(index_t id) {
    // A later id ranks behind an equal mass, so ties keep the lower id.
    if (ids.empty() || (full() && !(mass_of(id) > last()))) return;
    index_t place = full() ? kept - 1 : kept++;
    for (; place > 0 && mass_of(id) > mass_of(ids(place - 1)); --place) ids(place) = ids(place - 1);
    ids(place) = id;
  }
  /// Marks the places that no id fills.
  void finish() {
    for (index_t l = kept; l < ids.size; ++l) ids(l) = -1;
  }
};

template <storage T>
status run(device, top_columns<T, host_memory> const& p, workspace<host_memory>) {
  for (index_t b = 0; b < p.ids.rows; ++b) {
    index_t const r = p.row_of(b);
    ranking<T> best{p.mass.row(r < 0 ? 0 : r), p.ids.row(b)};
    for (index_t v = 0; r >= 0 && v < p.mass.cols; ++v) best.offer(v);
    best.finish();
  }
  return {};
}
}  // namespace mlot::MLOT_SET::scalar
