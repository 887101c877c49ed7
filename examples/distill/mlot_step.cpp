#include "distill/mlot_step.hpp"

#include <mlot/interop/describe.hpp>
#include <mlot/interop/owned.hpp>
#include <mlot/mlot.hpp>
#if DISTILL_SIMD
#  include <mlot/simd.hpp>
#endif
#if DISTILL_CUDA
#  include "distill/card.hpp"
#endif

namespace distill {
namespace {
/// An Eigen matrix as mlot sees it: borrowed, nothing is copied.
template <class T>
mlot::host::matrix<T const> view(T const* data, index_t rows, index_t cols, index_t row_stride) {
  return {data, rows, cols, row_stride};
}

mlot::host::vector<index_t const> view(std::vector<index_t> const& v) {
  return {v.data(), index_t(v.size())};
}

void demand(mlot::status const& answer) {
  if (!answer.ok()) throw std::runtime_error("mlot: " + mlot::describe(answer));
}
}  // namespace

bool available(loss_device device) {
#if DISTILL_CUDA
  if (device == loss_device::cuda) return card_is_there();
#endif
  return device == loss_device::scalar || (device == loss_device::simd && DISTILL_SIMD);
}

void loss_terms::add(loss_terms const& other, double weight) {
  cross_entropy += weight * other.cross_entropy;
  absolute_difference += weight * other.absolute_difference;
  logarithmic += weight * other.logarithmic;
  sinkhorn += weight * other.sinkhorn;
  total += weight * other.total;
}

template <class T>
struct mlot_step<T>::state {
  mlot::multi_level_options<T> options;
  loss_device device;
  mlot::owned_token_rows teacher_tokens, student_tokens;
  mlot::scratch_buffer scratch;
#if DISTILL_CUDA
  card<T> on_card;
#endif
  bool keeps_plan = false;
  matrix<T> plan;
};

template <class T>
mlot_step<T>::mlot_step(loss_options const& o) : state_(std::make_unique<state>()) {
  state_->options = {.k = o.k,
                     .epsilon = T(o.epsilon),
                     .iterations = o.iterations,
                     .alpha = T(o.alpha),
                     .beta = T(o.beta),
                     .gamma = T(o.gamma),
                     .reduce = mlot::reduction::mean_per_token};
  state_->device = o.device;
}
template <class T>
mlot_step<T>::~mlot_step() = default;

template <class T>
void mlot_step<T>::keep_plan(bool keep) {
  state_->keeps_plan = keep;
}
template <class T>
matrix<T> const& mlot_step<T>::plan() const {
  return state_->plan;
}

template <class T>
loss_terms mlot_step<T>::operator()(matrix_ref<float> teacher_logits,
                                    matrix<T> const& student_logits, batch const& b,
                                    matrix<T>* gradient) {
  state& s = *state_;
  demand(s.teacher_tokens.from_offsets(view(b.teacher.offset)));
  demand(s.student_tokens.from_offsets(view(b.student.offset)));

  T terms[mlot::multi_level_term::count] = {};
  mlot::multi_level<T, float, T> loss{
      .teacher_logits = view(teacher_logits.data(), teacher_logits.rows(), teacher_logits.cols(),
                             teacher_logits.outerStride()),
      .teacher_tokens = s.teacher_tokens,
      .student_logits = view(student_logits.data(), student_logits.rows(), student_logits.cols(),
                             student_logits.outerStride()),
      .student_tokens = s.student_tokens,
      .labels = {.label = view(b.student.tokens)},
      .options = s.options,
      .terms = {terms, mlot::multi_level_term::count}};
  if (gradient != nullptr) {
    gradient->resize(student_logits.rows(), student_logits.cols());
    loss.gradient = {gradient->data(), gradient->rows(), gradient->cols(), gradient->cols()};
  }
  if (s.keeps_plan) {
    s.plan.resize(teacher_logits.rows(), loss.student_tokens.longest);
    s.plan.setZero();
    loss.plan = {s.plan.data(), s.plan.rows(), s.plan.cols(), s.plan.cols()};
  }

  auto const run_on = [&](auto device) {
    demand(mlot::compute(device, loss, s.scratch.for_call(device, loss)));
  };
#if DISTILL_CUDA
  if (s.device == loss_device::cuda) demand(s.on_card.compute(loss));
#endif
#if DISTILL_SIMD
  if (s.device == loss_device::simd) run_on(mlot::on::simd<>{});
#endif
  if (s.device == loss_device::scalar) run_on(mlot::on::scalar{});

  using namespace mlot::multi_level_term;
  return {double(terms[cross_entropy]), double(terms[absolute_difference]),
          double(terms[logarithmic]), double(terms[sinkhorn]), double(terms[total])};
}

template class mlot_step<float>;
template class mlot_step<double>;
}  // namespace distill
