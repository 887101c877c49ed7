#include "mlot_cli/rank_teacher.hpp"

#include <algorithm>

#include "mlot_cli/library_call.hpp"
#include "mlot_cli/number.hpp"

namespace mlot_cli {
namespace {
/// A table of logits that had `size` bytes.
template <mlot::real T>
tensor as_stored(std::vector<index_t> shape, std::vector<T> const& logits, std::size_t size) {
  tensor out{std::move(shape), {}};
  auto const store = [&]<class S>(S) {
    std::vector<S> to;
    to.reserve(logits.size());
    for (T const& z : logits) to.push_back(mlot::store_as<S>(mlot::accumulator_t<S>(z)));
    out.elements = std::move(to);
  };
  if (size == sizeof(mlot::half))
    store(mlot::half());
  else if (size == sizeof(float))
    store(float());
  else
    store(T());
  return out;
}
}  // namespace

template <mlot::real T, mlot::storage S>
safetensors rank_teacher(settings const& s, model_input<S> const& teacher, std::size_t logit_size) {
  call const by{s, teacher, teacher};
  mlot::owned_token_rows const owned = counting_rows(teacher, by);
  mlot::token_rows<> const& tokens = owned;
  index_t const n = tokens.tokens(), sequences = tokens.sequences();
  index_t const width = std::min(s.k.value_or(50), teacher.vocabulary);
  if (width < 1) throw user_error("--k: " + std::to_string(*s.k) + " given, must be at least 1");

  std::vector<T> logits, transport_logits, normaliser;
  column_lists ids(sequences, width), transport_ids(sequences, width);
  mlot::rank_teacher<T, S> ranking{
      .teacher_logits = teacher.view(),
      .teacher_tokens = tokens,
      .logits = matrix(logits, n, width),
      .normaliser = matrix(normaliser, n, mlot::ranked_teacher_normaliser::count),
      .ids = ids.view()};
  set(ranking.temperature, s.temperature);
  set(ranking.transport_temperature, s.transport_temperature);
  if (s.own_ranking) {
    ranking.transport_logits = matrix(transport_logits, n, width);
    ranking.transport_ids = transport_ids.view();
  }
  run(ranking, by);

  std::vector<index_t> offset;
  for (index_t b = 0; b <= sequences; ++b) offset.push_back(tokens.offset(b));
  safetensors out;
  out.metadata = {{"format", "mlot.ranked_teacher"},
                  {"vocabulary", std::to_string(teacher.vocabulary)},
                  {"rows", n == teacher.rows() ? "all" : "labelled"},
                  {"temperature", digits(double(ranking.temperature))},
                  {"transport_temperature", digits(double(ranking.transport_temperature))}};
  out.tensors["logits"] = as_stored({n, width}, logits, logit_size);
  out.tensors["normaliser"] = {{n, mlot::ranked_teacher_normaliser::count}, normaliser};
  out.tensors["offset"] = {{sequences + 1}, offset};
  out.tensors["ids"] = {{sequences, width}, ids.ids};
  if (s.own_ranking) {
    out.tensors["transport_logits"] = as_stored({n, width}, transport_logits, logit_size);
    out.tensors["transport_ids"] = {{sequences, width}, transport_ids.ids};
  }
  return out;
}
template safetensors rank_teacher<float>(settings const&, model_input<mlot::half> const&,
                                         std::size_t);
template safetensors rank_teacher<float>(settings const&, model_input<float> const&, std::size_t);
template safetensors rank_teacher<double>(settings const&, model_input<double> const&, std::size_t);
}  // namespace mlot_cli
