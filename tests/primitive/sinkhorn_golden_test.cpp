// Sinkhorn in every form, without the loss around it, against the golden cases' plans, distances
// and gradients: tests/golden/README.md.
#include "golden/npz.hpp"
#include "primitive/sinkhorn_batch.hpp"
using namespace mlot;

namespace {
oracle::matrix rows_from(golden::array const& a) {
  oracle::matrix rows;
  for (auto at = a.values.begin(); at != a.values.end(); at += a.shape[1])
    rows.emplace_back(at, at + a.shape[1]);
  return rows;
}

/// What a case says about its transport problem, in long double: the tables, whose L1 distances are
/// the cost, and how their columns come from logits.
struct golden_transport {
  oracle::matrix logits, teacher, student;
  std::vector<long long> ids;
  oracle::number temperature;

  explicit golden_transport(golden::npz const& c)
      : logits(rows_from(c["student_logits"])),
        ids(ids_from(c, "student_idx_sd")),
        temperature(c.number("tau_sd")) {
    teacher = table(rows_from(c["teacher_logits"]), ids_from(c, "teacher_idx_sd"));
    student = table(logits, ids);
  }
  /// From the derivative with respect to the student's table to that with respect to the logits.
  oracle::matrix logit_gradient(auto& of_table) const {
    oracle::matrix gradient;
    for (std::size_t j = 0; j < logits.size(); ++j) {
      oracle::vector h;  // dSD / d log s
      for (std::size_t l = 0; l < ids.size(); ++l)
        h.push_back(of_table(index_t(j), index_t(l)) * student[j][l]);
      gradient.push_back(oracle::logit_gradient(logits[j], {{temperature, ids, h}}, -1, 0));
    }
    return gradient;
  }

 private:
  static std::vector<long long> ids_from(golden::npz const& c, char const* name) {
    return {c.values(name).begin(), c.values(name).end()};
  }
  oracle::matrix table(oracle::matrix const& from, std::vector<long long> const& columns) const {
    oracle::matrix rows;
    for (oracle::vector const& z : from) {
      oracle::vector const p = oracle::softmax(z, temperature);
      rows.emplace_back();
      for (long long const v : columns) rows.back().push_back(v < 0 ? 0 : p[std::size_t(v)]);
    }
    return rows;
  }
};

/// Error relative to the norm. A reference below 1e-15 is a derivative of 0 and the golden run's
/// rounding; then the error is absolute.
double error_of(oracle::matrix const& is, oracle::matrix const& should) {
  kit::norm_error error;
  for (std::size_t i = 0; i < is.size(); ++i)
    for (std::size_t j = 0; j < is[i].size(); ++j) error.add(is[i][j], should[i][j]);
  if (error.norm < 1e-30L) error.norm = 0;
  return error.value();
}

/// A case's problem with its memory, as tables and as the matrix of their distances.
template <class Device, class T>
struct transport_forms {
  index_t rows, columns, width;
  kit::sinkhorn_batch<T> all;
  kit::framed<T> teacher, student, table_gradient;

  transport_forms(golden::npz const& c, golden_transport const& of)
      : rows(index_t(of.teacher.size())),
        columns(index_t(of.student.size())),
        width(index_t(of.ids.size())),
        all(kit::problems({{rows, columns}}), c.whole("n_iters")),
        teacher(rows, width),
        student(columns, width),
        table_gradient(columns, width) {
    auto const store = [](kit::framed<T>& to, oracle::matrix const& from) {
      kit::fill(to, [&](index_t i, index_t l) { return T(from[std::size_t(i)][std::size_t(l)]); });
    };
    store(teacher, of.teacher);
    store(student, of.student);
    all.epsilon = T(c.number("lam"));
    kit::succeeds<Device>(pairwise());
  }
  pairwise_cost<T, host_memory> pairwise() {
    return {.teacher = teacher.matrix(),
            .student = student.matrix(),
            .batch = all.problems.view(),
            .cost = all.cost.matrix()};
  }
  double largest_cost() {
    double largest = 0;
    all.problems.for_each([&](index_t i, index_t j, index_t) {
      largest = std::max(largest, double(all.cost(i, j)));
    });
    return largest;
  }
  void from_matrix() {
    all.template forward_and_back<Device>();
    kit::succeeds<Device>(
        pairwise_cost_gradient<T, host_memory>{.of = pairwise(),
                                               .upstream = all.gradient.matrix(),
                                               .student_gradient = table_gradient.matrix()});
  }
  void from_tables() {
    auto const p = all.primitive();
    sinkhorn<T, host_memory, table_cost<T, host_memory>> const streamed{
        .batch = p.batch,
        .cost = {.teacher = teacher.matrix(), .student = student.matrix()},
        .epsilon = p.epsilon,
        .iterations = p.iterations,
        .domain = p.domain,
        .history = p.history,
        .plan = p.plan,
        .distance = p.distance};
    kit::succeeds<Device>(streamed);
    kit::succeeds<Device>(sinkhorn_table_gradient<T, host_memory>{
        .of = streamed, .student_gradient = table_gradient.matrix()});
  }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("every form of sinkhorn meets the golden plans and gradients", "[sinkhorn]",
                        every_device) {
  using T = typename TestType::scalar;
  double const accuracy = sizeof(T) == 4 ? 1e-5 : 1e-10;
  index_t in_scalings = 0, in_logarithms = 0;
  for (golden::npz const& c : golden::all_of("paper_")) {
    golden_transport const golden(c);
    transport_forms<typename TestType::device, T> forms(c, golden);
    double const steepness = forms.largest_cost() / c.number("lam");
    // At epsilon = 0.005, C / epsilon = 220 and 400, float reaches 3.1e-5.
    double const gradient_accuracy = sizeof(T) == 4 && steepness > 60 ? 4e-5 : accuracy;
    for (sinkhorn_domain const domain : kit::every_domain) {
      if (!kit::allowed_in<T>(domain, steepness)) continue;
      ++(domain == sinkhorn_domain::scaling ? in_scalings : in_logarithms);
      forms.all.domain = domain;
      for (bool const streamed : {false, true}) {
        for (auto* out : {&forms.all.plan, &forms.all.distance, &forms.table_gradient})
          out->clear();
        streamed ? forms.from_tables() : forms.from_matrix();
        CAPTURE(c.name(), int(domain), streamed);
        CHECK(error_of(forms.all.problems.part(forms.all.plan.matrix(), 0), rows_from(c["plan"])) <=
              accuracy);
        CHECK(error_of({{forms.all.distance(0)}}, {{c.number("sd")}}) <= accuracy);
        if (c.has("grad_sd"))
          CHECK(error_of(golden.logit_gradient(forms.table_gradient), rows_from(c["grad_sd"])) <=
                gradient_accuracy);
      }
    }
  }
  CHECK(in_scalings >= 27);
  CHECK(in_logarithms >= 32);
}
