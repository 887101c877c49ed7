// Training steps on a card with two streams: one copies the logits of the next batch while the
// other computes the loss of this one and its gradient. A call only launches kernels, so that the
// host runs ahead; it reads the losses when all steps are done. Checked against the scalar device.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <mlot/interop/describe.hpp>
#include <mlot/interop/owned.hpp>
#include <mlot/mlot.cuh>
#include <mlot/mlot.hpp>
#include <random>
#include <vector>
using mlot::bfloat16, mlot::index_t;

namespace {
constexpr index_t steps = 4, m = 3000, n = 2000;  // vocabularies of teacher and student
constexpr index_t teacher_ends[] = {0, 40, 96}, student_ends[] = {0, 50, 90};  // two sequences
constexpr index_t teacher_rows = teacher_ends[2], student_rows = student_ends[2];

void require(cudaError_t answer) {
  if (answer == cudaSuccess) return;
  std::puts(cudaGetErrorString(answer));
  std::exit(1);
}
void require(mlot::status const& s) {
  if (s.ok()) return;
  std::puts(mlot::describe(s).c_str());
  std::exit(1);
}
/// Memory of the card. A trainer has its framework's tensors instead.
template <class T>
T* on_card(index_t count) {
  void* memory = nullptr;
  require(cudaMalloc(&memory, std::size_t(count) * sizeof(T)));
  return static_cast<T*>(memory);
}
template <class T>
T* on_card(T const* from, index_t count) {
  T* const memory = on_card<T>(count);
  require(cudaMemcpy(memory, from, std::size_t(count) * sizeof(T), cudaMemcpyHostToDevice));
  return memory;
}
/// Token rows are made on the host, once a batch, and are small.
mlot::token_rows<mlot::device_memory> on_card(mlot::token_rows<> const& tokens) {
  return {{on_card(tokens.offset.data, tokens.offset.size), tokens.offset.size},
          {on_card(tokens.row.data, tokens.row.size), tokens.row.size},
          tokens.longest};
}
/// Page-locked: copies from such memory run beside kernels.
bfloat16* random_logits(index_t count, unsigned seed) {
  void* memory = nullptr;
  require(cudaMallocHost(&memory, std::size_t(count) * sizeof(bfloat16)));
  auto* const logits = static_cast<bfloat16*>(memory);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, 2);
  for (index_t i = 0; i < count; ++i) logits[i] = bfloat16(normal(generator));
  return logits;
}
}  // namespace

int main() {
  int cards = 0;
  if (cudaGetDeviceCount(&cards) != cudaSuccess || cards == 0)
    return std::puts("skipped: no CUDA card"), 77;

  mlot::owned_token_rows teacher_tokens, student_tokens;
  require(teacher_tokens.from_offsets({teacher_ends, 3}));
  require(student_tokens.from_offsets({student_ends, 3}));
  std::vector<index_t> labels(student_rows);
  for (index_t i = 0; i < student_rows; ++i) labels[std::size_t(i)] = 37 * i % n;
  bfloat16 *teacher[steps], *student[steps];  // what the models' forward passes would give
  for (unsigned step = 0; step < steps; ++step) {
    teacher[step] = random_logits(teacher_rows * m, 2 * step);
    student[step] = random_logits(student_rows * n, 2 * step + 1);
  }

  // Two places for logits: one is computed from while the other is filled.
  struct place {
    bfloat16* teacher = on_card<bfloat16>(teacher_rows * m);
    bfloat16* student = on_card<bfloat16>(student_rows * n);
    cudaEvent_t filled, free;
  } places[2];
  for (place& at : places) {
    require(cudaEventCreateWithFlags(&at.filled, cudaEventDisableTiming));
    require(cudaEventCreateWithFlags(&at.free, cudaEventDisableTiming));
  }
  cudaStream_t copies, losses;
  require(cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking));
  require(cudaStreamCreateWithFlags(&losses, cudaStreamNonBlocking));

  float* const terms = on_card<float>(steps * mlot::multi_level_term::count);
  float* const gradient = on_card<float>(student_rows * n);
  auto* const findings = on_card(&mlot::finding_word::nothing, 1);
  mlot::on::cuda const device(losses, findings);
  mlot::multi_level<float, bfloat16, bfloat16, float, mlot::device_memory> loss{
      .teacher_tokens = on_card(teacher_tokens.view()),
      .student_tokens = on_card(student_tokens.view()),
      .labels = {.label = {on_card(labels.data(), student_rows), student_rows}},
      .options = {.reduce = mlot::reduction::mean_per_token},
      .gradient = {gradient, student_rows, n, n}};
  auto const at_step = [&](index_t step) {
    place const& at = places[step % 2];
    loss.teacher_logits = {at.teacher, teacher_rows, m, m};
    loss.student_logits = {at.student, student_rows, n, n};
    loss.terms = {terms + step * mlot::multi_level_term::count, mlot::multi_level_term::count};
    return loss;
  };
  std::size_t const size = mlot::workspace_size(device, at_step(0));  // from shapes alone
  std::byte* const scratch = on_card<std::byte>(index_t(size));

  for (index_t step = 0; step < steps; ++step) {
    place const& at = places[step % 2];
    if (step > 1) require(cudaStreamWaitEvent(copies, at.free));
    require(cudaMemcpyAsync(at.teacher, teacher[step], teacher_rows * m * sizeof(bfloat16),
                            cudaMemcpyHostToDevice, copies));
    require(cudaMemcpyAsync(at.student, student[step], student_rows * n * sizeof(bfloat16),
                            cudaMemcpyHostToDevice, copies));
    require(cudaEventRecord(at.filled, copies));
    require(cudaStreamWaitEvent(losses, at.filled));
    require(mlot::compute(device, at_step(step), {scratch, size}));
    require(cudaEventRecord(at.free, losses));
    // The backward pass and the optimiser would follow on `losses`, from `gradient`.
  }
  require(cudaStreamSynchronize(losses));

  std::uint64_t found = 0;
  require(cudaMemcpy(&found, findings, sizeof found, cudaMemcpyDeviceToHost));
  require(mlot::status_of_findings(found));
  for (index_t step = 0; step < steps; ++step) {
    float is[mlot::multi_level_term::count], should[mlot::multi_level_term::count];
    require(cudaMemcpy(is, at_step(step).terms.data, sizeof is, cudaMemcpyDeviceToHost));
    mlot::multi_level<float, bfloat16, bfloat16> const reference{
        .teacher_logits = {teacher[step], teacher_rows, m, m},
        .teacher_tokens = teacher_tokens,
        .student_logits = {student[step], student_rows, n, n},
        .student_tokens = student_tokens,
        .labels = {.label = {labels.data(), student_rows}},
        .options = loss.options,
        .terms = {should, mlot::multi_level_term::count}};
    mlot::scratch_buffer lent;
    mlot::on::scalar const host;
    require(mlot::compute(host, reference, lent.for_call(host, reference)));
    std::printf("step %d: loss %.6f, on the host %.6f\n", int(step),
                double(is[mlot::multi_level_term::total]),
                double(should[mlot::multi_level_term::total]));
    for (int i = 0; i < mlot::multi_level_term::count; ++i)
      if (!(std::fabs(is[i] - should[i]) <= 2e-5f * std::fabs(should[i]))) return 1;
  }
}
