// The loss against numbers that were computed elsewhere: tests/golden/README.md.
#include <iostream>
#include <map>

#include "devices.hpp"
#include "golden/npz.hpp"
#include "loss/owned_loss.hpp"
#include "test.hpp"
namespace {
using namespace loss_test;

oracle::table table_from(golden::array const& a) {
  return {std::size_t(a.shape[0]), std::size_t(a.shape[1]), a.values};
}
std::vector<std::vector<double>> rows_from(golden::array const& a) {
  std::vector<std::vector<double>> rows;
  auto const cols = a.shape[1];
  for (auto at = a.values.begin(); at != a.values.end(); at += cols)
    rows.emplace_back(at, at + cols);
  return rows;
}
oracle::columns columns_from(golden::array const& a) {
  return {{a.values.begin(), a.values.end()}};
}

/// One sequence whose rows are all tokens.
oracle::loss_problem problem_of(golden::npz const& c) {
  oracle::loss_problem p;
  p.teacher = table_from(c["teacher_logits"]);
  p.student = table_from(c["student_logits"]);
  for (auto* const side : {&p.teacher_rows, &p.student_rows}) {
    side->emplace_back((side == &p.teacher_rows ? p.teacher : p.student).rows);
    std::iota(side->back().begin(), side->back().end(), 0L);
  }
  p.labels.assign(c.values("labels").begin(), c.values("labels").end());
  p.k = c.whole("k");
  p.iterations = c.whole("n_iters");
  p.temperature = p.teacher_temperature = c.number("tau");
  p.transport_temperature = c.number("tau_sd");
  p.epsilon = c.number("lam");
  p.alpha = c.number("alpha"), p.beta = c.number("beta"), p.gamma = c.number("gamma");
  p.own_transport_ranking = c.whole("sd_rank_own") != 0;
  if (c.has("match") && c.whole("match") == 1) p.rule = oracle::column_rule::greedy;
  if (c.has("match") && c.whole("match") == 3) p.rule = oracle::column_rule::exact;
  return p;
}

/// A type that may rank other columns than the golden run, because two masses are closer than its
/// rounding, is given that run's columns.
template <class T>
bool ranks_alike(golden::npz const& c) {
  return c.number("min_rel_rank_gap") > (sizeof(T) == 4 ? 1e-5 : 1e-12);
}

/// The columns of an exact matching over whole vocabularies, cut afterwards, are given.
bool is_cut(golden::npz const& c) { return c.has("match") && c.whole("match") == 2; }
bool needs_matching(golden::npz const& c) {
  return problem_of(c).rule != oracle::column_rule::rank;
}

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

/// Error of a gradient relative to its norm. A reference below 1e-15 is not one: the exact gradient
/// is 0 there and the golden run's own rounding is left. Then the norm itself must be as small.
double gradient_error(auto& x, golden::array const& reference) {
  long double norm = 0;
  for (double const g : reference.values) norm += (long double)(g)*g;
  if (std::sqrt(norm) > 1e-15L) return difference_of(x, rows_from(reference));
  long double own = 0;
  for (index_t i = 0; i < x.rows(); ++i)
    for (index_t j = 0; j < x.cols(); ++j) own += (long double)(x(i, j)) * x(i, j);
  return double(std::sqrt(own));
}

/// Relative error of everything that the case has, by name.
template <class T, class Device>
std::map<std::string, double> errors(Device device, golden::npz const& c) {
  std::map<std::string, double> off;
  auto const run = [&](oracle::loss_problem const& p) {
    auto owned = std::make_unique<owned_loss<T>>(p);
    bool const unmatched = p.pairs && needs_matching(c);  // a part that leaves out what is matched
    if (!ranks_alike<T>(c) || is_cut(c) || unmatched)
      owned->give_columns(columns_from(c["teacher_idx"]), columns_from(c["student_idx"]),
                          columns_from(c["teacher_idx_sd"]), columns_from(c["student_idx_sd"]));
    REQUIRE(owned->run(device).ok());
    return owned;
  };
  oracle::loss_problem const whole = problem_of(c);
  auto const all = run(whole);
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
  for (part const& alone : parts) {
    if (!c.has(alone.array)) continue;
    oracle::loss_problem p = whole;
    p.alpha = alone.alpha, p.beta = alone.beta, p.gamma = alone.gamma;
    p.plan_constant = alone.plan_constant;
    if (!alone.labelled) p.labels.clear();
    if (!alone.aligned) p.pairs.emplace(1);
    off[alone.array] = gradient_error(run(p)->gradient, c[alone.array]);
  }
  return off;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("every golden case of the paper's equations is met, each part alone", "",
                        every_device) {
  using T = typename TestType::scalar;
  auto const cases = golden::all_of("paper_");
  CHECK(cases.size() == 39);
  double const tolerance = sizeof(T) == 4 ? 1e-5 : 1e-10;
  for (golden::npz const& c : cases) {
    if (needs_matching(c) && !matches_columns<typename TestType::device, T>) continue;
    for (auto const& [name, off] : errors<T>(typename TestType::device(), c)) {
      INFO(c.name() << " " << name);
      CHECK(off <= (name.find("idx") == std::string::npos ? tolerance : 0));
    }
  }
}

TEMPLATE_LIST_TEST_CASE("exact matching costs what SciPy says that the best over vocabularies does",
                        "", every_device) {
  using T = typename TestType::scalar;
  if constexpr (matches_columns<typename TestType::device, T>)
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
  for (golden::npz const& c : golden::all_of("paper_")) {
    if (needs_matching(c) && !matches_columns<typename TestType::device, float>) continue;
    std::cout << sizeof(typename TestType::scalar) << " bytes, " << c.name() << ":";
    for (auto const& [name, off] :
         errors<typename TestType::scalar>(typename TestType::device(), c))
      if (off > 0) std::cout << "  " << name << " " << off;
    std::cout << "\n";
  }
}
