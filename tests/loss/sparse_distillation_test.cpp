// The loss over a teacher that lists ids; kernels have no version of it.
#include "mlot/loss/divergence_distillation.hpp"
#include "primitive/divergence_batch.hpp"
using namespace mlot;

namespace {
/// The options of both losses, over the arrays of a batch.
template <class T, class Teacher>
divergence_distillation<T, jensen_shannon<T>, Teacher, T> loss_of(
    kit::divergence_batch<T>& batch, kit::framed<T>& terms, Teacher const& teacher,
    kit::pairs_to_the_shorter const& pairs) {
  auto const p = batch.primitive(jensen_shannon<T>());
  return {.teacher = teacher,
          .student_logits = p.student_logits,
          .student_tokens = p.student_tokens,
          .labels = p.labels,
          .pairs = pairs.view(),
          .options = {.ratio = T(0.25)},
          .terms = terms.vector(),
          .gradient = p.gradient};
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("a teacher that lists every id is the dense one", "[divergence]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  constexpr double accuracy = std::is_same_v<T, float> ? 1e-5 : 1e-12;
  kit::divergence_shape const shape;
  kit::divergence_batch<T> dense(shape), sparse(shape);
  kit::pairs_to_the_shorter const pairs(dense.teacher_tokens, dense.student_tokens);
  kit::framed<T> dense_terms(3), terms(3);
  auto const logits = dense.primitive(jensen_shannon<T>()).teacher;
  kit::succeeds<Device>(loss_of(dense, dense_terms, logits, pairs));

  kit::framed<index_t> ids(dense.teacher.rows(), shape.m);
  kit::fill(ids, [&](index_t r, index_t c) { return (c * 5 + r) % shape.m; });
  kit::framed<T> listed(ids.rows(), shape.m);
  kit::fill(listed, [&](index_t r, index_t c) { return dense.teacher(r, ids(r, c)); });
  T const nothing = 0;
  for (missing_mass const missing :
       {missing_mass::zero, missing_mass::uniform, missing_mass::inside}) {
    sparse_teacher<T> const lists{.ids = ids.matrix(),
                                  .log_probabilities = listed.matrix(),
                                  .tokens = logits.tokens,
                                  .missing = missing,
                                  .leftover = {&nothing, ids.rows(), 0}};
    kit::succeeds<Device>(loss_of(sparse, terms, lists, pairs));
    kit::norm_error error;
    for (index_t r = 0; r < dense.gradient.rows(); ++r)
      for (index_t v = 0; v < shape.n; ++v) error.add(sparse.gradient(r, v), dense.gradient(r, v));
    CHECK(error.value() <= accuracy);
    for (index_t c = 0; c < 3; ++c)
      CHECK(std::fabs(terms(c) - dense_terms(c)) <= accuracy * dense_terms(2));
  }
}
