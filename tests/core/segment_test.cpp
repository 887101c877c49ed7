#include "mlot/core/segment.hpp"

#include <vector>

#include "test.hpp"
using namespace mlot;

TEST_CASE("segment_of finds the owner of every element, past empty segments") {
  std::vector<index_t> const offset{0, 0, 3, 3, 3, 4, 9, 9};
  vector_view<index_t const, host_memory> const view{offset.data(), index_t(offset.size())};
  index_t i = 0;
  for (index_t b = 0; b + 1 < index_t(offset.size()); ++b)
    for (; i < offset[std::size_t(b + 1)]; ++i) CHECK(segment_of(view, i) == b);
  CHECK(i == 9);
}
