#pragma once
/// Everything for the host's devices, and where a program links the target mlot::compiled, the
/// promise that the instances listed here are compiled there: a call then compiles in about a
/// second. Who does not link it gets headers as ever, and what is not listed is instantiated as
/// ever. Both must be compiled for one instruction set: it is part of every name, so that
/// anything else ends in an undefined symbol.
#include "mlot/mlot.hpp"
#if MLOT_COMPILED_SIMD  // said by the target, as MLOT_COMPILED
#  include "mlot/simd.hpp"
#endif

/// `keyword` is extern, which declares an instance, or nothing, which defines it.
#define MLOT_INSTANCE(keyword, Device, ...)                                     \
  keyword template mlot::status mlot::compute(Device, __VA_ARGS__ const&,       \
                                              mlot::workspace<Device::memory>); \
  keyword template std::size_t mlot::workspace_size(Device, __VA_ARGS__ const&);

/// Primitives that compute in T, but for the transport.
#define MLOT_TABLE_INSTANCES(keyword, Device, T)                                  \
  MLOT_INSTANCE(keyword, Device, mlot::aligned_terms<T, Device::memory>)          \
  MLOT_INSTANCE(keyword, Device, mlot::aligned_terms_gradient<T, Device::memory>) \
  MLOT_INSTANCE(keyword, Device, mlot::column_probabilities<T, Device::memory>)   \
  MLOT_INSTANCE(keyword, Device, mlot::debiased_transport<T, Device::memory>)     \
  MLOT_INSTANCE(keyword, Device, mlot::problem_copy<T, Device::memory>)           \
  MLOT_INSTANCE(keyword, Device, mlot::segment_sums<T, Device::memory>)           \
  MLOT_INSTANCE(keyword, Device, mlot::sequence_totals<T, Device::memory>)        \
  MLOT_INSTANCE(keyword, Device, mlot::table_product<T, Device::memory>)          \
  MLOT_INSTANCE(keyword, Device, mlot::table_softmax<T, Device::memory>)          \
  MLOT_INSTANCE(keyword, Device, mlot::table_softmax_gradient<T, Device::memory>) \
  MLOT_INSTANCE(keyword, Device, mlot::token_problems<T, Device::memory>)

/// Those without a number type, or with two.
#define MLOT_MIXED_INSTANCES(keyword, Device)                                               \
  MLOT_INSTANCE(keyword, Device, mlot::all_columns<Device::memory>)                         \
  MLOT_INSTANCE(keyword, Device, mlot::column_probabilities<double, Device::memory, float>) \
  MLOT_INSTANCE(keyword, Device, mlot::problem_copy<float, Device::memory, double>)         \
  MLOT_INSTANCE(keyword, Device, mlot::table_product<float, Device::memory, double>)

#define MLOT_GROUND_INSTANCES(keyword, Device, T, Ground)                                 \
  MLOT_INSTANCE(keyword, Device, mlot::pairwise_cost<T, Device::memory, Ground>)          \
  MLOT_INSTANCE(keyword, Device, mlot::pairwise_cost_gradient<T, Device::memory, Ground>) \
  MLOT_INSTANCE(keyword, Device,                                                          \
                mlot::sinkhorn<T, Device::memory, mlot::table_cost<T, Device::memory, Ground>>)

#define MLOT_DERIVATIVE_INSTANCES(keyword, Device, T, Derivative)                        \
  MLOT_INSTANCE(keyword, Device, mlot::sinkhorn_gradient<T, Device::memory, Derivative>) \
  MLOT_INSTANCE(                                                                         \
      keyword, Device,                                                                   \
      mlot::sinkhorn_table_gradient<T, Device::memory, mlot::absolute_difference, Derivative>)

/// Transport, from a matrix of costs or from tables.
#define MLOT_TRANSPORT_INSTANCES(keyword, Device, T)                                       \
  MLOT_GROUND_INSTANCES(keyword, Device, T, mlot::absolute_difference)                     \
  MLOT_GROUND_INSTANCES(keyword, Device, T, mlot::squared_difference)                      \
  MLOT_INSTANCE(keyword, Device, mlot::sinkhorn<T, Device::memory>)                        \
  MLOT_DERIVATIVE_INSTANCES(keyword, Device, T, mlot::derivative::unrolled)                \
  MLOT_DERIVATIVE_INSTANCES(keyword, Device, T, mlot::derivative::plan_constant)           \
  MLOT_DERIVATIVE_INSTANCES(keyword, Device, T, mlot::derivative::envelope)                \
  MLOT_INSTANCE(keyword, Device,                                                           \
                mlot::sinkhorn_table_gradient<T, Device::memory, mlot::squared_difference, \
                                              mlot::derivative::envelope>)                 \
  MLOT_INSTANCE(keyword, Device, mlot::barycentric_projection<T, Device::memory>)

/// Primitives that compute in T on logits stored as S.
#define MLOT_LOGIT_INSTANCES(keyword, Device, T, S)                                 \
  MLOT_INSTANCE(keyword, Device, mlot::cross_entropy<T, S, Device::memory>)         \
  MLOT_INSTANCE(keyword, Device, mlot::deviation_temperature<T, S, Device::memory>) \
  MLOT_INSTANCE(keyword, Device, mlot::gather_columns<T, S, Device::memory>)        \
  MLOT_INSTANCE(keyword, Device, mlot::match_columns<T, S, Device::memory>)         \
  MLOT_INSTANCE(keyword, Device, mlot::top_columns<S, Device::memory>)              \
  MLOT_INSTANCE(keyword, Device, mlot::rank_teacher<T, S, Device::memory>)          \
  MLOT_INSTANCE(keyword, Device, mlot::vocabulary_mass<T, S, Device::memory>)

/// Those that also write a gradient stored as G.
#define MLOT_GRADIENT_INSTANCES(keyword, Device, T, S, G)                                       \
  MLOT_INSTANCE(keyword, Device, mlot::deviation_temperature_gradient<T, S, G, Device::memory>) \
  MLOT_INSTANCE(keyword, Device, mlot::logit_gradient<T, S, G, Device::memory>)                 \
  MLOT_INSTANCE(keyword, Device, mlot::ranked_difference<T, S, S, G, Device::memory>)

#define MLOT_KIND_INSTANCES(keyword, Device, T, S, G, teacher, ...) \
  MLOT_INSTANCE(                                                    \
      keyword, Device,                                              \
      mlot::divergence<T, __VA_ARGS__, mlot::teacher<T, S, Device::memory>, S, G, Device::memory>)

/// Divergences from a dense_teacher or a sparse_teacher.
#define MLOT_DIVERGENCE_INSTANCES(keyword, Device, T, S, G, teacher)                 \
  MLOT_KIND_INSTANCES(keyword, Device, T, S, G, teacher, mlot::forward_kl)           \
  MLOT_KIND_INSTANCES(keyword, Device, T, S, G, teacher, mlot::reverse_kl)           \
  MLOT_KIND_INSTANCES(keyword, Device, T, S, G, teacher, mlot::jensen_shannon<T>)    \
  MLOT_KIND_INSTANCES(keyword, Device, T, S, G, teacher, mlot::skewed_kl<T>)         \
  MLOT_KIND_INSTANCES(keyword, Device, T, S, G, teacher, mlot::skewed_reverse_kl<T>) \
  MLOT_KIND_INSTANCES(keyword, Device, T, S, G, teacher, mlot::adaptive_kl<T>)       \
  MLOT_KIND_INSTANCES(keyword, Device, T, S, G, teacher, mlot::total_variation)

/// Losses that compute in T on logits stored as S, with a gradient stored as G.
#define MLOT_LOSS_INSTANCES(keyword, Device, T, S, G)                              \
  MLOT_INSTANCE(keyword, Device, mlot::distillkitplus<T, S, S, G, Device::memory>) \
  MLOT_INSTANCE(keyword, Device, mlot::multi_level<T, S, S, G, Device::memory>)    \
  MLOT_INSTANCE(keyword, Device, mlot::reference_code<T, S, S, G, Device::memory>) \
  MLOT_INSTANCE(keyword, Device, mlot::sinkd<T, S, S, G, Device::memory>)          \
  MLOT_INSTANCE(keyword, Device, mlot::universal_logit<T, S, S, G, Device::memory>)

#define MLOT_STORAGE_INSTANCES(keyword, Device, T, S, G)             \
  MLOT_GRADIENT_INSTANCES(keyword, Device, T, S, G)                  \
  MLOT_DIVERGENCE_INSTANCES(keyword, Device, T, S, G, dense_teacher) \
  MLOT_LOSS_INSTANCES(keyword, Device, T, S, G)

/// All of these for a device.
#define MLOT_INSTANCES(keyword, Device)                                          \
  MLOT_MIXED_INSTANCES(keyword, Device)                                          \
  MLOT_TABLE_INSTANCES(keyword, Device, float)                                   \
  MLOT_TABLE_INSTANCES(keyword, Device, double)                                  \
  MLOT_TRANSPORT_INSTANCES(keyword, Device, float)                               \
  MLOT_TRANSPORT_INSTANCES(keyword, Device, double)                              \
  MLOT_LOGIT_INSTANCES(keyword, Device, float, float)                            \
  MLOT_LOGIT_INSTANCES(keyword, Device, float, mlot::half)                       \
  MLOT_LOGIT_INSTANCES(keyword, Device, float, mlot::bfloat16)                   \
  MLOT_LOGIT_INSTANCES(keyword, Device, double, double)                          \
  MLOT_STORAGE_INSTANCES(keyword, Device, float, float, float)                   \
  MLOT_STORAGE_INSTANCES(keyword, Device, float, mlot::half, mlot::half)         \
  MLOT_STORAGE_INSTANCES(keyword, Device, float, mlot::half, float)              \
  MLOT_STORAGE_INSTANCES(keyword, Device, float, mlot::bfloat16, mlot::bfloat16) \
  MLOT_STORAGE_INSTANCES(keyword, Device, float, mlot::bfloat16, float)          \
  MLOT_STORAGE_INSTANCES(keyword, Device, double, double, double)

/// What the host's devices have beside these.
#define MLOT_HOST_INSTANCES(keyword, Device)                                                \
  MLOT_INSTANCES(keyword, Device)                                                           \
  MLOT_DIVERGENCE_INSTANCES(keyword, Device, float, float, float, sparse_teacher)           \
  MLOT_DIVERGENCE_INSTANCES(keyword, Device, float, mlot::half, mlot::half, sparse_teacher) \
  MLOT_DIVERGENCE_INSTANCES(keyword, Device, float, mlot::bfloat16, mlot::bfloat16,         \
                            sparse_teacher)                                                 \
  MLOT_DIVERGENCE_INSTANCES(keyword, Device, double, double, double, sparse_teacher)

#if MLOT_COMPILED
MLOT_HOST_INSTANCES(extern, mlot::on::scalar)
#  if MLOT_COMPILED_SIMD
MLOT_HOST_INSTANCES(extern, mlot::on::simd<>)
#  endif
#endif
