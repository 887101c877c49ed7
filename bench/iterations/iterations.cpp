// How many Sinkhorn iterations are enough: time and accuracy of N iterations against the converged
// plan, its distance and its gradient.
#include <cstdio>
#include <istream>
#include <limits>

#include "command_line.hpp"
#include "converged.hpp"
#include "costs.hpp"
#include "single_problem.hpp"
#include "timing.hpp"

namespace bench {
/// Tokens of either side, written "512" or "512x384".
struct lengths {
  int teacher = 0, student = 0;
  lengths() = default;  // no aggregate: CLI11 would make one of a single number, without student
  lengths(int rows, int columns) : teacher(rows), student(columns) {}
  friend std::istream& operator>>(std::istream& in, lengths& l) {
    in >> l.teacher;
    l.student = l.teacher;
    if (!in.eof() && in.peek() == 'x') in.ignore() >> l.student;
    if (l.teacher < 2 || l.student < 2) in.setstate(std::ios::failbit);
    return in;
  }
};

struct settings {
  std::vector<lengths> tokens{{32, 32}, {128, 128}, {512, 512}, {1024, 1024}, {512, 384}};
  std::vector<double> epsilon{0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005};
  std::vector<index_t> iterations{5, 10, 20, 50, 100};
  double seconds = 0.2;  ///< for each time
  std::string json;
};

/// N iterations against infinitely many; errors are NaN where those were not reached.
struct point {
  index_t iterations = 0;
  duration forward{}, with_gradient{};
  double row_error = 0;  ///< largest relative error of a row sum of the plan
  double distance_error = 0, gradient_error = 0, gradient_cosine = 0;
};

struct curve {
  lengths tokens;
  double epsilon = 0;
  converged limit;
  bool in_double = false, logarithmic = false;
  std::vector<point> points{};
};

template <class Number>
point measure(curve& of, matrix const& cost, index_t iterations, double seconds) {
  std::vector<Number> entries(cost.data(), cost.data() + cost.size());
  single_problem<Number> work(cost.rows(), cost.cols(), std::move(entries), of.epsilon, iterations);
  mlot::on::simd<> const device;
  if (cost.size() <= 128 * 128) work.require_agreement();
  work.forward(device);
  work.require_column_sums();
  point out{.iterations = iterations};
  out.forward = median_time(seconds, [&] { work.forward(device); });
  out.with_gradient = median_time(seconds, [&] {
    work.forward(device);
    work.backward(device);
  });
  of.logarithmic = work.logarithmic != 0;

  auto const in_double = [&](std::vector<Number> const& values) -> matrix {
    using plain = Eigen::Matrix<Number, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    return Eigen::Map<plain const>(values.data(), cost.rows(), cost.cols()).template cast<double>();
  };
  double const a = double(cost.cols()) / double(cost.rows());
  out.row_error = (in_double(work.plan).rowwise().sum().array() / a - 1).cwiseAbs().maxCoeff();
  if (!of.limit.reached) {
    out.distance_error = out.gradient_error = out.gradient_cosine =
        std::numeric_limits<double>::quiet_NaN();
    return out;
  }
  matrix const gradient = in_double(work.cost_gradient), &wanted = of.limit.cost_gradient;
  out.distance_error = std::fabs(double(work.distance) / of.limit.distance - 1);
  out.gradient_error = (gradient - wanted).norm() / wanted.norm();
  out.gradient_cosine = gradient.cwiseProduct(wanted).sum() / (gradient.norm() * wanted.norm());
  return out;
}

/// In the arithmetic that the loss takes: double where float's scalings would not reach.
curve measure(lengths tokens, matrix const& cost, double epsilon, settings const& s) {
  curve out{.tokens = tokens, .epsilon = epsilon, .limit = solve(cost, epsilon)};
  out.in_double = 2 / epsilon > mlot::sinkhorn<float, mlot::host_memory>::safe_exponent();
  for (index_t const n : s.iterations)
    out.points.push_back(out.in_double ? measure<double>(out, cost, n, s.seconds)
                                       : measure<float>(out, cost, n, s.seconds));
  return out;
}

/// The implicit gradient of the limit and the unrolled one of many iterations are the same.
void require_limits_agree() {
  matrix const cost = costs(24, 32);
  single_problem<double> many(24, 32, {cost.data(), cost.data() + cost.size()}, 0.1, 5000);
  many.forward(mlot::on::scalar{});
  many.backward(mlot::on::scalar{});
  converged const limit = solve(cost, 0.1);
  require(limit.reached && std::fabs(many.distance - limit.distance) <= 1e-10 * limit.distance,
          "the distance after 5000 iterations is not that of the limit");
  matrix const& implicit = limit.cost_gradient;
  require(relative_difference(many.cost_gradient,
                              {implicit.data(), implicit.data() + implicit.size()}) <= 1e-8,
          "the gradient through 5000 iterations is not the implicit one");
}

void print(curve const& c) {
  // The paper's N, or the nearest that was measured.
  auto const& shown =
      *std::min_element(c.points.begin(), c.points.end(), [](point const& one, point const& other) {
        return std::abs(one.iterations - 20) < std::abs(other.iterations - 20);
      });
  // Behind the last that is off by more than 1 %.
  auto const enough = std::find_if(c.points.rbegin(), c.points.rend(), [](point const& p) {
                        return p.distance_error > 0.01;
                      }).base();
  std::string const size =
      std::to_string(c.tokens.teacher) + "x" + std::to_string(c.tokens.student);
  std::printf("%10s %7g %-6s %-4s %4lld %10.3f %10.3f", size.c_str(), c.epsilon,
              c.in_double ? "double" : "float", c.logarithmic ? "log" : "",
              (long long)shown.iterations, 1e3 * shown.forward.seconds,
              1e3 * shown.with_gradient.seconds);
  std::printf(" %9.1e", shown.row_error);
  if (!c.limit.reached)
    std::printf("  the limit was not reached (%.0e)\n", c.limit.marginal_error);
  else
    std::printf(" %9.1e %9.1e %9.6f  %s\n", shown.distance_error, shown.gradient_error,
                shown.gradient_cosine,
                enough == c.points.end() ? "more" : std::to_string(enough->iterations).c_str());
}

void write(json_writer& json, curve const& c) {
  json.StartObject();
  write(json, "teacher_tokens", index_t(c.tokens.teacher));
  write(json, "student_tokens", index_t(c.tokens.student));
  write(json, "epsilon", c.epsilon);
  write(json, "arithmetic", std::string(c.in_double ? "double" : "float"));
  write(json, "domain", std::string(c.logarithmic ? "logarithmic" : "scaling"));
  write(json, "limit_marginal_error", c.limit.marginal_error);
  write(json, "limit_distance",
        c.limit.reached ? c.limit.distance : std::numeric_limits<double>::quiet_NaN());
  json.Key("points");
  json.StartArray();
  for (point const& p : c.points) {
    json.StartObject();
    write(json, "iterations", p.iterations);
    write(json, "forward", p.forward);
    write(json, "with_gradient", p.with_gradient);
    write(json, "row_error", p.row_error);
    write(json, "distance_error", p.distance_error);
    write(json, "gradient_error", p.gradient_error);
    write(json, "gradient_cosine", p.gradient_cosine);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

void run(settings const& s) {
  require_limits_agree();
  rapidjson::StringBuffer text;
  json_writer json(text);
  json.StartObject();
  write_machine(json);
  json.Key("curves");
  json.StartArray();
  std::printf("%10s %7s %-11s %4s %10s %10s %9s %9s %9s %9s  %s\n", "tokens", "epsilon", "numbers",
              "N", "forward ms", "+ gradient", "row error", "SD error", "gradient", "cosine",
              "N for SD within 1 %");
  for (lengths const tokens : s.tokens) {
    matrix const cost = costs(tokens.teacher, tokens.student);
    for (double const epsilon : s.epsilon) {
      curve const c = measure(tokens, cost, epsilon, s);
      print(c);
      std::fflush(stdout);
      write(json, c);
    }
  }
  json.EndArray();
  json.EndObject();
  if (!s.json.empty()) save(s.json, text);
}
}  // namespace bench

int main(int count, char** words) {
  bench::settings s;
  CLI::App app("Time and accuracy of N Sinkhorn iterations, against the converged plan",
               "iterations");
  app.add_option("--tokens", s.tokens, "Teacher tokens, or teacher x student: 512,512x384")
      ->delimiter(',');
  app.add_option("--epsilon", s.epsilon, "Regularisations")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--iterations", s.iterations, "Values of N")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--json", s.json, "Writes every number into this file");
  auto const quick = [&](std::int64_t) {
    s.tokens = {{32, 32}, {64, 64}, {48, 32}};
    s.seconds = 0.01;
  };
  app.add_flag("--quick", quick, "Small problems, short times: to see that it works");
  return bench::run_program(app, count, words, [&] {
    std::sort(s.iterations.begin(), s.iterations.end());
    bench::run(s);
  });
}
