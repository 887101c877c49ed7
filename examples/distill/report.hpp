#pragma once
#include <string>

#include "distill/experiment.hpp"
namespace distill {
/// Mean, least and largest over the seeds.
struct spread {
  double mean = 0, low = 0, high = 0;
  double width() const { return high - low; }
};
spread spread_of(std::vector<double> const& values);

double last_bits(run_record const& run);
double best_bits(run_record const& run);

/// The closing table and what it does and does not say.
std::string report(comparison const& runs);
}  // namespace distill
