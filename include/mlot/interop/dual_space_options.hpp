#pragma once
#include "mlot/core/token_rows.hpp"
#include "mlot/loss/multi_level_options.hpp"
#include "mlot/primitive/cross_entropy.hpp"
namespace mlot::MLOT_SET {
/// Places in dual_space::terms.
namespace dual_space_term {
enum : index_t {
  cross_entropy,            ///< CE
  projected_cross_entropy,  ///< L_ce
  teacher_to_student,       ///< L_ts
  student_to_teacher,       ///< L_st
  total,                    ///< the loss
  count,
  of_a_sequence = total  ///< those that a sequence has
};
}

/// What the loss reads of one model: rows of all matrices are the same positions.
template <storage S, class Memory>
struct dual_space_model {
  matrix_view<S const, Memory> hidden{};            ///< (rows, width) last hidden states
  matrix_view<S const, Memory> input_embedding{};   ///< (rows, width) of the ids read, constant
  matrix_view<S const, Memory> target_embedding{};  ///< (rows, width) of the ids to come, constant
  matrix_view<S const, Memory> head{};    ///< (V, width) of hidden states to logits, constant
  matrix_view<S const, Memory> logits{};  ///< (rows, V)
  token_rows<Memory> tokens{};            ///< B sequences of rows
  row_labels<Memory> labels{};            ///< (rows) or empty

  constexpr index_t width() const { return hidden.cols; }
};

template <real T>
struct dual_space_options {
  T ratio = T(0.5);      ///< r, the share of distillation, 0 to 1
  T temperature = T(2);  ///< tau of L_ts and L_st, on either side of them; above 0
  index_t chunk = 128;   ///< tokens whose projected logits are in memory at a time, at least 1
  reduction reduce = reduction::sum;
  T divisor = T(1);  ///< for reduction::divisor, above 0
};

}  // namespace mlot::MLOT_SET
