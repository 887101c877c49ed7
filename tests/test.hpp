#pragma once
// Catch2 2.13 and 3, whichever is installed: TEST_CASE, CHECK, Approx and the matchers mean the
// same below.
#if __has_include(<catch2/catch_all.hpp>)
#  include <catch2/catch_all.hpp>
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
#else
#  include <catch2/catch.hpp>
inline auto ContainsSubstring(std::string const& part) { return Catch::Contains(part); }
#endif
