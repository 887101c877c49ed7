#include "interop/dual_space_batch.hpp"
using namespace mlot;

TEMPLATE_LIST_TEST_CASE("dual_space: wrong arguments are named, nothing is written", "[dual_space]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_shape shape;
  shape.teacher_labelled = true;
  kit::dual_space_batch<T> all(shape);
  auto const refuses = [&](fault code, std::string const& argument, auto change) {
    kit::refuses<typename TestType::device>(all.loss, code, "dual_space." + argument, change);
  };
  auto const refuses_shape = [&](std::string const& argument, auto change) {
    refuses(fault::shape, argument, change);
  };
  auto const each_model = [&](std::string const& name, auto model_of) {
    refuses_shape(name + ".hidden", [=](auto& l) { model_of(l).hidden.rows += 1; });
    refuses_shape(name + ".hidden", [=](auto& l) { model_of(l).hidden.data = nullptr; });
    refuses_shape(name + ".input_embedding",
                  [=](auto& l) { model_of(l).input_embedding.cols += 1; });
    refuses_shape(name + ".target_embedding",
                  [=](auto& l) { model_of(l).target_embedding.rows -= 1; });
    refuses_shape(name + ".head", [=](auto& l) { model_of(l).head.rows += 1; });
    refuses_shape(name + ".head", [=](auto& l) { model_of(l).head.col_stride = 2; });
    refuses_shape(name + ".logits", [=](auto& l) { model_of(l).logits.data = nullptr; });
    refuses_shape(name + ".tokens", [=](auto& l) { model_of(l).tokens.longest += 1; });
    refuses_shape(name + ".tokens", [=](auto& l) { model_of(l).tokens.row.data = nullptr; });
    refuses_shape(name + ".labels", [=](auto& l) { model_of(l).labels.label.size -= 1; });
    refuses(fault::value, name + ".hidden", [=](auto& l) {
      model_of(l).hidden.cols = model_of(l).input_embedding.cols =
          model_of(l).target_embedding.cols = model_of(l).head.cols = 0;
    });
    refuses(fault::value, name + ".logits", [=](auto& l) { model_of(l).logits.cols = 0; });
    index_t const huge[] = {1000};
    refuses(fault::data, name + ".labels", [&](auto& l) {
      model_of(l).labels.label = {huge, model_of(l).labels.label.size, 0};
    });
  };
  each_model(
      "teacher", [](auto& l) -> auto& { return l.teacher; });
  each_model(
      "student", [](auto& l) -> auto& { return l.student; });
  refuses_shape("teacher.tokens", [](auto& l) {
    l.teacher.tokens.offset.size = 1, l.teacher.tokens.row.size = 0, l.teacher.tokens.longest = 0;
  });
  auto const each_map = [&](std::string const& name, auto map_of) {
    refuses_shape(name, [=](auto& l) { map_of(l).weight.rows += 1; });
    refuses_shape(name, [=](auto& l) { map_of(l).weight.cols -= 1; });
    refuses_shape(name, [=](auto& l) { map_of(l).weight.col_stride = 2; });
    refuses_shape(name, [=](auto& l) { map_of(l).bias.size -= 1; });
    refuses_shape(name, [=](auto& l) { map_of(l).bias.data = nullptr; });
  };
  each_map(
      "query", [](auto& l) -> auto& { return l.query; });
  each_map(
      "teacher_to_student", [](auto& l) -> auto& { return l.teacher_to_student; });
  each_map(
      "student_to_teacher", [](auto& l) -> auto& { return l.student_to_teacher; });
  each_map(
      "query_gradient", [](auto& l) -> auto& { return l.query_gradient; });
  each_map(
      "teacher_to_student_gradient",
      [](auto& l) -> auto& { return l.teacher_to_student_gradient; });
  each_map(
      "student_to_teacher_gradient",
      [](auto& l) -> auto& { return l.student_to_teacher_gradient; });
  refuses_shape("query", [](auto& l) { l.query = {}; });
  for (T const bad : {T(-0.1), T(1.1), std::numeric_limits<T>::quiet_NaN()})
    refuses(fault::value, "options.ratio", [=](auto& l) { l.options.ratio = bad; });
  for (T const bad : {T(0), T(-1), infinity<T>})
    refuses(fault::value, "options.temperature", [=](auto& l) { l.options.temperature = bad; });
  refuses(fault::value, "options.chunk", [](auto& l) { l.options.chunk = 0; });
  refuses(fault::value, "options.divisor", [](auto& l) { l.options.divisor = 0; });
  refuses(fault::value, "upstream", [](auto& l) { l.upstream = infinity<T>; });
  refuses(fault::value, "upstream", [](auto& l) {
    l.upstream = std::numeric_limits<T>::max();
    l.options.reduce = reduction::divisor, l.options.divisor = T(0.1);
  });
  refuses(fault::value, "upstream", [](auto& l) {
    l.upstream = std::numeric_limits<T>::max() / 1024, l.options.temperature = T(1e-3);
  });
  refuses(fault::value, "options.temperature", [](auto& l) {
    l.upstream = T(1024), l.options.temperature = 1 / (std::numeric_limits<T>::max() / 1024);
  });
  refuses_shape("terms", [](auto& l) { l.terms.size = 4; });
  refuses_shape("sequence_terms", [](auto& l) { l.sequence_terms.cols = 5; });
  refuses_shape("logit_gradient", [](auto& l) { l.logit_gradient.cols -= 1; });
  refuses_shape("hidden_gradient", [](auto& l) { l.hidden_gradient.rows -= 1; });
  CHECK(all.untouched());
}

TEMPLATE_LIST_TEST_CASE("a number that is none is found wherever it takes part", "[dual_space]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::dual_space_shape shape;
  shape.teacher_labelled = true;
  T const nan = std::numeric_limits<T>::quiet_NaN();
  auto const finds = [&](std::string const& argument, T bad, index_t row, index_t column,
                         auto place) {
    CAPTURE(argument, bad);
    kit::dual_space_batch<T> all(shape);
    all.loss.options.chunk = 2;
    place(all) = bad;
    status const s = kit::run<Device>(all.loss);
    CHECK(int(s.code) == int(fault::data));
    CHECK(s.argument == "dual_space." + argument);
    CHECK(s.row == row);
    CHECK(s.column == column);
    CHECK(all.terms.untouched());
    CHECK(all.sequence_terms.untouched());
  };
  kit::dual_space_batch<T> some(shape);
  index_t const t = some.teacher.tokens.row.back(), s = some.student.tokens.row.back();
  for (T const bad : {nan, infinity<T>, T(-infinity<T>)}) {
    finds("teacher.hidden", bad, t, 2, [=](auto& a) -> T& { return a.teacher.hidden(t, 2); });
    finds("teacher.input_embedding", bad, t, 1,
          [=](auto& a) -> T& { return a.teacher.input(t, 1); });
    finds("teacher.target_embedding", bad, t, 0,
          [=](auto& a) -> T& { return a.teacher.target(t, 0); });
    finds("student.hidden", bad, s, 2, [=](auto& a) -> T& { return a.student.hidden(s, 2); });
    finds("student.input_embedding", bad, s, 1,
          [=](auto& a) -> T& { return a.student.input(s, 1); });
    finds("student.target_embedding", bad, s, 0,
          [=](auto& a) -> T& { return a.student.target(s, 0); });
    finds("query", bad, 3, 1, [](auto& a) -> T& { return a.query.weight(3, 1); });
    finds("query", bad, 0, 4, [](auto& a) -> T& { return a.query.bias(4); });
    finds("teacher_to_student", bad, 1, 2, [](auto& a) -> T& { return a.to_student.weight(1, 2); });
    finds("student_to_teacher", bad, 0, 2, [](auto& a) -> T& { return a.to_teacher.bias(2); });
  }
  for (T const bad : {nan, infinity<T>})
    finds("student.logits", bad, s, 3, [=](auto& a) -> T& { return a.student.logits(s, 3); });
  for (T const bad : {nan, infinity<T>})
    finds("teacher.logits", bad, t, 4, [=](auto& a) -> T& {
      a.teacher.label(t) = 0;
      return a.teacher.logits(t, 4);
    });
  finds("student.head", nan, 5, -1, [](auto& a) -> T& { return a.student.head(5, 1); });
  finds("teacher.head", nan, 6, -1, [](auto& a) -> T& { return a.teacher.head(6, 1); });

  kit::dual_space_batch<T> all(
      shape);  // the logits of a token that L_st leaves out are not looked at
  all.teacher.label(t) = -100;
  all.teacher.logits(t, 4) = nan;
  CHECK(kit::run<Device>(all.loss).ok());
}

TEMPLATE_LIST_TEST_CASE("states that overflow are a fault, not a NaN", "[dual_space]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_batch<T> all({});
  kit::fill(all.query.weight, [](index_t i, index_t) {
    return (i % 2 == 0 ? 1 : -1) * std::numeric_limits<T>::max() / 2;
  });
  kit::fill(all.to_teacher.weight,
            [](index_t, index_t) { return std::numeric_limits<T>::max() / 2; });
  status const s = kit::run<typename TestType::device>(all.loss);
  CHECK(int(s.code) == int(fault::data));
  CHECK(all.terms.untouched());
}
