#include "mlot/primitive/divergence.hpp"

#include "primitive/divergence_batch.hpp"
using namespace mlot;

TEMPLATE_LIST_TEST_CASE("every divergence and its gradient are the oracle's", "[divergence]",
                        every_storage) {
  using S = typename TestType::storage;
  using T = typename TestType::scalar;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    kit::divergence_batch<T, S> all(kit::random_divergence_shape(seed));
    kit::for_each_divergence<T>([&](auto const& kind, oracle::divergence_kind name) {
      CAPTURE(int(name.name), double(name.parameter));
      all.clear();
      kit::succeeds<typename TestType::device>(all.primitive(kind));
      all.check(name);
    });
  }
}

TEMPLATE_LIST_TEST_CASE("long rows, rows around lanes and every layout are as accurate",
                        "[divergence]", every_gradient) {
  using T = typename TestType::scalar;
  auto const check = [](index_t m, index_t n, kit::layout where) {
    CAPTURE(m, n, where.step);
    kit::divergence_shape shape;
    shape.m = m, shape.n = n, shape.where = where;
    shape.teacher_lengths = {2, 3}, shape.student_lengths = {2, 3};
    kit::divergence_batch<T, typename TestType::storage, typename TestType::storage,
                          typename TestType::gradient>
        all(shape);
    kit::succeeds<typename TestType::device>(all.primitive(jensen_shannon<T>{T(0.125)}));
    all.check({oracle::divergence_name::jensen_shannon, 0.125L});
  };
  for (index_t const vocabulary : kit::lengths_around_lanes)
    for (kit::layout const where : kit::every_layout) check(vocabulary, vocabulary, where);
  for (kit::layout const where : kit::every_layout) {
    check(5003, 5003, where);
    check(1024, 2049, where);
    check(3000, 1025, where);
    check(1, 4000, where);
  }
}

TEMPLATE_LIST_TEST_CASE("logits in the thousands give no NaN and the oracle's values",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  for (double const scale : {60., 1000.}) {  // long double reaches exp(-11000)
    kit::divergence_shape shape;
    shape.scale = scale;
    kit::divergence_batch<T> all(shape);
    kit::for_each_divergence<T>([&](auto const& kind, oracle::divergence_kind name) {
      CAPTURE(scale, int(name.name), double(name.parameter));
      all.clear();
      kit::succeeds<typename TestType::device>(all.primitive(kind));
      all.check(name);
    });
  }
}

TEMPLATE_LIST_TEST_CASE("in place it is the same gradient, and values alone are the same values",
                        "[divergence]", every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  for (index_t const n : {29, 1500}) {
    kit::divergence_shape shape;
    shape.m = 1100, shape.n = n, shape.paired = true;
    kit::divergence_batch<T, S> all(shape), in_place(shape), forward(shape);
    kit::succeeds<typename TestType::device>(all.primitive(jensen_shannon<T>()));
    auto p = in_place.primitive(jensen_shannon<T>());
    p.gradient = in_place.student.matrix();
    kit::succeeds<typename TestType::device>(p);
    CHECK(in_place.student.same_bits(all.gradient));
    CHECK(in_place.student.frame_untouched());
    auto q = forward.primitive(jensen_shannon<T>());
    q.gradient = {};
    kit::succeeds<typename TestType::device>(q);
    for (auto* const other : {&in_place, &forward}) {
      CHECK(other->out.same_bits(all.out));
      CHECK(other->cross_entropy.same_bits(all.cross_entropy));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("pairs by position are the pairs that say so, bit by bit", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::divergence_shape shape;
  shape.teacher_lengths = shape.student_lengths = {4, 0, 1, 5};
  kit::divergence_batch<T> all(shape), given(shape);
  kit::succeeds<typename TestType::device>(all.primitive(forward_kl()));
  given.shape.paired = true;
  given.pair_offset = {0, 4, 4, 5, 10};
  given.pair_teacher = given.pair_student = {0, 1, 2, 3, 0, 0, 1, 2, 3, 4};
  kit::succeeds<typename TestType::device>(given.primitive(forward_kl()));
  CHECK(given.out.same_bits(all.out));
  CHECK(given.gradient.same_bits(all.gradient));
}

TEMPLATE_LIST_TEST_CASE("NaN and +inf logits are answered with row and column", "[divergence]",
                        every_storage) {
  using T = typename TestType::scalar;
  using S = typename TestType::storage;
  kit::divergence_shape const shape;
  for (T const bad : {std::numeric_limits<T>::quiet_NaN(), infinity<T>})
    for (index_t const column : {0, 8, 28}) {
      auto const answer = [&](auto spoil) {
        kit::divergence_batch<T, S> all(shape);
        spoil(all);
        status const s = kit::run<typename TestType::device>(all.primitive(forward_kl()));
        if (!s.ok() && !kit::is_emulated<typename TestType::device>) {
          CHECK(all.out.untouched());
          CHECK(all.cross_entropy.untouched());
        }
        return s;
      };
      auto const set = [&](auto& z, index_t r) { z(r, column) = store_as<S>(bad); };
      status const student =
          answer([&](auto& all) { set(all.student, all.student_tokens.row[4]); });
      CHECK(int(student.code) == int(fault::data));
      CHECK(student.argument == std::string("divergence.student_logits"));
      CHECK(student.row == kit::tokens(shape.student_lengths, true).row[4]);
      CHECK(student.column == column);
      status const teacher = answer([&](auto& all) {
        set(all.student, all.student_tokens.row[4]);
        set(all.teacher, all.teacher_tokens.row[8]);
        set(all.teacher, all.teacher_tokens.row[3]);
      });
      CHECK(int(teacher.code) == int(fault::data));
      CHECK(teacher.argument == std::string("divergence.teacher.logits"));
      CHECK(teacher.row == kit::tokens(shape.teacher_lengths, true).row[3]);
      CHECK(teacher.column == column);
      // Teacher tokens without a partner are not looked at.
      CHECK(answer([&](auto& all) { set(all.teacher, all.teacher_tokens.row[11]); }).ok());
    }
}

TEMPLATE_LIST_TEST_CASE("divergence: wrong arguments are named and nothing is written",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  kit::divergence_shape shape;
  shape.paired = true;
  kit::divergence_batch<T> all(shape);
  auto const refuses = [&](fault code, char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(skewed_kl<T>()), code, argument, change);
  };
  refuses(fault::shape, "divergence.teacher.logits",
          [](auto& p) { p.teacher.logits.data = nullptr; });
  refuses(fault::shape, "divergence.teacher.tokens", [](auto& p) { p.teacher.tokens.longest = 1; });
  refuses(fault::shape, "divergence.teacher.tokens", [](auto& p) { p.teacher.tokens = {}; });
  refuses(fault::shape, "divergence.student_logits", [](auto& p) { p.student_logits.cols = -1; });
  refuses(fault::shape, "divergence.student_tokens", [](auto& p) { p.student_logits.rows = 3; });
  for (T const bad : {T(-1), infinity<T>, std::numeric_limits<T>::quiet_NaN()}) {
    refuses(fault::value, "divergence.temperature", [=](auto& p) { p.temperature = bad; });
    refuses(fault::value, "divergence.teacher.temperature",
            [=](auto& p) { p.teacher.temperature = bad; });
    refuses(fault::value, "skewed_kl.skew", [=](auto& p) { p.kind.skew = bad; });
  }
  refuses(fault::shape, "divergence.pairs", [](auto& p) { p.pairs.offset.size = 2; });
  refuses(fault::shape, "divergence.labels", [](auto& p) { p.labels.label.size = 2; });
  refuses(fault::data, "divergence.labels", [&](auto& p) { p.labels.ignore_index = 1000; });
  refuses(fault::shape, "divergence.out", [](auto& p) { p.out.size = 1; });
  refuses(fault::shape, "divergence.cross_entropy", [](auto& p) { p.cross_entropy.size = 1; });
  refuses(fault::shape, "divergence.weight", [](auto& p) { p.weight.each.size = 1; });
  refuses(fault::value, "divergence.weight", [](auto& p) { p.weight = infinity<T>; });
  refuses(fault::value, "divergence.cross_entropy_weight",
          [](auto& p) { p.cross_entropy_weight = infinity<T>; });
  refuses(fault::shape, "divergence.gradient", [](auto& p) { p.gradient.rows = 3; });
  CHECK(all.out.untouched());
  CHECK(all.cross_entropy.untouched());
  CHECK(all.gradient.untouched());
}
