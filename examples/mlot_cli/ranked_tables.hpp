#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "mlot/loss/ranked_teacher.hpp"
#include "mlot_cli/safetensors.hpp"
namespace mlot_cli {
/// Which of the teacher's rows the tables hold.
enum class table_rows { all, labelled, unknown };

/// A teacher's tables in a file, as docs/stored-teachers.md describes it.
struct ranked_tables {
  safetensors file;  ///< tensors of the shapes and types that are described
  index_t vocabulary = 0, width = 0;
  double temperature = 1, transport_temperature = 2;
  table_rows rows = table_rows::unknown;

  bool ranks_transport() const { return file.tensors.contains("transport_logits"); }
  std::span<index_t const> offset() const { return whole("offset"); }
  index_t sequences() const { return index_t(offset().size()) - 1; }
  /// (sequences, width) of the ranking `name`: "ids" or "transport_ids".
  std::span<index_t const> whole(std::string const& name) const {
    return std::get<std::vector<std::int64_t>>(file.tensors.at(name).elements);
  }
  /// Whether normalisers are of type T: a loss in another one would not have the same bits.
  template <mlot::real T>
  bool ranked_in() const {
    return std::holds_alternative<std::vector<T>>(file.tensors.at("normaliser").elements);
  }
  /// As the library takes them; logits have to be stored as S, normalisers as T.
  template <mlot::real T, mlot::storage S>
  mlot::ranked_teacher<T, S> view() const {
    mlot::ranked_teacher<T, S> out{.vocabulary = vocabulary,
                                   .temperature = T(temperature),
                                   .transport_temperature = T(transport_temperature),
                                   .logits = matrix<S>("logits"),
                                   .normaliser = matrix<T>("normaliser")};
    if (ranks_transport()) out.transport_logits = matrix<S>("transport_logits");
    return out;
  }

 private:
  template <class E>
  mlot::host::matrix<E const> matrix(std::string const& name) const {
    tensor const& t = file.tensors.at(name);
    return {std::get<std::vector<E>>(t.elements).data(), t.shape[0], t.shape[1], t.shape[1]};
  }
};

/// Throws user_error beginning with `option` for a file that is none such.
ranked_tables read_ranked_tables(std::string const& option, std::string const& path);
}  // namespace mlot_cli
