#pragma once
#include "mlot/grid/sinkhorn.hpp"
#include "mlot/primitive/barycentric_projection.hpp"
namespace mlot::MLOT_SET::simt {
/// The numbers in which a finished problem's scalings are kept.
struct known_problem_phases {
  decide_problem decide;
  MLOT_CALLS_EITHER template <class Run>
  MLOT_HOST_DEVICE void operator()(Run& run) const {
    run.rows(measure_row());
    run.problems(decide);
  }
};

/// A block a row: `threads` entries of P at a time, which its threads then weigh points with.
template <grid Device, class State>
struct barycentric_kernel {
  using T = typename State::scalar;
  static constexpr int threads = Device::tuning.table_threads;
  struct shared {
    T entry[threads];
  };
  State all;
  matrix_view<T const, typename State::memory> points;  ///< (column tokens, D)
  matrix_view<T, typename State::memory> out;           ///< (row tokens, D)

  template <class Block>
  MLOT_DEVICE void operator()(Block& block, shared& s) const {
    index_t const token = block.index(), b = segment_of(all.p.batch.row_offset, token);
    transport_problem<State> const own(all, b, true);
    index_t const i = token - own.row_first, r = own.done();
    for (index_t l0 = 0; l0 < out.cols; l0 += threads) {
      index_t const l = l0 + block.thread();
      T sum(0), mass(0);
      for (index_t j0 = 0; j0 < own.columns; j0 += threads) {
        index_t const j = j0 + block.thread(), count = least<index_t>(threads, own.columns - j0);
        if (j < own.columns)
          s.entry[block.thread()] = own.entry(own.u(r, i), own.computed_kernel(i, j), own.v(r, j));
        block.sync();
        if (l < out.cols)
          for (index_t n = 0; n < count; ++n) {
            mass += s.entry[n];
            sum += s.entry[n] * point(block, own.column_first + j0 + n, l);
          }
        block.sync();
      }
      if (l < out.cols) out(token, l) = mass > T(0) ? sum / mass : T(0);
    }
  }

 private:
  template <class Block>
  MLOT_DEVICE T point(Block& block, index_t token, index_t l) const {
    T const x = points(token, l);
    if (x > -infinity<T> && x < infinity<T>) return x;
    report(block, all.findings, finding::points, token, l);
    return T(0);
  }
};

template <grid Device, std::floating_point T, class Cost>
std::size_t scratch_size(Device device,
                         barycentric_projection<T, typename Device::memory, Cost> const& p) {
  return scratch_size(device, p.of);
}

template <grid Device, std::floating_point T, class Cost>
status run(Device device, barycentric_projection<T, typename Device::memory, Cost> const& p,
           workspace<typename Device::memory> scratch) {
  using memory = typename Device::memory;
  using state = transport_state<T, memory, Cost>;
  arena<memory> space(scratch);
  state all(p.of, {}, nullptr, space);
  if (status const s =
          run_phases(device, all, known_problem_phases{{p.of.domain, p.of.safe_exponent(), false}});
      !s.ok())
    return s;
  all.findings = device.findings;  // of points; the forward has told of the rest
  launches<Device> launch(device);
  launch(p.of.batch.rows, barycentric_kernel<Device, state>{all, p.points, p.out});
  return launch.answer();
}
}  // namespace mlot::MLOT_SET::simt
