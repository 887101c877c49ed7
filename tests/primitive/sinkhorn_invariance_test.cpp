// What a problem may be changed into without its plan changing, or only as the problem does.
#include "primitive/sinkhorn_batch.hpp"
using namespace mlot;

namespace {
template <class T>
constexpr double accuracy = std::is_same_v<T, float> ? 2e-6 : 1e-12;

/// One problem with marginals of its own; costs are multiples of 1 / 1024 up to 2.
template <class T>
kit::sinkhorn_batch<T> drawn(sinkhorn_domain domain, index_t rows, index_t columns,
                             index_t iterations) {
  kit::sinkhorn_batch<T> all(kit::problems({{rows, columns}}), iterations);
  all.domain = domain;
  all.epsilon = T(0.25);
  all.draw_marginals(3);
  all.problems.for_each([&](index_t i, index_t j, index_t) {
    all.cost(i, j) = T(std::round(double(all.cost(i, j)) * 1024) / 1024);
  });
  return all;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("what is added to rows and columns of the cost moves the potentials alone",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  auto const by_row = [](index_t i) { return T(double((5 * i + 3) % 17) / 16 - 0.5); };
  auto const by_column = [](index_t j) {
    return T(double((7 * j + 4) % 19) / 32);
  };  // at most 9/16
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const iterations : {1, 2, 9}) {
      auto all = drawn<T>(domain, 17, 23, iterations), moved = drawn<T>(domain, 17, 23, iterations);
      all.problems.for_each([&](index_t i, index_t j, index_t) {
        moved.cost(i, j) = all.cost(i, j) + by_row(i) + by_column(j);
      });
      // The start has to move as well: g^0 = 0 becomes what is added to the columns.
      moved.warm = true;
      kit::fill(moved.warm_start, [&](index_t, index_t j) { return by_column(j); });
      all.template forward<Device>();
      moved.template forward<Device>();
      kit::norm_error plan;
      kit::largest_error potential, distance;
      double added = 0;
      all.problems.for_each([&](index_t i, index_t j, index_t) {
        plan.add(moved.plan(i, j), all.plan(i, j));
        added += double(all.plan(i, j)) * double(by_row(i) + by_column(j));
        // The largest start is taken as 0.
        potential.absolute(moved.row_potential(i), all.row_potential(i) + by_row(i) + T(0.5625));
        potential.absolute(moved.column_potential(j),
                           all.column_potential(j) + by_column(j) - T(0.5625));
      });
      distance.relative(moved.distance(0), all.distance(0) + added);
      CAPTURE(int(domain), iterations);
      CHECK(plan.value() <= accuracy<T>);
      CHECK(potential.value <= accuracy<T>);
      CHECK(distance.value <= accuracy<T>);
    }
}

TEMPLATE_LIST_TEST_CASE("cost and epsilon have one unit in every domain", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (double const unit : {0.125, 1024.0, 3.7}) {
      auto all = drawn<T>(domain, 11, 18, 20), scaled = drawn<T>(domain, 11, 18, 20);
      scaled.epsilon = T(unit) * all.epsilon;
      all.problems.for_each(
          [&](index_t i, index_t j, index_t) { scaled.cost(i, j) = T(unit) * all.cost(i, j); });
      all.template forward_and_back<Device>();
      scaled.template forward_and_back<Device>();
      kit::norm_error plan, gradient, potential;
      all.problems.for_each([&](index_t i, index_t j, index_t) {
        plan.add(scaled.plan(i, j), all.plan(i, j));
        gradient.add(scaled.gradient(i, j), all.gradient(i, j));
        potential.add(scaled.row_potential(i), T(unit) * all.row_potential(i));
        potential.add(scaled.column_potential(j), T(unit) * all.column_potential(j));
      });
      bool const exact = unit != 3.7;  // a power of two rounds nothing
      CAPTURE(int(domain), unit);
      CHECK(plan.value() <= (exact ? 0 : accuracy<T>));
      CHECK(potential.value() <= (exact ? 0 : accuracy<T>));
      CHECK(gradient.value() <= 10 * accuracy<T>);
      if (exact) CHECK(scaled.distance(0) == T(unit) * all.distance(0));
    }
}

TEMPLATE_LIST_TEST_CASE("the transposed problem converges to the transposed plan", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain) {
    auto all = drawn<T>(domain, 19, 8, 300), turned = drawn<T>(domain, 8, 19, 300);
    kit::fill(turned.row_marginal, [&](index_t, index_t j) { return all.column_marginal(j); });
    kit::fill(turned.column_marginal, [&](index_t, index_t i) { return all.row_marginal(i); });
    turned.problems.for_each(
        [&](index_t j, index_t i, index_t) { turned.cost(j, i) = all.cost(i, j); });
    all.template forward<Device>();
    turned.template forward<Device>();
    // Each has the mass of its own columns.
    oracle::number const ratio = oracle::sum(turned.b_of(0)) / oracle::sum(all.b_of(0));
    kit::norm_error plan;
    kit::largest_error potential;
    T const constant = turned.row_potential(0) - all.column_potential(0);
    all.problems.for_each([&](index_t i, index_t j, index_t) {
      plan.add(turned.plan(j, i), ratio * all.plan(i, j));
      potential.absolute(turned.row_potential(j) - constant, all.column_potential(j));
      potential.absolute(turned.column_potential(i) + constant,
                         all.row_potential(i) + all.epsilon * std::log(ratio));
    });
    CAPTURE(int(domain));
    CHECK(plan.value() <= 2 * accuracy<T>);
    CHECK(potential.value <= 2 * accuracy<T>);
  }
}

TEMPLATE_LIST_TEST_CASE("every output is permuted as rows and columns are", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  index_t const rows = 13, columns = 35;
  auto const row = [=](index_t i) { return (5 * i + 2) % rows; };
  auto const column = [=](index_t j) { return (8 * j + 3) % columns; };
  for (sinkhorn_domain const domain : kit::every_domain) {
    auto all = drawn<T>(domain, rows, columns, 20), moved = drawn<T>(domain, rows, columns, 20);
    for (index_t i = 0; i < rows; ++i) moved.row_marginal(row(i)) = all.row_marginal(i);
    for (index_t j = 0; j < columns; ++j) moved.column_marginal(column(j)) = all.column_marginal(j);
    all.problems.for_each(
        [&](index_t i, index_t j, index_t) { moved.cost(row(i), column(j)) = all.cost(i, j); });
    all.template forward_and_back<Device>();
    moved.template forward_and_back<Device>();
    kit::norm_error forward, backward;
    all.problems.for_each([&](index_t i, index_t j, index_t) {
      forward.add(moved.plan(row(i), column(j)), all.plan(i, j));
      forward.add(moved.row_potential(row(i)), all.row_potential(i));
      forward.add(moved.column_potential(column(j)), all.column_potential(j));
      backward.add(moved.gradient(row(i), column(j)), all.gradient(i, j));
      backward.add(moved.row_marginal_gradient(row(i)), all.row_marginal_gradient(i));
      backward.add(moved.column_marginal_gradient(column(j)), all.column_marginal_gradient(j));
    });
    CAPTURE(int(domain));
    CHECK(forward.value() <= accuracy<T>);
    CHECK(backward.value() <= 10 * accuracy<T>);
    CHECK(moved.distance(0) == Approx(double(all.distance(0))).epsilon(accuracy<T>));
  }
}

TEMPLATE_LIST_TEST_CASE("a row cut in two shares has two shares of its plan", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain) {
    auto whole = drawn<T>(domain, 6, 21, 7), cut = drawn<T>(domain, 7, 21, 7);
    index_t const row = 4;
    kit::fill(whole.column_marginal, [&](index_t, index_t j) { return cut.column_marginal(j); });
    for (index_t i = 0; i < 6; ++i) cut.row_marginal(i) = whole.row_marginal(i);
    cut.row_marginal(6) = T(0.25) * whole.row_marginal(row);
    cut.row_marginal(row) = T(0.75) * whole.row_marginal(row);
    cut.problems.for_each(
        [&](index_t i, index_t j, index_t) { cut.cost(i, j) = whole.cost(i < 6 ? i : row, j); });
    whole.template forward<Device>();
    cut.template forward<Device>();
    kit::norm_error plan;
    cut.problems.for_each([&](index_t i, index_t j, index_t) {
      double const share = i == 6 ? 0.25 : i == row ? 0.75 : 1;
      plan.add(cut.plan(i, j), share * double(whole.plan(i < 6 ? i : row, j)));
    });
    CAPTURE(int(domain));
    CHECK(plan.value() <= accuracy<T>);
  }
}

TEMPLATE_LIST_TEST_CASE("a batch in one domain is its problems one by one, bit by bit",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (double const tolerance : {0.0, 1e-3}) {
      kit::sinkhorn_batch<T> all(kit::problems({{9, 17}, {33, 2}, {1, 40}, {20, 20}}), 30);
      all.draw_marginals(9);
      all.domain = domain;
      all.tolerance = T(tolerance);
      all.template forward_and_back<Device>();
      auto const shape = all.problems.view();
      index_t differing = 0;
      for (index_t b = 0; b < all.problems.count(); ++b) {
        index_t const i0 = shape.row_offset(b), j0 = shape.column_offset(b);
        kit::sinkhorn_batch<T> one(kit::problems({{shape.row_count(b), shape.column_count(b)}}),
                                   30);
        one.domain = domain;
        one.tolerance = T(tolerance);
        kit::fill(one.row_marginal, [&](index_t, index_t i) { return all.row_marginal(i0 + i); });
        kit::fill(one.column_marginal,
                  [&](index_t, index_t j) { return all.column_marginal(j0 + j); });
        one.problems.for_each(
            [&](index_t i, index_t j, index_t) { one.cost(i, j) = all.cost(i0 + i, j); });
        one.template forward_and_back<Device>();
        differing += one.done(0) != all.done(b) || one.converged(0) != all.converged(b);
        differing += one.distance(0) != all.distance(b) || one.dual(0) != all.dual(b) ||
                     one.regularised(0) != all.regularised(b) ||
                     one.row_error(0) != all.row_error(b);
        one.problems.for_each([&](index_t i, index_t j, index_t) {
          differing += one.plan(i, j) != all.plan(i0 + i, j) ||
                       one.gradient(i, j) != all.gradient(i0 + i, j);
          differing += one.row_potential(i) != all.row_potential(i0 + i) ||
                       one.row_marginal_gradient(i) != all.row_marginal_gradient(i0 + i);
          differing += one.column_potential(j) != all.column_potential(j0 + j) ||
                       one.column_marginal_gradient(j) != all.column_marginal_gradient(j0 + j);
        });
      }
      CAPTURE(int(domain), tolerance);
      CHECK(differing == 0);
    }
}

TEMPLATE_LIST_TEST_CASE("every layout of cost, plan, history and gradient gives the same bits",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::problems const shapes({{19, 23}, {0, 3}, {66, 1}, {2, 40}});
  for (sinkhorn_domain const domain : kit::every_domain) {
    kit::sinkhorn_batch<T> plain(shapes, 3, 0, {0, 0, 1});
    plain.domain = domain;
    plain.draw_marginals(3);
    plain.template forward_and_back<Device>();
    for (kit::layout const where : kit::every_layout) {
      kit::sinkhorn_batch<T> all(shapes, 3, 0, where);
      all.domain = domain;
      all.draw_marginals(3);
      all.template forward_and_back<Device>();
      CHECK(all.plan.same_bits(plain.plan));
      CHECK(all.row_scaling.same_bits(plain.row_scaling));
      CHECK(all.column_scaling.same_bits(plain.column_scaling));
      CHECK(all.distance.same_bits(plain.distance));
      CHECK(all.gradient.same_bits(plain.gradient));
    }
  }
}
