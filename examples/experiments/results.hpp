#pragma once
#include <filesystem>

#include "experiments/lengths.hpp"
#include "experiments/trials.hpp"
namespace experiments {
/// What plot.py reads, as JSON: where it was measured, and every seed's numbers.
void save(std::filesystem::path const& file, table const& asked, trials const& trained,
          distill::index_t threads);
void save(std::filesystem::path const& file, std::vector<long_sequence> const& measured);
}  // namespace experiments
