// mlot's simd device behind a C interface, for ctypes. Matrices are dense and row-major.
// Every function answers null, or a sentence that says what was refused, valid until the next call
// of the same thread. Without scratch it only writes to `bytes` how much it needs; with scratch,
// `bytes` says how much was lent.
#include <cstddef>
#include <mlot/interop/describe.hpp>
#include <mlot/simd.hpp>
#include <string>
#ifndef NDEBUG
#  error "peers: build with NDEBUG; a Debug build measures nothing"
#endif
#define MLOT_C extern "C" __attribute__((visibility("default"))) char const*
using namespace mlot;

namespace {
on::simd<> const device;

/// Steps over a pipeline, which counts their memory where no scratch is lent and runs them
/// elsewhere.
template <class Steps>
char const* count_or_run(void* scratch, std::size_t* bytes, Steps list_steps) {
  if (scratch == nullptr) {
    pipeline steps(device);
    list_steps(steps);
    *bytes = steps.bytes();
    return nullptr;
  }
  pipeline steps(device, {static_cast<std::byte*>(scratch), *bytes});
  list_steps(steps);
  if (steps.answer().ok()) return nullptr;
  thread_local std::string refusal;
  refusal = describe(steps.answer());
  return refusal.c_str();
}

template <class T>
host::matrix<T> dense(T* data, index_t rows, index_t cols) {
  return {data, rows, cols, cols};
}

/// `sequences` of `length` tokens each; row i of the logits is token i.
token_rows<> equal_sequences(index_t sequences, index_t length, index_t const* offsets,
                             index_t const* rows) {
  return {{offsets, sequences + 1}, {rows, sequences * length}, length};
}

/// One problem of `size` rows and columns: offsets are {0, size}.
problem_batch<host_memory> one_problem(index_t size, index_t const* offsets) {
  return {.row_offset = {offsets, 2},
          .column_offset = {offsets, 2},
          .rows = size,
          .columns = size,
          .longest_row = size};
}

/// Iterations on `cost`, with room for `kept` pairs of scaling vectors.
template <class T>
sinkhorn<T, host_memory> iterations_on(pipeline<on::simd<>>& steps,
                                       problem_batch<host_memory> const& batch,
                                       host::matrix<T const> cost, T epsilon, index_t iterations,
                                       index_t kept, host::matrix<T> plan, T* distance) {
  return {.batch = batch,
          .cost = cost,
          .epsilon = epsilon,
          .iterations = iterations,
          .history = {.row_scaling = steps.template matrix<T>(kept, batch.rows),
                      .column_scaling = steps.template matrix<T>(kept, batch.columns),
                      .logarithmic = steps.template vector<index_t>(1)},
          .plan = plan,
          .distance = {distance, 1}};
}

template <class T>
char const* sinkhorn_forward(index_t size, T const* cost, T epsilon, index_t iterations,
                             sinkhorn_domain domain, T* plan, T* distance, void* scratch,
                             std::size_t* bytes) {
  index_t const offsets[] = {0, size};
  return count_or_run(scratch, bytes, [&](auto& steps) {
    auto transport = iterations_on<T>(steps, one_problem(size, offsets), dense(cost, size, size),
                                      epsilon, iterations, 1, dense(plan, size, size), distance);
    transport.domain = domain;
    steps.step(transport);
  });
}
}  // namespace

/// The whole loss with the paper's options, forward and backward: terms (5), gradient (rows, n).
MLOT_C mlot_multi_level(index_t sequences, index_t length, index_t m, index_t n,
                        float const* teacher, float const* student, index_t const* offsets,
                        index_t const* rows, index_t const* labels, float* terms, float* gradient,
                        void* scratch, std::size_t* bytes) {
  index_t const count = sequences * length;
  auto const tokens = equal_sequences(sequences, length, offsets, rows);
  return count_or_run(scratch, bytes, [&](auto& steps) {
    steps.step(multi_level<float>{.teacher_logits = dense(teacher, count, m),
                                  .teacher_tokens = tokens,
                                  .student_logits = dense(student, count, n),
                                  .student_tokens = tokens,
                                  .labels = {.label = {labels, count}},
                                  .terms = {terms, multi_level_term::count},
                                  .gradient = dense(gradient, count, n)});
  });
}

/// What the authors' code computes, every token an answer: terms (5), gradient (rows, n).
MLOT_C mlot_reference_code(index_t sequences, index_t length, index_t m, index_t n,
                           float const* teacher, float const* student, index_t const* offsets,
                           index_t const* rows, float* terms, float* gradient, void* scratch,
                           std::size_t* bytes) {
  index_t const count = sequences * length;
  auto const tokens = equal_sequences(sequences, length, offsets, rows);
  return count_or_run(scratch, bytes, [&](auto& steps) {
    steps.step(reference_code<float>{.teacher_logits = dense(teacher, count, m),
                                     .student_logits = dense(student, count, n),
                                     .teacher_windows = tokens,
                                     .student_windows = tokens,
                                     .terms = {terms, multi_level_term::count},
                                     .gradient = dense(gradient, count, n)});
  });
}

/// Universal logit distillation, all ranks, beside cross-entropy: terms (3), gradient (rows, n).
MLOT_C mlot_universal_logit(index_t sequences, index_t length, index_t m, index_t n,
                            float const* teacher, float const* student, index_t const* offsets,
                            index_t const* rows, index_t const* labels, float* terms,
                            float* gradient, void* scratch, std::size_t* bytes) {
  index_t const count = sequences * length;
  auto const tokens = equal_sequences(sequences, length, offsets, rows);
  return count_or_run(scratch, bytes, [&](auto& steps) {
    steps.step(universal_logit<float>{.teacher_logits = dense(teacher, count, m),
                                      .teacher_tokens = tokens,
                                      .student_logits = dense(student, count, n),
                                      .student_tokens = tokens,
                                      .labels = {.label = {labels, count}},
                                      .terms = {terms, universal_logit_term::count},
                                      .gradient = dense(gradient, count, n)});
  });
}

/// A divergence over one vocabulary beside cross-entropy, half of either: terms (3), gradient
/// (rows, n). `halfway` is Jensen-Shannon with beta 1/2, else forward KL.
MLOT_C mlot_divergence(index_t sequences, index_t length, index_t n, int halfway,
                       float const* teacher, float const* student, index_t const* offsets,
                       index_t const* rows, index_t const* labels, float* terms, float* gradient,
                       void* scratch, std::size_t* bytes) {
  index_t const count = sequences * length;
  auto const tokens = equal_sequences(sequences, length, offsets, rows);
  return count_or_run(scratch, bytes, [&](auto& steps) {
    auto const step = [&]<class Kind>(Kind) {
      steps.step(divergence_distillation<float, Kind>{
          .teacher = {.logits = dense(teacher, count, n), .tokens = tokens},
          .student_logits = dense(student, count, n),
          .student_tokens = tokens,
          .labels = {.label = {labels, count}},
          .terms = {terms, divergence_distillation_term::count},
          .gradient = dense(gradient, count, n)});
    };
    halfway != 0 ? step(jensen_shannon<float>()) : step(forward_kl());
  });
}

/// Column sums of softmax(logits) over each sequence: mass (sequences, vocabulary).
MLOT_C mlot_vocabulary_mass(index_t sequences, index_t length, index_t vocabulary,
                            float const* logits, index_t const* offsets, index_t const* rows,
                            float* mass, void* scratch, std::size_t* bytes) {
  index_t const count = sequences * length;
  return count_or_run(scratch, bytes, [&](auto& steps) {
    steps.step(vocabulary_mass<float, float, host_memory>{
        .logits = dense(logits, count, vocabulary),
        .tokens = equal_sequences(sequences, length, offsets, rows),
        .maximum = steps.template vector<float>(count),
        .at = {{.partition = steps.template vector<float>(count),
                .mass = dense(mass, sequences, vocabulary)}}});
  });
}

/// Sinkhorn distance of two tables (size, k) with its L1 cost, and its exact derivative with
/// respect to the student's table: gradient (size, k).
MLOT_C mlot_transport(index_t size, index_t k, float const* teacher, float const* student,
                      float epsilon, index_t iterations, float* distance, float* gradient,
                      void* scratch, std::size_t* bytes) {
  index_t const offsets[] = {0, size};
  return count_or_run(scratch, bytes, [&](auto& steps) {
    pairwise_cost<float, host_memory> const pairwise{
        .teacher = dense(teacher, size, k),
        .student = dense(student, size, k),
        .batch = one_problem(size, offsets),
        .cost = steps.template matrix<float>(size, size)};
    auto const plan = steps.template matrix<float>(size, size);
    auto const transport = iterations_on<float>(steps, pairwise.batch, pairwise.cost, epsilon,
                                                iterations, iterations, plan, distance);
    steps.step(pairwise);
    steps.step(transport);
    steps.step(sinkhorn_gradient<float, host_memory>{.of = transport, .cost_gradient = plan});
    steps.step(pairwise_cost_gradient<float, host_memory>{
        .of = pairwise, .upstream = plan, .student_gradient = dense(gradient, size, k)});
  });
}

/// The iterations alone, on a given cost (size, size). Domain: see mlot::sinkhorn_domain.
MLOT_C mlot_sinkhorn_float(index_t size, float const* cost, float epsilon, index_t iterations,
                           int domain, float* plan, float* distance, void* scratch,
                           std::size_t* bytes) {
  return sinkhorn_forward(size, cost, epsilon, iterations, sinkhorn_domain(domain), plan, distance,
                          scratch, bytes);
}
MLOT_C mlot_sinkhorn_double(index_t size, double const* cost, double epsilon, index_t iterations,
                            int domain, double* plan, double* distance, void* scratch,
                            std::size_t* bytes) {
  return sinkhorn_forward(size, cost, epsilon, iterations, sinkhorn_domain(domain), plan, distance,
                          scratch, bytes);
}
