#pragma once
#include <cstring>
#include <vector>

#include "devices.hpp"
#include "framed.hpp"
#include "problems.hpp"
#include "random.hpp"
#include "run.hpp"
#include "tokens.hpp"
namespace kit {
/// One of each primitive, chained as a loss chains them, on a ragged batch of two models' logits;
/// those of transport in each domain.
template <class T, class S>
class every_primitive {
 public:
  using memory = mlot::host_memory;
  static constexpr index_t vocabulary = 203, k = 19, iterations = 6, sequences = 5;

  /// Calls visit(name, primitive) for each, in an order in which the results are there in time.
  void for_each(auto visit) {
    for (int side : {0, 1}) {
      model& m = side == 0 ? teacher : student;
      auto const rows = m.tokens.view();
      visit("vocabulary_mass", mlot::vocabulary_mass<T, S, memory>{
                                   .logits = m.logits.matrix(),
                                   .tokens = rows,
                                   .maximum = m.maximum.vector(),
                                   .at = {{T(1), m.partition.vector(), m.mass.matrix()},
                                          {T(2), m.second.vector(), {}}}});
      visit("top_columns",
            mlot::top_columns<T, memory>{.mass = m.mass.matrix(), .ids = m.ids.matrix()});
      visit("top_columns",
            mlot::top_columns<S, memory>{
                .mass = m.logits.matrix(), .row = rows.row, .ids = m.token_ids.matrix()});
      visit("gather_columns", mlot::gather_columns<T, S, memory>{.logits = m.logits.matrix(),
                                                                 .tokens = rows,
                                                                 .ids = m.ids.matrix(),
                                                                 .table = m.table.matrix()});
      visit("column_probabilities",
            mlot::column_probabilities<T, memory>{.logits = m.table.matrix(),
                                                  .maximum = m.maximum.vector(),
                                                  .partition = m.partition.vector(),
                                                  .probability = m.p.matrix(),
                                                  .log_probability = m.log_p.matrix()});
    }
    auto const student_rows = student.tokens.view();
    visit("cross_entropy",
          mlot::cross_entropy<T, S, memory>{.logits = student.logits.matrix(),
                                            .tokens = student_rows,
                                            .labels = {label.vector()},
                                            .maximum = student.maximum.vector(),
                                            .partition = student.partition.vector(),
                                            .out = cross_entropies.vector()});
    for (auto const rule : {mlot::matching_rule::greedy, mlot::matching_rule::exact})
      visit("match_columns",
            mlot::match_columns<T, S, memory>{
                .teacher = teacher.p.matrix(),
                .teacher_offset = teacher.tokens.view().offset,
                .logits = student.logits.matrix(),
                .tokens = student_rows,
                .maximum = student.maximum.vector(),
                .partition = student.partition.vector(),
                .mass = student.mass.matrix(),
                .rule = rule,
                .ids = matched[rule == mlot::matching_rule::exact].matrix(),
                .objective = objective[rule == mlot::matching_rule::exact].vector()});
    mlot::aligned_terms<T, memory> const aligned{.teacher = teacher.p.matrix(),
                                                 .student = student.p.matrix(),
                                                 .student_log = student.log_p.matrix(),
                                                 .teacher_offset = teacher.tokens.view().offset,
                                                 .student_offset = student_rows.offset,
                                                 .holistic_difference = difference.vector(),
                                                 .sequential_logarithm = logarithm.vector()};
    visit("aligned_terms", aligned);
    visit("aligned_terms_gradient",
          mlot::aligned_terms_gradient<T, memory>{.of = aligned,
                                                  .table_gradient = table_gradient.matrix(),
                                                  .log_gradient = log_gradient.matrix()});
    mlot::pairwise_cost<T, memory> const costs{.teacher = teacher.p.matrix(),
                                               .student = student.p.matrix(),
                                               .batch = shape.view(),
                                               .cost = cost.matrix()};
    visit("pairwise_cost", costs);
    for (transport& to : transports) {
      auto const of = to.of(*this);
      visit("sinkhorn", of);
      visit("sinkhorn_gradient", mlot::sinkhorn_gradient<T, memory>{
                                     .of = of, .cost_gradient = to.cost_gradient.matrix()});
      auto const copy = [&to](index_t, index_t i, mlot::vector_view<T const, memory> row) {
        for (index_t j = 0; j < row.size; ++j) to.plan_copy(i, j) = row(j);
      };
      visit("plan_rows",
            mlot::plan_rows<T, memory, mlot::matrix_view<T const, memory>, decltype(copy)>{
                .of = of, .receive = copy});
      visit("barycentric_projection",
            mlot::barycentric_projection<T, memory>{
                .of = of, .points = student.p.matrix(), .out = to.projection.matrix()});
    }
    visit("pairwise_cost_gradient",
          mlot::pairwise_cost_gradient<T, memory>{.of = costs,
                                                  .upstream = transports[0].cost_gradient.matrix(),
                                                  .student_gradient = second_gradient.matrix()});
    visit("logit_gradient",
          mlot::logit_gradient<T, S, S, memory>{
              .logits = student.logits.matrix(),
              .tokens = student_rows,
              .maximum = student.maximum.vector(),
              .columns = {{T(1), student.partition.vector(), student.ids.matrix(),
                           student.p.matrix(), table_gradient.matrix(), log_gradient.matrix()},
                          {T(2),
                           student.second.vector(),
                           student.ids.matrix(),
                           student.p.matrix(),
                           second_gradient.matrix(),
                           {}}},
              .labels = {label.vector()},
              .label_partition = student.partition.vector(),
              .gradient = gradient.matrix()});
    auto const softmax = [](model& m) {
      return mlot::token_softmax<T, S, memory>{.logits = m.logits.matrix(),
                                               .tokens = m.tokens.view(),
                                               .maximum = m.maximum.vector(),
                                               .partition = m.partition.vector()};
    };
    visit("ranked_difference",
          mlot::ranked_difference<T, S, S, S, memory>{.teacher = softmax(teacher),
                                                      .student = softmax(student),
                                                      .out = ranked_differences.vector(),
                                                      .labels = {label.vector()},
                                                      .label_partition = student.partition.vector(),
                                                      .gradient = ranked_gradient.matrix()});
    visit("divergence", divergence_of(mlot::jensen_shannon<T>(), 0));
    visit("sequence_totals",
          mlot::sequence_totals<T, memory>{
              .terms = terms.matrix(), .weight = {T(1), T(1), T(1), T(1)}, .out = totals.vector()});
    visit("segment_sums", mlot::segment_sums<T, memory>{.x = student.partition.vector(),
                                                        .offset = student_rows.offset,
                                                        .out = sums.vector()});
    visit("token_problems", mlot::token_problems<T, memory>{
                                .teacher = teacher.p.matrix(),
                                .teacher_offset = teacher.tokens.view().offset,
                                .student_offset = student_rows.offset,
                                .aligned = {&partners(0, 0), student.tokens.count(), k, k},
                                .marginal = marginal.vector(),
                                .offset = token_offset.vector()});
  }
  /// The same for what is made of several of them, once these have run.
  void for_each_composite(auto visit) {
    for (bool const streams : {false, true}) {
      mlot::host::vector<T const> const a = row_share.vector(), b = column_share.vector();
      visit("sinkhorn_divergence", mlot::sinkhorn_divergence<T, memory>{
                                       .teacher = teacher.p.matrix(),
                                       .student = student.p.matrix(),
                                       .batch = shape.view(),
                                       .longest_column = longest_column,
                                       .row_marginal = a,
                                       .column_marginal = b,
                                       .epsilon = T(1e-3),
                                       .iterations = 20,
                                       .cost_memory = streams ? 0 : index_t(1) << 31,
                                       .divergence = divergence[streams].vector(),
                                       .student_gradient = divergence_gradient[streams].matrix()});
    }
    visit("adaptive divergence", divergence_of(mlot::adaptive_kl<T>(), 1));
    visit("divergence_distillation",
          mlot::divergence_distillation<T, mlot::jensen_shannon<T>, mlot::dense_teacher<T, S>, S>{
              .teacher = {teacher.logits.matrix(), teacher.tokens.view()},
              .student_logits = student.logits.matrix(),
              .student_tokens = student.tokens.view(),
              .labels = {label.vector()},
              .pairs = shorter.view(),
              .options = {.temperature = T(2)},
              .terms = distillation_terms.vector(),
              .gradient = distillation_gradient.matrix()});
    visit("sparse divergence",
          mlot::divergence<T, mlot::forward_kl, mlot::sparse_teacher<T, S>, S, S, memory>{
              .teacher = likely_ids(),
              .student_logits = student.logits.matrix(),
              .student_tokens = student.tokens.view(),
              .labels = {label.vector()},
              .out = compared[2].vector(),
              .gradient = compared_gradient[2].matrix()});
    visit("epsilon_schedule", mlot::epsilon_schedule<T, memory>{.of = scheduled.of(*this),
                                                                .first = T(1),
                                                                .factor = T(0.25),
                                                                .iterations = 3,
                                                                .start = start.vector()});
    for_each_loss(visit);
  }
  /// The losses that are no divergence, and what ranks their teacher.
  void for_each_loss(auto visit) {
    visit("rank_teacher",
          mlot::rank_teacher<T, S, memory>{.teacher_logits = teacher.logits.matrix(),
                                           .teacher_tokens = teacher.tokens.view(),
                                           .logits = ranked_logits.matrix(),
                                           .normaliser = normaliser.matrix(),
                                           .ids = ranked_ids.matrix()});
    visit("sparse divergence_distillation",
          mlot::divergence_distillation<T, mlot::forward_kl, mlot::sparse_teacher<T, S>, S>{
              .teacher = likely_ids(),
              .student_logits = student.logits.matrix(),
              .student_tokens = student.tokens.view(),
              .labels = {label.vector()},
              .pairs = shorter.view(),
              .terms = {&losses[0].terms(0), mlot::divergence_distillation_term::count},
              .gradient = losses[0].gradient.matrix()});
    // Elsewhere these are compiled in the library of instances for some numbers alone.
    if constexpr (std::is_same_v<T, S>) {
      visit("multi_level", mlot::multi_level<T, S, S, S>{.teacher_logits = teacher.logits.matrix(),
                                                         .teacher_tokens = teacher.tokens.view(),
                                                         .student_logits = student.logits.matrix(),
                                                         .student_tokens = student.tokens.view(),
                                                         .labels = {label.vector()},
                                                         .terms = losses[1].terms.vector(),
                                                         .gradient = losses[1].gradient.matrix()});
      visit("universal_logit",
            mlot::universal_logit<T, S, S, S>{
                .teacher_logits = teacher.logits.matrix(),
                .teacher_tokens = teacher.tokens.view(),
                .student_logits = student.logits.matrix(),
                .student_tokens = student.tokens.view(),
                .labels = {label.vector()},
                .terms = {&losses[2].terms(0), mlot::universal_logit_term::count},
                .gradient = losses[2].gradient.matrix()});
      visit("sinkd", mlot::sinkd<T, S, S, S>{.teacher_logits = teacher.logits.matrix(),
                                             .teacher_samples = teacher.tokens.view(),
                                             .student_logits = student.logits.matrix(),
                                             .student_samples = student.tokens.view(),
                                             .labels = {label.vector()},
                                             .terms = losses[3].terms.vector(),
                                             .gradient = losses[3].gradient.matrix()});
      visit("distillkitplus",
            mlot::distillkitplus<T, S, S, S>{.teacher_logits = teacher.logits.matrix(),
                                             .student_logits = student.logits.matrix(),
                                             .teacher_spans = windows.view(),
                                             .student_spans = windows.view(),
                                             .k = k,
                                             .terms = losses[4].terms.vector(),
                                             .gradient = losses[4].gradient.matrix()});
      visit("reference_code",
            mlot::reference_code<T, S, S, S>{.teacher_logits = teacher.logits.matrix(),
                                             .student_logits = student.logits.matrix(),
                                             .teacher_windows = windows.view(),
                                             .student_windows = windows.view(),
                                             .terms = losses[5].terms.vector(),
                                             .gradient = losses[5].gradient.matrix()});
    }
  }
  /// Everything written, as bytes.
  std::vector<std::byte> results() {
    std::vector<std::byte> all;
    auto const append = [&](auto&... arrays) { (append_bytes(all, arrays), ...); };
    for (model* const m : {&teacher, &student})
      append(m->maximum, m->partition, m->second, m->mass, m->ids, m->token_ids, m->table, m->p,
             m->log_p);
    append(cross_entropies, difference, logarithm, table_gradient, log_gradient, cost,
           second_gradient, gradient, ranked_differences, ranked_gradient, totals, start, sums,
           partners, marginal, token_offset);
    for (transport& to : transports)
      append(to.plan, to.plan_copy, to.projection, to.distance, to.row_scaling, to.column_scaling,
             to.cost_gradient);
    for (int const n : {0, 1})
      append(divergence[n], divergence_gradient[n], matched[n], objective[n]);
    for (int const n : {0, 1, 2}) append(compared[n], compared_gradient[n]);
    append(distillation_terms, distillation_gradient, ranked_logits, normaliser, ranked_ids);
    for (loss& l : losses) append(l.terms, l.gradient);
    return all;
  }

 private:
  struct model {
    kit::tokens tokens;
    framed<S> logits{tokens.rows, vocabulary, {1, 3, 1}};
    framed<T> maximum{tokens.count()}, partition{tokens.count()}, second{tokens.count()};
    framed<T> mass{sequences, vocabulary};
    framed<index_t> ids{sequences, k}, token_ids{tokens.count(), k};
    framed<T> table{tokens.count(), k}, p{tokens.count(), k}, log_p{tokens.count(), k};
    model(std::vector<index_t> const& lengths, std::uint64_t seed) : tokens(lengths, true) {
      random_source random(seed);
      fill(logits, [&](index_t, index_t) { return mlot::store_as<S>(T(3 * random.normal())); });
    }
  };
  /// What a problem's primitives write in one domain.
  struct transport {
    mlot::sinkhorn_domain domain;
    T epsilon;
    framed<T> plan, plan_copy, projection, distance, row_scaling, column_scaling, cost_gradient;
    framed<index_t> logarithmic{sequences};
    transport(mlot::sinkhorn_domain in, double at, problems const& shape)
        : domain(in),
          epsilon(T(at)),
          plan(shape.rows(), shape.longest_row),
          plan_copy(shape.rows(), shape.longest_row),
          projection(shape.rows(), k),
          distance(sequences),
          row_scaling(iterations, shape.rows()),
          column_scaling(iterations, shape.columns()),
          cost_gradient(shape.rows(), shape.longest_row) {}
    mlot::sinkhorn<T, memory> of(every_primitive& all) {
      return {.batch = all.shape.view(),
              .cost = all.cost.matrix(),
              .epsilon = epsilon,
              .iterations = iterations,
              .domain = domain,
              .history = {row_scaling.matrix(), column_scaling.matrix(), logarithmic.vector()},
              .plan = plan.matrix(),
              .distance = distance.vector()};
    }
  };
  template <class Kind>
  auto divergence_of(Kind kind, int n) {
    return mlot::divergence<T, Kind, mlot::dense_teacher<T, S>, S, S, memory>{
        .teacher = {teacher.logits.matrix(), teacher.tokens.view()},
        .student_logits = student.logits.matrix(),
        .student_tokens = student.tokens.view(),
        .temperature = T(2),
        .labels = {label.vector()},
        .kind = kind,
        .out = compared[n].vector(),
        .gradient = compared_gradient[n].matrix()};
  }
  mlot::sparse_teacher<T, S> likely_ids() {
    return {.ids = listed.matrix(),
            .log_probabilities = listed_logits.matrix(),
            .tokens = teacher.tokens.view(),
            .missing = mlot::missing_mass::uniform,
            .leftover = {&listed_leftover, teacher.tokens.rows, 0}};
  }
  static void append_bytes(std::vector<std::byte>& all, auto& array) {
    for (index_t i = 0; i < array.rows(); ++i)
      for (index_t j = 0; j < array.cols(); ++j) {
        auto const bytes = reinterpret_cast<std::byte const*>(&array(i, j));
        all.insert(all.end(), bytes, bytes + sizeof array(i, j));
      }
  }
  static constexpr index_t longest_column = 130;  ///< several blocks of rows
  model teacher{{9, 0, longest_column, 1, 23}, 1}, student{{12, 3, 31, 0, 25}, 2};
  pairs_to_the_shorter shorter{teacher.tokens, student.tokens};
  problems shape{{{9, 12}, {0, 3}, {longest_column, 31}, {1, 0}, {23, 25}}};
  transport transports[3] = {{mlot::sinkhorn_domain::scaling, 0.1, shape},
                             {mlot::sinkhorn_domain::absorbed, 1e-3, shape},
                             {mlot::sinkhorn_domain::logarithmic, 1e-3, shape}};
  transport scheduled{mlot::sinkhorn_domain::automatic, 1e-3, shape};
  framed<index_t> label = labels();
  framed<T> cross_entropies{sequences}, difference{sequences}, logarithm{sequences}, totals{5};
  framed<T> table_gradient{student.tokens.count(), k}, log_gradient{student.tokens.count(), k};
  framed<T> second_gradient{student.tokens.count(), k}, cost{shape.rows(), shape.longest_row};
  framed<T> row_share = shares(shape.row_offset), column_share = shares(shape.column_offset);
  framed<T> start{shape.columns()}, divergence[2] = {framed<T>(sequences), framed<T>(sequences)};
  framed<T> divergence_gradient[2] = {{shape.columns(), k}, {shape.columns(), k}};
  framed<index_t> matched[2] = {{sequences, k}, {sequences, k}};
  framed<T> objective[2] = {framed<T>(sequences), framed<T>(sequences)};
  framed<S> gradient{student.tokens.rows, vocabulary};
  framed<T> terms = some_terms(), sums{sequences};
  framed<T> partners{1, student.tokens.count() * k}, marginal{student.tokens.count() * k};
  framed<index_t> token_offset{student.tokens.count() + 1};
  framed<T> ranked_differences{sequences};
  framed<S> ranked_gradient{student.tokens.rows, vocabulary};
  framed<T> compared[3] = {framed<T>(sequences), framed<T>(sequences), framed<T>(sequences)};
  framed<T> distillation_terms{3};
  framed<S> compared_gradient[3] = {{student.tokens.rows, vocabulary},
                                    {student.tokens.rows, vocabulary},
                                    {student.tokens.rows, vocabulary}};
  framed<index_t> listed = some_ids();
  framed<S> listed_logits = some_logits();
  T listed_leftover = T(0.25);
  framed<S> distillation_gradient{student.tokens.rows, vocabulary};
  framed<T> ranked_logits{teacher.tokens.count(), k}, normaliser{teacher.tokens.count(), 3};
  framed<index_t> ranked_ids{sequences, k};
  struct loss {
    framed<T> terms{5};
    framed<S> gradient;
  };
  loss losses[6] = {new_loss(), new_loss(), new_loss(), new_loss(), new_loss(), new_loss()};
  kit::tokens windows{{7, 7, 7}};

  loss new_loss() const { return {.gradient = {student.tokens.rows, vocabulary}}; }
  framed<index_t> labels() const {
    framed<index_t> all(student.tokens.rows);
    fill(all, [](index_t, index_t r) { return r % 5 == 0 ? -100 : (r * 31) % vocabulary; });
    return all;
  }
  framed<index_t> some_ids() const {
    framed<index_t> all(teacher.tokens.rows, k);
    fill(all, [](index_t r, index_t c) { return (r * 13 + c * 7) % vocabulary; });
    return all;
  }
  framed<S> some_logits() const {
    framed<S> all(teacher.tokens.rows, k);
    fill(all, [](index_t r, index_t c) { return mlot::store_as<S>(T(-1 - (r + c) % 5)); });
    return all;
  }
  /// Of every token in its sequence.
  static framed<T> shares(std::vector<index_t> const& offset) {
    framed<T> all(offset.back());
    for (std::size_t n = 1; n < offset.size(); ++n)
      for (index_t i = offset[n - 1]; i < offset[n]; ++i)
        all(i) = T(1) / T(double(offset[n] - offset[n - 1]));
    return all;
  }
  static framed<T> some_terms() {
    framed<T> all(sequences, 4);
    fill(all, [](index_t b, index_t c) { return T(1) / T(1 + b + c); });
    return all;
  }
};
}  // namespace kit
