// The loss against numbers that were computed elsewhere: tests/golden/README.md.
#include <iostream>

#include "loss/golden_problem.hpp"
#include "test.hpp"
namespace {
using namespace golden_loss;

/// Of everything that the case has of the whole loss.
template <class T, class Device>
errors errors_of(Device device, golden::npz const& c) {
  errors off;
  oracle::loss_problem const whole = problem_of(c);
  auto const all = run<T>(device, c, whole);
  char const* const terms[] = {"ce", "had", "sl", "sd", "total"};
  for (std::size_t i = 0; i < 5; ++i)
    off[terms[i]] = difference_of(all->terms(index_t(i)), c.number(terms[i]));
  off["plan"] = difference_of(all->plan, rows_from(c["plan"]));
  if (c.has("grad_total")) off["grad_total"] = gradient_error(all->gradient, c["grad_total"]);
  if (ranks_alike<T>(c) && !is_cut(c)) {
    auto const same = [&](kit::framed<index_t>& ids, char const* name) {
      off[name] = difference_of(ids, columns_from(c[name]));
    };
    same(all->teacher_columns, "teacher_idx");
    same(all->student_columns, "student_idx");
    if (whole.own_transport_ranking) {
      same(all->teacher_transport_columns, "teacher_idx_sd");
      same(all->student_transport_columns, "student_idx_sd");
    }
  }
  return off;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("every golden case of the paper's equations is met", "", every_device) {
  using T = typename TestType::scalar;
  auto const cases = golden::all_of("paper_");
  CHECK(cases.size() == 39);
  for (golden::npz const& c : cases) check<T>(c, errors_of<T>(typename TestType::device(), c));
}

TEMPLATE_LIST_TEST_CASE("exact matching costs what SciPy says that the best over vocabularies does",
                        "", every_device) {
  using T = typename TestType::scalar;
  for (golden::npz const& c : golden::all_of("paper_B3")) {
    if (!is_cut(c)) continue;
    INFO(c.name());
    double const tolerance = sizeof(T) == 4 ? 1e-5 : 1e-10;
    oracle::loss_problem p = problem_of(c);
    p.rule = oracle::column_rule::exact;
    owned_loss<T> kept(p);
    REQUIRE(kept.run(typename TestType::device()).ok());
    CHECK(kept.terms(1) <= c.number("had") * (1 + tolerance));
    p.k = long(p.teacher.cols);
    owned_loss<T> all(p);
    REQUIRE(all.run(typename TestType::device()).ok());
    // Where the student has more ids, those that nobody takes cost their mass there.
    bool const same = p.student.cols <= p.teacher.cols;
    double const least = c.number("full_objective");
    CHECK(all.terms(1) <= least * (1 + tolerance));
    if (same) CHECK(all.terms(1) >= least * (1 - tolerance));
  }
}

TEMPLATE_LIST_TEST_CASE("report: errors against the golden cases", "[.report]", every_device) {
  using T = typename TestType::scalar;
  for (golden::npz const& c : golden::all_of("paper_")) {
    std::cout << sizeof(T) << " bytes, " << c.name() << ":";
    for (auto const& [name, off] : errors_of<T>(typename TestType::device(), c))
      if (off > 0) std::cout << "  " << name << " " << off;
    std::cout << "\n";
  }
}
