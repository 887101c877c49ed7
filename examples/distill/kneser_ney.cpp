#include "distill/kneser_ney.hpp"

#include <algorithm>
#include <array>

namespace distill {
namespace {
constexpr int token_bits = 16;

constexpr std::uint64_t low_tokens(int count) {
  return count >= 4 ? ~std::uint64_t(0) : (std::uint64_t(1) << (token_bits * count)) - 1;
}

/// Sorts grams and replaces repetitions by counts.
std::vector<std::uint32_t> count_distinct(std::vector<std::uint64_t>& grams) {
  std::sort(grams.begin(), grams.end());
  std::vector<std::uint32_t> counts;
  std::size_t distinct = 0;
  for (std::size_t i = 0, next = 0; i < grams.size(); i = next) {
    while (next < grams.size() && grams[next] == grams[i]) ++next;
    grams[distinct++] = grams[i];
    counts.push_back(static_cast<std::uint32_t>(next - i));
  }
  grams.resize(distinct);
  return counts;
}

/// D(1), D(2), D(3 and more). A text too small to show all four counts of counts gets the usual
/// constant of absolute discounting instead.
std::array<double, 3> discounts(std::span<std::uint32_t const> counts) {
  std::array<double, 5> n = {};
  for (auto const c : counts)
    if (c <= 4) n[c] += 1;
  constexpr double usual = 0.75;
  if (n[1] == 0 || n[2] == 0 || n[3] == 0 || n[4] == 0) return {usual, usual, usual};
  double const y = n[1] / (n[1] + 2 * n[2]);
  std::array<double, 3> d;
  for (std::size_t c = 1; c <= 3; ++c)
    d[c - 1] = std::clamp(double(c) - double(c + 1) * y * n[c + 1] / n[c], 0.1, double(c) - 0.05);
  return d;
}
}  // namespace

kneser_ney::level kneser_ney::smooth(std::span<key const> grams,
                                     std::span<std::uint32_t const> counts) {
  auto const discount = discounts(counts);
  auto const taken = [&](std::uint32_t c) { return discount[std::min(c, 3u) - 1]; };
  level out;
  out.successor.reserve(grams.size());
  out.probability.reserve(grams.size());
  for (std::size_t i = 0, next = 0; i < grams.size(); i = next) {
    key const context = grams[i] >> token_bits;
    double total = 0, left = 0;
    for (next = i; next < grams.size() && grams[next] >> token_bits == context; ++next) {
      total += counts[next];
      left += taken(counts[next]);
    }
    out.context.push_back(context);
    out.backoff.push_back(static_cast<float>(left / total));
    out.first.push_back(static_cast<std::uint32_t>(i));
    for (std::size_t g = i; g < next; ++g) {
      out.successor.push_back(static_cast<token>(grams[g] & low_tokens(1)));
      out.probability.push_back(static_cast<float>((counts[g] - taken(counts[g])) / total));
    }
  }
  out.first.push_back(static_cast<std::uint32_t>(grams.size()));
  return out;
}

kneser_ney::kneser_ney(std::span<std::vector<token> const> segments, index_t vocabulary,
                       token start, int order)
    : start_(start) {
  if (order < 1 || order > longest_order)
    throw std::invalid_argument("kneser_ney: the order must be 1 to 4");
  if (vocabulary < 1 || vocabulary > largest_vocabulary)
    throw std::invalid_argument("kneser_ney: the vocabulary must be 1 to 65536");

  levels_.resize(std::size_t(order));
  std::vector<key> longer;  // the distinct grams one order up
  for (int n = order; n >= 1; --n) {
    std::vector<key> grams;
    for (key const gram : longer) grams.push_back(gram & low_tokens(n));
    for (auto const& segment : segments) {
      key gram = static_cast<key>(start);
      for (int length = 2; token const next : segment) {
        gram = (gram << token_bits) | static_cast<key>(next);
        if (n == order ? length >= n : length == n) grams.push_back(gram & low_tokens(n));
        ++length;
      }
    }
    auto const counts = count_distinct(grams);
    levels_[std::size_t(n - 1)] = smooth(grams, counts);
    longer = std::move(grams);
  }

  level const& words = levels_.front();  // its one context is empty
  float const backoff = words.context.empty() ? 1.0f : words.backoff.front();
  unigram_.assign(std::size_t(vocabulary), backoff / static_cast<float>(vocabulary));
  for (std::size_t i = 0; i < words.successor.size(); ++i)
    unigram_[std::size_t(words.successor[i])] += words.probability[i];
}

index_t kneser_ney::size() const {
  std::size_t total = 0;
  for (level const& l : levels_) total += l.successor.size();
  return static_cast<index_t>(total);
}

void kneser_ney::logits(std::span<index_t const> tokens, matrix_ref<float> out) const {
  auto const columns = static_cast<Eigen::Index>(unigram_.size());
  Eigen::Map<Eigen::ArrayXf const> const unigram(unigram_.data(), columns);
  Eigen::ArrayXf own(columns);  // a row that stays in the cache
  key history = static_cast<key>(start_);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    auto const known = static_cast<int>(std::min<std::size_t>(t + 1, levels_.size() - 1));
    own.setZero();
    float const left = add_orders(history, known, own.data());
    out.row(index_t(t)).array() = (own + left * unigram).log().transpose();
    history = (history << token_bits) | static_cast<key>(tokens[t]);
  }
}

float kneser_ney::add_orders(key history, int known, float* row) const {
  struct match {
    level const* in;
    std::size_t context;
  };
  std::array<match, longest_order> matches;  // of 1, 2, ... tokens; a longer one implies a shorter
  std::size_t found = 0;
  for (int n = 1; n <= known; ++n) {
    level const& l = levels_[std::size_t(n)];
    key const context = history & low_tokens(n);
    auto const at = std::lower_bound(l.context.begin(), l.context.end(), context);
    if (at == l.context.end() || *at != context) break;
    matches[found++] = {&l, std::size_t(at - l.context.begin())};
  }

  // The recursion unrolled: p = sum over orders of (product of the longer backoffs) x (own part).
  float weight = 1;
  while (found-- > 0) {
    auto const [l, context] = matches[found];
    for (auto i = l->first[context]; i < l->first[context + 1]; ++i)
      row[l->successor[i]] += weight * l->probability[i];
    weight *= l->backoff[context];
  }
  return weight;
}
}  // namespace distill
