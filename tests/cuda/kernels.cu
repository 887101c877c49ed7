// Every primitive and loss for on::cuda, in the types that matter: what resources.py reads the
// kernels' resources from.
#include <tuple>

#include "mlot/mlot.cuh"
using namespace mlot;

namespace {
using memory = device_memory;
template <class... Primitive>
struct list {};

/// Of logits stored as S, and their gradient as G.
template <real T, storage S, storage G = S>
using of_logits =
    list<vocabulary_mass<T, S, memory>, gather_columns<T, S, memory>, cross_entropy<T, S, memory>,
         deviation_temperature<T, S, memory>, deviation_temperature_gradient<T, S, G, memory>,
         logit_gradient<T, S, G, memory>, ranked_difference<T, S, S, G, memory>,
         match_columns<T, S, memory>>;
template <real T>
using of_tables =
    list<top_columns<T, memory>, column_probabilities<T, memory>, table_softmax<T, memory>,
         table_softmax_gradient<T, memory>, aligned_terms<T, memory>,
         aligned_terms_gradient<T, memory>, table_product<T, memory>, problem_copy<T, memory>,
         segment_sums<T, memory>, sequence_totals<T, memory>, token_problems<T, memory>,
         debiased_transport<T, memory>, all_columns<memory>>;
/// Into a loss in float that computes its transport in double, and out of it.
using between = list<column_probabilities<double, memory, float>,
                     problem_copy<float, memory, double>, table_product<float, memory, double>>;
template <real T, class Ground, storage Table = T>
using of_costs =
    list<pairwise_cost<T, memory, Ground, Table>, pairwise_cost_gradient<T, memory, Ground, Table>,
         sinkhorn<T, memory, table_cost<T, memory, Ground, Table>>,
         sinkhorn_table_gradient<T, memory, Ground, derivative::unrolled, Table>>;
template <real T>
using of_problems =
    list<sinkhorn<T, memory>, sinkhorn_gradient<T, memory>,
         sinkhorn_gradient<T, memory, derivative::plan_constant>,
         sinkhorn_gradient<T, memory, derivative::envelope>, barycentric_projection<T, memory>>;
template <real T, class Kind, storage S>
using distillation = divergence_distillation<T, Kind, dense_teacher<T, S, memory>, S, S, memory>;
template <real T, storage S>
using whole = multi_level<T, S, S, S, memory>;

template <class Primitive>
concept has_kernels = requires(Primitive const& p) {
  run(on::cuda(), p, workspace<memory>());
};
template <class Primitive>
void instantiate() {
  static_assert(has_kernels<Primitive>, "this primitive has no kernels");
  [[maybe_unused]] auto volatile size = &workspace_size<on::cuda, Primitive>;
  [[maybe_unused]] auto volatile call = &compute<on::cuda, Primitive>;
}
template <class... Primitive>
void each_of(list<Primitive...>) {
  (instantiate<Primitive>(), ...);
}
}  // namespace

void instantiate_all() {
  each_of(of_logits<float, float>());
  each_of(of_logits<float, mlot::half>());
  each_of(of_logits<float, bfloat16>());
  each_of(of_logits<double, double>());
  each_of(of_tables<float>());
  each_of(of_tables<double>());
  each_of(between());
  each_of(of_costs<float, absolute_difference>());
  each_of(of_costs<double, absolute_difference>());
  each_of(of_costs<float, squared_difference>());
  each_of(of_problems<float>());
  each_of(of_problems<double>());
  each_of(list<whole<float, float>, whole<float, bfloat16>, whole<double, double>>());
  each_of(list<sinkhorn_divergence<float, memory>>());
  each_of(list<distillation<float, jensen_shannon<float>, float>,
               distillation<float, jensen_shannon<float>, bfloat16>,
               distillation<double, jensen_shannon<double>, double>,
               distillation<float, adaptive_kl<float>, bfloat16>>());
  each_of(list<universal_logit<float, bfloat16, bfloat16, bfloat16, memory>>());
}
