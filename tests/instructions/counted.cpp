// Runs each main primitive of the simd device once, on a fixed input. Under callgrind each call
// leaves a profile with the primitive's name, which guard.py reads.
#include <gnu/libc-version.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstdlib>
#include <mlot/interop/describe.hpp>
#include <mlot/interop/owned.hpp>
#include <mlot/simd.hpp>
#include <string>

#include "random.hpp"
using namespace mlot;

namespace {
using memory = host_memory;
constexpr index_t k = 50, iterations = 20, vocabulary = 2053, teacher_vocabulary = 1531;
constexpr index_t row_ends[] = {0, 96, 101}, column_ends[] = {0, 80, 87};  // of two sequences
constexpr index_t sequences = 2, teacher_tokens = row_ends[2], student_tokens = column_ends[2];
constexpr index_t longest = column_ends[1];

template <class Primitive>
void count(std::string const& name, Primitive const& primitive) {
  on::simd<> const device;
  scratch_buffer scratch;
  auto const lent = scratch.for_call(device, primitive);
  CALLGRIND_ZERO_STATS;
  status const answer = compute(device, primitive, lent);
  CALLGRIND_DUMP_STATS_AT(name.c_str());
  if (answer.ok()) return;
  std::fprintf(stderr, "%s: %s\n", name.c_str(), describe(answer).c_str());
  std::exit(1);
}

/// A matrix and its memory.
template <class T>
class table {
 public:
  table(index_t rows, index_t cols) : memory_(std::size_t(rows * cols)), rows_(rows), cols_(cols) {}
  table(index_t rows, index_t cols, auto generate) : table(rows, cols) {
    random_source random(1);
    for (T& x : memory_) x = generate(random);
  }
  operator host::matrix<T>() { return {memory_.data(), rows_, cols_, cols_}; }
  operator host::matrix<T const>() { return host::matrix<T>(*this); }
  operator host::vector<T>() { return {memory_.data(), rows_ * cols_}; }
  operator host::vector<T const>() { return host::vector<T>(*this); }

 private:
  std::vector<T> memory_;
  index_t rows_, cols_;
};
template <storage S>
table<S> random_logits(index_t tokens, index_t size) {
  return {tokens, size,
          [](random_source& random) { return store_as<S>(accumulator_t<S>(3 * random.normal())); }};
}
table<float> random_values(index_t tokens, index_t size, double low, double high) {
  return {tokens, size, [=](random_source& random) { return float(random.uniform(low, high)); }};
}
table<index_t> random_ids(index_t n, index_t size) {
  return {n, size, [](random_source& random) { return random.below(vocabulary); }};
}
owned_token_rows packed(index_t const (&ends)[sequences + 1]) {
  owned_token_rows tokens;
  if (!tokens.from_offsets({ends, sequences + 1}).ok()) std::abort();
  return tokens;
}

/// Those that touch the vocabulary: how logits are stored matters.
template <storage S>
void count_vocabulary(std::string const& storage_name) {
  auto const tokens = packed(column_ends);
  auto logits = random_logits<S>(student_tokens, vocabulary);
  table<float> maximum(1, student_tokens), partition(1, student_tokens),
      softened(1, student_tokens);
  table<float> mass(sequences, vocabulary);
  for (int const temperatures : {1, 2}) {
    vocabulary_mass<float, S, memory> p{
        .logits = logits, .tokens = tokens, .maximum = maximum, .at = {{1, partition, mass}}};
    if (temperatures == 2) p.at[1] = {2, softened, {}};
    count("vocabulary_mass/" + storage_name + "/temperatures:" + std::to_string(temperatures), p);
  }
  auto ids = random_ids(sequences, k), label = random_ids(1, student_tokens);
  auto log_gradient = random_values(student_tokens, k, -1, 1);
  table<S> gradient(student_tokens, vocabulary);
  count(
      "logit_gradient/" + storage_name,
      logit_gradient<float, S, S, memory>{
          .logits = logits,
          .tokens = tokens,
          .maximum = maximum,
          .columns =
              {{.temperature = 1, .partition = partition, .ids = ids, .log_gradient = log_gradient},
               {.temperature = 2, .partition = softened, .ids = ids, .log_gradient = log_gradient}},
          .labels = {label},
          .label_partition = partition,
          .gradient = gradient});
}

/// From the mass to probabilities.
void count_columns() {
  table<float> mass(sequences, vocabulary,
                    [](auto& random) { return float(std::exp(2 * random.normal())); });
  table<index_t> ids(sequences, k);
  count("top_columns", top_columns<float, memory>{.mass = mass, .ids = ids});
  auto logits = random_logits<float>(student_tokens, vocabulary);
  table<float> gathered(student_tokens, k), probability(student_tokens, k),
      log_probability(student_tokens, k);
  count("gather_columns",
        gather_columns<float, float, memory>{
            .logits = logits, .tokens = packed(column_ends), .ids = ids, .table = gathered});
  auto maximum = random_values(1, student_tokens, 20, 21),
       partition = random_values(1, student_tokens, 1, 30);
  count("column_probabilities",
        column_probabilities<float, memory>{.logits = gathered,
                                            .maximum = maximum,
                                            .partition = partition,
                                            .probability = probability,
                                            .log_probability = log_probability});
}

/// Those that compare two tables of probabilities.
void count_terms() {
  auto teacher = random_values(teacher_tokens, k, 0, 0.1),
       student = random_values(student_tokens, k, 0, 0.1);
  auto student_log = random_values(student_tokens, k, -9, 0);
  table<float> difference(1, sequences), logarithm(1, sequences);
  table<float> table_gradient(student_tokens, k), log_gradient(student_tokens, k);
  aligned_terms<float, memory> const aligned{.teacher = teacher,
                                             .student = student,
                                             .student_log = student_log,
                                             .teacher_offset = {row_ends, sequences + 1},
                                             .student_offset = {column_ends, sequences + 1},
                                             .holistic_difference = difference,
                                             .sequential_logarithm = logarithm};
  count("aligned_terms", aligned);
  count("aligned_terms_gradient",
        aligned_terms_gradient<float, memory>{
            .of = aligned, .table_gradient = table_gradient, .log_gradient = log_gradient});

  problem_batch<memory> const shape{{row_ends, sequences + 1},
                                    {column_ends, sequences + 1},
                                    teacher_tokens,
                                    student_tokens,
                                    longest};
  table<float> cost(teacher_tokens, longest);
  pairwise_cost<float, memory> const costs{
      .teacher = teacher, .student = student, .batch = shape, .cost = cost};
  count("pairwise_cost", costs);
  auto upstream = random_values(teacher_tokens, longest, -1, 1);
  count("pairwise_cost_gradient",
        pairwise_cost_gradient<float, memory>{
            .of = costs, .upstream = upstream, .student_gradient = table_gradient});
}

void count_sinkhorn(std::string const& domain_name, sinkhorn_domain domain) {
  auto cost = random_values(teacher_tokens, longest, 0, 2);
  table<float> row_scaling(iterations, teacher_tokens), column_scaling(iterations, student_tokens);
  table<float> plan(teacher_tokens, longest), distance(1, sequences),
      gradient(teacher_tokens, longest);
  table<index_t> logarithmic(1, sequences);
  sinkhorn<float, memory> const transport{.batch = {{row_ends, sequences + 1},
                                                    {column_ends, sequences + 1},
                                                    teacher_tokens,
                                                    student_tokens,
                                                    longest},
                                          .cost = cost,
                                          .iterations = iterations,
                                          .domain = domain,
                                          .history = {row_scaling, column_scaling, logarithmic},
                                          .plan = plan,
                                          .distance = distance};
  count("sinkhorn/" + domain_name, transport);
  count("sinkhorn_gradient/" + domain_name,
        sinkhorn_gradient<float, memory>{.of = transport, .cost_gradient = gradient});
}

void count_multi_level() {
  auto teacher = random_logits<float>(teacher_tokens, teacher_vocabulary);
  auto student = random_logits<float>(student_tokens, vocabulary);
  auto label = random_ids(1, student_tokens);
  table<float> terms(1, multi_level_term::count), gradient(student_tokens, vocabulary);
  count("multi_level", multi_level<float>{.teacher_logits = teacher,
                                          .teacher_tokens = packed(row_ends),
                                          .student_logits = student,
                                          .student_tokens = packed(column_ends),
                                          .labels = {label},
                                          .terms = terms,
                                          .gradient = gradient});
}
}  // namespace

int main() {
#ifdef __clang__
  std::printf("clang++ %d", __clang_major__);
#else
  std::printf("g++ %d", __GNUC__);
#endif
  std::printf(", xsimd %d.%d, glibc %s\n", XSIMD_VERSION_MAJOR, XSIMD_VERSION_MINOR,
              gnu_get_libc_version());
  count_vocabulary<float>("float");
  count_vocabulary<bfloat16>("bfloat16");
  count_vocabulary<half>("half");
  count_columns();
  count_terms();
  count_sinkhorn("scaling", sinkhorn_domain::scaling);
  count_sinkhorn("logarithmic", sinkhorn_domain::logarithmic);
  count_multi_level();
}
