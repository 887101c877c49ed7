#include <Eigen/QR>

#include "mlot/cost/squared_difference.hpp"
#include "mlot/interop/implicit.hpp"
#include "primitive/sinkhorn_batch.hpp"
#include "primitive/thread_count.hpp"
using namespace mlot;

namespace {
template <class T>
constexpr bool single = std::is_same_v<T, float>;
index_t const never = 0, always = 1000;  // solved directly

/// A batch with outputs of one kind of derivative beside those of the unrolled one.
template <class T, class Derivative>
struct derivative_batch : kit::sinkhorn_batch<T> {
  using base = kit::sinkhorn_batch<T>;
  Derivative how{};
  kit::framed<T> other_gradient, other_rows, other_columns, residual;
  kit::framed<index_t> solver_iterations;

  derivative_batch(std::vector<std::pair<index_t, index_t>> const& shapes, index_t rounds,
                   index_t rows_kept = 0)
      : base(kit::problems(shapes), rounds, rows_kept),
        other_gradient(base::problems.rows(), base::problems.longest_row + 2),
        other_rows(base::problems.rows()),
        other_columns(base::problems.columns()),
        residual(base::problems.count()),
        solver_iterations(base::problems.count()) {
    base::draw_marginals(8);
    base::epsilon = T(0.4);
  }
  /// The same numbers in another type.
  void take_inputs(auto& from) {
    base::problems.for_each(
        [&](index_t i, index_t j, index_t) { base::cost(i, j) = T(from.cost(i, j)); });
    kit::fill(base::row_marginal, [&](index_t, index_t i) { return T(from.row_marginal(i)); });
    kit::fill(base::column_marginal,
              [&](index_t, index_t j) { return T(from.column_marginal(j)); });
  }
  sinkhorn_gradient<T, host_memory, Derivative> other() {
    sinkhorn_gradient<T, host_memory, Derivative> p{
        .of = base::primitive(), .cost_gradient = other_gradient.matrix(), .how = how};
    if (how.of_marginals) {
      p.row_marginal_gradient = other_rows.vector();
      p.column_marginal_gradient = other_columns.vector();
    }
    if (how.solves) p.solution = {residual.vector(), solver_iterations.vector()};
    return p;
  }
  template <class Device>
  void run_other() {
    kit::succeeds<Device>(other());
    REQUIRE(base::problems.exactly_written(other_gradient));
    if (how.of_marginals) {
      REQUIRE(other_rows.exactly_written());
      REQUIRE(other_columns.exactly_written());
    }
    if (how.solves) {
      REQUIRE(residual.exactly_written());
      REQUIRE(solver_iterations.exactly_written());
    }
  }
  /// || M (x, y) - (r, c) || / || (r, c) ||, with x and y from the gradients of the marginals,
  /// which are what they are up to a constant that M does not see.
  double own_residual() {
    auto const p = base::problems.part(base::plan.matrix(), 0);
    auto const c = base::problems.part(base::cost.matrix(), 0);
    std::size_t const rows = p.size(), columns = p.front().size();
    oracle::number given = 0, mass = 0, error = 0, norm = 0;
    for (auto const& row : p)
      for (auto const& x : row) mass += x;
    for (auto const& x : base::a(0)) given += x;
    auto const line = [&](std::size_t count, oracle::number own, auto other, auto mass_at,
                          auto cost_at) {
      oracle::number sum = 0, right = 0;
      for (std::size_t k = 0; k < count; ++k) {
        sum += mass_at(k) * (own + other(k));
        right += mass_at(k) * cost_at(k);
      }
      error += (sum - right) * (sum - right);
      norm += right * right;
    };
    auto const x = [&](std::size_t i) { return other_rows(index_t(i)) * given / mass; };
    auto const y = [&](std::size_t j) { return oracle::number(other_columns(index_t(j))); };
    for (std::size_t i = 0; i < rows; ++i)
      line(
          columns, x(i), y, [&](std::size_t j) { return p[i][j]; },
          [&](std::size_t j) { return c[i][j]; });
    for (std::size_t j = 0; j < columns; ++j)
      line(
          rows, y(j), x, [&](std::size_t i) { return p[i][j]; },
          [&](std::size_t i) { return c[i][j]; });
    return double(std::sqrt(error / norm));
  }
  bool others_untouched() const {
    return other_gradient.untouched() && other_rows.untouched() && other_columns.untouched() &&
           residual.untouched() && solver_iterations.untouched();
  }
};

double difference(auto& is, auto& should) {
  kit::norm_error error;
  for (index_t j = 0; j < is.cols(); ++j) error.add(is(j), should(j));
  return error.value();
}

/// A batch whose cost comes from tables: with the matrix, and without it.
template <class T, class Derivative, class Ground>
struct tables : derivative_batch<T, Derivative> {
  using base = derivative_batch<T, Derivative>;
  kit::framed<T> teacher, student, weight, dense, streamed, streamed_rows, streamed_columns;

  explicit tables(std::vector<std::pair<index_t, index_t>> const& shapes, index_t width = 5)
      : base(shapes, 40, 1),
        teacher(base::problems.rows(), width),
        student(base::problems.columns(), width),
        weight(base::problems.count()),
        dense(base::problems.columns(), width),
        streamed(base::problems.columns(), width),
        streamed_rows(base::problems.rows()),
        streamed_columns(base::problems.columns()) {
    random_source random(5);
    auto const entry = [&](index_t, index_t) { return T(random.uniform(0, 0.4)); };
    kit::fill(teacher, entry);
    kit::fill(student, entry);
    kit::fill(weight, [](index_t, index_t b) { return T(double(b) + 0.5); });
  }
  template <class Device>
  void with_matrix() {
    pairwise_cost<T, host_memory, Ground> const pairwise{.teacher = teacher.matrix(),
                                                         .student = student.matrix(),
                                                         .batch = base::problems.view(),
                                                         .cost = base::cost.matrix()};
    kit::succeeds<Device>(pairwise);
    base::template forward<Device>();
    base::template run_other<Device>();
    kit::succeeds<Device>(pairwise_cost_gradient<T, host_memory, Ground>{
        .of = pairwise,
        .upstream = base::other_gradient.matrix(),
        .weight = host::vector<T const>(weight.vector()),
        .student_gradient = dense.matrix()});
  }
  /// After the forward.
  sinkhorn_table_gradient<T, host_memory, Ground, Derivative> backward() {
    auto const p = base::other();
    sinkhorn_table_gradient<T, host_memory, Ground, Derivative> back{
        .of = {.batch = p.of.batch,
               .cost = {.teacher = teacher.matrix(), .student = student.matrix()},
               .row_marginal = p.of.row_marginal,
               .column_marginal = p.of.column_marginal,
               .epsilon = p.of.epsilon,
               .iterations = p.of.iterations,
               .history = p.of.history},
        .weight = host::vector<T const>(weight.vector()),
        .student_gradient = streamed.matrix(),
        .how = p.how,
        .solution = p.solution};
    if (p.how.of_marginals) {
      back.row_marginal_gradient = streamed_rows.vector();
      back.column_marginal_gradient = streamed_columns.vector();
    }
    return back;
  }
  template <class Device>
  void without_matrix() {
    kit::succeeds<Device>(backward());
    REQUIRE(streamed.exactly_written());
  }
};

double table_difference(auto& is, auto& should) {
  kit::norm_error error;
  for (index_t i = 0; i < is.rows(); ++i)
    for (index_t j = 0; j < is.cols(); ++j) error.add(is(i, j), should(i, j));
  return error.value();
}

/// dSD/dC of the fixed point from its whole system, solved as it stands.
oracle::matrix dense_solution(oracle::matrix const& plan, oracle::matrix const& cost,
                              oracle::number epsilon) {
  using matrix = Eigen::Matrix<oracle::number, Eigen::Dynamic, Eigen::Dynamic>;
  auto const rows = Eigen::Index(plan.size()), columns = Eigen::Index(plan.front().size());
  matrix system = matrix::Zero(rows + columns, rows + columns);
  matrix right = matrix::Zero(rows + columns, 1);
  for (Eigen::Index i = 0; i < rows; ++i)
    for (Eigen::Index j = 0; j < columns; ++j) {
      oracle::number const p = plan[std::size_t(i)][std::size_t(j)];
      oracle::number const moved = p > 0 ? p * cost[std::size_t(i)][std::size_t(j)] : 0;
      system(i, i) += p;
      system(rows + j, rows + j) += p;
      system(i, rows + j) = system(rows + j, i) = p;
      right(i, 0) += moved;
      right(rows + j, 0) += moved;
    }
  matrix const solution = system.completeOrthogonalDecomposition().solve(right);
  oracle::matrix gradient = plan;
  for (Eigen::Index i = 0; i < rows; ++i)
    for (Eigen::Index j = 0; j < columns; ++j)
      if (oracle::number& p = gradient[std::size_t(i)][std::size_t(j)]; p > 0)
        p *= 1 + (solution(i, 0) + solution(rows + j, 0) - cost[std::size_t(i)][std::size_t(j)]) /
                     epsilon;
  return gradient;
}

std::vector<std::pair<index_t, index_t>> const ragged{{9, 14}, {70, 40}, {1, 6},  {5, 1},
                                                      {0, 3},  {3, 0},   {20, 33}};
}  // namespace

TEMPLATE_LIST_TEST_CASE("at convergence the implicit gradient is the unrolled one", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  double const enough = single<T> ? 2e-5 : 1e-10;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (bool const holes : {false, true}) {
      derivative_batch<T, derivative::implicit> all(ragged, 200, 1);
      derivative_batch<double, derivative::unrolled> exact(ragged, 200);
      all.domain = exact.domain = domain;
      exact.epsilon = double(all.epsilon);
      if (holes)
        for (index_t const n : {0, 3, 40}) all.row_marginal(n) = all.column_marginal(n + 1) = T(0);
      exact.take_inputs(all);
      exact.template forward_and_back<Device>();
      all.template forward<Device>();
      for (index_t const direct : {never, always}) {
        all.how = {.tolerance = 1e-12, .direct = direct};
        all.template run_other<Device>();
        CAPTURE(int(domain), holes, direct);
        for (index_t b = 0; b < all.problems.count(); ++b) {
          CAPTURE(b);
          CHECK(kit::error_of(all.problems, all.other_gradient, b,
                              all.problems.part(exact.gradient.matrix(), b)) <= enough);
          CHECK(all.residual(b) <= (single<T> ? T(2e-6) : T(1e-11)));
        }
        for (index_t const b : {0, 1, 6})
          CHECK((all.solver_iterations(b) > 0) == (direct == never));
        CHECK(difference(all.other_rows, exact.row_marginal_gradient) <= enough);
        CHECK(difference(all.other_columns, exact.column_marginal_gradient) <= enough);
      }
    }
}

TEMPLATE_LIST_TEST_CASE("the envelope is what differences of the regularised value find",
                        "[sinkhorn]", every_device) {
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain) {
    derivative_batch<double, derivative::envelope> all({{6, 4}, {3, 7}}, 200, 1);
    all.domain = domain;
    all.row_marginal(2) = all.column_marginal(5) = 0;
    all.template forward<Device>();
    all.template run_other<Device>();
    double const h = 1e-3;
    auto const slope = [&](double& x, index_t b) {
      double const middle = x;
      auto const value_at = [&](double y) {
        x = y;
        kit::succeeds<Device>(all.primitive());
        return all.regularised(b);
      };
      double const answer = (8 * (value_at(middle + h) - value_at(middle - h)) -
                             (value_at(middle + 2 * h) - value_at(middle - 2 * h))) /
                            (12 * h);
      x = middle;
      return answer;
    };
    kit::norm_error cost, rows, columns;
    all.problems.for_each([&](index_t i, index_t j, index_t b) {
      cost.add(all.other_gradient(i, j), slope(all.cost(i, j), b));
    });
    for (index_t i = 0; i < 9; ++i)
      rows.add(all.other_rows(i), i == 2 ? 0 : slope(all.row_marginal(i), i < 6 ? 0 : 1));
    for (index_t j = 0; j < 11; ++j)
      columns.add(all.other_columns(j), j == 5 ? 0 : slope(all.column_marginal(j), j < 4 ? 0 : 1));
    CAPTURE(int(domain));
    CHECK(cost.value() <= 1e-9);
    CHECK(rows.value() <= 1e-8);
    CHECK(columns.value() <= 1e-8);
  }
}

TEMPLATE_LIST_TEST_CASE("a constant plan's gradient is the plan", "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  for (sinkhorn_domain const domain : kit::every_domain)
    for (index_t const kept : {0, 1}) {
      derivative_batch<T, derivative::plan_constant> all(ragged, 5, kept);
      all.domain = domain;
      all.template forward<typename TestType::device>();
      all.template run_other<typename TestType::device>();
      for (index_t b = 0; b < all.problems.count(); ++b)
        CHECK(kit::error_of(all.problems, all.other_gradient, b,
                            all.problems.part(all.plan.matrix(), b)) <= (single<T> ? 1e-6 : 1e-14));
    }
}

TEMPLATE_LIST_TEST_CASE("before convergence it is implicit at the marginals that the plan has",
                        "[sinkhorn]", every_device) {
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::every_domain) {
    derivative_batch<double, derivative::implicit> early(ragged, 2, 1);
    derivative_batch<double, derivative::unrolled> late(ragged, 250);
    early.domain = late.domain = domain;
    early.how.tolerance = 1e-13;
    early.template forward<Device>();
    early.template run_other<Device>();
    late.take_inputs(early);
    auto const shape = early.problems.view();
    for (index_t b = 0; b < shape.problems(); ++b) {
      double own = 0, given = 0;
      for (index_t i = shape.row_offset(b); i < shape.row_offset(b + 1); ++i) {
        given += early.row_marginal(i);
        late.row_marginal(i) = 0;
        for (index_t j = 0; j < shape.column_count(b); ++j)
          late.row_marginal(i) += early.plan(i, j);
        own += late.row_marginal(i);
      }
      for (index_t i = shape.row_offset(b); i < shape.row_offset(b + 1) && own > 0; ++i)
        early.other_rows(i) *= given / own;  // undoes what scales a to sum(b)
    }
    late.template forward_and_back<Device>();
    CAPTURE(int(domain));
    CHECK(kit::error_of(early.problems, early.plan, 1,
                        early.problems.part(late.plan.matrix(), 1)) <= 1e-12);
    for (index_t b = 0; b < shape.problems(); ++b)
      CHECK(kit::error_of(early.problems, early.other_gradient, b,
                          early.problems.part(late.gradient.matrix(), b)) <= 1e-10);
    CHECK(difference(early.other_rows, late.row_marginal_gradient) <= 1e-10);
    CHECK(difference(early.other_columns, late.column_marginal_gradient) <= 1e-10);
    CHECK(double(early.row_error(1)) > 1e-3);
  }
}

TEMPLATE_LIST_TEST_CASE("plans that fall into parts have finite gradients and small residuals",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (index_t const direct : {never, always})
    for (double const epsilon : {0.1, 0.05, 0.03, 0.02, 0.01, 0.001}) {
      derivative_batch<T, derivative::implicit> all({{12, 12}, {40, 40}, {8, 24}, {1, 1}}, 50, 1);
      all.how = {.tolerance = 0, .direct = direct};
      kit::fill(all.row_marginal, [](index_t, index_t) { return T(1); });
      kit::fill(all.column_marginal, [](index_t, index_t) { return T(1); });
      auto const shape = all.problems.view();
      all.problems.for_each([&](index_t i, index_t j, index_t b) {  // a row has its columns
        bool const own = j % shape.row_count(b) == i - shape.row_offset(b);
        all.cost(i, j) = T(0.1) * all.cost(i, j) + (own ? T(0) : T(0.8));
      });
      all.epsilon = T(epsilon);
      all.template forward<Device>();
      all.template run_other<Device>();
      CAPTURE(direct, epsilon);
      for (index_t b = 0; b < shape.problems(); ++b) {
        CAPTURE(b);
        CHECK(all.residual(b) <= (single<T> ? T(4e-6) : T(1e-12)));
        auto const should = dense_solution(all.problems.part(all.plan.matrix(), b),
                                           all.problems.part(all.cost.matrix(), b), all.epsilon);
        CHECK(kit::error_of(all.problems, all.other_gradient, b, should) <=
              (single<T> ? 1e-4 : 1e-10));
      }
    }
}

TEMPLATE_LIST_TEST_CASE("a residual says what conjugate gradients left undone", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  derivative_batch<T, derivative::implicit> all({{30, 41}}, 100, 1);
  all.epsilon = T(0.1);
  all.template forward<Device>();
  double before = 1;
  for (index_t const most : {1, 3, 10, 1000}) {
    all.how = {.tolerance = 1e-10, .most_iterations = most, .direct = never};
    all.template run_other<Device>();
    double const residual = double(all.residual(0));
    CAPTURE(most);
    CHECK(residual < before / 2);
    CHECK(std::fabs(residual - all.own_residual()) <= (single<T> ? 2e-6 : 1e-13));
    CHECK((all.solver_iterations(0) == most) == (most < 1000));
    if (most == 1) CHECK(residual > 1e-2);
    before = residual;
  }
  all.how = {.tolerance = 1e-3, .direct = never};  // of the whole system's residual
  all.template run_other<Device>();
  CHECK(all.residual(0) <= T(1e-3));
  CHECK(all.solver_iterations(0) > 1);
  CHECK(all.solver_iterations(0) < 20);
}

namespace {
template <class Device, class T, class Derivative, class Ground>
void compare_with_tables(std::initializer_list<Derivative> kinds) {
  for (sinkhorn_domain const domain : kit::every_domain)
    for (Derivative const& how : kinds) {
      tables<T, Derivative, Ground> all(ragged);
      all.domain = domain;
      all.how = how;
      all.row_marginal(3) = all.column_marginal(2) = T(0);
      all.template with_matrix<Device>();
      all.residual.clear();
      all.template without_matrix<Device>();
      CAPTURE(int(domain));
      double const enough = single<T> ? 2e-5 : 1e-11;
      CHECK(table_difference(all.streamed, all.dense) <= enough);
      if (how.of_marginals) {
        CHECK(table_difference(all.streamed_rows, all.other_rows) <= enough);
        CHECK(table_difference(all.streamed_columns, all.other_columns) <= enough);
      }
      for (index_t b = 0; b < all.problems.count() && how.solves; ++b)
        CHECK(all.residual(b) <= (single<T> ? T(2e-6) : T(1e-11)));
    }
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("every derivative from tables is the one from their matrix", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  compare_with_tables<Device, T, derivative::implicit, absolute_difference>(
      {{.tolerance = 1e-13, .direct = never}, {.tolerance = 1e-13, .direct = always}});
  compare_with_tables<Device, T, derivative::envelope, squared_difference>({{}});
  compare_with_tables<Device, T, derivative::plan_constant, absolute_difference>({{}});
}

TEMPLATE_LIST_TEST_CASE("every derivative has the same bits for 1, 2 and 3 threads", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  std::vector<std::pair<index_t, index_t>> const shapes{{150, 170}, {40, 30}, {9, 7}, {64, 20}};
  auto const same = [&]<class Derivative>(Derivative how) {
    for (sinkhorn_domain const domain : kit::every_domain) {
      tables<T, Derivative, absolute_difference> one(shapes), many(shapes);
      one.domain = many.domain = domain;
      one.how = many.how = how;
      {
        kit::thread_count const set(1);
        one.template with_matrix<Device>();
        one.template without_matrix<Device>();
      }
      for (int const threads : {2, 3}) {
        kit::thread_count const set(threads);
        many.template with_matrix<Device>();
        CHECK(many.other_gradient.same_bits(one.other_gradient));
        CHECK(many.other_rows.same_bits(one.other_rows));
        CHECK(many.other_columns.same_bits(one.other_columns));
        many.template without_matrix<Device>();
        CHECK(many.streamed.same_bits(one.streamed));
        CHECK(many.streamed_rows.same_bits(one.streamed_rows));
        CHECK(many.residual.same_bits(one.residual));
        CHECK(many.solver_iterations.same_bits(one.solver_iterations));
      }
    }
  };
  same(derivative::implicit{.direct = never});
  same(derivative::implicit{.direct = always});
  same(derivative::envelope{});
  same(derivative::plan_constant{});
}

TEMPLATE_LIST_TEST_CASE("a pair without mass has no gradient, whatever it costs", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  auto const compare = [&]<class Derivative>(Derivative how) {
    derivative_batch<T, Derivative> far({{9, 14}, {20, 33}}, 50, 1),
        infinite({{9, 14}, {20, 33}}, 1);
    far.how = infinite.how = how;
    far.problems.for_each([&](index_t i, index_t j, index_t) {
      if ((i + 2 * j) % 5 == 0) far.cost(i, j) = T(1000);
    });
    far.template forward<Device>();
    far.template run_other<Device>();
    kit::fill(infinite.other_gradient, [](index_t, index_t) { return T(0); });
    far.problems.for_each([&](index_t i, index_t j, index_t) {
      infinite.other_gradient(i, j) = far.other_gradient(i, j);
      if ((i + 2 * j) % 5 == 0) far.cost(i, j) = infinity<T>;
    });
    far.template run_other<Device>();
    index_t differing = 0, forbidden = 0;
    far.problems.for_each([&](index_t i, index_t j, index_t) {
      differing += far.other_gradient(i, j) != infinite.other_gradient(i, j);
      forbidden += (i + 2 * j) % 5 == 0 && far.other_gradient(i, j) == T(0);
    });
    CHECK(differing == 0);
    CHECK(forbidden > 100);
    for (sinkhorn_domain const domain : kit::every_domain) {  // scalings of finite costs
      derivative_batch<T, Derivative> all({{9, 14}, {20, 33}}, 5, 1);
      all.domain = domain;
      all.how = how;
      all.template forward<Device>();
      index_t wrong = 0;
      all.problems.for_each([&](index_t i, index_t j, index_t) {
        if ((i + 2 * j) % 5 == 0) all.cost(i, j) = infinity<T>;
      });
      all.template run_other<Device>();
      all.problems.for_each([&](index_t i, index_t j, index_t) {
        T const entry = all.other_gradient(i, j);
        wrong += !((i + 2 * j) % 5 == 0 ? entry == T(0) : std::isfinite(entry));
      });
      CHECK(wrong == 0);
    }
  };
  compare(derivative::implicit{.direct = never});
  compare(derivative::implicit{.direct = always});
  compare(derivative::envelope{});
  compare(derivative::plan_constant{});
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of a derivative are named and nothing is written",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  std::vector<std::pair<index_t, index_t>> const shapes{{3, 5}, {4, 2}};
  auto const common = [&]<class Derivative>(Derivative how) {
    derivative_batch<T, Derivative> all(shapes, 4);
    all.how = how;
    auto const refuses = [&](char const* argument, auto change) {
      kit::refuses<Device>(all.other(), fault::shape, argument, change);
    };
    refuses("sinkhorn_gradient.of.history.row_scaling",
            [](auto& p) { p.of.history.row_scaling.rows = p.of.history.column_scaling.rows = 3; });
    refuses("sinkhorn.cost", [](auto& p) { p.of.cost.cols = 4; });
    refuses("sinkhorn_gradient.cost_gradient", [](auto& p) { p.cost_gradient.cols = 4; });
    vector_view<T, host_memory> const short_one{all.other_rows.vector().data, 1};
    vector_view<index_t, host_memory> const short_count{all.solver_iterations.vector().data, 1};
    refuses("sinkhorn_gradient.row_marginal_gradient",
            [&](auto& p) { p.row_marginal_gradient = short_one; });
    refuses("sinkhorn_gradient.column_marginal_gradient",
            [&](auto& p) { p.column_marginal_gradient = short_one; });
    refuses("sinkhorn_solution.residual", [&](auto& p) { p.solution.residual = short_one; });
    refuses("sinkhorn_solution.iterations", [&](auto& p) { p.solution.iterations = short_count; });
    if (!how.of_marginals)
      refuses("sinkhorn_gradient.row_marginal_gradient",
              [&](auto& p) { p.row_marginal_gradient = all.other_rows.vector(); });
    if (!how.solves)
      refuses("sinkhorn_solution.residual",
              [&](auto& p) { p.solution.residual = all.residual.vector(); });
    CHECK(all.others_untouched());
    tables<T, Derivative, absolute_difference> some(shapes);
    auto const refuses_table = [&](char const* argument, auto change) {
      kit::refuses<Device>(some.backward(), fault::shape, argument, change);
    };
    refuses_table("sinkhorn_table_gradient.of.history.row_scaling", [](auto& p) {
      p.of.history.row_scaling.rows = p.of.history.column_scaling.rows = 3;
    });
    refuses_table("sinkhorn_table_gradient.row_marginal_gradient",
                  [&](auto& p) { p.row_marginal_gradient = short_one; });
    refuses_table("sinkhorn_solution.residual", [&](auto& p) { p.solution.residual = short_one; });
    CHECK(some.streamed.untouched());
  };
  common(derivative::implicit{});
  common(derivative::envelope{});
  common(derivative::plan_constant{});

  derivative_batch<T, derivative::implicit> all(shapes, 4);
  auto const refuses = [&](char const* argument, auto change) {
    kit::refuses<Device>(all.other(), fault::value, argument, [&](auto& p) { change(p.how); });
  };
  for (double const bad : {-1.0, infinity<double>, std::numeric_limits<double>::quiet_NaN()})
    refuses("derivative.implicit.tolerance", [&](auto& how) { how.tolerance = bad; });
  for (index_t const bad : {0, -1})
    refuses("derivative.implicit.most_iterations", [&](auto& how) { how.most_iterations = bad; });
  refuses("derivative.implicit.direct", [](auto& how) { how.direct = -1; });
  CHECK(all.others_untouched());
}

TEMPLATE_LIST_TEST_CASE("the implicit gradient of 65536 tokens needs less than 128 MB",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  index_t const n = 65536, k = 50, offsets[] = {0, n};
  // Views that only have a shape: sizes are asked for without memory.
  sinkhorn_table_gradient<T, host_memory, absolute_difference, derivative::implicit> const back{
      .of = {.batch = {{offsets, 2}, {offsets, 2}, n, n, n},
             .cost = {.teacher = {nullptr, n, k, k}, .student = {nullptr, n, k, k}},
             .history = {.row_scaling = {nullptr, 1, n, n},
                         .column_scaling = {nullptr, 1, n, n},
                         .logarithmic = {nullptr, 1}},
             .distance = {nullptr, 1}},
      .student_gradient = {nullptr, n, k, k}};
  CHECK(workspace_size(typename TestType::device{}, back) <
        (single<T> ? 128'000'000 : 256'000'000));
}
