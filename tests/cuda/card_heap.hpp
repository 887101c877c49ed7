#pragma once
#include <cstddef>
namespace kit {
/// From here on the program's operator new takes its memory from this block.
void give_heap(std::byte* block, std::size_t size);
}  // namespace kit
