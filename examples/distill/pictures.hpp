#pragma once
#include <filesystem>

#include "distill/experiment.hpp"
#include "distill/tokenizer.hpp"
namespace distill {
/// Writes the pictures of a comparison into `folder`; answers their names.
std::vector<std::filesystem::path> draw_pictures(std::filesystem::path const& folder,
                                                 comparison& runs, training_data const& data,
                                                 logit_source const& teacher,
                                                 loss_options const& loss,
                                                 tokenizer const& teacher_tokenizer,
                                                 tokenizer const& student_tokenizer);
}  // namespace distill
