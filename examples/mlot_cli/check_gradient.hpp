#pragma once
#include <ostream>

#include "mlot_cli/evaluate.hpp"
namespace mlot_cli {
/// Prints a table of analytic against numeric derivatives of the total. Whether all agree.
///
/// The numeric ones are central differences of the loss in double, whatever T is, at the logits as
/// T reads them. Only the entry's own sequence is evaluated where the loss adds sequences up: the
/// others add the same on both sides. multi-level holds its columns, as the gradient does; where
/// reference-code ranks others after a step, the entry says nothing and is left out.
template <mlot::real T>
bool check_gradient(settings const& s, input_pair<T> const& input, std::ostream& out);
}  // namespace mlot_cli
