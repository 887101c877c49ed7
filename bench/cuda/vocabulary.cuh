#pragma once
#include "cuda/loss_on_card.cuh"
#include "memory.cuh"
#include "mlot/primitive/deviation_temperature.hpp"
#include "mlot/scalar/deviation_temperature.hpp"
namespace bench {
/// What touches the vocabulary, on B sequences of T tokens with logits stored as S.
template <class Memory, mlot::storage S>
class vocabulary {
 public:
  static constexpr index_t k = 50;

  /// On the card: with random logits.
  vocabulary(index_t sequences, index_t length,
             index_t size) requires std::is_same_v<Memory, mlot::device_memory>
      : vocabulary(sequences, length, array_in<S, Memory>(sequences* length* size)) {
    kit::fill_with_logits(logits_, rows_, 3);
    succeeds(cudaDeviceSynchronize());
  }
  vocabulary(index_t sequences, index_t length, array_in<S, Memory> logits)
      : sequences_(sequences),
        rows_(sequences * length),
        size_(logits.size() / rows_),
        longest_(length),
        offset_(multiples(sequences + 1, length)),
        row_(multiples(rows_, 1)),
        logits_(std::move(logits)),
        labels_(spread(rows_, size_)),
        table_gradient_(numbers(rows_ * k, 5)),
        log_gradient_(numbers(rows_ * k, 6)) {}

  /// Calls visit(name, bytes that it cannot avoid to move, primitive) for each, in an order in
  /// which the results are there in time.
  template <class Visit>
  void for_each(Visit visit) {
    double const logits = double(logits_.bytes());
    visit("vocabulary_mass", logits,
          mlot::vocabulary_mass<float, S, Memory>{
              .logits = logits_.matrix(rows_),
              .tokens = tokens(),
              .maximum = maximum_.vector(),
              .at = {{1.f, partition_.vector(), mass_.matrix(sequences_)},
                     {2.f, softened_.vector(), {}}}});
    visit("top_columns", double(mass_.bytes()),
          mlot::top_columns<float, Memory>{.mass = mass_.matrix(sequences_),
                                           .ids = ids_.matrix(sequences_)});
    visit("gather_columns", 0.,
          mlot::gather_columns<float, S, Memory>{.logits = logits_.matrix(rows_),
                                                 .tokens = tokens(),
                                                 .ids = ids_.matrix(sequences_),
                                                 .table = gathered_.matrix(rows_)});
    visit("logit_gradient", 2 * logits,
          mlot::logit_gradient<float, S, S, Memory>{
              .logits = logits_.matrix(rows_),
              .tokens = tokens(),
              .maximum = maximum_.vector(),
              .columns = {{.temperature = 1.f,
                           .partition = partition_.vector(),
                           .ids = ids_.matrix(sequences_),
                           .log_gradient = table_gradient_.matrix(rows_)},
                          {.temperature = 2.f,
                           .partition = softened_.vector(),
                           .ids = ids_.matrix(sequences_),
                           .log_gradient = log_gradient_.matrix(rows_)}},
              .labels = {.label = labels_.vector()},
              .label_partition = partition_.vector(),
              .gradient = gradient_.matrix(rows_)});
    mlot::deviation_temperature<float, S, Memory> const deviation{
        .logits = logits_.matrix(rows_),
        .tokens = tokens(),
        .mean = mean_.vector(),
        .deviation = deviation_.vector(),
        .temperature = temperature_.vector()};
    visit("deviation_temperature", logits, deviation);
    visit("deviation_temperature_gradient",
          3 * logits,  // a second read of a row may come from a cache
          mlot::deviation_temperature_gradient<float, S, S, Memory>{
              .of = deviation, .gradient = gradient_.matrix(rows_)});
  }
  /// Calls visit(name, array) for what they wrote.
  template <class Visit>
  void for_each_result(Visit visit) const {
    visit("maximum", maximum_), visit("partition", partition_), visit("softened", softened_);
    visit("mass", mass_), visit("ids", ids_), visit("gathered", gathered_);
    visit("mean", mean_), visit("deviation", deviation_), visit("temperature", temperature_);
    visit("gradient", gradient_);
  }
  array_in<S, Memory> const& logits() const { return logits_; }

 private:
  index_t sequences_, rows_, size_, longest_;
  array_in<index_t, Memory> offset_, row_;
  array_in<S, Memory> logits_;
  array_in<index_t, Memory> labels_;
  array_in<float, Memory> table_gradient_, log_gradient_;
  array_in<float, Memory> maximum_{rows_}, partition_{rows_}, softened_{rows_};
  array_in<float, Memory> mean_{rows_}, deviation_{rows_}, temperature_{rows_};
  array_in<float, Memory> mass_{sequences_ * size_}, gathered_{rows_ * k};
  array_in<index_t, Memory> ids_{sequences_ * k};
  array_in<S, Memory> gradient_{rows_ * size_};

  mlot::token_rows<Memory> tokens() { return {offset_.vector(), row_.vector(), longest_}; }
  static std::vector<index_t> multiples(index_t count, index_t of) {
    std::vector<index_t> all;
    for (index_t i = 0; i < count; ++i) all.push_back(i * of);
    return all;
  }
  static std::vector<index_t> spread(index_t count, index_t below) {
    std::vector<index_t> all;
    for (index_t i = 0; i < count; ++i)
      all.push_back(index_t(kit::mixed(std::uint64_t(i)) % std::uint64_t(below)));
    return all;
  }
  /// In -1 .. 1.
  static std::vector<float> numbers(index_t count, std::uint64_t seed) {
    std::vector<float> all;
    for (index_t i = 0; i < count; ++i)
      all.push_back(float(kit::mixed(seed << 40 ^ std::uint64_t(i)) >> 40) * 0x1p-23f - 1);
    return all;
  }
};
}  // namespace bench
