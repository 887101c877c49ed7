#include "distill/logit_source.hpp"

#include <cmath>
#include <numbers>

namespace distill {
double bits_per_byte(logit_source const& teacher, std::vector<sample> const& text) {
  double nats = 0;
  index_t bytes = 0;
  matrix<float> rows;
  for (sample const& s : text) {
    std::vector<index_t> const tokens(s.teacher.begin(), s.teacher.end());
    rows.resize(index_t(tokens.size()), teacher.vocabulary());
    teacher.logits(tokens, rows);
    for (index_t t = 0; t < rows.rows(); ++t) {
      auto const z = rows.row(t).array().cast<double>();
      double const top = z.maxCoeff();
      nats += top + std::log((z - top).exp().sum()) - z(tokens[std::size_t(t)]);
    }
    bytes += s.bytes;
  }
  return nats / (std::numbers::ln2 * double(bytes));
}
}  // namespace distill
