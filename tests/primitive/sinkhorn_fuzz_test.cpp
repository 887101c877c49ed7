// Thousands of small random batches, sensible and not: either a status names what is wrong, and it
// is, or every output is finite and right.
#include "primitive/sinkhorn_batch.hpp"
using namespace mlot;

namespace {
/// A batch of problems drawn at random, and what is wrong with it.
template <class T>
struct fuzzed {
  random_source random;
  index_t iterations = rounds(random);
  kit::sinkhorn_batch<T> all;
  T const nan = std::numeric_limits<T>::quiet_NaN();

  explicit fuzzed(std::uint64_t seed) : random(seed), all(shapes(random), iterations) {
    double const size = std::pow(10.0, random.uniform(-3, 6));
    bool const by_decades = random.below(4) == 0, negative = random.below(3) == 0;
    all.epsilon = T(std::pow(10.0, random.uniform(-6, 3)));
    all.tolerance = random.below(3) == 0 ? T(std::pow(10.0, random.uniform(-6, -1))) : T(0);
    sinkhorn_domain const asked[] = {
        sinkhorn_domain::automatic,
        kit::every_domain[random.below(index_t(std::size(kit::every_domain)))]};
    all.domain = asked[random.below(2)];
    all.warm = random.below(3) == 0;
    all.problems.for_each([&](index_t i, index_t j, index_t) {
      double const part = by_decades ? std::pow(10.0, random.uniform(-6, 0)) : random.uniform();
      all.cost(i, j) = T(size * (negative ? 2 * part - 1 : part));
    });
    bool const zeros = random.below(2) == 0, unequal = random.below(3) == 0;
    for (auto* marginal : {&all.row_marginal, &all.column_marginal})
      kit::fill(*marginal, [&](index_t, index_t) {
        if (zeros && random.below(3) == 0) return T(0);
        return T(unequal ? std::pow(10.0, random.uniform(-6, 3)) : random.uniform(0.2, 3));
      });
    kit::fill(all.warm_start, [&](index_t, index_t) {
      return random.below(8) == 0 ? -infinity<T> : T(size * random.normal());
    });
    if (random.below(2) == 0) spoil();
  }

  bool cost_is_wrong(T c) const { return std::isnan(c) || c == -infinity<T>; }
  static bool marginal_is_wrong(T m) { return !(m >= T(0) && m < infinity<T>); }
  static bool start_is_wrong(T g) { return !(g < infinity<T>); }
  /// A row or column with mass and no pair that is allowed, though the other side has mass: with
  /// `anywhere`, among all others, otherwise among those with mass.
  bool left_alone(bool anywhere) {
    auto const shape = all.problems.view();
    bool alone = false;
    for (index_t b = 0; b < shape.problems(); ++b) {
      index_t const i0 = shape.row_offset(b), j0 = shape.column_offset(b),
                    rows = shape.row_count(b), columns = shape.column_count(b);
      auto const serves = [&](index_t i, index_t j) {
        return all.cost(i0 + i, j) < infinity<T> &&
               (anywhere || (all.row_marginal(i0 + i) > 0 && all.column_marginal(j0 + j) > 0));
      };
      auto const a = all.a(b), b_of = all.b_of(b);
      for (index_t i = 0; i < rows && oracle::sum(b_of) > 0; ++i) {
        index_t partners = all.row_marginal(i0 + i) > 0 ? 0 : 1;
        for (index_t j = 0; j < columns; ++j) partners += serves(i, j);
        alone |= partners == 0;
      }
      for (index_t j = 0; j < columns && oracle::sum(a) > 0; ++j) {
        index_t partners = all.column_marginal(j0 + j) > 0 ? 0 : 1;
        for (index_t i = 0; i < rows; ++i) partners += serves(i, j);
        alone |= partners == 0;
      }
    }
    return alone;
  }
  bool has_wrong_data() {
    bool wrong = left_alone(true);
    all.problems.for_each(
        [&](index_t i, index_t j, index_t) { wrong |= cost_is_wrong(all.cost(i, j)); });
    for (index_t i = 0; i < all.problems.rows(); ++i)
      wrong |= marginal_is_wrong(all.row_marginal(i));
    for (index_t j = 0; j < all.problems.columns(); ++j)
      wrong |= marginal_is_wrong(all.column_marginal(j)) ||
               (all.warm && start_is_wrong(all.warm_start(j)));
    return wrong;
  }
  /// max |C| / epsilon of what is finite in problem b.
  double steepness(index_t b) {
    double largest = 0;
    for (auto const& row : all.problems.part(all.cost.matrix(), b))
      for (auto const c : row)
        if (std::isfinite(c)) largest = std::max(largest, double(std::fabs(c)));
    return largest / double(all.epsilon);
  }
  bool forbids_pairs(index_t b) {
    for (auto const& row : all.problems.part(all.cost.matrix(), b))
      if (std::find(row.begin(), row.end(), oracle::infinity) != row.end()) return true;
    return false;
  }
  /// What spans as well in the scaling domain: logarithms of marginals and of the start.
  double spread(index_t b) {
    auto const of = [](oracle::vector const& mass) {
      oracle::number least = oracle::infinity, most = 0;
      for (auto const m : mass)
        if (m > 0) least = std::min(least, m), most = std::max(most, m);
      return most > 0 ? double(std::log(most / least)) : 0.0;
    };
    auto const b_of = all.b_of(b);
    oracle::number least = oracle::infinity, most = -oracle::infinity;
    for (std::size_t j = 0; j < b_of.size() && all.warm; ++j) {
      oracle::number const g = all.warm_start(all.problems.view().column_offset(b) + index_t(j));
      if (b_of[j] > 0 && g > -oracle::infinity)
        least = std::min(least, g), most = std::max(most, g);
    }
    return of(all.a(b)) + of(b_of) + (most >= least ? double(most - least) / all.epsilon : 0);
  }
  /// Whether what a status says is so.
  bool is_true(status const& s) {
    std::string const argument = s.argument;
    if (s.code == fault::value && argument == "sinkhorn.domain")
      return all.domain == sinkhorn_domain::scaling &&
             (forbids_pairs(s.row) ||
              steepness(s.row) + spread(s.row) > 0.999 * all.primitive().safe_exponent());
    if (s.code != fault::data) return false;
    if (argument == "sinkhorn.cost")
      return (s.row >= 0 && s.column >= 0 && cost_is_wrong(all.cost(s.row, s.column))) ||
             left_alone(false);
    if (argument == "sinkhorn.row_marginal") return marginal_is_wrong(all.row_marginal(s.row));
    if (argument == "sinkhorn.column_marginal")
      return marginal_is_wrong(all.column_marginal(s.row));
    return argument == "sinkhorn.warm_start" && all.warm && start_is_wrong(all.warm_start(s.row));
  }

 private:
  static kit::problems shapes(random_source& random) {
    std::vector<std::pair<index_t, index_t>> all(std::size_t(1 + random.below(3)));
    for (auto& [rows, columns] : all) rows = random.below(13), columns = random.below(13);
    return kit::problems(all);
  }
  static index_t rounds(random_source& random) {
    index_t const some[] = {1, 2, 5, 20};
    return some[random.below(4)];
  }
  /// One array gets one to four numbers that it may not have.
  void spoil() {
    kit::framed<T>* const arrays[] = {&all.cost, &all.cost, &all.row_marginal, &all.column_marginal,
                                      &all.warm_start};
    auto& array = *arrays[random.below(5)];
    T const bad[] = {nan, infinity<T>, T(-infinity<T>), T(-1)};
    index_t const kind = random.below(4);
    for (index_t n = random.below(4); n >= 0 && array.rows() > 0 && array.cols() > 0; --n) {
      index_t const i = random.below(array.rows()), j = random.below(array.cols());
      array(i, j) = bad[kind];
    }
  }
};

/// What is wrong with the outputs of a problem that was solved; empty where nothing is.
template <class T>
std::string complaint(fuzzed<T>& f, index_t b) {
  auto& all = f.all;
  auto const shape = all.problems.view();
  index_t const i0 = shape.row_offset(b), j0 = shape.column_offset(b);
  double const unit = std::numeric_limits<T>::epsilon() / 2;
  auto const plan = all.problems.part(all.plan.matrix(), b);
  auto const gradient = all.problems.part(all.gradient.matrix(), b);
  for (auto const* part : {&plan, &gradient})
    for (auto const& row : *part)
      for (auto const x : row)
        if (!std::isfinite(x) || (part == &plan && x < 0))
          return part == &plan ? "plan" : "gradient";
  for (auto* value :
       {&all.distance, &all.regularised, &all.dual, &all.row_error, &all.column_error})
    if (!std::isfinite((*value)(b))) return "value";
  auto const a = all.a(b), b_of = all.b_of(b);
  auto const potential_is_wrong = [](T potential, oracle::number mass) {
    return mass > 0 ? std::isnan(potential) || potential == infinity<T> : potential != -infinity<T>;
  };
  for (std::size_t i = 0; i < a.size(); ++i)
    if (potential_is_wrong(all.row_potential(i0 + index_t(i)), a[i])) return "row potential";
  for (std::size_t j = 0; j < b_of.size(); ++j)
    if (potential_is_wrong(all.column_potential(j0 + index_t(j)), b_of[j]))
      return "column potential";

  double const rounding = 4 * unit * (20 + f.steepness(b) + f.spread(b));  // of the exponents
  if (rounding > 0.1) return "";
  // A pair that is forbidden, or a start of -inf, may cut off what has mass.
  if (all.warm || f.left_alone(false)) return "";
  bool const anyone = oracle::sum(a) > 0;
  for (std::size_t j = 0; j < b_of.size(); ++j) {
    oracle::number sum = 0;
    for (auto const& row : plan) sum += row[j];
    if (std::fabs(sum - (anyone ? b_of[j] : 0)) > rounding * b_of[j]) return "column sum";
  }
  if (!all.warm && all.tolerance == T(0))
    if (kit::error_of(all.problems, all.plan, b, all.expected(b).plan) > rounding)
      return "not the oracle's plan";
  return "";
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("random problems are solved, or refused for a reason that is true",
                        "[sinkhorn]", every_device) {
  using T = typename TestType::scalar;
  using Device = typename TestType::device;
  index_t solved = 0, refused = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    fuzzed<T> f(seed);
    status const answer = kit::run<Device>(f.all.primitive());
    CAPTURE(seed, describe(answer));
    if (!answer.ok()) {
      ++refused;
      CHECK(f.is_true(answer));
      continue;
    }
    ++solved;
    CHECK(!f.has_wrong_data());
    kit::succeeds<Device>(f.all.backward());
    for (index_t b = 0; b < f.all.problems.count(); ++b) {
      CAPTURE(b, f.steepness(b));
      CHECK(complaint(f, b) == "");
    }
  }
  CHECK(solved > 1000);
  CHECK(refused > 400);
}
