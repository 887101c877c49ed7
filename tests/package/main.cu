// What every CUDA project of this folder compiles and runs, with a card or without one.
#include <mlot/cuda/device.cuh>
#include <mlot/grid/table_softmax.hpp>

int main() {
  mlot::table_softmax<float, mlot::device_memory> wrong{.temperature = 0}, empty{};
  bool const refused = mlot::compute(mlot::on::cuda{}, wrong).code == mlot::fault::value;
  return refused && mlot::compute(mlot::on::cuda{}, empty).ok() ? 0 : 1;
}
