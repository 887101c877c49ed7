#include <mutex>

#include "interop/dual_space_batch.hpp"
#include "primitive/thread_count.hpp"
#include "ways_to_call.hpp"
using namespace mlot;

namespace {
template <class T>
constexpr double rounding = std::is_same_v<T, float> ? 2e-6 : 1e-13;

template <class T>
bool close(kit::framed<T>& a, kit::framed<T>& b) {
  kit::norm_error error;
  for (index_t i = 0; i < a.rows(); ++i)
    for (index_t c = 0; c < a.cols(); ++c) error.add(a(i, c), b(i, c));
  return error.value() <= 10 * rounding<T>;
}
template <class T>
bool close(kit::linear_arrays<T>& a, kit::linear_arrays<T>& b) {
  return close(a.weight, b.weight) && close(a.bias, b.bias);
}
/// Whether the parts that do not depend on the order of rows agree to rounding.
bool same_but_for_rows(auto& a, auto& b) {
  return close(a.terms, b.terms) && close(a.query_gradient, b.query_gradient) &&
         close(a.to_student_gradient, b.to_student_gradient) &&
         close(a.to_teacher_gradient, b.to_teacher_gradient);
}
/// Copies what two batches' rows r and s hold.
template <class S>
void copy_row(kit::dual_space_arrays<S>& from, index_t r, kit::dual_space_arrays<S>& to,
              index_t s) {
  auto const copy = [&](auto& x, auto& y) {
    for (index_t c = 0; c < x.cols(); ++c) y(s, c) = x(r, c);
  };
  copy(from.hidden, to.hidden), copy(from.input, to.input), copy(from.target, to.target);
  copy(from.logits, to.logits);
  to.label(s) = from.label(r);
}
/// Makes `to` the batch `from` with its sequence order[b] as b.
void take_in_order(auto& from, auto& to, std::vector<std::size_t> const& order) {
  auto const take = [&](auto& x, auto& y) {
    for (std::size_t b = 0; b < order.size(); ++b)
      for (index_t i = 0; i < y.tokens.offset[b + 1] - y.tokens.offset[b]; ++i) {
        index_t const r = x.tokens.row[std::size_t(x.tokens.offset[order[b]] + i)];
        index_t const s = y.tokens.row[std::size_t(y.tokens.offset[b] + i)];
        if (r >= 0) copy_row(x, r, y, s);
      }
    kit::fill(y.head, [&](index_t i, index_t c) { return x.head(i, c); });
  };
  take(from.teacher, to.teacher), take(from.student, to.student);
  auto const take_map = [](auto& x, auto& y) {
    kit::fill(y.weight, [&](index_t i, index_t c) { return x.weight(i, c); });
    kit::fill(y.bias, [&](index_t i, index_t c) { return x.bias(i, c); });
  };
  take_map(from.query, to.query);
  take_map(from.to_student, to.to_student);
  take_map(from.to_teacher, to.to_teacher);
}
bool all_zero(auto& m) {
  for (index_t i = 0; i < m.rows(); ++i)
    for (index_t c = 0; c < m.cols(); ++c)
      if (m(i, c) != 0) return false;
  return true;
}
bool map_is_zero(auto& map) { return all_zero(map.weight) && all_zero(map.bias); }
bool all_outputs_zero(auto& all) {
  return all_zero(all.terms) && all_zero(all.sequence_terms) && all_zero(all.logit_gradient) &&
         all_zero(all.hidden_gradient) && map_is_zero(all.query_gradient) &&
         map_is_zero(all.to_student_gradient) && map_is_zero(all.to_teacher_gradient);
}
kit::dual_space_shape large() {
  kit::dual_space_shape shape;
  shape.teacher_lengths = {40, 0, 150, 9}, shape.student_lengths = {33, 4, 140, 12};
  shape.teacher_width = 21, shape.student_width = 17;
  shape.teacher_vocabulary = 311, shape.student_vocabulary = 290;
  return shape;
}
/// A batch without the oracle's help for its labels, whose cost grows with the vocabulary.
template <class T, class S = T>
struct large_batch : kit::dual_space_batch<T, S> {
  static kit::dual_space_shape unlabelled(kit::dual_space_shape shape) {
    shape.labelled = false;
    return shape;
  }
  explicit large_batch(kit::dual_space_shape const& shape)
      : kit::dual_space_batch<T, S>(unlabelled(shape)) {
    this->student.labelled = true;
    this->loss.student = this->student.view();
  }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("the order of sequences changes nothing but rounding", "[dual_space]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_shape shape, other;
  std::vector<std::size_t> const order{2, 0, 3, 1};
  for (std::size_t b = 0; b < order.size(); ++b) {
    other.teacher_lengths[b] = shape.teacher_lengths[order[b]];
    other.student_lengths[b] = shape.student_lengths[order[b]];
  }
  kit::dual_space_batch<T> all(shape), shuffled(other);
  take_in_order(all, shuffled, order);
  all.template run<typename TestType::device>();
  shuffled.template run<typename TestType::device>();
  CHECK(same_but_for_rows(all, shuffled));
  CHECK(all.terms(dual_space_term::teacher_to_student) > 0);
  for (std::size_t b = 0; b < order.size(); ++b)
    for (index_t c = 0; c < 4; ++c)
      CHECK(std::fabs(shuffled.sequence_terms(index_t(b), c) -
                      all.sequence_terms(index_t(order[b]), c)) <= 40 * rounding<T>);
}

TEMPLATE_LIST_TEST_CASE("empty sequences take part in nothing", "[dual_space]", every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_shape shape, padded;
  shape.teacher_lengths = {4, 3}, shape.student_lengths = {3, 4};
  padded.teacher_lengths = {0, 4, 0, 3}, padded.student_lengths = {0, 3, 0, 4};
  kit::dual_space_batch<T> all(padded), lean(shape);
  take_in_order(lean, all, {0, 0, 1, 1});  // of the empty ones nothing is taken
  all.template run<typename TestType::device>();
  lean.template run<typename TestType::device>();
  CHECK(all.terms.same_bits(lean.terms));
  CHECK(all.query_gradient.same_bits(lean.query_gradient));
  CHECK(all.to_student_gradient.same_bits(lean.to_student_gradient));
  CHECK(all.to_teacher_gradient.same_bits(lean.to_teacher_gradient));
}

TEMPLATE_LIST_TEST_CASE("without labels nothing is left, with a teacher's own L_st", "[dual_space]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_shape shape;
  shape.teacher_labelled = true;
  kit::dual_space_batch<T> all(shape);
  kit::fill(all.student.label, [](index_t, index_t) { return -100; });
  all.template run<typename TestType::device>();
  CHECK(all.terms(dual_space_term::cross_entropy) == 0);
  CHECK(all.terms(dual_space_term::projected_cross_entropy) == 0);
  CHECK(all.terms(dual_space_term::teacher_to_student) == 0);
  CHECK(all.terms(dual_space_term::student_to_teacher) > 0);
  CHECK(all_zero(all.logit_gradient));
  CHECK(map_is_zero(all.to_student_gradient));
  CHECK(!map_is_zero(all.to_teacher_gradient));
  kit::fill(all.teacher.label, [](index_t, index_t) { return -100; });
  all.template run<typename TestType::device>();
  CHECK(all_outputs_zero(all));
}

TEMPLATE_LIST_TEST_CASE("a batch without tokens on a side has no distillation", "[dual_space]",
                        every_device) {
  using T = typename TestType::scalar;
  for (bool const sequences : {true, false})
    for (bool const has_teacher : {true, false}) {
      kit::dual_space_shape shape;
      shape.teacher_lengths = {has_teacher ? 3 : 0, 0}, shape.student_lengths = {0, 0};
      if (!sequences) shape.teacher_lengths = shape.student_lengths = {};
      kit::dual_space_batch<T> all(shape);
      all.loss.options.reduce = reduction::mean_per_token;
      all.template run<typename TestType::device>();
      REQUIRE((!sequences || all.exactly_written()));
      CHECK(all_outputs_zero(all));
    }
  kit::dual_space_shape shape;  // cross-entropy needs no teacher
  shape.teacher_lengths = {0, 0}, shape.student_lengths = {3, 4};
  kit::dual_space_batch<T> all(shape);
  all.template run<typename TestType::device>();
  CHECK(all.terms(dual_space_term::cross_entropy) > 0);
  CHECK(all.total() == Approx(0.5 * double(all.terms(0))));
  CHECK(!all_zero(all.logit_gradient));
  CHECK(all_zero(all.hidden_gradient));
  CHECK(map_is_zero(all.query_gradient));
}

TEMPLATE_LIST_TEST_CASE("ratio 0 is cross-entropy alone", "[dual_space]", every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_batch<T> all({});
  for (index_t const r : all.student.tokens.row)  // L_ts is +inf, and counts nothing
    for (index_t v = 0; r >= 0 && v < all.student.logits.cols(); ++v)
      if (v != all.student.label(r) && v % 3 == 1) all.student.logits(r, v) = -infinity<T>;
  all.loss.options.ratio = 0;
  all.template run<typename TestType::device>();
  CHECK(all.terms(dual_space_term::teacher_to_student) == infinity<T>);
  CHECK(all.terms(dual_space_term::total) == all.terms(dual_space_term::cross_entropy));
  CHECK(all_zero(all.hidden_gradient));
  CHECK(map_is_zero(all.query_gradient));
  CHECK(map_is_zero(all.to_student_gradient));
  CHECK(map_is_zero(all.to_teacher_gradient));
  kit::norm_error error;
  for (index_t const r : all.student.tokens.row) {
    if (r < 0) continue;
    long double partition = 0;
    for (index_t v = 0; v < all.student.logits.cols(); ++v)
      partition += std::exp(static_cast<long double>(all.student.logits(r, v)));
    for (index_t v = 0; v < all.student.logits.cols(); ++v) {
      index_t const label = all.student.label(r);
      error.add(all.logit_gradient(r, v),
                label < 0
                    ? 0
                    : std::exp(static_cast<long double>(all.student.logits(r, v))) / partition -
                          (v == label ? 1 : 0));
    }
  }
  CHECK(error.value() <= rounding<T>);
}

TEMPLATE_LIST_TEST_CASE("chunks change nothing but rounding", "[dual_space]", every_device) {
  using T = typename TestType::scalar;
  large_batch<T> whole(large());
  whole.template run<typename TestType::device>();
  for (index_t const chunk : {1, 7, 150}) {
    large_batch<T> cut(large());
    cut.loss.options.chunk = chunk;
    cut.template run<typename TestType::device>();
    CHECK(same_but_for_rows(whole, cut));
    CHECK(close(whole.logit_gradient, cut.logit_gradient));
    CHECK(close(whole.hidden_gradient, cut.hidden_gradient));
  }
}

TEMPLATE_LIST_TEST_CASE("dual-space distillation has the same bits for any number of threads",
                        "[dual_space]", every_device) {
  using T = typename TestType::scalar;
  large_batch<T> one(large());
  {
    kit::thread_count const set(1);
    one.template run<typename TestType::device>();
  }
  for (int const threads : {2, 4}) {
    kit::thread_count const set(threads);
    for (int again = 0; again < 2; ++again) {
      large_batch<T> many(large());
      many.template run<typename TestType::device>();
      CHECK(many.same_bits(one));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("dual-space distillation may be called by many threads at once",
                        "[dual_space]", every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_batch<T> alone({});
  alone.template run<typename TestType::device>();
  kit::thread_count const set(4);
  for (kit::way_to_call const& way : kit::ways_to_call) {
    int right = 0, wrong = 0;
    std::mutex counting;
    way.from([&] {
      kit::dual_space_batch<T> own({});
      typename TestType::device const device;
      std::vector<std::byte> scratch(workspace_size(device, own.loss));
      bool const ok = compute(device, own.loss, {scratch.data(), scratch.size()}).ok();
      std::lock_guard const lock(counting);
      ++(ok && own.same_bits(alone) ? right : wrong);
    });
    INFO(way.name);
    CHECK(right > 0);
    CHECK(wrong == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("an output alone is what it is among all", "[dual_space]", every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_batch<T> all({});
  all.template run<typename TestType::device>();
  auto const lean = [&](auto keep) {
    kit::dual_space_batch<T> one({});
    auto const full = one.loss;
    one.loss.sequence_terms = {}, one.loss.logit_gradient = {}, one.loss.hidden_gradient = {};
    one.loss.query_gradient = one.loss.teacher_to_student_gradient =
        one.loss.student_to_teacher_gradient = {};
    keep(one.loss, full);
    one.template run<typename TestType::device>();
    CHECK(one.terms.same_bits(all.terms));
    return one;
  };
  CHECK(lean([](auto&, auto&) {}).gradients_untouched());
  CHECK(lean([](auto& to, auto& from) {
          to.logit_gradient = from.logit_gradient;
        }).logit_gradient.same_bits(all.logit_gradient));
  CHECK(lean([](auto& to, auto& from) {
          to.hidden_gradient = from.hidden_gradient;
        }).hidden_gradient.same_bits(all.hidden_gradient));
  CHECK(lean([](auto& to, auto& from) {
          to.query_gradient.bias = from.query_gradient.bias;
        }).query_gradient.bias.same_bits(all.query_gradient.bias));
  CHECK(lean([](auto& to, auto& from) {
          to.student_to_teacher_gradient = from.student_to_teacher_gradient;
        }).to_teacher_gradient.same_bits(all.to_teacher_gradient));
}

TEMPLATE_LIST_TEST_CASE("the gradient of the logits may be written over them", "[dual_space]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_batch<T> all({}), over({});
  all.template run<typename TestType::device>();
  over.loss.logit_gradient = over.student.logits.matrix();
  over.template run<typename TestType::device>();
  CHECK(over.terms.same_bits(all.terms));
  CHECK(over.student.logits.same_bits(all.logit_gradient));
}

TEMPLATE_LIST_TEST_CASE("equal elements of the teacher are divided by nothing", "[dual_space]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_batch<T> all({});
  T const h = T(0.1), e = T(0.3);
  for (index_t const r : all.teacher.tokens.row)
    for (index_t c = 0; r >= 0 && c < all.teacher.hidden.cols(); ++c)
      all.teacher.hidden(r, c) = h, all.teacher.input(r, c) = all.teacher.target(r, c) = e;
  all.template run<typename TestType::device>();
  REQUIRE(all.exactly_written());
  // Every H_t is P_t of the same row.
  long double entropy = 0;
  std::vector<long double> state, z;
  for (index_t o = 0; o < all.to_student.weight.rows(); ++o) {
    state.push_back(all.to_student.bias(o));
    for (index_t c = 0; c < all.to_student.weight.cols(); ++c)
      state.back() += static_cast<long double>(all.to_student.weight(o, c)) * (h + e);
  }
  long double partition = 0;
  for (index_t v = 0; v < all.student.head.rows(); ++v) {
    z.push_back(0);
    for (std::size_t c = 0; c < state.size(); ++c)
      z.back() += all.student.head(v, index_t(c)) * state[c];
    partition += std::exp(z.back());
  }
  for (std::size_t b = 0; b < 4; ++b)  // sequence 2 has no teacher
    for (index_t i = all.student.tokens.offset[b]; i < all.student.tokens.offset[b + 1]; ++i)
      if (index_t const r = all.student.tokens.row[std::size_t(i)];
          b != 2 && r >= 0 && all.student.label(r) >= 0)
        entropy += std::log(partition) - z[std::size_t(all.student.label(r))];
  CHECK(entropy > 0);
  CHECK(all.terms(dual_space_term::projected_cross_entropy) ==
        Approx(double(entropy)).epsilon(10 * rounding<T>));
}

TEMPLATE_LIST_TEST_CASE("one teacher token of width 1 has nothing to be divided by", "[dual_space]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_shape shape;
  shape.teacher_lengths = {1}, shape.student_lengths = {2};
  shape.teacher_width = 1;
  kit::dual_space_batch<T> all(shape);
  auto const should = all.expected();
  all.template run<typename TestType::device>();
  CHECK(std::isfinite(all.total()));
  CHECK(all.total() == Approx(double(should.terms[4])).epsilon(10 * rounding<T>));
}

TEMPLATE_LIST_TEST_CASE("of equal projected logits the lowest id is the largest", "[dual_space]",
                        every_device) {
  using T = typename TestType::scalar;
  kit::dual_space_shape shape;
  shape.teacher_lengths = {3}, shape.student_lengths = {2};
  for (index_t const label : {0, 1}) {
    kit::dual_space_batch<T> all(shape);
    kit::fill(all.student.head, [](index_t, index_t) { return T(0); });
    kit::fill(all.student.label, [&](index_t, index_t) { return label; });
    all.template run<typename TestType::device>();
    CHECK((all.terms(dual_space_term::teacher_to_student) > 0) == (label == 0));
    CHECK(all.terms(dual_space_term::projected_cross_entropy) ==
          Approx(2 * std::log(double(shape.student_vocabulary))));
  }
}

TEST_CASE("a head in half precision is read part by part", "[dual_space]") {
  auto shape = large();
  shape.teacher_vocabulary = 1100, shape.student_vocabulary = 2500;
  shape.teacher_lengths = {5, 3}, shape.student_lengths = {4, 6};
  large_batch<float, bfloat16> stored(shape);
  large_batch<float> wide(shape);
  auto const widen = [](auto& from, auto& to) {
    auto const copy = [](auto& x, auto& y) {
      kit::fill(y, [&](index_t i, index_t c) { return load_as<float>(x(i, c)); });
    };
    copy(from.hidden, to.hidden), copy(from.input, to.input), copy(from.target, to.target);
    copy(from.head, to.head), copy(from.logits, to.logits);
  };
  widen(stored.teacher, wide.teacher), widen(stored.student, wide.student);
  stored.run<on::scalar>();
  wide.run<on::scalar>();
  CHECK(same_but_for_rows(stored, wide));
}
