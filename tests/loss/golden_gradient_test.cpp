// The gradient of each term alone against numbers that were computed elsewhere:
// tests/golden/README.md.
#include "loss/golden_problem.hpp"
#include "test.hpp"
namespace {
using namespace golden_loss;

/// What of the case to compute: weights that leave one term alone. A weight of 2^-60 puts the
/// difference term 18 digits below the term beside it, so that nothing of it is left.
struct part {
  char const* array;
  double alpha, beta, gamma;
  bool labelled, plan_constant = false, aligned = true;
};
constexpr double huge = 0x1p60, tiny = 0x1p-60;
constexpr part parts[] = {{"grad_had", 1, 0, 0, false},
                          {"grad_sl", tiny, huge, 0, false},
                          {"grad_sd", 1, 0, 1, false, false, false},
                          {"grad_sd_plan_const", 1, 0, 1, false, true, false},
                          {"grad_ce", 0, 0, 0, true}};

template <class T, class Device>
errors errors_of(Device device, golden::npz const& c) {
  errors off;
  for (part const& alone : parts) {
    if (!c.has(alone.array)) continue;
    oracle::loss_problem p = problem_of(c);
    p.alpha = alone.alpha, p.beta = alone.beta, p.gamma = alone.gamma;
    p.plan_constant = alone.plan_constant;
    if (!alone.labelled) p.labels.clear();
    if (!alone.aligned) p.pairs.emplace(1);
    off[alone.array] = gradient_error(run<T>(device, c, p)->gradient, c[alone.array]);
  }
  return off;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("every golden gradient of a term of the paper's equations is met", "",
                        every_device) {
  using T = typename TestType::scalar;
  std::size_t compared = 0;
  for (golden::npz const& c : golden::all_of("paper_")) {
    errors const off = errors_of<T>(typename TestType::device(), c);
    compared += off.size();
    check<T>(c, off);
  }
  CHECK(compared >= 4 * 32);
}
