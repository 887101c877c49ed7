#include "mlot/primitive/plan_rows.hpp"

#include "primitive/finished_transport.hpp"
#include "primitive/thread_count.hpp"
using namespace mlot;

namespace {
template <class T, class Cost, class Receive>
plan_rows<T, host_memory, Cost, Receive> rows_of(sinkhorn<T, host_memory, Cost> const& p,
                                                 Receive receive) {
  return {.of = p, .receive = receive};
}

/// Collects the rows of a plan in a matrix over the batch, and checks how they come.
template <class Device, class T, class Cost>
void collect(sinkhorn<T, host_memory, Cost> const& p, kit::framed<T>& to) {
  index_t next = 0, wrong = 0;
  kit::succeeds<Device>(rows_of(p, [&](index_t b, index_t i, host::vector<T const> row) {
    bool const own = p.batch.row_offset(b) <= i && i < p.batch.row_offset(b + 1);
    wrong += i != next++ || !own || row.size != p.batch.column_count(b);
    for (index_t j = 0; j < row.size; ++j) to(i, j) = row(j);
  }));
  CHECK(wrong == 0);
  CHECK(next == p.batch.rows);
}

/// The plan that the forward writes, and its rows afterwards.
template <class Device, class T, class Cost>
void compare(kit::sinkhorn_batch<T>& all, sinkhorn<T, host_memory, Cost> const& p) {
  kit::succeeds<Device>(p);
  kit::framed<T> rows(all.plan.rows(), all.plan.cols());
  collect<Device>(p, rows);
  REQUIRE(all.problems.exactly_written(rows));
  CHECK(rows.same_bits(all.plan));
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("the rows of the plan come in order, with the bits of the forward's plan",
                        "[plan_rows]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::both_domains)
    for (kit::layout const where : kit::every_layout)
      for (index_t const rows_kept : {0, 1})
        for (T const tolerance : {T(0), T(0.05)}) {
          kit::finished_transport<T> of(domain, rows_kept, where);
          of.all.tolerance = tolerance;
          CAPTURE(int(domain), where.step, rows_kept, double(tolerance));
          compare<Device>(of.all, of.matrix());
          compare<Device>(of.all, of.tables());
        }
}

TEMPLATE_LIST_TEST_CASE("the rows have the plan's bits at every length around the lane counts",
                        "[plan_rows]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::both_domains)
    for (index_t const n : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 129, 515})
      for (auto const& shape : {std::pair<index_t, index_t>{4, n}, {n, 3}}) {
        kit::finished_transport<T> of(domain, 1, {}, {shape});
        CAPTURE(int(domain), n);
        compare<Device>(of.all, of.matrix());
        compare<Device>(of.all, of.tables());
      }
}

TEMPLATE_LIST_TEST_CASE("the rows are those of the oracle's plan", "[plan_rows]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  double const accuracy = std::is_same_v<T, float> ? 2e-6 : 1e-12;
  for (sinkhorn_domain const domain : kit::every_domain) {
    kit::finished_transport<T> of(domain);
    auto const check = [&](auto const& p) {
      kit::succeeds<Device>(p);
      kit::framed<T> rows(of.all.plan.rows(), of.all.plan.cols());
      collect<Device>(p, rows);
      for (index_t b = 0; b < of.all.problems.count(); ++b)
        CHECK(kit::error_of(of.all.problems, rows, b, of.all.expected(b).plan) <= accuracy);
      for (index_t j = 0; j < 14; ++j) CHECK(rows(of.no_mass_row, j) == T(0));
      for (index_t i = 0; i < 9; ++i) CHECK(rows(i, of.no_mass_column) == T(0));
    };
    CAPTURE(int(domain));
    check(of.matrix());
    check(of.tables(false));
  }
}

TEMPLATE_LIST_TEST_CASE("a pair that costs infinitely much has no mass", "[plan_rows]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::both_domains) {
    kit::finished_transport<T> of(domain);
    kit::succeeds<Device>(of.matrix());
    of.all.cost(20, 7) = of.all.cost(20, 89) = infinity<T>;
    kit::framed<T> rows(of.all.plan.rows(), of.all.plan.cols());
    collect<Device>(of.matrix(), rows);
    CHECK(rows(20, 7) == T(0));
    CHECK(rows(20, 89) == T(0));
    rows(20, 7) = of.all.plan(20, 7);
    rows(20, 89) = of.all.plan(20, 89);
    CHECK(rows.same_bits(of.all.plan));
  }
}

TEMPLATE_LIST_TEST_CASE("the rows have the same bits on any number of threads", "[plan_rows]",
                        every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  for (sinkhorn_domain const domain : kit::both_domains)
    for (int const threads : {1, 2, 7}) {
      kit::thread_count const set(threads);
      kit::finished_transport<T> of(domain, 1, {}, {{150, 170}, {40, 30}});
      compare<Device>(of.all, of.tables());
    }
}

TEMPLATE_LIST_TEST_CASE("the rows of 65536 tokens against as many need little memory",
                        "[plan_rows]", every_device) {
  using T = typename TestType::scalar;
  index_t const n = 65536, k = 8, offsets[] = {0, n};
  sinkhorn<T, host_memory, table_cost<T, host_memory>> const p{
      .batch = {{offsets, 2}, {offsets, 2}, n, n, n},
      .cost = {.teacher = {nullptr, n, k, k}, .student = {nullptr, n, k, k}}};
  auto const rows = rows_of(p, [](index_t, index_t, host::vector<T const>) {});
  CHECK(workspace_size(typename TestType::device{}, rows) <= std::size_t((k + 12) * n) * sizeof(T));
}

TEMPLATE_LIST_TEST_CASE("wrong arguments of plan_rows are named and no row is received",
                        "[plan_rows]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  kit::finished_transport<T> of(sinkhorn_domain::automatic, 0);
  index_t received = 0;
  auto const refuses = [&](fault code, char const* argument, auto change) {
    auto const count = [&](index_t, index_t, host::vector<T const>) { ++received; };
    auto const change_inside = [&](auto& wrong) { change(wrong.of); };
    kit::refuses<Device>(rows_of(of.matrix(), count), code, argument, change_inside);
    kit::refuses<Device>(rows_of(of.tables(), count), code, argument, change_inside);
  };
  refuses(fault::shape, "sinkhorn.batch", [](auto& p) { p.batch.rows = 2; });
  refuses(fault::value, "sinkhorn.epsilon", [](auto& p) { p.epsilon = T(0); });
  refuses(fault::value, "sinkhorn.iterations", [](auto& p) { p.iterations = 0; });
  refuses(fault::shape, "sinkhorn.row_marginal", [](auto& p) { p.row_marginal.each.size = 6; });
  refuses(fault::shape, "sinkhorn.history.row_scaling",
          [](auto& p) { p.history.row_scaling.cols = 4; });
  refuses(fault::shape, "sinkhorn.history.logarithmic",
          [](auto& p) { p.history.logarithmic = {}; });
  refuses(fault::shape, "sinkhorn.history.iterations", [](auto& p) {
    p.tolerance = T(0.1);
    p.history.iterations = {};
  });
  for (index_t const kept : {0, 4})
    refuses(fault::shape, "plan_rows.of.history.row_scaling",
            [&](auto& p) { p.history.row_scaling.rows = p.history.column_scaling.rows = kept; });
  auto const none = [&](index_t, index_t, host::vector<T const>) { ++received; };
  kit::refuses<Device>(rows_of(of.matrix(), none), fault::shape, "sinkhorn.cost",
                       [](auto& p) { p.of.cost.data = nullptr; });
  kit::refuses<Device>(rows_of(of.tables(), none), fault::shape, "sinkhorn.cost",
                       [](auto& p) { p.of.cost.student.cols = 1; });
  auto const rows = rows_of(of.matrix(), none);
  if (std::size_t const size = workspace_size(Device{}, rows); size > 0)
    CHECK(std::string(compute(Device{}, rows, {}).argument) == "compute.scratch");
  CHECK(received == 0);
}
