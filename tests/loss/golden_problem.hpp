#pragma once
#include <map>

#include "devices.hpp"
#include "golden/npz.hpp"
#include "loss/owned_loss.hpp"
#include "test.hpp"
/// The golden cases of the paper's equations (tests/golden/README.md) as problems of the loss.
namespace golden_loss {
using namespace loss_test;

inline oracle::table table_from(golden::array const& a) {
  return {std::size_t(a.shape[0]), std::size_t(a.shape[1]), a.values};
}
inline std::vector<std::vector<double>> rows_from(golden::array const& a) {
  std::vector<std::vector<double>> rows;
  auto const cols = a.shape[1];
  for (auto at = a.values.begin(); at != a.values.end(); at += cols)
    rows.emplace_back(at, at + cols);
  return rows;
}
inline oracle::columns columns_from(golden::array const& a) {
  return {{a.values.begin(), a.values.end()}};
}

/// One sequence whose rows are all tokens.
inline oracle::loss_problem problem_of(golden::npz const& c) {
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
/// The columns of an exact matching over whole vocabularies, cut afterwards, are given.
inline bool is_cut(golden::npz const& c) { return c.has("match") && c.whole("match") == 2; }

/// A type that may rank other columns than the golden run, because two masses are closer than its
/// rounding, is given that run's columns.
template <class T>
bool ranks_alike(golden::npz const& c) {
  return c.number("min_rel_rank_gap") > (sizeof(T) == 4 ? 1e-5 : 1e-12);
}

/// Error of a gradient relative to its norm. A reference below 1e-15 is not one: the exact gradient
/// is 0 there and the golden run's own rounding is left. Then the norm itself must be as small.
inline double gradient_error(auto& x, golden::array const& reference) {
  long double norm = 0;
  for (double const g : reference.values) norm += (long double)(g)*g;
  if (std::sqrt(norm) > 1e-15L) return difference_of(x, rows_from(reference));
  long double own = 0;
  for (index_t i = 0; i < x.rows(); ++i)
    for (index_t j = 0; j < x.cols(); ++j) own += (long double)(x(i, j)) * x(i, j);
  return double(std::sqrt(own));
}

/// The loss of a problem of the case.
template <class T, class Device>
std::unique_ptr<owned_loss<T>> run(Device device, golden::npz const& c,
                                   oracle::loss_problem const& p) {
  auto owned = std::make_unique<owned_loss<T>>(p);
  // A part of a case that leaves out what is matched.
  bool const unmatched = p.pairs && problem_of(c).rule != oracle::column_rule::rank;
  if (!ranks_alike<T>(c) || is_cut(c) || unmatched)
    owned->give_columns(columns_from(c["teacher_idx"]), columns_from(c["student_idx"]),
                        columns_from(c["teacher_idx_sd"]), columns_from(c["student_idx_sd"]));
  REQUIRE(owned->run(device).ok());
  return owned;
}

/// Relative errors by name: none above 1e-5 in float, 1e-10 in double, and columns are the same.
using errors = std::map<std::string, double>;
template <class T>
void check(golden::npz const& c, errors const& all) {
  double const tolerance = sizeof(T) == 4 ? 1e-5 : 1e-10;
  for (auto const& [name, off] : all) {
    INFO(c.name() << " " << name);
    CHECK(off <= (name.find("idx") == std::string::npos ? tolerance : 0));
  }
}
}  // namespace golden_loss
