#pragma once
#include <filesystem>

#include "distill/course.hpp"
#include "distill/experiment.hpp"
namespace distill {
/// Writes the pictures of a comparison into `folder`; answers their names. A plan is drawn of a
/// loss that has one.
std::vector<std::filesystem::path> draw_pictures(std::filesystem::path const& folder,
                                                 comparison& runs, course const& from,
                                                 loss_options const& loss);
}  // namespace distill
