#pragma once
#include "mlot_cli/evaluate.hpp"
namespace mlot_cli {
/// The result as one JSON object, a line break behind it. Numbers have 17 significant digits;
/// infinity is 1e999 (JSON has no word for it, and readers take it for infinity), NaN is null.
template <mlot::real T>
std::string report(evaluation<T> const& result, index_t sequences);
}  // namespace mlot_cli
