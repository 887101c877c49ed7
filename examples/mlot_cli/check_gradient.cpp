#include "mlot_cli/check_gradient.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>
#include <random>

#include "mlot_cli/user_error.hpp"

namespace mlot_cli {
namespace {
struct entry {
  index_t row = 0, column = 0;  ///< row over the whole batch
};

/// Random entries of the rows that count, of four kinds in turn.
template <class T>
class entry_choice {
 public:
  entry_choice(settings const& s, model_input<T> const& student, evaluation<T> const& at)
      : random_(std::uint64_t(s.seed)), student_(student), at_(at) {}

  entry operator()(index_t number) {
    index_t const row = pick(at_.rows);
    index_t const label = student_.labels ? (*student_.labels)[std::size_t(row)] : ignore_index;
    std::vector<index_t> const compared = compared_at(row);
    switch (number % 4) {
      case 0: {  // most gradients of a long row are nearly 0: this one is not
        auto const logit = [&](index_t id) { return student_.view()(row, id); };
        return {row, *std::max_element(compared.begin(), compared.end(),
                                       [&](index_t a, index_t b) { return logit(a) < logit(b); })};
      }
      case 2:
        return {row, pick(compared)};
      case 3:
        if (label != ignore_index) return {row, label};
        [[fallthrough]];
      default:
        return {row, below(student_.vocabulary)};
    }
  }

 private:
  /// The ids that the loss compares at a row: its columns, or all.
  std::vector<index_t> compared_at(index_t row) const {
    std::vector<index_t> ids;
    if (at_.columns)
      for (index_t const id : at_.columns->student.of(row / student_.positions))
        if (id >= 0) ids.push_back(id);
    if (!ids.empty()) return ids;
    ids.resize(std::size_t(student_.vocabulary));
    std::iota(ids.begin(), ids.end(), index_t(0));
    return ids;
  }
  index_t below(index_t n) { return index_t(random_() % std::uint64_t(n)); }
  index_t pick(std::vector<index_t> const& from) {
    return from[std::size_t(below(index_t(from.size())))];
  }
  std::mt19937_64 random_;
  model_input<T> const& student_;
  evaluation<T> const& at_;
};

/// Sequences first .. first + count - 1 of a model, in double.
template <class T>
model_input<double> in_double(model_input<T> const& model, index_t first, index_t count) {
  model_input<double> out;
  static_cast<model_shape&>(out) = model;
  out.sequences = count;
  auto const cut = [&](auto const& from, auto& into, index_t size) {  // `size` a sequence
    into.assign(from.begin() + first * size, from.begin() + (first + count) * size);
  };
  cut(model.logits, out.logits, model.positions * model.vocabulary);
  if (model.labels) cut(*model.labels, *out.labels, model.positions);
  if (model.other_labels) cut(*model.other_labels, *out.other_labels, model.positions);
  return out;
}
column_lists only(column_lists const& columns, index_t sequence) {
  if (columns.lists == 0) return {};
  column_lists one(1, columns.width);
  auto const ids = columns.of(sequence);
  one.ids.assign(ids.begin(), ids.end());
  return one;
}

struct quotient {
  double value = 0, rounding = 0;  ///< rounding: about how far `value` may be off for it
  bool ranks_alike = true;
};

/// The central difference of the total at one entry.
template <class T>
quotient difference_quotient(settings const& s, input_pair<T> const& input,
                             evaluation<T> const& analytic, entry at) {
  index_t const b = at.row / input.student.positions;
  bool const alone = entry_of(s.loss).adds_sequences;  // the others add the same on both sides
  index_t const first = alone ? b : 0, count = alone ? 1 : input.student.sequences;
  input_pair<double> moved{in_double(input.teacher, first, count),
                           in_double(input.student, first, count)};
  bool const holds = s.loss == loss_name::multi_level;
  std::optional<column_choice> columns = analytic.columns;
  if (holds)
    columns = {only(columns->teacher, b), only(columns->student, b),
               only(columns->teacher_transport, b), only(columns->student_transport, b)};
  index_t const row = at.row - first * input.student.positions;
  double& logit = moved.student.logits[std::size_t(row * input.student.vocabulary + at.column)];
  double const here = logit, above = here + s.step, below = here - s.step;
  if (here == -mlot::infinity<double>) return {};  // masked: no step changes it

  quotient out;
  auto const total_at = [&](double z) {
    logit = z;
    evaluation<double> const there =
        evaluate<double>(s, moved, {.held = holds ? &*columns : nullptr});
    out.ranks_alike = out.ranks_alike && there.columns == columns;
    return there.total();
  };
  double const high = total_at(above), low = total_at(below);
  out.value = (high - low) / (above - below);
  out.rounding =
      16 * std::numeric_limits<double>::epsilon() * std::max(std::fabs(high), 1.0) / s.step;
  return out;
}

template <class... Arguments>
void print_line(std::ostream& out, char const* format, Arguments... arguments) {
  char line[200];
  std::snprintf(line, sizeof line, format, arguments...);
  out << line << '\n';
}
}  // namespace

template <mlot::real T>
bool check_gradient(settings const& s, input_pair<T> const& input, std::ostream& out) {
  constexpr double usual_tolerance = std::is_same_v<T, float> ? 1e-3 : 1e-5;
  double const tolerance = s.tolerance.value_or(usual_tolerance);
  evaluation<T> const analytic = evaluate<T>(s, input, {.gradient = true});
  if (!std::isfinite(analytic.total()))
    throw user_error(
        "--student: " + input.student.path +
        " gives a total that is not finite and has no differences: a label or a compared "
        "column is masked by -inf");
  if (analytic.rows.empty()) {
    out << "no row counts: nothing to check\n";
    return true;
  }
  double largest = 0;
  for (T const g : analytic.gradient) largest = std::max(largest, std::fabs(double(g)));

  entry_choice<T> choose(s, input.student, analytic);
  index_t compared = 0, failed = 0;
  double worst = 0;
  print_line(out, "%8s %6s %8s %24s %24s %10s", "sequence", "row", "column", "analytic", "numeric",
             "difference");
  for (index_t i = 0; i < s.samples; ++i) {
    entry const at = choose(i);
    double const exact =
        double(analytic.gradient[std::size_t(at.row * input.student.vocabulary + at.column)]);
    quotient const numeric = difference_quotient(s, input, analytic, at);
    double const scale = std::max({std::fabs(exact), std::fabs(numeric.value), 1e-3 * largest,
                                   numeric.rounding / usual_tolerance});
    double const difference = scale > 0 ? std::fabs(exact - numeric.value) / scale : 0;
    bool const agrees = difference <= tolerance;
    char const* const remark = !numeric.ranks_alike ? "  the step changes the ranking: left out"
                               : agrees             ? ""
                                                    : "  past the tolerance";
    print_line(out, "%8lld %6lld %8lld %24.16e %24.16e %10.2e%s",
               static_cast<long long>(at.row / input.student.positions),
               static_cast<long long>(at.row % input.student.positions),
               static_cast<long long>(at.column), exact, numeric.value, difference, remark);
    if (!numeric.ranks_alike) continue;
    ++compared;
    failed += agrees ? 0 : 1;
    if (!(difference <= worst)) worst = difference;
  }
  bool const passed = failed == 0 && compared > 0;
  print_line(out, "%lld of %lld entries compared, largest difference %.2e, tolerance %.2e: %s",
             static_cast<long long>(compared), static_cast<long long>(s.samples), worst, tolerance,
             passed ? "passed" : "FAILED");
  return passed;
}
template bool check_gradient(settings const&, input_pair<float> const&, std::ostream&);
template bool check_gradient(settings const&, input_pair<double> const&, std::ostream&);
}  // namespace mlot_cli
