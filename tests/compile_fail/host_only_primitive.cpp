// must not compile: what is for the host's devices alone stands in docs/cuda.md
#include <mlot/mlot.hpp>
#if MLOT_MUST_NOT_COMPILE
struct card {
  using memory = mlot::device_memory;
};
#else
using card = mlot::on::scalar;
#endif

using memory = card::memory;
using costs = mlot::matrix_view<float const, memory>;
void receive(mlot::index_t, mlot::index_t, mlot::vector_view<float const, memory>);
mlot::status answer(mlot::plan_rows<float, memory, costs, decltype(&receive)> const& p) {
  return mlot::compute(card{}, p);
}
