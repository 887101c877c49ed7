#include "mlot/scalar/linear_assignment.hpp"

#include <numeric>

#include "golden/npz.hpp"
#include "oracle/assignment_oracle.hpp"
#include "random.hpp"
#include "test.hpp"
using mlot::index_t;

namespace {
/// A problem with its solver and the memory of both. Edges go to all columns unless changed.
struct problem {
  index_t rows, columns;
  std::vector<double> cost;
  std::vector<index_t> column;
  std::vector<std::byte> memory;
  problem(index_t r, index_t c, std::vector<double> of)
      : rows(r), columns(c), cost(std::move(of)), column(cost.size()) {
    for (std::size_t e = 0; e < column.size(); ++e) column[e] = index_t(e) % columns;
    mlot::arena<mlot::host_memory> counts;
    mlot::scalar::linear_assignment(rows, columns, counts);
    memory.assign(counts.bytes(), std::byte(0xff));
  }
  mlot::host::matrix<double const> costs() const {
    index_t const edges = index_t(cost.size()) / rows;
    return {cost.data(), rows, edges, edges};
  }
  mlot::host::matrix<index_t const> edges() const {
    return {column.data(), rows, costs().cols, costs().cols};
  }
  /// The column that each row took; none where there is no assignment. With a proof that it is
  /// right: columns differ, and prices allow no better one.
  std::vector<index_t> solved() {
    mlot::arena<mlot::host_memory> space({memory.data(), memory.size()});
    mlot::scalar::linear_assignment solver(rows, columns, space);
    if (!solver.solve(edges(), costs())) return {};
    std::vector<index_t> taken;
    std::vector<double> price(std::size_t(columns), 0);  // that the edges taken imply
    for (index_t r = 0; r < rows; ++r) {
      index_t const c = edges()(r, solver.edge(r));
      REQUIRE(std::find(taken.begin(), taken.end(), c) == taken.end());
      taken.push_back(c);
      price[std::size_t(c)] = costs()(r, solver.edge(r)) - solver.row_price(r);
      REQUIRE(price[std::size_t(c)] <= 1e-12 * (1 + std::fabs(solver.row_price(r))));
    }
    for (index_t r = 0; r < rows; ++r)
      for (index_t e = 0; e < costs().cols; ++e)
        REQUIRE(solver.row_price(r) + price[std::size_t(edges()(r, e))] <=
                costs()(r, e) + 1e-12 * (1 + std::fabs(costs()(r, e))));
    return taken;
  }
  double sum(std::vector<index_t> const& taken) const {
    double all = 0;
    for (index_t r = 0; r < rows; ++r)
      all += cost[std::size_t(r * columns + taken[std::size_t(r)])];
    return all;
  }
};
}  // namespace

TEST_CASE("assignments are SciPy's", "[linear_assignment]") {
  golden::npz const all(std::filesystem::path(MLOT_TEST_DATA) / "assignment_scipy.npz");
  auto const& shape = all.values("shape");
  auto cost = all.values("cost").begin();
  auto column = all.values("column").begin();
  std::size_t same = 0, unique = 0;
  REQUIRE(shape.size() >= 100);
  for (std::size_t n = 0; n < shape.size() / 2; ++n) {
    auto const rows = index_t(shape[2 * n]), columns = index_t(shape[2 * n + 1]);
    problem one(rows, columns, {cost, cost + rows * columns});
    auto const taken = one.solved();
    REQUIRE(index_t(taken.size()) == rows);
    INFO(rows << " x " << columns << ", problem " << n);
    CHECK(one.sum(taken) == Approx(all.values("least")[n]).epsilon(1e-13).margin(1e-13));
    if (n % 5 < 2) {  // continuous random costs have one optimum
      ++unique;
      same += std::equal(taken.begin(), taken.end(), column);
    }
    cost += rows * columns;
    column += rows;
  }
  CHECK(same == unique);
}

TEST_CASE("some edges of many are as good as their columns allow", "[linear_assignment]") {
  random_source random(2);
  for (int n = 0; n < 200; ++n) {
    index_t const rows = 1 + random.below(12), edges = 1 + random.below(rows + 3);
    index_t const columns = rows + random.below(3 * rows);
    std::vector<double> cost(std::size_t(rows * edges));
    for (double& x : cost) x = n % 2 == 0 ? random.uniform() : double(random.below(5));
    problem some(rows, columns, cost);
    oracle::cost_table full(std::size_t(rows), std::vector<long double>(std::size_t(columns), 1e6));
    for (index_t r = 0; r < rows; ++r)
      for (index_t e = 0; e < edges; ++e) {  // an edge may come twice
        auto const c = some.column[std::size_t(r * edges + e)] = random.below(columns);
        auto& least = full[std::size_t(r)][std::size_t(c)];
        least = std::min(least, (long double)(cost[std::size_t(r * edges + e)]));
      }
    auto const best = oracle::exact_matching(full, {});
    long double const least = oracle::objective(full, {}, best);
    auto const taken = some.solved();
    CAPTURE(n, rows, columns, edges);
    REQUIRE(taken.empty() == (least >= 1e6L));
    long double sum = 0;
    for (std::size_t r = 0; r < taken.size(); ++r) sum += full[r][std::size_t(taken[r])];
    if (!taken.empty()) CHECK(double(sum) == Approx(double(least)).epsilon(1e-13).margin(1e-13));
  }
}

TEST_CASE("what has no assignment is said to have none", "[linear_assignment]") {
  double const none = std::numeric_limits<double>::infinity();
  CHECK(problem(2, 3, {1, none, none, 2, none, none}).solved().empty());
  CHECK(problem(2, 2, {1, 2, none, std::numeric_limits<double>::quiet_NaN()}).solved().empty());
  CHECK(problem(2, 2, {1, 2, none, 7}).solved() == std::vector<index_t>{0, 1});
  CHECK(problem(2, 2, {1, 1, 1, 1}).solved() == std::vector<index_t>{0, 1});
}
