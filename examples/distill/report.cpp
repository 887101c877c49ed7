#include "distill/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace distill {
namespace {
template <class... Arguments>
std::string format(char const* pattern, Arguments... arguments) {
  char line[256];
  std::snprintf(line, sizeof line, pattern, arguments...);
  return line;
}

template <class Measure>
spread over_seeds(std::vector<run_record> const& runs, Measure measure) {
  std::vector<double> values;
  for (run_record const& run : runs) values.push_back(measure(run));
  return spread_of(values);
}

std::string cell(spread const& s, int decimals, bool ranges) {
  return ranges ? format("%.*f [%.*f, %.*f]", decimals, s.mean, decimals, s.low, decimals, s.high)
                : format("%.*f", decimals, s.mean);
}

/// Says whether two groups of seeds differ by more than the seeds of either do among themselves.
std::string verdict(char const* what, spread const& plain, spread const& distilled,
                    std::size_t seeds) {
  double const gap = distilled.mean - plain.mean;
  double const noise = std::max(plain.width(), distilled.width());
  std::string const how = format("%s: CE + MultiLevelOT is %.3f bits/byte %s CE", what,
                                 std::abs(gap), gap < 0 ? "below" : "above");
  if (seeds < 2) return how + "; one seed cannot tell what that means.\n";
  return how + format("; seeds of one objective differ by up to %.3f: %s.\n", noise,
                      std::abs(gap) > noise ? "more than their spread"
                                            : "within their spread, so no difference is shown");
}
}  // namespace

spread spread_of(std::vector<double> const& values) {
  if (values.empty()) return {};
  auto const [low, high] = std::minmax_element(values.begin(), values.end());
  return {std::accumulate(values.begin(), values.end(), 0.) / double(values.size()), *low, *high};
}

double last_bits(run_record const& run) { return run.epochs.back().held_out_bits; }
double best_bits(run_record const& run) {
  double best = last_bits(run);
  for (epoch_record const& epoch : run.epochs) best = std::min(best, epoch.held_out_bits);
  return best;
}

std::string report(comparison const& runs) {
  std::size_t const seeds = runs.plain.size();
  bool const ranges = seeds > 1;
  std::string out = format("\n%-34s%-24s%-24s%s\n", ranges ? "held out: mean [least, most] of seeds" : "held out", "CE", "CE + MultiLevelOT", "difference");
  auto const row = [&](char const* name, int decimals, auto measure) {
    spread const plain = over_seeds(runs.plain, measure);
    spread const distilled = over_seeds(runs.distilled, measure);
    out += format("%-34s%-24s%-24s%+.*f\n", name, cell(plain, decimals, ranges).c_str(),
                  cell(distilled, decimals, ranges).c_str(), decimals,
                  distilled.mean - plain.mean);
  };
  auto const term = [](double loss_terms::*which) {
    return [which](run_record const& run) { return run.epochs.back().held_out.*which; };
  };
  row("bits/byte, last epoch", 3, last_bits);
  row("bits/byte, best epoch", 3, best_bits);
  row("HAD a token, last epoch", 4, term(&loss_terms::absolute_difference));
  row("SL a token, last epoch", 4, term(&loss_terms::logarithmic));
  row("SD a token, last epoch", 4, term(&loss_terms::sinkhorn));

  auto const share = [](double time_record::*which) {
    return [which](run_record const& run) { return 100 * run.time.*which / run.time.all(); };
  };
  row("ms a training step", 1,
      [](run_record const& run) { return 1e3 * run.time.all() / double(run.time.steps); });
  row("  % of it in the student", 1, share(&time_record::student));
  row("  % of it in the loss", 1, share(&time_record::loss));
  row("  % of it in the teacher", 1, share(&time_record::teacher));

  out += "\n";
  out += verdict("last epoch", over_seeds(runs.plain, last_bits),
                 over_seeds(runs.distilled, last_bits), seeds);
  out += verdict("best epoch", over_seeds(runs.plain, best_bits),
                 over_seeds(runs.distilled, best_bits), seeds);
  return out;
}
}  // namespace distill
