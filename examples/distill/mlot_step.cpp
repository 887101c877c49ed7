#include "distill/mlot_step.hpp"

#include <mlot/instances.hpp>
#include <mlot/interop/describe.hpp>
#include <mlot/interop/owned.hpp>
#include <variant>
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
template <class T>
mlot::host::matrix<T> view(matrix<T>& m) {
  return {m.data(), m.rows(), m.cols(), m.cols()};
}
mlot::host::vector<index_t const> view(std::vector<index_t> const& v) {
  return {v.data(), index_t(v.size())};
}

void demand(mlot::status const& answer) {
  if (!answer.ok()) throw std::runtime_error("mlot: " + mlot::describe(answer));
}

/// What every loss is lent, and where its answers go.
template <class T>
struct lent_batch {
  mlot::host::matrix<float const> teacher_logits;
  mlot::token_rows<> teacher_tokens;
  mlot::host::matrix<T const> student_logits;
  mlot::token_rows<> student_tokens;
  mlot::row_labels<mlot::host_memory> labels;
  mlot::host::matrix<T> gradient, plan;  // without memory where nobody asks
  mlot::host::vector<T> terms;
};

// A class a loss: its options as mlot has them; on() is mlot's struct over a batch, read() takes
// its terms. All are CE + alpha D, means over the student's tokens.

template <class T>
struct multi_level_step {
  static constexpr index_t terms = mlot::multi_level_term::count;
  mlot::multi_level_options<T> options;

  explicit multi_level_step(loss_options const& o)
      : options{.k = o.k,
                .temperature = T(o.temperature),
                .transport_temperature = T(o.transport_temperature),
                .epsilon = T(o.epsilon),
                .iterations = o.iterations,
                .alpha = T(o.alpha),
                .holistic = T(o.holistic),
                .beta = T(o.beta),
                .gamma = T(o.gamma),
                .matching = o.match == matching::greedy  ? mlot::column_matching::greedy
                            : o.match == matching::exact ? mlot::column_matching::exact
                                                         : mlot::column_matching::rank,
                .level = o.level == transport::tokens ? mlot::transport_level::token
                                                      : mlot::transport_level::sequence,
                .cost_memory = o.cost_memory,
                .reduce = mlot::reduction::mean_per_token} {}

  mlot::multi_level<T, float, T> on(lent_batch<T> const& b) const {
    return {.teacher_logits = b.teacher_logits,
            .teacher_tokens = b.teacher_tokens,
            .student_logits = b.student_logits,
            .student_tokens = b.student_tokens,
            .labels = b.labels,
            .options = options,
            .terms = b.terms,
            .gradient = b.gradient,
            .plan = b.plan};
  }
  loss_terms read(lent_batch<T> const& b) const {
    using namespace mlot::multi_level_term;
    auto const& t = b.terms;
    return {
        .cross_entropy = double(t(cross_entropy)),
        .distance = {double(t(absolute_difference)), double(t(logarithmic)), double(t(sinkhorn))},
        .total = double(t(total))};
  }
};

template <class T>
struct universal_logit_step {
  static constexpr index_t terms = mlot::universal_logit_term::count;
  mlot::universal_logit_options<T> options;

  explicit universal_logit_step(loss_options const& o)
      : options{.temperature = T(o.temperature),
                .weight = T(o.alpha),
                .mean_over_pairs = false,
                .reduce = mlot::reduction::mean_per_token} {}

  mlot::universal_logit<T, float, T> on(lent_batch<T> const& b) const {
    return {.teacher_logits = b.teacher_logits,
            .teacher_tokens = b.teacher_tokens,
            .student_logits = b.student_logits,
            .student_tokens = b.student_tokens,
            .labels = b.labels,
            .options = options,
            .terms = b.terms,
            .gradient = b.gradient};
  }
  loss_terms read(lent_batch<T> const& b) const {
    using namespace mlot::universal_logit_term;
    return {.cross_entropy = double(b.terms(cross_entropy)),
            .distance = {double(b.terms(ranked_difference))},
            .total = double(b.terms(total))};
  }
};

/// The samples of a batch are the tokens of a sequence.
template <class T>
struct sinkd_step {
  static constexpr index_t terms = mlot::multi_level_term::count;
  T temperature, epsilon, alpha;
  index_t iterations;

  explicit sinkd_step(loss_options const& o)
      : temperature(T(o.temperature)),
        epsilon(T(o.epsilon)),
        alpha(T(o.alpha)),
        iterations(o.iterations) {}

  mlot::sinkd<T, float, T> on(lent_batch<T> const& b) const {
    return {.teacher_logits = b.teacher_logits,
            .teacher_samples = b.teacher_tokens,
            .student_logits = b.student_logits,
            .student_samples = b.student_tokens,
            .labels = b.labels,
            .temperature = temperature,
            .epsilon = epsilon,
            .iterations = iterations,
            .weight = alpha,
            .upstream = T(share(b)),
            .terms = b.terms,
            .gradient = b.gradient,
            .plan = b.plan};
  }
  loss_terms read(lent_batch<T> const& b) const {
    using namespace mlot::multi_level_term;
    return {.cross_entropy = share(b) * double(b.terms(cross_entropy)),
            .distance = {share(b) * double(b.terms(sinkhorn))},
            .total = share(b) * double(b.terms(total))};
  }

 private:
  static double share(lent_batch<T> const& b) {
    return 1 / double(std::max<index_t>(b.student_tokens.tokens(), 1));
  }
};

/// CE + alpha D is 1 + alpha times (1 - r) CE + r D at r = alpha / (1 + alpha).
template <class T, class Kind>
struct divergence_step {
  static constexpr index_t terms = mlot::divergence_distillation_term::count;
  double alpha;
  mlot::divergence_distillation_options<T> options;

  explicit divergence_step(loss_options const& o)
      : alpha(o.alpha),
        options{.ratio = T(alpha / (1 + alpha)),
                .temperature = T(o.temperature),
                .reduce = mlot::reduction::mean_per_token} {}

  mlot::divergence_distillation<T, Kind, mlot::dense_teacher<T, float>, T> on(
      lent_batch<T> const& b) const {
    return {.teacher = {.logits = b.teacher_logits, .tokens = b.teacher_tokens},
            .student_logits = b.student_logits,
            .student_tokens = b.student_tokens,
            .labels = b.labels,
            .options = options,
            .upstream = T(1 + alpha),
            .terms = b.terms,
            .gradient = b.gradient};
  }
  loss_terms read(lent_batch<T> const& b) const {
    using namespace mlot::divergence_distillation_term;
    return {.cross_entropy = double(b.terms(cross_entropy)),
            .distance = {double(b.terms(divergence))},
            .total = (1 + alpha) * double(b.terms(total))};
  }
};

template <class T>
using any_step = std::variant<
    multi_level_step<T>, universal_logit_step<T>, sinkd_step<T>,
    divergence_step<T, mlot::forward_kl>, divergence_step<T, mlot::reverse_kl>,
    divergence_step<T, mlot::jensen_shannon<T>>, divergence_step<T, mlot::skewed_kl<T>>,
    divergence_step<T, mlot::skewed_reverse_kl<T>>, divergence_step<T, mlot::adaptive_kl<T>>,
    divergence_step<T, mlot::total_variation>>;

template <class T>
any_step<T> step_of(loss_options const& o) {
  switch (o.kind) {
    case loss_kind::multi_level:
      return multi_level_step<T>(o);
    case loss_kind::universal_logit:
      return universal_logit_step<T>(o);
    case loss_kind::sinkd:
      return sinkd_step<T>(o);
    case loss_kind::forward_kl:
      return divergence_step<T, mlot::forward_kl>(o);
    case loss_kind::reverse_kl:
      return divergence_step<T, mlot::reverse_kl>(o);
    case loss_kind::jensen_shannon:
      return divergence_step<T, mlot::jensen_shannon<T>>(o);
    case loss_kind::skewed_kl:
      return divergence_step<T, mlot::skewed_kl<T>>(o);
    case loss_kind::skewed_reverse_kl:
      return divergence_step<T, mlot::skewed_reverse_kl<T>>(o);
    case loss_kind::adaptive_kl:
      return divergence_step<T, mlot::adaptive_kl<T>>(o);
    case loss_kind::total_variation:
      return divergence_step<T, mlot::total_variation>(o);
  }
  throw std::logic_error("a loss without a step");
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
  for (std::size_t i = 0; i < distance.size(); ++i) distance[i] += weight * other.distance[i];
  total += weight * other.total;
}

template <class T>
struct mlot_step<T>::state {
  any_step<T> step;
  loss_device device;
  mlot::owned_token_rows teacher_tokens = {}, student_tokens = {};
  mlot::scratch_buffer scratch = {};
  std::size_t scratch_bytes = 0;
  bool keeps_plan = false;
  matrix<T> plan = {};
#if DISTILL_CUDA
  card<T> on_card = {};
  void compute_on_card(mlot::multi_level<T, float, T> const& loss) {
    demand(on_card.compute(loss));
  }
#endif
  void compute_on_card(auto const&) {
    throw std::runtime_error("mlot: only the multi-level loss runs on a card");
  }

  void compute(auto const& loss) {
    auto const run_on = [&](auto device_to_run) {
      auto const lent = scratch.for_call(device_to_run, loss);
      scratch_bytes = lent.size;
      demand(mlot::compute(device_to_run, loss, lent));
    };
    if (device == loss_device::cuda) compute_on_card(loss);
#if DISTILL_SIMD
    if (device == loss_device::simd) run_on(mlot::on::simd<>{});
#endif
    if (device == loss_device::scalar) run_on(mlot::on::scalar{});
  }
};

template <class T>
mlot_step<T>::mlot_step(loss_options const& o)
    : state_(new state{.step = step_of<T>(o), .device = o.device}) {}
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
std::size_t mlot_step<T>::scratch_bytes() const {
  return state_->scratch_bytes;
}

template <class T>
loss_terms mlot_step<T>::operator()(matrix_ref<float> teacher_logits,
                                    matrix<T> const& student_logits, batch const& b,
                                    matrix<T>* gradient) {
  state& s = *state_;
  demand(s.teacher_tokens.from_offsets(view(b.teacher.offset)));
  demand(s.student_tokens.from_offsets(view(b.student.offset)));
  lent_batch<T> lent{.teacher_logits = view(teacher_logits.data(), teacher_logits.rows(),
                                            teacher_logits.cols(), teacher_logits.outerStride()),
                     .teacher_tokens = s.teacher_tokens,
                     .student_logits = view(student_logits.data(), student_logits.rows(),
                                            student_logits.cols(), student_logits.outerStride()),
                     .student_tokens = s.student_tokens,
                     .labels = {.label = view(b.student.tokens)},
                     .gradient = {},
                     .plan = {},
                     .terms = {}};
  if (gradient != nullptr) {
    gradient->resize(student_logits.rows(), student_logits.cols());
    lent.gradient = view(*gradient);
  }
  if (s.keeps_plan) {
    s.plan.setZero(teacher_logits.rows(), lent.student_tokens.longest);
    lent.plan = view(s.plan);
  }
  return std::visit(
      [&]<class Step>(Step const& step) {
        T terms[Step::terms] = {};
        lent.terms = {terms, Step::terms};
        s.compute(step.on(lent));
        return step.read(lent);
      },
      s.step);
}

template class mlot_step<float>;
template class mlot_step<double>;
}  // namespace distill
