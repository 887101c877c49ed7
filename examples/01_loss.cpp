// The whole loss and its gradient for one pair of sequences, in a dozen lines.
#include <cmath>
#include <cstdio>
#include <mlot/interop/describe.hpp>
#include <mlot/interop/owned.hpp>
#include <mlot/mlot.hpp>

int main() {
  mlot::index_t const m = 9, n = 7;  // vocabularies; 5 teacher tokens meet 4 student tokens
  std::vector<float> teacher(5 * m, 0.1f), student(4 * n, 0.2f), gradient(4 * n), terms(5);
  teacher[3] = student[2] = 2;
  mlot::index_t const teacher_ends[] = {0, 5}, student_ends[] = {0, 4}, labels[] = {2, 0, 1, -100};
  mlot::owned_token_rows teacher_tokens, student_tokens;
  if (!teacher_tokens.from_offsets({teacher_ends, 2}).ok()) return 1;
  if (!student_tokens.from_offsets({student_ends, 2}).ok()) return 1;

  mlot::multi_level<float> const loss{.teacher_logits = {teacher.data(), 5, m, m},
                                      .teacher_tokens = teacher_tokens,
                                      .student_logits = {student.data(), 4, n, n},
                                      .student_tokens = student_tokens,
                                      .labels = {.label = {labels, 4}},
                                      .terms = {terms.data(), 5},
                                      .gradient = {gradient.data(), 4, n, n}};
  mlot::scratch_buffer scratch;  // grows once, then serves every call
  mlot::on::scalar device;       // or mlot::on::simd<>, with mlot/simd.hpp
  if (auto const s = mlot::compute(device, loss, scratch.for_call(device, loss)); !s.ok())
    return std::puts(mlot::describe(s).c_str()), 1;
  std::printf("loss %.6f, dL/dz(0, 2) %.6f\n", terms[mlot::multi_level_term::total], gradient[2]);
  return std::isfinite(terms[mlot::multi_level_term::total]) ? 0 : 1;
}
