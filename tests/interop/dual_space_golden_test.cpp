// The loss against PyTorch's: tests/golden/README.md.
#include "golden/npz.hpp"
#include "interop/dual_space_batch.hpp"
using namespace mlot;

namespace {
std::vector<index_t> lengths(golden::array const& offsets) {
  std::vector<index_t> out;
  for (std::size_t b = 1; b < offsets.values.size(); ++b)
    out.push_back(index_t(offsets.values[b] - offsets.values[b - 1]));
  return out;
}
kit::dual_space_shape shape_of(golden::npz const& c) {
  return {.teacher_lengths = lengths(c["teacher_offsets"]),
          .student_lengths = lengths(c["student_offsets"]),
          .teacher_width = c["teacher_hidden"].shape[1],
          .student_width = c["student_hidden"].shape[1],
          .teacher_vocabulary = c["teacher_logits"].shape[1],
          .student_vocabulary = c["student_logits"].shape[1],
          .absent = false};
}
/// to(row(i), c) = element (i, c) of the array.
template <class S>
void take(golden::array const& from, kit::framed<S>& to, auto row) {
  index_t const cols = to.cols();
  for (index_t i = 0; i * cols < index_t(from.values.size()); ++i)
    for (index_t c = 0; c < cols; ++c) to(row(i), c) = S(from.values[std::size_t(i * cols + c)]);
}
double error(golden::array const& should, auto& is, auto row) {
  kit::norm_error error;
  index_t const cols = is.cols();
  for (index_t i = 0; i * cols < index_t(should.values.size()); ++i)
    for (index_t c = 0; c < cols; ++c)
      error.add(is(row(i), c), should.values[std::size_t(i * cols + c)]);
  return error.value();
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("dual-space distillation is PyTorch's", "[dual_space]", every_device) {
  using T = typename TestType::scalar;
  double const accuracy = std::is_same_v<T, float> ? 1e-5 : 1e-12;
  auto const cases = golden::all_of("dual_space_");
  REQUIRE(cases.size() == 2);
  for (golden::npz const& c : cases) {
    CAPTURE(c.name());
    kit::dual_space_batch<T> all(shape_of(c));
    auto const same = [](index_t i) { return i; };
    auto const teacher_row = [&](index_t i) { return all.teacher.tokens.row[std::size_t(i)]; };
    auto const student_row = [&](index_t i) { return all.student.tokens.row[std::size_t(i)]; };
    auto const take_model = [&](std::string const& side, auto& model, auto row) {
      take(c[side + "_hidden"], model.hidden, row);
      take(c[side + "_input"], model.input, row);
      take(c[side + "_target"], model.target, row);
      take(c[side + "_logits"], model.logits, row);
      take(c[side + "_head"], model.head, same);
    };
    take_model("teacher", all.teacher, teacher_row);
    take_model("student", all.student, student_row);
    auto const take_map = [&](std::string const& name, auto& map) {
      take(c[name + "_weight"], map.weight, same);
      take(c[name + "_bias"], map.bias, same);
    };
    take_map("query", all.query);
    take_map("to_student", all.to_student);
    take_map("to_teacher", all.to_teacher);
    for (index_t i = 0; i < all.student.tokens.count(); ++i)
      all.student.label(student_row(i)) = index_t(c.values("labels")[std::size_t(i)]);
    all.loss.options.temperature = T(c.number("temperature"));
    all.loss.options.ratio = T(c.number("ratio"));

    all.template run<typename TestType::device>();
    CHECK(error(c["terms"], all.terms, same) <= accuracy);
    CHECK(error(c["grad_student_logits"], all.logit_gradient, student_row) <= accuracy);
    CHECK(error(c["grad_student_hidden"], all.hidden_gradient, student_row) <= accuracy);
    auto const check_map = [&](std::string const& name, auto& map) {
      CAPTURE(name);
      CHECK(error(c["grad_" + name + "_weight"], map.weight, same) <= accuracy);
      CHECK(error(c["grad_" + name + "_bias"], map.bias, same) <= accuracy);
    };
    check_map("query", all.query_gradient);
    check_map("to_student", all.to_student_gradient);
    check_map("to_teacher", all.to_teacher_gradient);
  }
}
