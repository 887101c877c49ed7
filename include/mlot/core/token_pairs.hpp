#pragma once
#include "mlot/core/token_rows.hpp"
namespace mlot::MLOT_SET {
/// Which teacher token is compared with which student token. Without pairs (`offset` empty) token
/// t meets token t, up to the shorter length. Given pairs are positions within the sequence, pairs
/// of sequence b at offset(b) .. offset(b + 1) - 1, sorted by student token (so that a student
/// token's pairs lie together). A token may appear in several pairs or in none.
template <class Memory = host_memory>
struct token_pairs {
  using memory = Memory;
  vector_view<index_t const, Memory> offset{};   ///< (B + 1), or empty: by position
  vector_view<index_t const, Memory> teacher{};  ///< (pairs)
  vector_view<index_t const, Memory> student{};  ///< (pairs) never falling within a sequence

  MLOT_HOST_DEVICE constexpr bool by_position() const { return offset.empty(); }

  MLOT_HOST_DEVICE constexpr index_t count(index_t b, index_t teacher_count,
                                           index_t student_count) const {
    if (!by_position()) return offset(b + 1) - offset(b);
    return teacher_count < student_count ? teacher_count : student_count;
  }
  /// Calls visit(teacher_token, student_token), positions within sequence b, in order.
  MLOT_CALLS_EITHER
  template <class Visit>
  MLOT_HOST_DEVICE constexpr void for_each(index_t b, index_t teacher_count, index_t student_count,
                                           Visit visit) const {
    if (by_position()) {
      index_t const both = teacher_count < student_count ? teacher_count : student_count;
      for (index_t t = 0; t < both; ++t) visit(t, t);
    } else {
      for (index_t i = offset(b); i < offset(b + 1); ++i) visit(teacher(i), student(i));
    }
  }

  /// Device memory is not read: there only the sizes are checked.
  [[gnu::noinline]] constexpr status check(
      char const* argument, vector_view<index_t const, Memory> teacher_offset,
      vector_view<index_t const, Memory> student_offset) const {
    if (by_position()) return {};
    requirement all;
    all.vector(argument, offset, student_offset.size, "pairs with sequences + 1 offsets");
    all.vector(argument, teacher, student.size, "as many teacher as student tokens");
    all.vector(argument, student, student.size, "a pointer that is not null");
    if constexpr (std::is_same_v<Memory, host_memory>) {
      // Offsets of tokens that cannot be read are for the caller to name.
      bool const readable = teacher_offset.data != nullptr && student_offset.data != nullptr &&
                            teacher_offset.size == offset.size;
      if (!all.answer().ok() || !readable) return all.answer();
      all.that(offset(0) == 0, fault::shape, argument, double(offset(0)), "offsets from 0");
      all.count(argument, offset(offset.size - 1), teacher.size, "pairs",
                "a last offset equal to the number of pairs");
      for (index_t b = 0; b + 1 < offset.size && all.answer().ok(); ++b) {
        all.that(offset(b) <= offset(b + 1) && offset(b + 1) <= teacher.size, fault::shape,
                 argument, double(offset(b + 1)), "offsets that never fall");
        for (index_t i = offset(b); i < offset(b + 1) && all.answer().ok(); ++i) {
          all.that(teacher(i) >= 0 && teacher(i) < teacher_offset(b + 1) - teacher_offset(b),
                   fault::data, argument, double(teacher(i)), "teacher tokens of the sequence");
          all.that(student(i) >= 0 && student(i) < student_offset(b + 1) - student_offset(b),
                   fault::data, argument, double(student(i)), "student tokens of the sequence");
          all.that(i == offset(b) || student(i - 1) <= student(i), fault::data, argument,
                   double(student(i)), "pairs sorted by student token");
        }
      }
    }
    return all.answer();
  }
};
}  // namespace mlot::MLOT_SET
