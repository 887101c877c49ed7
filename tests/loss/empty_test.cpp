// Every loss over every shape that has nothing to compare: its terms are 0, and its gradient is.
#include "loss/every_loss.hpp"
#include "mlot/interop/owned.hpp"
#include "test.hpp"
using loss_test::batch_shape;
using mlot::index_t;

namespace {
template <class T, class Device>
void gives_zeros(batch_shape const& shape) {
  loss_test::every_loss<T> losses(shape);
  losses.for_each([&](std::string const&, auto const& loss, auto& terms) {
    kit::succeeds<Device>(loss);
    mlot::scratch_buffer scratch;  // lends no pointer where no memory is needed
    REQUIRE(kit::in_the_end<Device>(mlot::compute(Device(), loss, scratch.for_call(Device(), loss)))
                .ok());
    for (index_t c = 0; c < terms.cols(); ++c) CHECK(terms(0, c) == T(0));
    REQUIRE(losses.gradient().exactly_written());
    for (index_t r = 0; r < losses.gradient().rows(); ++r)
      for (index_t v = 0; v < losses.gradient().cols(); ++v) CHECK(losses.gradient()(r, v) == T(0));
  });
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("every loss of a batch without anything to compare is 0", "",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  SECTION("no sequence") { gives_zeros<T, Device>({}); }
  SECTION("no sequence, no row and no offset") { gives_zeros<T, Device>({.bare = true}); }
  SECTION("no token") {
    gives_zeros<T, Device>({{0}, {0}});
    gives_zeros<T, Device>({{0, 0, 0}, {0, 0, 0}});
  }
  SECTION("no token on one side, and no label") {
    gives_zeros<T, Device>({{0, 0}, {2, 3}, false});
    gives_zeros<T, Device>({{2, 3}, {0, 0}, false});
    gives_zeros<T, Device>({{0, 3}, {2, 0}, false});
  }
  SECTION("no token on one side, and labels that do not count") {
    gives_zeros<T, Device>({{0, 0}, {2, 3}, true, true});
    gives_zeros<T, Device>({{0, 3}, {2, 0}, true, true});
  }
  SECTION("no vocabulary id beside no token") {
    gives_zeros<T, Device>({.teacher_lengths = {0}, .student_lengths = {0}, .m = 0, .n = 0});
    gives_zeros<T, Device>({.bare = true, .m = 0, .n = 0});
  }
}

TEMPLATE_LIST_TEST_CASE("labels that do not count add no cross-entropy to any loss", "",
                        every_device) {
  using T = typename TestType::scalar;
  loss_test::every_loss<T> losses({{2, 2}, {2, 2}, true, true});
  losses.for_each([&](std::string const&, auto const& loss, auto& terms) {
    kit::succeeds<typename TestType::device>(loss);
    CHECK(terms(0, 0) == T(0));
  });
}
