#include "mlot/primitive/weighted_sum.hpp"

#include "devices.hpp"
#include "framed.hpp"
#include "random.hpp"
#include "run.hpp"
using namespace mlot;

TEMPLATE_LIST_TEST_CASE("a weighted sum adds the terms that have memory", "[weighted_sum]",
                        every_device) {
  using T = typename TestType::scalar;
  for (kit::layout const where : kit::every_layout)
    for (int present = 0; present < 8; ++present) {
      kit::framed<T> x(3, 5, where), y(3, 5, where), z(3, 5, where), out(3, 5, where);
      random_source random(3);
      for (auto* each : {&x, &y, &z})
        kit::fill(*each, [&](index_t, index_t) { return T(random.normal()); });
      kit::framed<T>* const all[] = {&x, &y, &z};
      weighted_sum<T, host_memory> p{.out = out.matrix()};
      for (int c = 0; c < 3; ++c) {
        p.term[c].weight = T(c) - T(0.5);
        if (present >> c & 1) p.term[c].table = all[c]->matrix();
      }
      kit::succeeds<typename TestType::device>(p);
      REQUIRE(out.exactly_written());
      double error = 0;
      for (index_t i = 0; i < 3; ++i)
        for (index_t l = 0; l < 5; ++l) {
          long double sum = 0;
          for (int c = 0; c < 3; ++c)
            if (present >> c & 1) sum += (c - 0.5L) * (long double)((*all[c])(i, l));
          error = std::max(error, double(std::abs(sum - (long double)(out(i, l)))));
        }
      CHECK(error <= 8 * double(std::numeric_limits<T>::epsilon()));
    }
}

TEMPLATE_LIST_TEST_CASE("wrong tables of a weighted sum are named", "[weighted_sum]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::framed<T> x(3, 5), out(3, 5);
  weighted_sum<T, host_memory> const p{.term = {{T(1), x.matrix()}}, .out = out.matrix()};
  kit::refuses<Device>(p, fault::shape, "weighted_sum.term",
                       [](auto& w) { w.term[0].table.rows = 2; });
  kit::refuses<Device>(p, fault::shape, "weighted_sum.term",
                       [](auto& w) { w.term[0].table.cols = 6; });
  kit::refuses<Device>(p, fault::shape, "weighted_sum.out", [](auto& w) { w.out.data = nullptr; });
  CHECK(out.untouched());
}
