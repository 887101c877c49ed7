// How time and memory of Sinkhorn grow with T, with the cost matrix and without it: forward and
// back to the student's table, k = 50, N = 20, epsilon = 0.1, float.
#include <cstdio>
#include <mlot/interop/owned.hpp>
#include <mlot/simd.hpp>

#include "command_line.hpp"
#include "inputs.hpp"
#include "timing.hpp"
namespace bench {
struct settings {
  index_t longest = 8192;         ///< T without the matrix
  index_t longest_matrix = 4096;  ///< T with it
  std::string json;
};

/// Seconds of one call of each, and bytes beside the tables and the gradient.
struct measured {
  double forward = 0, backward = 0, bytes = 0;
};

class transport_call {
 public:
  using memory = mlot::host_memory;
  using number = float;
  static constexpr index_t k = 50, iterations = 20;

  explicit transport_call(index_t tokens)
      : tokens_(tokens),
        offsets_{0, tokens},
        teacher_(random_probabilities<number>(tokens, k, 1)),
        student_(random_probabilities<number>(tokens, k, 2)),
        row_scaling_(std::size_t(iterations * tokens)),
        column_scaling_(std::size_t(iterations * tokens)),
        gradient(std::size_t(tokens * k)) {}

  measured streamed() {
    auto const p = iterate(
        mlot::table_cost<number, memory>{.teacher = table(teacher_), .student = table(student_)},
        {});
    mlot::sinkhorn_table_gradient<number, memory> const back{.of = p,
                                                             .student_gradient = table(gradient)};
    measured m;
    m.forward = seconds(p);
    m.backward = seconds(back);
    m.bytes = history_bytes() + double(scratch_.size());
    return m;
  }
  measured with_matrix() {
    array<number> cost(std::size_t(tokens_ * tokens_)), plan(cost.size());
    mlot::pairwise_cost<number, memory> const pairwise{.teacher = table(teacher_),
                                                       .student = table(student_),
                                                       .batch = batch(),
                                                       .cost = square(cost)};
    auto const p = iterate(mlot::host::matrix<number const>(square(cost)), square(plan));
    mlot::sinkhorn_gradient<number, memory> const back{.of = p, .cost_gradient = square(plan)};
    mlot::pairwise_cost_gradient<number, memory> const cost_back{
        .of = pairwise, .upstream = square(plan), .student_gradient = table(gradient)};
    measured m;
    m.forward = seconds(pairwise) + seconds(p);
    m.backward = seconds(back) + seconds(cost_back);
    m.bytes = history_bytes() + double(scratch_.size()) + 8.0 * double(cost.size());
    return m;
  }

 private:
  index_t tokens_, offsets_[2], logarithmic_ = 0;
  array<number> teacher_, student_, row_scaling_, column_scaling_;
  number distance_ = 0;
  std::vector<std::byte> scratch_;

 public:
  array<number> gradient;

 private:
  double history_bytes() const { return 8.0 * double(row_scaling_.size()); }
  mlot::problem_batch<memory> batch() const {
    return {{offsets_, 2}, {offsets_, 2}, tokens_, tokens_, tokens_};
  }
  mlot::host::matrix<number> table(array<number>& of) { return view(of, tokens_, k); }
  mlot::host::matrix<number> square(array<number>& of) { return view(of, tokens_, tokens_); }
  template <class Cost>
  mlot::sinkhorn<number, memory, Cost> iterate(Cost cost, mlot::host::matrix<number> plan) {
    return {.batch = batch(),
            .cost = cost,
            .epsilon = 0.1f,
            .iterations = iterations,
            .history = {.row_scaling = view(row_scaling_, iterations, tokens_),
                        .column_scaling = view(column_scaling_, iterations, tokens_),
                        .logarithmic = {&logarithmic_, 1}},
            .plan = plan,
            .distance = {&distance_, 1}};
  }
  template <class Primitive>
  double seconds(Primitive const& p) {
    mlot::on::simd<> const device;
    scratch_.resize(std::max(scratch_.size(), mlot::workspace_size(device, p)));
    auto const start = std::chrono::steady_clock::now();
    require(mlot::compute(device, p, {scratch_.data(), scratch_.size()}));
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
};

/// Both ways give the same gradient.
void require_agreement() {
  transport_call one(300);
  one.with_matrix();
  auto const wanted = one.gradient;
  std::fill(one.gradient.begin(), one.gradient.end(), 0.f);
  one.streamed();
  require(relative_difference(one.gradient, wanted) <= 1e-5, "the two gradients disagree");
}

/// The fastest of some calls: one of those that take long.
template <class Call>
measured fastest(index_t tokens, Call call) {
  transport_call work(tokens);
  measured best = call(work);
  for (index_t again = tokens < 8192 ? 4 : 0; again > 0; --again) {
    measured const next = call(work);
    best.forward = std::min(best.forward, next.forward);
    best.backward = std::min(best.backward, next.backward);
  }
  return best;
}

void write(json_writer& json, char const* key, measured const& m) {
  json.Key(key);
  json.StartObject();
  write(json, "forward_seconds", m.forward);
  write(json, "backward_seconds", m.backward);
  write(json, "bytes", m.bytes);
  json.EndObject();
}

void run(settings const& s) {
  require_agreement();
  rapidjson::StringBuffer text;
  json_writer json(text);
  json.StartObject();
  write_machine(json);
  json.Key("points");
  json.StartArray();
  std::printf("%7s  %33s  %33s\n", "", "without the matrix", "with it");
  std::printf("%7s  %11s %12s %8s  %11s %12s %8s\n", "T", "forward ms", "backward ms", "MB",
              "forward ms", "backward ms", "MB");
  for (index_t tokens = 128; tokens <= s.longest; tokens *= 2) {
    auto const print = [](measured const& m) {
      std::printf("  %11.2f %12.2f %8.1f", 1e3 * m.forward, 1e3 * m.backward, 1e-6 * m.bytes);
      std::fflush(stdout);
    };
    json.StartObject();
    write(json, "tokens", tokens);
    std::printf("%7lld", static_cast<long long>(tokens));
    measured const streamed = fastest(tokens, [](auto& work) { return work.streamed(); });
    print(streamed);
    write(json, "streamed", streamed);
    if (tokens <= s.longest_matrix) {
      measured const matrix = fastest(tokens, [](auto& work) { return work.with_matrix(); });
      print(matrix);
      write(json, "with_matrix", matrix);
    }
    std::printf("\n");
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  if (!s.json.empty()) save(s.json, text);
}
}  // namespace bench

int main(int count, char** words) {
  bench::settings s;
  CLI::App app("Time and memory of Sinkhorn with its cost matrix and without it, as T grows",
               "streaming");
  app.add_option("--longest", s.longest, "Largest T; 65536 takes minutes");
  app.add_option("--json", s.json, "Writes every number into this file");
  auto const quick = [&](std::int64_t) { s.longest = s.longest_matrix = 256; };
  app.add_flag("--quick", quick, "Small sizes: to see that it works");
  return bench::run_program(app, count, words, [&] { bench::run(s); });
}
