#pragma once
#include <functional>

#include "distill/types.hpp"
namespace distill {
/// Does jobs 0 .. jobs - 1, up to `threads` at a time, each wholly on one thread: a job's result
/// cannot depend on how many run beside it. Begins them in order. Rethrows the first exception.
void for_each_job(index_t jobs, index_t threads, std::function<void(index_t)> const& job);
}  // namespace distill
