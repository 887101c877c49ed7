// What only a card can show: the whole loss in a card's own memory. One check at a time, named on
// the command line; tests/cuda/card.cmake lists them.
#include <cstdio>
#include <exception>
#include <string_view>

#include "cuda/loss_on_card.cuh"
using namespace kit;

namespace {
constexpr int skipped = 77;  // as ctest is told

/// Ragged, in vocabularies that are no multiple of anything.
template <mlot::storage S, mlot::storage G = S>
loss_on_card<S, G> some_loss() {
  return {{37, 5, 64, 1}, {41, 9, 50, 3}, 3001, 2053};
}
template <mlot::storage S, mlot::storage G = S>
void agrees() {
  auto loss = some_loss<S, G>();
  loss(own_stream());
  loss.require_agreement();
}

int agreement() {
  agrees<float>();
  agrees<mlot::half, float>();
  agrees<mlot::bfloat16, float>();
  agrees<mlot::bfloat16>();
  return 0;
}
int unpoisoned() {
  new_memory_is_poisoned = false;
  return agreement();
}
int same_bits() {
  own_stream const stream;
  auto loss = some_loss<mlot::bfloat16, float>();
  loss(stream);
  auto const once = loss.results();
  for (int again = 0; again < 3; ++again) {
    loss.poison();
    loss(stream);
    require(loss.results().same_bits(once), "another run gives other bits");
  }
  return 0;
}
/// Kernel matrices that only on::hopper keeps in shared memory.
int shared_memory() {
  if (!has_hoppers_shared_memory()) {
    std::puts("skipped: this card's blocks have less shared memory than on::hopper asks for");
    return skipped;
  }
  own_stream const stream;
  loss_on_card<mlot::bfloat16, float> loss({150, 60}, {160, 40}, 3001, 2053);
  loss(stream);
  auto const outside = loss.results();
  loss.poison();
  loss.launch<mlot::on::hopper>(stream);
  require(loss.results().same_bits(outside), "shared memory gives other bits");
  return 0;
}
/// Nothing is allocated and nothing waits, or the capture fails.
int graph() {
  own_stream const stream;
  auto loss = some_loss<mlot::bfloat16, float>();
  loss(stream);
  auto const launched = loss.results();
  captured const replay(stream, loss);
  for (int again = 0; again < 3; ++again) {
    loss.poison();
    replay(stream);
    require(loss.results().same_bits(launched), "a replay of the graph gives other bits");
  }
  return 0;
}
int findings() {
  auto loss = some_loss<mlot::bfloat16>();
  index_t const row = 43, column = 1234;
  mlot::bfloat16 const nan(NAN);
  succeeds(cudaMemcpy(loss.student.data() + row * loss.student_vocabulary() + column, &nan,
                      sizeof nan, cudaMemcpyHostToDevice));
  loss(own_stream());
  mlot::status const found = loss.found();
  require(found.code == mlot::fault::data && found.row == row && found.column == column,
          "a NaN in the student's logits is not found: " + mlot::describe(found));
  return 0;
}
/// More than 2^31 logits: the last sequence, which lies beyond, against the scalar device.
int large() {
  std::size_t free = 0, all = 0;
  succeeds(cudaMemGetInfo(&free, &all));
  if (free < std::size_t(16) << 30) {
    std::puts("skipped: less than 16 GiB of the card's memory are free");
    return skipped;
  }
  std::vector<index_t> lengths(8, 1800);
  lengths.push_back(12);
  loss_on_card<mlot::bfloat16> const loss(lengths, lengths, 32000, 151936);
  require(loss.student.size() > index_t(1) << 31, "this should be larger");
  loss(own_stream());
  loss.require_agreement(8);
  return 0;
}

struct check {
  char const* name;
  int (*run)();
};
constexpr check checks[] = {{"agreement", agreement}, {"unpoisoned", unpoisoned},
                            {"same_bits", same_bits}, {"shared_memory", shared_memory},
                            {"graph", graph},         {"findings", findings},
                            {"large", large}};
}  // namespace

int main(int count, char** words) {
  if (!has_card()) {
    std::puts("skipped: no CUDA card");
    return skipped;
  }
  try {
    for (check const& one : checks)
      if (count > 1 && std::string_view(words[1]) == one.name) return one.run();
    std::puts("card_only_test <one of its checks>");
  } catch (std::exception const& problem) {
    std::printf("%s: %s\n", words[1], problem.what());
  }
  return 1;
}
