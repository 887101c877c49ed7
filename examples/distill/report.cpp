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
std::vector<double> measured(std::vector<run_record> const& runs, Measure measure) {
  std::vector<double> out;
  for (run_record const& run : runs) out.push_back(measure(run));
  return out;
}

std::string cell(spread const& s, int decimals) {
  return s.width() > 0
             ? format("%.*f [%.*f, %.*f]", decimals, s.mean, decimals, s.low, decimals, s.high)
             : format("%.*f", decimals, s.mean);
}

/// What the seeds allow to say of one measure in bits per byte.
template <class Measure>
std::string verdict(char const* what, comparison const& runs, Measure measure) {
  auto const plain = measured(runs.plain, measure), distilled = measured(runs.distilled, measure);
  std::vector<double> gaps;
  for (std::size_t seed = 0; seed < plain.size(); ++seed)
    gaps.push_back(distilled[seed] - plain[seed]);
  spread const gap = spread_of(gaps);
  double const noise = std::max(spread_of(plain).width(), spread_of(distilled).width());

  std::string const first = format("%s: the loss changes CE's bits/byte by %+.3f", what, gap.mean);
  if (gaps.size() < 2) return first + "; one seed cannot tell whether that is chance.\n";
  bool const beyond = std::abs(gap.mean) > noise;
  bool const agreed = gap.low * gap.high > 0;
  return first + format(" (seed by seed %+.3f to %+.3f);\n", gap.low, gap.high) +
         format("  another seed, by up to %.3f. %s\n", noise,
                beyond   ? "Beyond the seeds' spread."
                : agreed ? "Within the seeds' spread, but of one sign on every seed."
                         : "Within the seeds' spread: it may be chance.");
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
  constexpr char columns[] = "%-28s%-24s%-24s%s\n";
  std::string out = format(columns, "", "CE", title_of(runs.loss).c_str(), "difference");
  auto const row = [&](char const* name, int decimals, auto measure) {
    spread const plain = spread_of(measured(runs.plain, measure));
    spread const distilled = spread_of(measured(runs.distilled, measure));
    out += format(columns, name, cell(plain, decimals).c_str(), cell(distilled, decimals).c_str(),
                  format("%+.*f", decimals, distilled.mean - plain.mean).c_str());
  };
  out += "held out, last epoch\n";
  row("  bits/byte", 3, last_bits);
  for (std::size_t i = 0; i < facts_of(runs.loss).terms.size(); ++i)
    row(("  " + std::string(facts_of(runs.loss).terms[i]) + " a token").c_str(), 4,
        [i](run_record const& run) { return run.epochs.back().held_out.distance[i]; });
  out += "held out, best epoch\n";
  row("  bits/byte", 3, best_bits);

  auto const milliseconds = [](run_record const& run) {
    return 1e3 * run.time.all() / double(run.time.steps);
  };
  auto const share = [](double time_record::*which) {
    return [which](run_record const& run) { return 100 * run.time.*which / run.time.all(); };
  };
  out += "a training step\n";
  row("  ms", 1, milliseconds);
  row("  % in the loss", 0, share(&time_record::loss));
  row("  % in the teacher", 0, share(&time_record::teacher));
  if (runs.plain.size() > 1) out += "Mean [least, most] of the seeds.\n";

  out += "\n";
  out += verdict("Last epoch", runs, last_bits);
  out += verdict("Best epoch", runs, best_bits);
  return out;
}
}  // namespace distill
