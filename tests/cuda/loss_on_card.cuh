#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cuda/device_array.cuh"
#include "mlot/interop/describe.hpp"
#include "mlot/interop/owned.hpp"
#include "mlot/mlot.cuh"
#include "mlot/mlot.hpp"
namespace kit {
/// Whether the card's blocks may have as much shared memory as on::hopper asks for.
inline bool has_hoppers_shared_memory() {
  int bytes = 0;
  succeeds(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
  return bytes >= mlot::on::hopper::tuning.shared_kernel_bytes + (8 << 10);
}

/// A stream of bits for each element of an array.
__host__ __device__ inline std::uint64_t mixed(std::uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}
/// Logits (rows, V) like a language model's: a bias by Zipf's law that all rows share, normal noise
/// of deviation 2, and one id that gets a good part of the row's probability.
template <class S>
__global__ void random_logits(S* logits, std::int64_t rows, std::int64_t vocabulary,
                              std::uint64_t seed) {
  for (std::int64_t n = blockIdx.x * std::int64_t(blockDim.x) + threadIdx.x; n < rows * vocabulary;
       n += std::int64_t(gridDim.x) * blockDim.x) {
    std::int64_t const r = n / vocabulary, v = n % vocabulary;
    std::uint64_t const of_column = mixed(seed ^ mixed(std::uint64_t(v)));
    std::uint64_t const of_row = mixed(~seed ^ mixed(std::uint64_t(r)));
    std::uint64_t const bits = mixed(of_row + std::uint64_t(v));
    float const uniform = (float(bits >> 40) + 0.5f) * 0x1p-24f;
    float const angle = 6.2831853f * float(bits & 0xffffff) * 0x1p-24f;
    float const noise = 2 * sqrtf(-2 * logf(uniform)) * cosf(angle);
    bool const sure = v == std::int64_t(of_row % std::uint64_t(vocabulary));
    float const bias = sure ? 4 : -logf(float(1 + of_column % std::uint64_t(vocabulary)));
    logits[n] = mlot::store_as<S>(bias + noise);
  }
}
template <class S>
void fill_with_logits(device_array<S>& logits, index_t rows, std::uint64_t seed) {
  random_logits<<<4096, 256>>>(logits.data(), rows, logits.size() / rows, seed);
  succeeds(cudaGetLastError());
}

/// Offsets of packed sequences, rows and all, on either side.
struct packed_tokens {
  mlot::owned_token_rows on_host;
  device_array<index_t> offset, row;

  explicit packed_tokens(std::vector<index_t> const& lengths)
      : on_host(packed(lengths)),
        offset(on_host.view().offset.data, on_host.view().offset.size),
        row(on_host.view().row.data, on_host.view().row.size) {}
  mlot::token_rows<mlot::device_memory> view() const {
    return {offset.vector(), row.vector(), on_host.view().longest};
  }
  index_t count() const { return row.size(); }
  index_t sequences() const { return on_host.view().sequences(); }
  index_t first(index_t b) const { return on_host.view().first(b); }

 private:
  static mlot::owned_token_rows packed(std::vector<index_t> const& lengths) {
    std::vector<index_t> ends{0};
    for (index_t const n : lengths) ends.push_back(ends.back() + n);
    mlot::owned_token_rows tokens;
    require(tokens.from_offsets({ends.data(), index_t(ends.size())}).ok(), "token rows");
    return tokens;
  }
};

/// What the loss wrote for sequences first .. B - 1; `terms` are those of the whole batch.
template <class G>
struct loss_outcome {
  std::vector<float> terms, sequence_terms;
  std::vector<G> gradient;
  std::vector<index_t> teacher_columns, student_columns;

  bool same_bits(loss_outcome const& other) const {
    auto const same = [](auto const& a, auto const& b) {
      return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
    };
    return same(terms, other.terms) && same(sequence_terms, other.sequence_terms) &&
           same(gradient, other.gradient) && same(teacher_columns, other.teacher_columns) &&
           same(student_columns, other.student_columns);
  }
};

/// || is - should || / || should ||; a NaN is an infinite difference.
template <class S>
double relative_difference(std::vector<S> const& is, std::vector<S> const& should) {
  require(is.size() == should.size() && !is.empty(), "arrays of different sizes");
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < is.size(); ++i) {
    double const wanted = mlot::load_as<double>(should[i]);
    double const difference = mlot::load_as<double>(is[i]) - wanted;
    error += difference * difference;
    norm += wanted * wanted;
  }
  double const relative = norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
  return relative <= 0x1p1000 ? relative : HUGE_VAL;
}

/// The whole loss of packed sequences in the card's memory, forward and backward, in float, with
/// logits stored as S and their gradient as G.
template <mlot::storage S, mlot::storage G = S>
class loss_on_card {
 public:
  using outcome = loss_outcome<G>;
  static constexpr index_t k = 50;

  loss_on_card(std::vector<index_t> const& teacher_lengths,
               std::vector<index_t> const& student_lengths, index_t m, index_t n,
               std::uint64_t seed = 1)
      : teacher_tokens_(teacher_lengths),
        student_tokens_(student_lengths),
        teacher(teacher_tokens_.count() * m),
        student(student_tokens_.count() * n),
        gradient_(student.size()),
        labels_on_host_(labels_below(n, student_tokens_.count())),
        labels_(labels_on_host_),
        sequence_terms_(student_tokens_.sequences() * 4),
        teacher_columns_(student_tokens_.sequences() * k),
        student_columns_(teacher_columns_.size()),
        scratch_(index_t(mlot::workspace_size(mlot::on::cuda(), loss()))) {
    fill_with_logits(teacher, teacher_tokens_.count(), 2 * seed);
    fill_with_logits(student, student_tokens_.count(), 2 * seed + 1);
    succeeds(cudaDeviceSynchronize());
  }

  mlot::multi_level<float, S, S, G, mlot::device_memory> loss() const {
    return {.teacher_logits = teacher.matrix(teacher_tokens_.count()),
            .teacher_tokens = teacher_tokens_.view(),
            .student_logits = student.matrix(student_tokens_.count()),
            .student_tokens = student_tokens_.view(),
            .labels = {.label = labels_.vector()},
            .terms = terms_.vector(),
            .gradient = gradient_.matrix(student_tokens_.count()),
            .teacher_columns = teacher_columns_.matrix(student_tokens_.sequences()),
            .student_columns = student_columns_.matrix(student_tokens_.sequences()),
            .sequence_terms = sequence_terms_.matrix(student_tokens_.sequences())};
  }
  /// Launches the whole call.
  void operator()(cudaStream_t stream) const { launch<mlot::on::cuda>(stream); }
  template <class Device>
  void launch(cudaStream_t stream) const {
    mlot::status const s = mlot::compute(Device(stream, findings_.data()), loss(),
                                         {scratch_.data(), scratch_.bytes()});
    require(s.ok(), mlot::describe(s));
  }
  void poison() {
    gradient_.poison(), terms_.poison(), sequence_terms_.poison(), scratch_.poison();
    teacher_columns_.poison(), student_columns_.poison();
    succeeds(cudaDeviceSynchronize());
  }
  /// What kernels found since the start.
  mlot::status found() const { return mlot::status_of_findings(findings_.on_host()[0]); }

  outcome results(index_t first = 0) const {
    return {terms_.on_host(), sequence_terms_.on_host(4 * first),
            gradient_.on_host(student_tokens_.first(first) * student_vocabulary()),
            teacher_columns_.on_host(k * first), student_columns_.on_host(k * first)};
  }
  /// The same by the scalar device, from the logits on the card.
  outcome reference(index_t first = 0) const {
    index_t const m = teacher_vocabulary(), n = student_vocabulary();
    index_t const sequences = student_tokens_.sequences() - first;
    auto const from = teacher.on_host(teacher_tokens_.first(first) * m);
    auto const to = student.on_host(student_tokens_.first(first) * n);
    auto const teacher_tokens = tail(teacher_tokens_, first);
    auto const student_tokens = tail(student_tokens_, first);
    index_t const teacher_rows = index_t(from.size()) / m, rows = index_t(to.size()) / n;
    outcome all{std::vector<float>(5), std::vector<float>(std::size_t(4 * sequences)),
                std::vector<G>(to.size()), std::vector<index_t>(std::size_t(k * sequences)),
                std::vector<index_t>(std::size_t(k * sequences))};
    mlot::multi_level<float, S, S, G> const loss{
        .teacher_logits = {from.data(), teacher_rows, m, m},
        .teacher_tokens = teacher_tokens,
        .student_logits = {to.data(), rows, n, n},
        .student_tokens = student_tokens,
        .labels = {.label = {labels_on_host_.data() + student_tokens_.first(first), rows}},
        .terms = {all.terms.data(), 5},
        .gradient = {all.gradient.data(), rows, n, n},
        .teacher_columns = {all.teacher_columns.data(), sequences, k, k},
        .student_columns = {all.student_columns.data(), sequences, k, k},
        .sequence_terms = {all.sequence_terms.data(), sequences, 4, 4}};
    mlot::on::scalar const device;
    mlot::scratch_buffer scratch;
    mlot::status const s = mlot::compute(device, loss, scratch.for_call(device, loss));
    require(s.ok(), mlot::describe(s));
    return all;
  }
  /// That the last results from sequence `first` on are the scalar device's.
  void require_agreement(index_t first = 0) const {
    outcome const is = results(first), should = reference(first);
    require(found().ok(), mlot::describe(found()));
    require(is.teacher_columns == should.teacher_columns &&
                is.student_columns == should.student_columns,
            "the card ranks other columns than the scalar device");
    // Twice what each promises against float64; what is stored in few bits may round either way.
    require(first > 0 || relative_difference(is.terms, should.terms) <= 2e-5,
            "the terms differ from those of the scalar device");
    require(relative_difference(is.sequence_terms, should.sequence_terms) <= 2e-5,
            "the terms of sequences differ from those of the scalar device");
    require(relative_difference(is.gradient, should.gradient) <= (mlot::real<G> ? 2e-5 : 1e-3),
            "the gradient differs from that of the scalar device");
  }

  index_t teacher_vocabulary() const { return teacher.size() / teacher_tokens_.count(); }
  index_t student_vocabulary() const { return student.size() / student_tokens_.count(); }
  /// That the loss cannot avoid: one read of the teacher, two of the student, one write.
  double least_bytes() const {
    return double(teacher.bytes()) + 2 * double(student.bytes()) + double(gradient_.bytes());
  }

 private:
  packed_tokens teacher_tokens_, student_tokens_;

 public:
  device_array<S> teacher, student;

 private:
  device_array<G> gradient_;
  std::vector<index_t> labels_on_host_;
  device_array<index_t> labels_;
  device_array<float> terms_{5}, sequence_terms_;
  device_array<index_t> teacher_columns_, student_columns_;
  device_array<std::uint64_t> findings_{std::vector<std::uint64_t>{mlot::finding_word::nothing}};
  device_array<std::byte> scratch_;

  static std::vector<index_t> labels_below(index_t n, index_t tokens) {
    std::vector<index_t> labels;
    for (index_t i = 0; i < tokens; ++i)
      labels.push_back(i % 7 == 0 ? -100 : index_t(mixed(std::uint64_t(i)) % std::uint64_t(n)));
    return labels;
  }
  /// Sequences first .. B - 1 alone.
  static mlot::owned_token_rows tail(packed_tokens const& tokens, index_t first) {
    std::vector<index_t> ends;
    for (index_t b = first; b <= tokens.sequences(); ++b)
      ends.push_back(tokens.first(b) - tokens.first(first));
    mlot::owned_token_rows rows;
    require(rows.from_offsets({ends.data(), index_t(ends.size())}).ok(), "token rows");
    return rows;
  }
};
}  // namespace kit
