// A padded batch with prompt and padding masked by labels, half-precision logits, on the fastest
// device of this build; the gradient of every masked row is exactly zero.
#include <cstdio>
#include <mlot/interop/describe.hpp>
#include <mlot/interop/owned.hpp>
#include <random>
#if __has_include(<xsimd/xsimd.hpp>)
#  include <mlot/simd.hpp>
using fastest = mlot::on::simd<>;
#else
#  include <mlot/mlot.hpp>
using fastest = mlot::on::scalar;
#endif

int main() {
  mlot::index_t const batch = 3, length = 12, m = 400, n = 300;
  std::mt19937 generator(1);
  std::normal_distribution<float> normal(0, 2);
  std::vector<mlot::half> teacher(batch * length * m), student(batch * length * n);
  for (auto& z : teacher) z = mlot::half(normal(generator));
  for (auto& z : student) z = mlot::half(normal(generator));
  std::vector<mlot::index_t> labels(batch * length, -100);  // sequence 2 has no answer at all
  for (mlot::index_t b = 0; b < 2; ++b)
    for (mlot::index_t t = 4; t < 9 + b; ++t)
      labels[std::size_t(b * length + t)] = (17 * t + b) % n;

  mlot::owned_token_rows tokens;
  if (!tokens.from_labels({labels.data(), batch, length, length}).ok()) return 1;
  std::vector<float> terms(5), gradient(batch * length * n, 7);
  mlot::multi_level<float, mlot::half, mlot::half, float> loss{
      .teacher_logits = {teacher.data(), batch * length, m, m},
      .teacher_tokens = tokens,
      .student_logits = {student.data(), batch * length, n, n},
      .student_tokens = tokens,
      .labels = {.label = {labels.data(), batch * length}},
      .options = {.k = 20, .reduce = mlot::reduction::mean_per_token},
      .terms = {terms.data(), 5},
      .gradient = {gradient.data(), batch * length, n, n}};
  mlot::scratch_buffer scratch;
  auto const status = mlot::compute(fastest{}, loss, scratch.for_call(fastest{}, loss));
  if (!status.ok()) return std::puts(mlot::describe(status).c_str()), 1;
  std::printf("CE %.4f  HAD %.4f  SL %.4f  SD %.4f  total %.4f per token\n", terms[0], terms[1],
              terms[2], terms[3], terms[4]);
  for (mlot::index_t r = 0; r < batch * length; ++r)
    for (mlot::index_t v = 0; v < n; ++v)
      if (labels[std::size_t(r)] == -100 && gradient[std::size_t(r * n + v)] != 0) return 1;

  // Bad input answers a status that says what was wrong.
  loss.options.epsilon = 0;
  auto const refused = mlot::compute(fastest{}, loss, scratch.for_call(fastest{}, loss));
  std::puts(mlot::describe(refused).c_str());
  return refused.code == mlot::fault::value ? 0 : 1;
}
