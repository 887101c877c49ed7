#include "mlot_cli/ranked_tables.hpp"

#include <cmath>
#include <set>

#include "mlot_cli/npy.hpp"
#include "mlot_cli/number.hpp"
#include "mlot_cli/user_error.hpp"

namespace mlot_cli {
namespace {
/// What is wrong is said without the file's name, which read_ranked_tables() puts in front.
class checked_tables {
 public:
  explicit checked_tables(safetensors file) { tables_.file = std::move(file); }

  ranked_tables read() {
    if (text("format") != "mlot.ranked_teacher")
      throw user_error("has metadata format " + text("format") + ", must be mlot.ranked_teacher");
    tables_.temperature = temperature("temperature");
    tables_.transport_temperature = temperature("transport_temperature");
    tables_.rows = rows();
    std::vector<index_t> const logits = shape_of("logits", 2, false);
    tables_.width = logits[1];
    if (tables_.width < 1) throw user_error("has tensor logits without columns");
    tables_.vocabulary = vocabulary();
    demand("normaliser", {logits[0], mlot::ranked_teacher_normaliser::count}, false);
    check_offset(logits[0]);
    demand("ids", {tables_.sequences(), tables_.width}, true);
    check_ids("ids");
    if (tables_.ranks_transport()) {
      demand("transport_logits", logits, false);
      demand("transport_ids", {tables_.sequences(), tables_.width}, true);
      check_ids("transport_ids");
    }
    check_sums();
    return std::move(tables_);
  }

 private:
  std::string text(std::string const& key) const {
    auto const at = tables_.file.metadata.find(key);
    return at == tables_.file.metadata.end() ? "none" : at->second;
  }
  [[noreturn]] void refuse(std::string const& key, std::string const& allowed) const {
    throw user_error("has metadata " + key + " " + text(key) + ", must be " + allowed);
  }
  double temperature(std::string const& key) const {
    double const value = number_of(text(key)).value_or(NAN);
    if (!(value > 0 && std::isfinite(value))) refuse(key, "a finite number above 0");
    return value;
  }
  index_t vocabulary() const {
    double const value = number_of(text("vocabulary")).value_or(NAN);
    if (!(value >= 1 && value <= double(largest_dimension) && value == std::floor(value)))
      refuse("vocabulary", "a whole number above 0");
    if (index_t(value) < tables_.width)
      refuse("vocabulary", "at least " + std::to_string(tables_.width) + ", the columns of logits");
    return index_t(value);
  }
  table_rows rows() const {
    std::string const word = text("rows");
    if (word == "none") return table_rows::unknown;
    if (word != "all" && word != "labelled") refuse("rows", "all or labelled");
    return word == "all" ? table_rows::all : table_rows::labelled;
  }
  std::vector<index_t> const& shape_of(std::string const& name, std::size_t rank,
                                       bool whole) const {
    auto const at = tables_.file.tensors.find(name);
    if (at == tables_.file.tensors.end()) throw user_error("has no tensor " + name);
    bool const is_whole = std::holds_alternative<std::vector<std::int64_t>>(at->second.elements);
    if (is_whole != whole)
      throw user_error("has tensor " + name + " of another dtype, must be " +
                       (whole ? "I64" : "F16, F32 or F64"));
    if (at->second.shape.size() != rank)
      throw user_error("has tensor " + name + " of shape " + shape_text(at->second.shape) +
                       ", must have " + std::to_string(rank) + " dimensions");
    return at->second.shape;
  }
  void demand(std::string const& name, std::vector<index_t> const& shape, bool whole) const {
    if (auto const& is = shape_of(name, shape.size(), whole); is != shape)
      throw user_error("has tensor " + name + " of shape " + shape_text(is) + ", must be " +
                       shape_text(shape));
  }
  void check_offset(index_t tokens) const {
    bool good = shape_of("offset", 1, true)[0] > 0;
    auto const offset = tables_.offset();
    good = good && offset.front() == 0 && offset.back() == tokens;
    for (std::size_t b = 1; good && b < offset.size(); ++b) good = offset[b - 1] <= offset[b];
    if (!good)
      throw user_error("has tensor offset, must rise from 0 to " + std::to_string(tokens) +
                       ", the tokens of logits");
  }
  /// Columns of a sequence are different ids of the vocabulary.
  void check_ids(std::string const& name) const {
    auto const ids = tables_.whole(name);
    std::set<index_t> seen;
    for (std::size_t n = 0; n < ids.size(); ++n) {
      if (n % std::size_t(tables_.width) == 0) seen.clear();
      if (ids[n] < 0 || ids[n] >= tables_.vocabulary || !seen.insert(ids[n]).second)
        throw user_error("has tensor " + name + " with " + std::to_string(ids[n]) +
                         ", must be different ids below " + std::to_string(tables_.vocabulary) +
                         " in a row");
    }
  }
  /// A token's sums are those of its columns, and at most 1 for each id beyond them. What is no
  /// number is for the library to name.
  void check_sums() const {
    using namespace mlot::ranked_teacher_normaliser;
    std::vector<double> const sums = numbers("normaliser"), logits = numbers("logits");
    std::vector<double> const own =
        tables_.ranks_transport() ? numbers("transport_logits") : std::vector<double>();
    auto const width = std::size_t(tables_.width);
    double const beyond = double(tables_.vocabulary - tables_.width);
    for (std::size_t i = 0; i < logits.size() / width; ++i) {
      auto const check = [&](std::vector<double> const& of, index_t place, double tau) {
        double const top = sums[i * count + maximum], sum = sums[i * count + std::size_t(place)];
        double least = 0;
        for (std::size_t l = 0; l < width; ++l) least += std::exp((of[i * width + l] - top) / tau);
        constexpr double rounding = 1e-3;
        if (std::isfinite(top) &&
            (sum < least * (1 - rounding) || sum > (least + beyond) * (1 + rounding)))
          throw user_error("has tensor normaliser with " + std::to_string(sum) + " for token " +
                           std::to_string(i) + ", must be from " + std::to_string(least) + " to " +
                           std::to_string(least + beyond) + ", by its logits and vocabulary");
      };
      check(logits, partition, tables_.temperature);
      check(logits, transport_partition, tables_.transport_temperature);
      if (own.empty()) continue;
      check(own, partition, tables_.temperature);
      check(own, transport_partition, tables_.transport_temperature);
    }
  }
  std::vector<double> numbers(std::string const& name) const {
    return std::visit(
        [](auto const& all) {
          std::vector<double> out;
          for (auto const& x : all)
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(x)>, mlot::half>)
              out.push_back(double(mlot::load_as<float>(x)));
            else
              out.push_back(double(x));
          return out;
        },
        tables_.file.tensors.at(name).elements);
  }
  ranked_tables tables_;
};
}  // namespace

ranked_tables read_ranked_tables(std::string const& option, std::string const& path) {
  safetensors file = read_safetensors(option, path);
  try {
    return checked_tables(std::move(file)).read();
  } catch (user_error const& problem) {
    throw user_error(option + ": " + path + " " + problem.what());
  }
}
}  // namespace mlot_cli
