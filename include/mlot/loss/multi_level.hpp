#pragma once
#include "mlot/core/pipeline.hpp"
#include "mlot/primitive/aligned_terms.hpp"
#include "mlot/primitive/column_probabilities.hpp"
#include "mlot/primitive/cross_entropy.hpp"
#include "mlot/primitive/gather_columns.hpp"
#include "mlot/primitive/logit_gradient.hpp"
#include "mlot/primitive/pairwise_cost.hpp"
#include "mlot/primitive/sequence_totals.hpp"
#include "mlot/primitive/sinkhorn.hpp"
#include "mlot/primitive/top_columns.hpp"
#include "mlot/primitive/vocabulary_mass.hpp"
namespace mlot {
/// Where a sequence's columns come from.
enum class column_matching {
  rank,  ///< either side's own ids of largest mass, rank by rank
  given  ///< the caller's columns
};
/// Which columns the transport cost compares.
enum class transport_ranking {
  shared,  ///< those chosen at `temperature`
  own      ///< ranked again at `transport_temperature`
};
/// What the gradient of the Sinkhorn distance holds constant.
enum class sinkhorn_derivative {
  unrolled,      ///< nothing: the exact derivative of the N iterations
  plan_constant  ///< the transport plan: dSD/dC = P, cheaper and biased
};
/// What the loss and its terms are divided by.
enum class reduction {
  sum,             ///< 1: the paper
  mean_per_token,  ///< the student's tokens in this call
  divisor          ///< a number of the caller's: tokens of all calls under gradient accumulation
};
/// Places in multi_level::terms.
namespace multi_level_term {
enum : index_t { cross_entropy, absolute_difference, logarithmic, sinkhorn, total, count };
}

/// Options of the loss; the defaults are the paper's.
template <real T>
struct multi_level_options {
  index_t k = 50;               ///< columns kept of either vocabulary, at least 1
  T temperature = T(1);         ///< tau of HAD, SL and the ranking, above 0
  T teacher_temperature = T(0);  ///< the teacher's tau; 0: the same
  T transport_temperature = T(2);  ///< tau_sd of the transport cost, above 0
  T epsilon = T(0.1);              ///< the paper's lambda, in units of cost, above 0
  index_t iterations = 20;         ///< N, at least 1
  T alpha = T(0.15);               ///< weight of the distillation terms against cross-entropy
  T beta = T(0.1);                 ///< weight of SL within them
  T gamma = T(0.1);                ///< weight of SD within them
  column_matching matching = column_matching::rank;
  transport_ranking ranking = transport_ranking::shared;
  sinkhorn_derivative derivative = sinkhorn_derivative::unrolled;
  sinkhorn_domain domain = sinkhorn_domain::automatic;
  reduction reduce = reduction::sum;
  T divisor = T(1);  ///< for reduction::divisor, above 0
};

/// MultiLevelOT: cross-entropy and three optimal-transport terms between a teacher and a student
/// with different tokenizers, for a ragged batch in one call, with the analytic gradient.
///
///   L = (1 / divisor) { sum_b CE(b) + alpha (HAD(b) + beta SL(b) + gamma SD(b)) }
///
/// Logits are final: soft-capping and scaling are the caller's. -inf masks a vocabulary id and is
/// the same as not having it. Empty sequences, sequences without labels, k beyond a vocabulary and
/// an empty batch are ordinary; their terms are 0. Columns beyond a vocabulary are -1; the tables
/// are as wide as min(k, max(m, n)).
/// NaN or +inf in a token's row answers fault::data with row and column. After any fault the
/// outputs are untouched. Reads the teacher once, the student twice and writes the gradient once;
/// allocates nothing.
/// Accuracy: double 1e-10 relative, float 1e-5 of the norm, terms, plan and gradient, against
/// autograd in float64: tests/loss/multi_level_test.cpp.
/// Source: Cui et al., Multi-Level Optimal Transport for Universal Cross-Tokenizer Knowledge
/// Distillation, AAAI 2025, arXiv 2412.14528, eq. 10-21.
template <real T, storage Teacher = T, storage Student = T, storage Gradient = Student,
          class Memory = host_memory>
struct multi_level {
  using memory = Memory;
  matrix_view<Teacher const, Memory> teacher_logits{};  ///< (teacher rows, m) any row stride
  token_rows<Memory> teacher_tokens{};                  ///< B sequences
  matrix_view<Student const, Memory> student_logits{};  ///< (student rows, n)
  token_rows<Memory> student_tokens{};                  ///< B sequences
  row_labels<Memory> labels{};  ///< (student rows), or empty: no cross-entropy
  token_pairs<Memory> pairs{};  ///< alignment of HAD and SL; by position unless given
  multi_level_options<T> options{};
  T upstream = T(1);  ///< factor of the gradient: dObjective / dL, loss scaling

  vector_view<T, Memory> terms{};           ///< (5) written, see multi_level_term
  matrix_view<Gradient, Memory> gradient{};  ///< (student rows, n) dL/dz; no memory: forward only
  /// (B, width()) the columns compared. Written under matching rank where memory is given; read
  /// under matching given. The transport_ pair only matters under transport_ranking::own.
  matrix_view<index_t, Memory> teacher_columns{}, student_columns{};
  matrix_view<index_t, Memory> teacher_transport_columns{}, student_transport_columns{};
  matrix_view<T, Memory> plan{};            ///< (teacher tokens, longest student sequence) optional
  matrix_view<T, Memory> sequence_terms{};  ///< (B, 4) before division, optional

  constexpr index_t sequences() const { return student_tokens.sequences(); }
  /// Columns of the tables.
  constexpr index_t width() const {
    index_t const widest = std::max(teacher_logits.cols, student_logits.cols);
    return std::min(options.k, widest);
  }
  constexpr T divisor() const {
    if (options.reduce == reduction::divisor) return options.divisor;
    if (options.reduce == reduction::sum || student_tokens.tokens() == 0) return T(1);
    return T(double(student_tokens.tokens()));
  }
  constexpr T teacher_temperature() const {
    return options.teacher_temperature == T(0) ? options.temperature
                                               : options.teacher_temperature;
  }
  constexpr bool has_labels() const { return !labels.label.empty(); }

  constexpr status check() const;
};

template <real T, storage Teacher, storage Student, storage Gradient, class Memory>
constexpr status multi_level<T, Teacher, Student, Gradient, Memory>::check() const {
  index_t const b = sequences();
  requirement all;
  all.usable("multi_level.teacher_logits", teacher_logits)
      .usable("multi_level.student_logits", student_logits)
      .also(teacher_tokens.check("multi_level.teacher_tokens", teacher_logits.rows))
      .also(student_tokens.check("multi_level.student_tokens", student_logits.rows))
      .that(teacher_tokens.sequences() == b, fault::shape, "multi_level.teacher_tokens",
            double(teacher_tokens.sequences()), "as many sequences as student_tokens")
      .also(labels.check("multi_level.labels", student_tokens, student_logits.rows,
                         student_logits.cols))
      .also(pairs.check("multi_level.pairs", teacher_tokens.offset, student_tokens.offset))
      .at_least("multi_level.options.k", options.k, 1, "at least 1")
      .temperature("multi_level.options.temperature", options.temperature)
      .temperature("multi_level.options.teacher_temperature", teacher_temperature())
      .temperature("multi_level.options.transport_temperature", options.transport_temperature)
      .temperature("multi_level.options.epsilon", options.epsilon)
      .at_least("multi_level.options.iterations", options.iterations, 1, "at least 1")
      .finite("multi_level.options.alpha", options.alpha)
      .finite("multi_level.options.beta", options.beta)
      .finite("multi_level.options.gamma", options.gamma)
      .positive("multi_level.options.divisor", options.divisor)
      .finite("multi_level.upstream", upstream)
      .vector("multi_level.terms", terms, multi_level_term::count, "5 elements")
      .optional("multi_level.gradient", gradient, student_logits.rows, student_logits.cols,
                "the shape of student_logits")
      .optional("multi_level.sequence_terms", sequence_terms, b, 4, "one row a sequence, 4 columns");
  if (plan.data != nullptr)
    all.at_least("multi_level.plan", plan, teacher_tokens.tokens(), student_tokens.longest,
                 "one row a teacher token, student_tokens.longest columns");
  auto const columns = [&](char const* argument, matrix_view<index_t, Memory> const& ids,
                           bool needed) {
    if (needed) all.that(ids.data != nullptr || b == 0, fault::shape, argument, 0, "given columns");
    all.optional(argument, ids, b, width(), "one row a sequence, width() columns");
  };
  bool const given = options.matching == column_matching::given;
  bool const own = given && options.ranking == transport_ranking::own;
  columns("multi_level.teacher_columns", teacher_columns, given);
  columns("multi_level.student_columns", student_columns, given);
  columns("multi_level.teacher_transport_columns", teacher_transport_columns, own);
  columns("multi_level.student_transport_columns", student_transport_columns, own);
  return all.answer();
}

namespace detail {
/// One model's way from logits to tables of probabilities.
template <class Device, real T, storage S>
struct ranked_model {
  using memory = typename Device::memory;
  matrix_view<S const, memory> logits{};
  token_rows<memory> tokens{};
  char const* argument;  ///< name of `logits` in the loss
  T temperature, transport_temperature;
  bool needs_log;         ///< log-probabilities, too
  bool needs_unit;        ///< the partition at temperature 1, too
  matrix_view<index_t, memory> ids{}, transport_ids{};  ///< (B, K)

  vector_view<T, memory> maximum{}, partition{}, transport_partition{}, unit_partition{};
  matrix_view<T, memory> mass{}, transport_mass{};
  matrix_view<T, memory> table{}, log_table{}, transport_table{};  ///< (tokens, K)

  void sum_vocabulary(pipeline<Device>& steps, bool ranks, bool ranks_transport) {
    index_t const n = tokens.tokens();
    vocabulary_mass<T, S, memory> sums{.logits = logits, .tokens = tokens};
    sums.maximum = maximum = steps.template vector<T>(n);
    sums.temperatures = 0;
    auto const at = [&](T const& tau) {
      for (int c = 0; c < sums.temperatures; ++c)
        if (sums.at[c].temperature.one == tau) return c;
      int const c = sums.temperatures++;
      sums.at[c].temperature = {tau};
      sums.at[c].partition = steps.template vector<T>(n);
      return c;
    };
    auto const with_mass = [&](int c) {
      if (sums.at[c].mass.data == nullptr)
        sums.at[c].mass = steps.template matrix<T>(tokens.sequences(), logits.cols);
      return sums.at[c].mass;
    };
    int const ranking = at(temperature), transport = at(transport_temperature);
    if (ranks) mass = with_mass(ranking);
    if (ranks_transport) transport_mass = with_mass(transport);
    partition = sums.at[ranking].partition;
    transport_partition = sums.at[transport].partition;
    if (needs_unit) unit_partition = sums.at[at(T(1))].partition;
    steps.step(sums, argument);
  }

  void gather(pipeline<Device>& steps) {
    index_t const n = tokens.tokens(), width = ids.cols;
    bool const own = transport_ids.data != ids.data;
    auto const columns = [&](matrix_view<index_t, memory> of, char const* name) {
      gather_columns<T, S, memory> const picked{.logits = logits,
                                                .tokens = tokens,
                                                .ids = of,
                                                .table = steps.template matrix<T>(n, width)};
      steps.step(picked, name);
      return picked.table;
    };
    auto const picked = columns(ids, "multi_level.columns");
    table = steps.template matrix<T>(n, width);
    if (needs_log) log_table = steps.template matrix<T>(n, width);
    steps.step(column_probabilities<T, memory>{.logits = picked,
                                               .maximum = maximum,
                                               .partition = partition,
                                               .temperature = temperature,
                                               .probability = table,
                                               .log_probability = log_table});
    transport_table = steps.template matrix<T>(n, width);
    steps.step(column_probabilities<T, memory>{
        .logits = own ? columns(transport_ids, "multi_level.transport_columns") : picked,
        .maximum = maximum,
        .partition = transport_partition,
        .temperature = transport_temperature,
        .probability = transport_table});
  }
};

template <class Device, real T, storage Teacher, storage Student, storage Gradient>
void list_steps(pipeline<Device>& steps,
                multi_level<T, Teacher, Student, Gradient, typename Device::memory> const& loss) {
  using memory = typename Device::memory;
  auto const& o = loss.options;
  index_t const sequences = loss.sequences(), width = loss.width();
  index_t const teacher_tokens = loss.teacher_tokens.tokens();
  index_t const student_tokens = loss.student_tokens.tokens();
  bool const ranks = o.matching == column_matching::rank;
  bool const own = o.ranking == transport_ranking::own;
  auto const lent = [&](matrix_view<index_t, memory> ids) {
    return ids.data != nullptr ? ids : steps.template matrix<index_t>(sequences, width);
  };

  ranked_model<Device, T, Teacher> teacher{
      .logits = loss.teacher_logits,
      .tokens = loss.teacher_tokens,
      .argument = "multi_level.teacher_logits",
      .temperature = loss.teacher_temperature(),
      .transport_temperature = o.transport_temperature,
      .needs_log = false,
      .needs_unit = false,
      .ids = lent(loss.teacher_columns),
      .transport_ids = {}};
  ranked_model<Device, T, Student> student{
      .logits = loss.student_logits,
      .tokens = loss.student_tokens,
      .argument = "multi_level.student_logits",
      .temperature = o.temperature,
      .transport_temperature = o.transport_temperature,
      .needs_log = true,
      .needs_unit = loss.has_labels(),
      .ids = lent(loss.student_columns),
      .transport_ids = {}};
  teacher.transport_ids = own ? lent(loss.teacher_transport_columns) : teacher.ids;
  student.transport_ids = own ? lent(loss.student_transport_columns) : student.ids;
  teacher.sum_vocabulary(steps, ranks, ranks && own);
  student.sum_vocabulary(steps, ranks, ranks && own);  // faults in data end here
  if (ranks) {
    steps.step(top_columns<T, memory>{.mass = teacher.mass, .ids = teacher.ids});
    steps.step(top_columns<T, memory>{.mass = student.mass, .ids = student.ids});
    if (own) {
      steps.step(
          top_columns<T, memory>{.mass = teacher.transport_mass, .ids = teacher.transport_ids});
      steps.step(
          top_columns<T, memory>{.mass = student.transport_mass, .ids = student.transport_ids});
    }
  }
  teacher.gather(steps);
  student.gather(steps);

  // Forward.
  auto const terms = loss.sequence_terms.data != nullptr
                         ? loss.sequence_terms
                         : steps.template matrix<T>(sequences, 4);
  aligned_terms<T, memory> const aligned{
      .teacher = teacher.table,
      .student = student.table,
      .student_log = student.log_table,
      .teacher_offset = loss.teacher_tokens.offset,
      .student_offset = loss.student_tokens.offset,
      .pairs = loss.pairs,
      .holistic_difference = terms.column(multi_level_term::absolute_difference),
      .sequential_logarithm = terms.column(multi_level_term::logarithmic)};
  pairwise_cost<T, memory> const pairwise{
      .teacher = teacher.transport_table,
      .student = student.transport_table,
      .batch = {.row_offset = loss.teacher_tokens.offset,
                .column_offset = loss.student_tokens.offset,
                .rows = teacher_tokens,
                .columns = student_tokens,
                .longest_row = loss.student_tokens.longest},
      .cost = steps.template matrix<T>(teacher_tokens, loss.student_tokens.longest)};
  bool const unrolls = loss.gradient.data != nullptr && o.derivative == sinkhorn_derivative::unrolled;
  index_t const kept = unrolls ? o.iterations : 1;
  sinkhorn<T, memory> const transport{
      .batch = pairwise.batch,
      .cost = pairwise.cost,
      .epsilon = o.epsilon,
      .iterations = o.iterations,
      .domain = o.domain,
      .history = {.row_scaling = steps.template matrix<T>(kept, teacher_tokens),
                  .column_scaling = steps.template matrix<T>(kept, student_tokens),
                  .logarithmic = steps.template vector<index_t>(sequences)},
      .plan = loss.plan.data != nullptr
                  ? loss.plan
                  : steps.template matrix<T>(teacher_tokens, loss.student_tokens.longest),
      .distance = terms.column(multi_level_term::sinkhorn)};
  cross_entropy<T, Student, memory> const labelled{
      .logits = loss.student_logits,
      .tokens = loss.student_tokens,
      .labels = loss.labels,
      .maximum = student.maximum,
      .partition = loss.has_labels() ? student.unit_partition : student.partition,
      .out = terms.column(multi_level_term::cross_entropy)};
  steps.step(aligned);
  steps.step(pairwise);
  steps.step(transport);
  steps.step(labelled);
  T const share = T(1) / loss.divisor();
  steps.step(sequence_totals<T, memory>{
      .terms = terms,
      .weight = {share, share, share, share},
      .total_weight = {T(1), o.alpha, T(o.alpha * o.beta), T(o.alpha * o.gamma)},
      .out = loss.terms});
  if (loss.gradient.data == nullptr) return;

  // Backward, the same chain upwards.
  T const scale = T(share * loss.upstream), distillation = T(scale * o.alpha);
  aligned_terms_gradient<T, memory> const aligned_back{
      .of = aligned,
      .difference_weight = distillation,
      .logarithm_weight = T(distillation * o.beta),
      .table_gradient = steps.template matrix<T>(student_tokens, width),
      .log_gradient = steps.template matrix<T>(student_tokens, width)};
  steps.step(aligned_back);
  matrix_view<T const, memory> cost_gradient = transport.plan;
  if (unrolls) {
    // The plan's memory serves again, unless the caller keeps the plan.
    auto const out = loss.plan.data == nullptr
                         ? transport.plan
                         : steps.template matrix<T>(teacher_tokens, loss.student_tokens.longest);
    steps.step(sinkhorn_gradient<T, memory>{.of = transport, .cost_gradient = out});
    cost_gradient = out;
  }
  pairwise_cost_gradient<T, memory> const pairwise_back{
      .of = pairwise,
      .upstream = cost_gradient,
      .weight = T(distillation * o.gamma),
      .student_gradient = steps.template matrix<T>(student_tokens, width)};
  steps.step(pairwise_back);
  steps.step(logit_gradient<T, Student, Gradient, memory>{
      .logits = loss.student_logits,
      .tokens = loss.student_tokens,
      .maximum = student.maximum,
      .columns = {{.temperature = o.temperature,
                   .partition = student.partition,
                   .ids = student.ids,
                   .probability = student.table,
                   .table_gradient = aligned_back.table_gradient,
                   .log_gradient = aligned_back.log_gradient},
                  {.temperature = o.transport_temperature,
                   .partition = student.transport_partition,
                   .ids = student.transport_ids,
                   .probability = student.transport_table,
                   .table_gradient = pairwise_back.student_gradient,
                   .log_gradient = {}}},
      .column_gradients = 2,
      .labels = loss.labels,
      .label_partition = student.unit_partition,
      .cross_entropy_weight = scale,
      .gradient = loss.gradient});
}
}  // namespace detail

template <class Device, real T, storage Teacher, storage Student, storage Gradient>
std::size_t scratch_size(
    Device device,
    multi_level<T, Teacher, Student, Gradient, typename Device::memory> const& loss) {
  pipeline<Device> steps(device);
  detail::list_steps(steps, loss);
  return steps.bytes();
}

template <class Device, real T, storage Teacher, storage Student, storage Gradient>
status run(Device device,
           multi_level<T, Teacher, Student, Gradient, typename Device::memory> const& loss,
           workspace<typename Device::memory> scratch) {
  pipeline<Device> steps(device, scratch);
  detail::list_steps(steps, loss);
  return steps.answer();
}
}  // namespace mlot
