#include "mlot/primitive/divergence.hpp"

#include "primitive/divergence_batch.hpp"
using namespace mlot;

namespace {
kit::divergence_shape random_shape(std::uint64_t seed) {
  random_source random(seed);
  kit::divergence_shape s;
  s.teacher_lengths.clear(), s.student_lengths.clear();
  for (index_t b = random.below(4); b >= 0; --b) {
    s.teacher_lengths.push_back(random.below(7));
    s.student_lengths.push_back(random.below(7));
  }
  s.m = 1 + random.below(70);
  s.n = random.below(2) == 0 ? s.m : 1 + random.below(70);
  s.scale = random.uniform(0.2, 5);
  constexpr double temperatures[] = {1, 1, 0.5, 2, 3};
  s.temperature = temperatures[random.below(5)];
  s.teacher_temperature = temperatures[random.below(5)];
  s.labelled = random.below(2) == 0;
  s.paired = random.below(3) == 0;
  s.masked = random.below(3) == 0;
  s.absent = random.below(3) == 0;
  s.where = kit::every_layout[random.below(3)];
  s.seed = random.bits();
  return s;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("every divergence and its gradient are the oracle's", "[divergence]",
                        every_storage) {
  using S = typename TestType::storage;
  using T = typename TestType::scalar;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    kit::divergence_batch<T, S> all(random_shape(seed));
    kit::for_each_divergence<T>([&](auto const& kind, oracle::divergence_kind name) {
      CAPTURE(int(name.name), double(name.parameter));
      all.clear();
      kit::succeeds<typename TestType::device>(all.primitive(kind));
      all.check(name);
    });
  }
}
