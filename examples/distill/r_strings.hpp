#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "distill/types.hpp"
namespace distill {
/// The character vectors in an R package's `Rdata.rdb`: entry after entry a 4-byte big-endian
/// inflated length and a zlib stream; each inflates to R's serialization (XDR, version 2 or 3) of
/// one STRSXP. NA reads as an empty line. Throws user_error, naming the offset, at anything else.
std::vector<std::vector<std::string>> read_r_strings(std::string_view file);
}  // namespace distill
