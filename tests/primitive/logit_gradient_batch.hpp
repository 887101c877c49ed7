#pragma once
#include <vector>

#include "devices.hpp"
#include "error.hpp"
#include "framed.hpp"
#include "oracle/primitive_oracle.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
namespace kit {
/// Everything that logit_gradient reads and writes: two softmaxes with k columns each, gradients
/// with respect to p and to log p, labels with holes.
template <class T, class S, class G = S>
struct gradient_batch {
  using index_t = mlot::index_t;
  kit::tokens tokens{{4, 0, 1, 3}, true};
  framed<S> logits;
  framed<T> maximum{tokens.count()}, label_partition{tokens.count()};
  framed<index_t> label{tokens.rows};
  T tau[2];
  framed<T> temperature[2]{framed<T>{tokens.count()}, framed<T>{tokens.count()}};
  framed<T> partition[2]{framed<T>{tokens.count()}, framed<T>{tokens.count()}};
  framed<index_t> ids[2];
  framed<T> probability[2], table_gradient[2], log_gradient[2];
  framed<G> gradient;
  T weight = T(0.75);
  int used = 2;

  gradient_batch(index_t vocabulary, index_t k, T tau0, T tau1, layout where = {1, 3, 1})
      : logits(tokens.rows, vocabulary, where),
        tau{tau0, tau1},
        ids{{4, k, where}, {4, k, where}},
        probability{{tokens.count(), k, where}, {tokens.count(), k, where}},
        table_gradient{{tokens.count(), k, where}, {tokens.count(), k, where}},
        log_gradient{{tokens.count(), k, where}, {tokens.count(), k, where}},
        gradient(tokens.rows, vocabulary, where) {
    random_source random{std::uint64_t(vocabulary * 64 + k)};
    for (index_t const r : tokens.row)
      for (index_t v = 0; r >= 0 && v < vocabulary; ++v)
        logits(r, v) = v % 9 == 7 ? S(mlot::store_as<S>(T(-mlot::infinity<T>)))
                                  : mlot::store_as<S>(T(2 * random.normal()));
    for (index_t const r : tokens.row)
      if (r >= 0) label(r) = r % 3 == 2 ? -100 : random.below(vocabulary);
    for (int c = 0; c < 2; ++c) {
      fill(temperature[c], [&](index_t, index_t) { return tau[c]; });
      for (index_t b = 0; b < 4; ++b)  // distinct as far as the vocabulary goes, then none
        for (index_t l = 0; l < k; ++l)
          ids[c](b, l) =
              l < vocabulary ? (l * 5 + b + c) % (vocabulary % 5 == 0 ? 1 : vocabulary) : -1;
    }
    derive(random);
  }
  /// What other primitives would have made of the logits, and a random upstream gradient.
  void derive(random_source& random) {
    for (index_t i = 0; i < tokens.count(); ++i) {
      oracle::vector const z = row(i);
      maximum(i) = T(oracle::maximum(z));
      label_partition(i) = T(oracle::partition(z, 1));
      for (int c = 0; c < 2; ++c) {
        partition[c](i) = T(oracle::partition(z, temperature[c](i)));
        oracle::vector const p = oracle::softmax(z, temperature[c](i));
        for (index_t l = 0; l < ids[c].cols(); ++l) {
          index_t const v = ids[c](tokens.sequence_of(i), l);
          probability[c](i, l) = v < 0 ? T(0) : T(p[std::size_t(v)]);
          table_gradient[c](i, l) = T(random.normal());
          log_gradient[c](i, l) = probability[c](i, l) > 0 ? T(-random.uniform() / 8) : T(0);
        }
      }
    }
  }
  oracle::vector row(index_t i) {
    oracle::vector z(std::size_t(logits.cols()), -oracle::infinity);
    index_t const r = tokens.row[std::size_t(i)];
    for (index_t v = 0; r >= 0 && v < logits.cols(); ++v)
      z[std::size_t(v)] = mlot::load_as<T>(logits(r, v));
    return z;
  }
  mlot::column_gradient<T, mlot::host_memory> column(int c) {
    return {.temperature = mlot::host::vector<T const>(temperature[c].vector()),
            .partition = partition[c].vector(),
            .ids = ids[c].matrix(),
            .probability = probability[c].matrix(),
            .table_gradient = table_gradient[c].matrix(),
            .log_gradient = log_gradient[c].matrix()};
  }
  static mlot::column_gradient<T, mlot::host_memory> none() { return {}; }
  mlot::logit_gradient<T, S, G, mlot::host_memory> primitive() {
    return {.logits = logits.matrix(),
            .tokens = tokens.view(),
            .maximum = maximum.vector(),
            .columns = {used > 0 ? column(0) : none(), used > 1 ? column(1) : none()},
            .labels = {label.vector()},
            .label_partition = label_partition.vector(),
            .cross_entropy_weight = weight,
            .gradient = gradient.matrix()};
  }
  std::vector<oracle::column_part> parts(index_t i) {
    std::vector<oracle::column_part> all;
    for (int c = 0; c < used; ++c) {
      oracle::column_part part{temperature[c](i), {}, {}};
      for (index_t l = 0; l < ids[c].cols(); ++l) {
        part.ids.push_back(ids[c](tokens.sequence_of(i), l));
        part.h.push_back(oracle::number(probability[c](i, l)) * table_gradient[c](i, l) +
                         log_gradient[c](i, l));
      }
      all.push_back(part);
    }
    return all;
  }
  /// The whole gradient; rows of tokens from the oracle, the others 0.
  oracle::matrix expected() {
    oracle::matrix g(std::size_t(tokens.rows), oracle::vector(std::size_t(logits.cols()), 0));
    for (index_t i = 0; i < tokens.count(); ++i)
      if (index_t const r = tokens.row[std::size_t(i)]; r >= 0)
        g[std::size_t(r)] =
            oracle::logit_gradient(row(i), parts(i), label(r) == -100 ? -1 : label(r), weight);
    return g;
  }
  /// Sums of the absolute values that an entry of the gradient is the sum of.
  oracle::matrix magnitudes() {
    oracle::matrix m(std::size_t(tokens.rows), oracle::vector(std::size_t(logits.cols()), 0));
    for (index_t i = 0; i < tokens.count(); ++i) {
      index_t const r = tokens.row[std::size_t(i)];
      if (r < 0) continue;
      oracle::vector& out = m[std::size_t(r)];
      auto const add = [&](oracle::number at, oracle::number dense) {
        oracle::vector const p = oracle::softmax(row(i), at);
        for (std::size_t v = 0; v < out.size(); ++v) out[v] += p[v] * dense / at;
      };
      for (auto const& part : parts(i)) {
        oracle::number all = 0;
        for (std::size_t l = 0; l < part.h.size(); ++l) {
          all += std::fabs(part.h[l]);
          if (part.ids[l] >= 0)
            out[std::size_t(part.ids[l])] += std::fabs(part.h[l]) / part.temperature;
        }
        add(part.temperature, all);
      }
      if (label(r) == -100) continue;
      add(1, std::fabs(oracle::number(weight)));
      out[std::size_t(label(r))] += std::fabs(oracle::number(weight));
    }
    return m;
  }
};
}  // namespace kit
