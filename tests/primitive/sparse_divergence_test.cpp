// Divergences against a teacher that lists its likeliest ids.
#include "mlot/primitive/sparse_teacher.hpp"
#include "primitive/divergence_batch.hpp"
using namespace mlot;

namespace {
constexpr missing_mass every_policy[] = {missing_mass::zero, missing_mass::uniform,
                                         missing_mass::inside};

/// A batch whose teacher lists `listed` ids of each row, in no order, some places left empty.
template <class T, class S = T, class G = S>
struct sparse_batch : kit::divergence_batch<T, S, S, G> {
  using base = kit::divergence_batch<T, S, S, G>;
  using expectation = typename base::expectation;
  kit::framed<index_t> ids;
  kit::framed<S> log_probabilities;
  kit::framed<T> leftover;
  missing_mass missing = missing_mass::zero;
  bool gives_leftover = false;

  sparse_batch(kit::divergence_shape const& of, index_t listed)
      : base(of),
        ids(this->teacher_tokens.rows, listed, {0, 2, 1}),
        log_probabilities(this->teacher_tokens.rows, listed, of.where),
        leftover(this->teacher_tokens.rows) {
    random_source random(of.seed + 77);
    for (index_t const r : this->teacher_tokens.row) {
      if (r < 0) continue;
      auto const z = base::row(this->teacher, r, 0);
      auto const all = oracle::log_softmax(z, 1);
      std::vector<index_t> order;
      for (index_t v = 0; v < of.m; ++v) order.push_back(v);
      for (index_t v = of.m - 1; v > 0; --v)
        std::swap(order[std::size_t(v)], order[std::size_t(random.below(v + 1))]);
      for (index_t c = 0; c < listed; ++c) {
        bool const empty = c >= of.m || random.below(9) == 0;
        ids(r, c) = empty ? -1 : order[std::size_t(c)];
        oracle::number const l = empty || !base::exists(z) ? -3 : all[std::size_t(ids(r, c))];
        log_probabilities(r, c) = mlot::store_as<S>(T(l));
      }
      leftover(r) = random.below(4) == 0 ? T(0) : T(random.uniform(0, 0.7));
    }
  }
  template <class Kind>
  auto primitive(Kind kind) {
    auto const like = base::primitive(kind);
    using sparse = sparse_teacher<T, S, host_memory>;
    divergence<T, Kind, sparse, S, G, host_memory> p{
        .teacher = {.ids = ids.matrix(),
                    .log_probabilities = log_probabilities.matrix(),
                    .tokens = like.teacher.tokens,
                    .missing = missing,
                    .leftover = {},
                    .temperature = like.teacher.temperature},
        .student_logits = like.student_logits,
        .student_tokens = like.student_tokens,
        .temperature = like.temperature,
        .pairs = like.pairs,
        .labels = like.labels,
        .kind = kind,
        .out = like.out,
        .cross_entropy = like.cross_entropy,
        .weight = like.weight,
        .cross_entropy_weight = like.cross_entropy_weight,
        .gradient = like.gradient};
    if (gives_leftover) p.teacher.leftover = leftover.vector();
    return p;
  }

  /// Both distributions id by id as the policy has them; the student's true one beside them.
  struct distributions {
    oracle::vector q, p, student;
    std::vector<bool> listed;
    oracle::number beyond = 0;  ///< ids of the student that are not listed
    oracle::number left = 0;    ///< the teacher's mass beyond its list
  };
  distributions seen(index_t t, oracle::vector const& zs) {
    using std::size_t;
    oracle::number const tau = T(this->shape.temperature),
                         tau_t = T(this->shape.teacher_temperature);
    distributions d;
    d.q.assign(zs.size(), 0), d.p.assign(zs.size(), 0), d.listed.assign(zs.size(), false);
    oracle::number left = 1, total = 0;
    for (index_t c = 0; c < ids.cols(); ++c) {
      if (ids(t, c) < 0) continue;
      oracle::number const l = mlot::load_as<T>(log_probabilities(t, c));
      left -= std::exp(l);
      total += d.q[size_t(ids(t, c))] = std::exp(l / tau_t);
      d.listed[size_t(ids(t, c))] = true;
    }
    if (left <= oracle::number(ids.cols() + 1) * std::numeric_limits<T>::epsilon()) left = 0;
    if (gives_leftover) left = leftover(t);
    d.left = left;
    for (index_t v = 0; v < this->shape.n; ++v) d.beyond += !d.listed[size_t(v)];
    bool const spreads = missing == missing_mass::uniform && left > 0 && d.beyond > 0;
    oracle::number const each = spreads ? std::pow(left / d.beyond, 1 / tau_t) : 0;
    total += d.beyond * each;
    if (total == 0) return {};
    d.student = oracle::softmax(zs, tau);
    oracle::vector inside = zs;
    for (size_t v = 0; v < zs.size(); ++v)
      if (!d.listed[v]) inside[v] = -oracle::infinity;
    if (missing == missing_mass::inside) {
      if (!base::exists(inside)) return {};
      d.student = oracle::softmax(inside, tau);
    }
    oracle::number rest = 0;
    for (size_t v = 0; v < zs.size(); ++v)
      if (!d.listed[v]) rest += d.student[v];
    for (size_t v = 0; v < zs.size(); ++v) {
      bool const beyond = !d.listed[v] && index_t(v) < this->shape.n;
      d.q[v] = (beyond ? each : d.q[v]) / total;
      d.p[v] = beyond && missing == missing_mass::uniform ? rest / d.beyond : d.student[v];
    }
    return d;
  }
  expectation expected(oracle::divergence_kind kind) {
    using std::size_t;
    return this->expected_of_pairs([&](expectation& all, size_t b, index_t t, index_t r) {
      auto const zs = base::row(this->student, r, this->shape.m);
      if (t < 0 || !base::exists(zs)) return;
      auto const d = seen(t, zs);
      if (d.q.empty()) return;
      oracle::number const tau = T(this->shape.temperature);
      oracle::number largest_log = 0;
      for (auto const* probabilities : {&d.q, &d.p, &d.student})
        for (auto const x : *probabilities)
          if (x > 0) largest_log = std::max(largest_log, -std::log(x));
      all.largest_log = std::max(all.largest_log, largest_log);
      if (kind.name == oracle::divergence_name::adaptive_kl)
        oracle::adaptive_share(d.q, d.p, &all.margin);
      ++all.pairs[b];
      all.value[b] += oracle::divergence(kind, d.q, d.p);

      // Ids beyond the list share what all of them have together, by their true probabilities.
      auto const s = oracle::divergence_slope(kind, d.q, d.p);
      oracle::number slope = 0, mass = 0, rest_slope = 0, rest = 0, rest_q = 0;
      for (size_t v = 0; v < s.size(); ++v) {
        if (s[v] < oracle::infinity) slope += s[v], mass += d.p[v];
        if (!d.listed[v]) rest_slope += s[v], rest += d.student[v], rest_q += d.q[v];
      }
      // A mass of what is left is as exact as 1 is.
      if (!gives_leftover && rest_q > 0)
        all.largest_log = std::max(all.largest_log, (1 + largest_log) / d.left);
      oracle::number const centre = mass > 0 ? slope / mass : 0;
      for (size_t v = 0; v < size_t(this->shape.n); ++v) {
        oracle::number const whole = d.listed[v] ? s[v] : rest_slope;
        oracle::number const share = d.listed[v] ? 1 : rest > 0 ? d.student[v] / rest : 0;
        oracle::number const p = d.listed[v] ? d.student[v] : rest;
        oracle::number const q = d.listed[v] ? d.q[v] : rest_q;
        if (!(d.student[v] > 0) || !(whole < oracle::infinity)) continue;
        oracle::number const w = this->weight(index_t(b)) / tau;
        all.gradient[size_t(r)][v] += w * share * (whole - p * centre);
        all.magnitude[size_t(r)][v] +=
            std::fabs(w) * share * (std::fabs(whole) + p * (1 + std::fabs(centre)) + q);
      }
    });
  }
  void check(oracle::divergence_kind kind) { this->check_against(expected(kind)); }
};
}  // namespace

TEMPLATE_LIST_TEST_CASE("sparse teacher: every divergence and its gradient are the oracle's",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    auto const shape = kit::random_divergence_shape(seed);
    random_source random(shape.seed);
    sparse_batch<T> all(shape, random.below(3) == 0 ? shape.m + 2 : random.below(shape.m + 1));
    all.gives_leftover = random.below(3) == 0;
    for (missing_mass const missing : every_policy) {
      CAPTURE(seed, int(missing), all.gives_leftover);
      all.missing = missing;
      kit::for_each_divergence<T>([&](auto const& kind, oracle::divergence_kind name) {
        CAPTURE(int(name.name), double(name.parameter));
        all.clear();
        kit::succeeds<typename TestType::device>(all.primitive(kind));
        all.check(name);
      });
    }
  }
}

TEMPLATE_LIST_TEST_CASE("sparse teacher: storage of two bytes, long rows and every layout",
                        "[divergence]", every_gradient) {
  using T = typename TestType::scalar;
  for (index_t const n : {17, 129, 5003})
    for (kit::layout const where : kit::every_layout)
      for (missing_mass const missing : every_policy) {
        CAPTURE(n, where.step, int(missing));
        kit::divergence_shape shape;
        shape.m = shape.n = n, shape.where = where, shape.scale = 4, shape.temperature = 2;
        sparse_batch<T, typename TestType::storage, typename TestType::gradient> all(
            shape, std::min<index_t>(n - 3, 100));
        all.missing = missing;
        kit::succeeds<typename TestType::device>(all.primitive(jensen_shannon<T>{T(0.125)}));
        all.check({oracle::divergence_name::jensen_shannon, 0.125L});
      }
}

TEMPLATE_LIST_TEST_CASE("sparse teacher: where the list is far above the rest, or below it",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  for (double const far : {-80., 80., -3000., 3000.}) {
    kit::divergence_shape shape;
    sparse_batch<T> all(shape, 5);
    all.missing = missing_mass::uniform;
    for (index_t const r : all.student_tokens.row)
      for (index_t v = 0; r >= 0 && v < shape.n; v += 3) all.student(r, v) += T(far);
    kit::for_each_divergence<T>([&](auto const& kind, oracle::divergence_kind name) {
      CAPTURE(far, int(name.name), double(name.parameter));
      all.clear();
      kit::succeeds<typename TestType::device>(all.primitive(kind));
      all.check(name);
    });
  }
}

TEMPLATE_LIST_TEST_CASE("sparse teacher: central differences of the value are the gradient",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  if constexpr (std::is_same_v<T, double>)
    for (missing_mass const missing : every_policy) {
      kit::divergence_shape shape;
      shape.teacher_lengths = shape.student_lengths = {2};
      shape.m = shape.n = 12, shape.labelled = false, shape.temperature = 2;
      sparse_batch<T> all(shape, 5), moved(shape, 5);
      all.missing = moved.missing = missing;
      auto const p = all.primitive(skewed_kl<T>{T(0.2)});
      kit::succeeds<typename TestType::device>(p);
      auto const value = [&](index_t r, index_t v, T step) {
        moved.student(r, v) += step;
        kit::succeeds<typename TestType::device>(moved.primitive(skewed_kl<T>{T(0.2)}));
        moved.student(r, v) = all.student(r, v);
        return moved.out(0) * moved.weight(0);
      };
      constexpr T h = 1e-5;
      for (index_t const r : all.student_tokens.row)
        for (index_t v = 0; v < shape.n; ++v) {
          T const slope = (value(r, v, h) - value(r, v, -h)) / (2 * h);
          CHECK(std::fabs(slope - all.gradient(r, v)) <= 1e-9);
        }
    }
}

TEMPLATE_LIST_TEST_CASE("sparse teacher: lists that say nothing sensible are answered",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  kit::divergence_shape const shape;
  auto const answer = [&](char const* argument, index_t column, auto spoil) {
    sparse_batch<T> all(shape, 7);
    all.missing = missing_mass::uniform, all.gives_leftover = true;
    index_t const r = all.teacher_tokens.row[6];  // the first of sequence 3; 2 is empty
    for (index_t c = 0; c < 7; ++c) all.ids(r, c) = c + 3;
    spoil(all, r);
    status const s = kit::run<typename TestType::device>(all.primitive(forward_kl()));
    CHECK(int(s.code) == int(fault::data));
    CHECK(s.argument == std::string(argument));
    CHECK(s.allowed[0] != '\0');
    CHECK(all.out.untouched());
    CHECK(all.cross_entropy.untouched());
    CHECK(s.column == column);
  };
  answer("divergence.teacher.ids", 6, [](auto& all, index_t r) { all.ids(r, 6) = 5; });
  for (index_t const id : {shape.n, shape.n + 1, index_t(1) << 40})  // the student has no such id
    for (index_t const first : {0, 3, 5})
      answer("divergence.teacher.ids", 6, [&](auto& all, index_t r) {
        for (index_t c = 0; c < 7; ++c) all.ids(r, c) = shape.n + 10 + c;
        all.ids(r, first) = all.ids(r, 6) = id;
      });
  answer("divergence.teacher.ids", 0, [](auto& all, index_t r) { all.ids(r, 0) = -2; });
  for (T const bad : {infinity<T>, std::numeric_limits<T>::quiet_NaN()}) {
    answer("divergence.teacher.log_probabilities", 4,
           [&](auto& all, index_t r) { all.log_probabilities(r, 4) = bad; });
    answer("divergence.teacher.leftover", -1, [&](auto& all, index_t r) { all.leftover(r) = bad; });
    answer("divergence.student_logits", 9,
           [&](auto& all, index_t) { all.student(all.student_tokens.row[2], 9) = bad; });
  }
  answer("divergence.teacher.leftover", -1,
         [](auto& all, index_t r) { all.leftover(r) = T(-0.1); });
}

TEMPLATE_LIST_TEST_CASE("sparse teacher: ids beyond the student's vocabulary, each once",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  kit::divergence_shape const shape;
  sparse_batch<T> all(shape, 7);
  for (index_t r = 0; r < all.ids.rows(); ++r)
    for (index_t c = 0; c < 7; ++c) all.ids(r, c) = c == 3 ? -1 : shape.n + (c * 5) % 7;
  kit::succeeds<typename TestType::device>(all.primitive(total_variation()));
}

TEMPLATE_LIST_TEST_CASE("sparse teacher: wrong arguments are named and nothing is written",
                        "[divergence]", every_device) {
  using T = typename TestType::scalar;
  kit::divergence_shape const shape;
  sparse_batch<T> all(shape, 7);
  all.gives_leftover = true;
  auto const refuses = [&](fault code, char const* argument, auto change) {
    kit::refuses<typename TestType::device>(all.primitive(forward_kl()), code, argument, change);
  };
  refuses(fault::shape, "divergence.teacher.ids", [](auto& p) { p.teacher.ids.cols = 6; });
  refuses(fault::shape, "divergence.teacher.ids", [](auto& p) { p.teacher.ids.data = nullptr; });
  refuses(fault::shape, "divergence.teacher.leftover", [](auto& p) { --p.teacher.leftover.size; });
  refuses(fault::shape, "divergence.teacher.tokens", [](auto& p) { p.teacher.tokens = {}; });
  refuses(fault::shape, "divergence.teacher.log_probabilities",
          [](auto& p) { p.teacher.log_probabilities.rows = -1; });
  refuses(fault::value, "divergence.teacher.temperature",
          [](auto& p) { p.teacher.temperature = T(-1); });
  CHECK(all.out.untouched());
  CHECK(all.gradient.untouched());
}
