#pragma once
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>
/// Transport costs as the loss meets them, from two models that say the same words.
namespace bench {
using matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline constexpr int kept_columns = 50;
inline constexpr int vocabulary = 4000;

/// One model's table (tokens, k): softmax at temperature 2 of the k ids of largest mass at
/// temperature 1, ranked. A row's logits are word frequencies (Zipf), noise, and `confidence` above
/// them at the word that is said.
template <class Generator>
matrix ranked_rows(std::vector<int> const& words, double confidence, Generator& generator) {
  std::normal_distribution<double> noise(0, 1.5);
  std::uniform_real_distribution<double> sure(0.4 * confidence, 1.6 * confidence);
  matrix logits(Eigen::Index(words.size()), vocabulary);
  for (Eigen::Index i = 0; i < logits.rows(); ++i) {
    for (Eigen::Index v = 0; v < vocabulary; ++v)
      logits(i, v) = noise(generator) - std::log(double(v + 1));
    logits(i, words[std::size_t(i)]) += sure(generator);
  }
  auto const softmax = [&](double temperature) -> matrix {
    matrix const p =
        ((logits.colwise() - logits.rowwise().maxCoeff()) / temperature).array().exp().matrix();
    return p.array().colwise() / p.rowwise().sum().array();
  };
  Eigen::VectorXd const mass = softmax(1).colwise().sum();
  std::vector<int> ids(vocabulary);
  std::iota(ids.begin(), ids.end(), 0);
  std::partial_sort(ids.begin(), ids.begin() + kept_columns, ids.end(),
                    [&](int one, int other) { return mass(one) > mass(other); });
  ids.resize(kept_columns);
  return softmax(2)(Eigen::all, ids);
}

/// (teacher tokens, student tokens) L1 distances of the rows, between 0 and 2. The student's token
/// j says the teacher's word at the same place of the text.
inline matrix costs(int teacher_tokens, int student_tokens) {
  std::mt19937 generator(1);
  std::vector<double> frequency(vocabulary);
  for (std::size_t v = 0; v < frequency.size(); ++v) frequency[v] = 1 / double(v + 1);
  std::discrete_distribution<int> word(frequency.begin(), frequency.end());
  auto said = std::vector<int>(std::size_t(teacher_tokens));
  std::vector<int> repeated;
  for (int& w : said) w = word(generator);
  for (int j = 0; j < student_tokens; ++j)
    repeated.push_back(said[std::size_t(j * teacher_tokens / student_tokens)]);
  matrix const teacher = ranked_rows(said, 12, generator);
  matrix const student = ranked_rows(repeated, 8, generator);
  matrix cost(teacher_tokens, student_tokens);
  for (Eigen::Index i = 0; i < cost.rows(); ++i)
    cost.row(i) = (student.rowwise() - teacher.row(i)).cwiseAbs().rowwise().sum();
  return cost;
}
}  // namespace bench
