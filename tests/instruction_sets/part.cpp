// A part of a program that is compiled once for each instruction set. It says nothing of the
// standard library's templates that it would share itself.
#include "mlot/interop/describe.hpp"
#include "mlot/interop/owned.hpp"
#include "mlot/simd.hpp"

double MLOT_TEST_PART() {
  constexpr mlot::index_t teacher_ids = 503, student_ids = 501, rows = 12;
  static float teacher[rows * teacher_ids], student[rows * student_ids],
      gradient[rows * student_ids], terms[5];
  unsigned random = 1;
  auto const draw = [&](float& x) {
    random = random * 1664525u + 1013904223u;
    x = float(random >> 8) / 2097152.f - 4;
  };
  for (float& x : teacher) draw(x);
  for (float& x : student) draw(x);
  mlot::index_t const teacher_ends[] = {0, 7, rows}, student_ends[] = {0, 5, rows};
  mlot::owned_token_rows teacher_tokens, student_tokens;
  mlot::status said = teacher_tokens.from_offsets({teacher_ends, 3});
  if (said.ok()) said = student_tokens.from_offsets({student_ends, 3});
  mlot::scratch_buffer scratch;
  double sum = 0;
  auto const call = [&](auto device) {
    mlot::multi_level<float> loss{.teacher_logits = {teacher, rows, teacher_ids, teacher_ids},
                                  .teacher_tokens = teacher_tokens,
                                  .student_logits = {student, rows, student_ids, student_ids},
                                  .student_tokens = student_tokens,
                                  .terms = {terms, 5},
                                  .gradient = {gradient, rows, student_ids, student_ids}};
    loss.options.matching = mlot::column_matching::exact;
    if (said.ok()) said = mlot::compute(device, loss, scratch.for_call(device, loss));
    sum += double(terms[4]);
    for (float const x : gradient) sum += double(x * x);
  };
  call(mlot::on::simd<>());
  call(mlot::on::scalar());
  return said.ok() ? sum : -double(mlot::describe(said).size());
}
