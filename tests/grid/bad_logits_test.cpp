// What kernels make of data that no host has looked at, in the passes over the vocabulary: a
// finding, and the bits of a batch in which what is wrong is absent.
#include "grid/emulated.hpp"
#include "mlot/grid.hpp"
#include "mlot/interop/describe.hpp"
#include "primitive/logit_gradient_batch.hpp"
#include "test.hpp"
using namespace mlot;

namespace {
using card = kit::emulated<device_memory>;
using T = float;
double const a_nan = std::numeric_limits<double>::quiet_NaN();

template <class X>
device::vector<X> on_card(host::vector<X> v) {
  return {v.data, v.size, v.stride};
}
template <class X>
device::matrix<X> on_card(host::matrix<X> m) {
  return {m.data, m.rows, m.cols, m.row_stride, m.col_stride};
}
token_rows<device_memory> on_card(token_rows<> const& tokens) {
  return {on_card(tokens.offset), on_card(tokens.row), tokens.longest};
}
status run(auto const& primitive) {
  std::vector<std::byte> memory(workspace_size(card{}, primitive));
  return kit::in_the_end<card>(compute(card{}, primitive, {memory.data(), memory.size()}));
}

/// Two sequences, and everything that the passes over the vocabulary write.
struct batch {
  static constexpr index_t vocabulary = 301,
                           bad = 2;  ///< bad: the token that something is wrong of
  kit::tokens tokens{{4, 3}};
  kit::framed<T> logits{tokens.rows, vocabulary, {1, 3, 1}};
  kit::framed<T> maximum{tokens.count()}, partition{tokens.count()}, temperature{tokens.count()};
  kit::framed<T> mass{2, vocabulary}, cross_entropy{2};
  kit::framed<index_t> label{tokens.rows};
  batch() {
    random_source random(7);
    kit::fill(logits, [&](index_t, index_t) { return T(3 * random.normal()); });
    kit::fill(temperature, [&](index_t, index_t i) { return T(1 + i % 2); });
    kit::fill(label, [&](index_t, index_t r) { return index_t(r * 40 % vocabulary); });
  }
  status sum() {
    return run(vocabulary_mass<T, T, device_memory>{
        .logits = on_card<T const>(logits.matrix()),
        .tokens = on_card(tokens.view()),
        .maximum = on_card(maximum.vector()),
        .at = {{on_card<T const>(temperature.vector()), on_card(partition.vector()),
                on_card(mass.matrix())}}});
  }
  status compare_labels() {
    return run(
        mlot::cross_entropy<T, T, device_memory>{.logits = on_card<T const>(logits.matrix()),
                                                 .tokens = on_card(tokens.view()),
                                                 .labels = {on_card<index_t const>(label.vector())},
                                                 .maximum = on_card<T const>(maximum.vector()),
                                                 .partition = on_card<T const>(partition.vector()),
                                                 .out = on_card(cross_entropy.vector())});
  }
};

/// One row is wrong in some way.
struct fault_of_row {
  char const* sentence;  ///< what the status names
  index_t row;           ///< and where
  void (*make)(batch&);
};
fault_of_row const faults_of_rows[] = {
    {"vocabulary_mass.logits", 3,
     [](batch& all) { all.logits(all.tokens.row[batch::bad], 170) = T(a_nan); }},
    {"vocabulary_mass.logits", 3,
     [](batch& all) { all.logits(all.tokens.row[batch::bad], 0) = infinity<T>; }},
    {"token_rows.row", batch::bad,
     [](batch& all) { all.tokens.row[batch::bad] = all.tokens.rows; }},
    {"temperature", batch::bad, [](batch& all) { all.temperature(batch::bad) = 0; }},
    {"temperature", batch::bad, [](batch& all) { all.temperature(batch::bad) = T(a_nan); }},
};

/// What logit_gradient reads, in a batch of the host's tests.
struct gradients : kit::gradient_batch<T, T> {
  gradients() : kit::gradient_batch<T, T>(301, 7, T(1), T(2)) {}
  status run_on_card() {
    auto const host = primitive();
    auto const column = [&](int c) {
      auto const& from = host.columns[c];
      return column_gradient<T, device_memory>{.temperature = on_card(from.temperature.each),
                                               .partition = on_card(from.partition),
                                               .ids = on_card(from.ids),
                                               .probability = on_card(from.probability),
                                               .table_gradient = on_card(from.table_gradient),
                                               .log_gradient = on_card(from.log_gradient)};
    };
    return run(
        logit_gradient<T, T, T, device_memory>{.logits = on_card(host.logits),
                                               .tokens = on_card(host.tokens),
                                               .maximum = on_card(host.maximum),
                                               .columns = {column(0), column(1)},
                                               .labels = {on_card(host.labels.label)},
                                               .label_partition = on_card(host.label_partition),
                                               .cross_entropy_weight = host.cross_entropy_weight,
                                               .gradient = on_card(host.gradient)});
  }
};
void same_bits(gradients const& a, gradients const& b) {
  CHECK(a.gradient.same_bits(b.gradient));
  CHECK(a.gradient.frame_untouched());
}
}  // namespace

TEST_CASE("a row that cannot be used is found, has no mass, and leaves the others alone") {
  batch without;
  without.tokens.row[batch::bad] = -1;
  REQUIRE(describe(without.sum()) == "ok");
  for (auto const& fault : faults_of_rows) {
    batch all;
    fault.make(all);
    status const found = all.sum();
    CAPTURE(fault.sentence);
    CHECK(found.argument == std::string(fault.sentence));
    CHECK(found.row == fault.row);
    CHECK(all.maximum(batch::bad) == -infinity<T>);
    CHECK(all.partition(batch::bad) == 0);
    CHECK(all.mass.same_bits(without.mass));
    CHECK(all.maximum.same_bits(without.maximum));
    CHECK(all.partition.same_bits(without.partition));
    CHECK(all.mass.exactly_written());
  }
}

TEST_CASE("cross-entropy finds labels and rows past the end and goes on without them") {
  batch without;
  REQUIRE(describe(without.sum()) == "ok");
  index_t const r = without.tokens.row[batch::bad];
  without.label(r) = -100;
  REQUIRE(describe(without.compare_labels()) == "ok");
  for (index_t const bad : {batch::vocabulary, index_t(-1), index_t(1) << 40}) {
    batch all;
    REQUIRE(describe(all.sum()) == "ok");
    all.label(r) = bad;
    status const found = all.compare_labels();
    CHECK(found.argument == std::string("labels"));
    CHECK(found.row == r);
    CHECK(all.cross_entropy.same_bits(without.cross_entropy));
  }
  batch all;
  REQUIRE(describe(all.sum()) == "ok");
  all.tokens.row[batch::bad] = all.tokens.rows;
  CHECK(all.compare_labels().argument == std::string("token_rows.row"));
  CHECK(all.cross_entropy.same_bits(without.cross_entropy));
}

TEST_CASE("a label in a row of NaN has cross-entropy +inf, as in a row of -inf") {
  batch all;
  all.logits(all.tokens.row[batch::bad], 5) = T(a_nan);
  CHECK(!all.sum().ok());
  CHECK(describe(all.compare_labels()) == "ok");
  CHECK(all.cross_entropy(0) == infinity<T>);
  CHECK(all.cross_entropy(1) < 100);
}

TEST_CASE("the logit gradient finds ids, labels and rows past the end and goes on without them") {
  {
    gradients all, without;
    all.ids[1](3, 2) = 301;
    without.ids[1](3, 2) = -1;
    status const found = all.run_on_card();
    CHECK(found.argument == std::string("ids"));
    CHECK(found.row == 3);
    CHECK(found.column == 2);
    REQUIRE(describe(without.run_on_card()) == "ok");
    same_bits(all, without);
  }
  for (index_t const bad : {301, -5}) {
    gradients all, without;
    index_t const r = all.tokens.row[0];
    all.label(r) = bad;
    without.label(r) = -100;
    status const found = all.run_on_card();
    CHECK(found.argument == std::string("labels"));
    CHECK(found.row == r);
    REQUIRE(describe(without.run_on_card()) == "ok");
    same_bits(all, without);
  }
  gradients all, without;
  all.tokens.row[6] = 1000;
  without.tokens.row[6] = -1;
  status const found = all.run_on_card();
  CHECK(found.argument == std::string("token_rows.row"));
  CHECK(found.row == 6);
  REQUIRE(describe(without.run_on_card()) == "ok");
  same_bits(all, without);
}

TEST_CASE("a temperature that is none leaves its softmax out of the gradient of that token") {
  gradients all, without;
  all.temperature[1](0) = 0;
  for (index_t l = 0; l < 7; ++l)
    without.table_gradient[1](0, l) = without.log_gradient[1](0, l) = 0;
  status const found = all.run_on_card();
  CHECK(found.argument == std::string("temperature"));
  CHECK(found.row == 0);
  REQUIRE(describe(without.run_on_card()) == "ok");
  kit::norm_error error;  // the other softmax then has an exponential of its own
  for (index_t r = 0; r < all.gradient.rows(); ++r)
    for (index_t v = 0; v < 301; ++v) error.add(all.gradient(r, v), without.gradient(r, v));
  CHECK(error.value() <= 1e-6);
}

TEST_CASE("a row of NaN has no gradient but what its entries say") {
  gradients all, masked;
  index_t const r = all.tokens.row[0];
  for (index_t v = 0; v < 301; ++v) {
    all.logits(r, v) = v % 2 == 0 ? T(a_nan) : T(1);
    masked.logits(r, v) = -infinity<T>;
  }
  for (auto* each : {&all, &masked}) each->maximum(0) = -infinity<T>;
  REQUIRE(describe(all.run_on_card()) == "ok");
  REQUIRE(describe(masked.run_on_card()) == "ok");
  same_bits(all, masked);
}

TEST_CASE("of two tokens that share a row the first has it, in any order of blocks and threads") {
  gradients rising, falling;
  for (auto* each : {&rising, &falling}) each->tokens.row[6] = each->tokens.row[5];
  REQUIRE(describe(rising.run_on_card()) == "ok");
  kit::emulation::current_order() = kit::emulation::order::falling;
  REQUIRE(describe(falling.run_on_card()) == "ok");
  kit::emulation::current_order() = kit::emulation::order::rising;
  same_bits(rising, falling);
}

TEST_CASE("a deviation leaves NaN and +inf out, and finds rows past the end") {
  batch all, masked;
  index_t const r = all.tokens.row[batch::bad];
  all.logits(r, 0) = infinity<T>;
  all.logits(r, 7) = T(a_nan);
  masked.logits(r, 0) = masked.logits(r, 7) = -infinity<T>;
  for (auto* each : {&all, &masked}) each->tokens.row[5] = each->tokens.rows;
  for (auto* each : {&all, &masked})
    CHECK(run(deviation_temperature<T, T, device_memory>{
                  .logits = on_card<T const>(each->logits.matrix()),
                  .tokens = on_card(each->tokens.view()),
                  .mean = on_card(each->maximum.vector()),
                  .deviation = on_card(each->partition.vector()),
                  .temperature = on_card(each->temperature.vector())})
              .argument == std::string("token_rows.row"));
  CHECK(all.maximum.same_bits(masked.maximum));
  CHECK(all.partition.same_bits(masked.partition));
  CHECK(all.temperature.same_bits(masked.temperature));
  CHECK(all.temperature(5) == 1);
}
