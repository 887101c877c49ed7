#include "mlot_cli/ranked_tables.hpp"

#include <charconv>
#include <cmath>

#include "mlot_cli/npy.hpp"
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
    tables_.vocabulary = index_t(number("vocabulary"));
    tables_.temperature = number("temperature");
    tables_.transport_temperature = number("transport_temperature");
    std::vector<index_t> const logits = shape_of("logits", 2, false);
    tables_.width = logits[1];
    demand("normaliser", {logits[0], mlot::ranked_teacher_normaliser::count}, false);
    check_offset(logits[0]);
    demand("ids", {tables_.sequences(), tables_.width}, true);
    if (tables_.ranks_transport()) {
      demand("transport_logits", logits, false);
      demand("transport_ids", {tables_.sequences(), tables_.width}, true);
    }
    return std::move(tables_);
  }

 private:
  std::string text(std::string const& key) const {
    auto const at = tables_.file.metadata.find(key);
    return at == tables_.file.metadata.end() ? "none" : at->second;
  }
  double number(std::string const& key) const {
    std::string const word = text(key);
    double value = NAN;
    auto const [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
    bool const read = problem == std::errc() && end == word.data() + word.size();
    if (!read || !(value > 0 && value <= double(largest_dimension)))
      throw user_error("has metadata " + key + " " + word + ", must be a number above 0");
    return value;
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
