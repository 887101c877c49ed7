#include "distill/kneser_ney.hpp"

#include <cmath>
#include <map>
#include <set>

#include "random.hpp"
#include "test.hpp"

using namespace distill;
using gram = std::vector<token>;
using text = std::vector<gram>;

namespace {
constexpr token start = 1;

/// The definition, word by word: maps, sets and recursion. Shares nothing with the class.
class by_definition {
 public:
  by_definition(text const& segments, index_t vocabulary, std::size_t order)
      : vocabulary_(vocabulary), order_(order) {
    std::map<gram, std::set<token>> before;  // distinct tokens seen before a gram
    std::map<gram, double> times;
    for (gram segment : segments) {
      segment.insert(segment.begin(), start);
      for (std::size_t first = 0; first < segment.size(); ++first)
        for (std::size_t n = 1; n <= order && first + n <= segment.size(); ++n) {
          gram const g(segment.begin() + long(first), segment.begin() + long(first + n));
          times[g] += 1;
          if (first > 0) before[g].insert(segment[first - 1]);
        }
    }
    for (auto const& [g, count] : times) {
      if (g == gram{start}) continue;  // the start is never predicted
      bool const raw = g.size() == order || g.front() == start;
      counts_[g.size()][g] = raw ? count : double(before[g].size());
    }
    for (std::size_t n = 1; n <= order; ++n) {
      double of[5] = {};
      for (auto const& [g, count] : counts_[n])
        if (count <= 4) of[std::size_t(count)] += 1;
      for (std::size_t c = 1; c <= 3; ++c)
        discount_[n].push_back(of[1] * of[2] * of[3] * of[4] == 0
                                   ? 0.75
                                   : double(c) - double(c + 1) * of[1] / (of[1] + 2 * of[2]) *
                                                     of[c + 1] / of[c]);
    }
  }

  double operator()(gram history, token next) const {
    if (history.size() >= order_) history.erase(history.begin(), history.end() - long(order_ - 1));
    return probability(history, next);
  }
  std::vector<double> const& discounts(std::size_t n) const { return discount_.at(n); }

 private:
  double probability(gram const& history, token next) const {
    std::size_t const n = history.size() + 1;
    double const lower = history.empty() ? 1 / double(vocabulary_)
                                         : probability({history.begin() + 1, history.end()}, next);
    double total = 0, left = 0, own = 0;
    if (counts_.count(n) == 0) return lower;
    for (auto const& [g, count] : counts_.at(n)) {
      if (!std::equal(history.begin(), history.end(), g.begin())) continue;
      double const taken = discount_.at(n)[std::min(std::size_t(count), std::size_t(3)) - 1];
      total += count;
      left += taken;
      if (g.back() == next) own = count - taken;
    }
    return total == 0 ? lower : own / total + left / total * lower;
  }

  index_t vocabulary_;
  std::size_t order_;
  std::map<std::size_t, std::map<gram, double>> counts_;
  std::map<std::size_t, std::vector<double>> discount_;
};

/// Sentences of a small language in which some words like to follow others.
text random_text(std::size_t sentences, index_t vocabulary) {
  random_source random(7);
  text out;
  for (std::size_t s = 0; s < sentences; ++s) {
    gram sentence;
    token last = start;
    for (auto length = random.below(9); length >= 0; --length) {
      double const u = random.uniform();
      last = token(2 + (last * 3 + index_t(u * u * double(vocabulary))) % (vocabulary - 2));
      sentence.push_back(last);
    }
    out.push_back(sentence);
  }
  return out;
}

matrix<float> rows(kneser_ney const& model, std::vector<index_t> const& tokens) {
  matrix<float> out(index_t(tokens.size()), model.vocabulary());
  model.logits(tokens, out);
  return out;
}

void compare(text const& learned, index_t vocabulary, int order) {
  CAPTURE(vocabulary, order);
  kneser_ney const model(learned, vocabulary, start, order);
  by_definition const expected(learned, vocabulary, std::size_t(order));
  text asked = {learned[0], learned[1], {2, 2, 2, 2, 2, 2}};  // the last was hardly ever seen
  for (gram const& sentence : asked) {
    auto const logits = rows(model, {sentence.begin(), sentence.end()});
    gram history = {start};
    for (index_t t = 0; t < logits.rows(); ++t) {
      CHECK(logits.row(t).array().cast<double>().exp().sum() == Approx(1).epsilon(2e-6));
      for (token v = 0; v < vocabulary; ++v) {
        CAPTURE(t, v);
        REQUIRE(std::exp(double(logits(t, v))) == Approx(expected(history, v)).epsilon(1e-5));
      }
      history.push_back(sentence[std::size_t(t)]);
    }
  }
}
}  // namespace

TEST_CASE("Kneser-Ney rows are the definition's probabilities") {
  text const learned = random_text(150, 20);
  by_definition const reference(learned, 20, 3);
  REQUIRE(reference.discounts(3)[0] != 0.75);  // a text that shows all counts of counts
  for (int order = 1; order <= kneser_ney::longest_order; ++order) compare(learned, 20, order);
}

TEST_CASE("Kneser-Ney copes with texts too small for counts of counts") {
  compare({{2, 3}, {2}}, 5, 4);
  compare({{2}, {2}}, 4, 2);
}

TEST_CASE("Kneser-Ney without any text is uniform") {
  kneser_ney const model(text(), 8, start, 4);
  auto const logits = rows(model, {3, 4});
  CHECK(logits.minCoeff() == Approx(std::log(1. / 8)));
  CHECK(logits.maxCoeff() == Approx(std::log(1. / 8)));
}

TEST_CASE("Kneser-Ney refuses what does not fit its keys") {
  CHECK_THROWS_AS(kneser_ney(text(), 8, start, 5), std::invalid_argument);
  CHECK_THROWS_AS(kneser_ney(text(), 8, start, 0), std::invalid_argument);
  CHECK_THROWS_AS(kneser_ney(text(), 65537, start, 3), std::invalid_argument);
}
