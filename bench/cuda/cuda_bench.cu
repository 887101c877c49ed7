// How long the kernels take beside the card's own copy of memory. Checked against the scalar device
// first, on small shapes. cuda_bench [folder] writes cuda.json there; --once launches everything
// once and times nothing, for profilers.
#include <cstring>
#include <exception>

#include "timing.cuh"
#include "transport.cuh"
#include "vocabulary.cuh"
using namespace bench;
using mlot::bfloat16, mlot::device_memory, mlot::host_memory;

namespace {
constexpr int skipped = 77;

/// A primitive's launch, with scratch memory of its own.
template <class Device = mlot::on::cuda, class Primitive>
call on_card(Primitive const& primitive) {
  auto const scratch = std::make_shared<kit::device_array<std::byte>>(
      index_t(mlot::workspace_size(Device(), primitive)));
  return [primitive, scratch](cudaStream_t stream) {
    mlot::status const s =
        mlot::compute(Device(stream), primitive, {scratch->data(), scratch->bytes()});
    kit::require(s.ok(), mlot::describe(s));
  };
}
template <class Primitive>
void run_on_host(Primitive const& primitive) {
  mlot::scratch_buffer scratch;
  mlot::on::scalar const device;
  mlot::status const s = mlot::compute(device, primitive, scratch.for_call(device, primitive));
  kit::require(s.ok(), mlot::describe(s));
}

/// Everything that either side wrote, one array after the other.
template <class Case>
std::vector<std::pair<std::string, std::vector<double>>> results(Case const& one) {
  std::vector<std::pair<std::string, std::vector<double>>> all;
  one.for_each_result([&](char const* name, auto const& array) {
    auto const& values = array.on_host();
    all.emplace_back(name, std::vector<double>());
    for (auto const& x : values) {
      if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(x)>>)
        all.back().second.push_back(double(x));
      else
        all.back().second.push_back(mlot::load_as<double>(x));
    }
  });
  return all;
}
template <class OnCard, class OnHost>
void require_agreement(OnCard const& card, OnHost const& host, double allowed) {
  auto const is = results(card), should = results(host);
  for (std::size_t i = 0; i < is.size(); ++i)
    kit::require(kit::relative_difference(is[i].second, should[i].second) <=
                     (is[i].first == "ids" ? 0 : allowed),
                 is[i].first + " differs from the scalar device's");
}

template <class S>
void check_vocabulary() {
  vocabulary<device_memory, S> card(2, 37, 3001);
  vocabulary<host_memory, S> host(2, 37, host_array<S>(card.logits().on_host()));
  card.for_each([](char const*, double, auto const& p) { on_card(p)(cudaStream_t()); });
  host.for_each([](char const*, double, auto const& p) { run_on_host(p); });
  require_agreement(card, host, mlot::real<S> ? 2e-5 : 1e-3);
}
void check_transport() {
  std::vector<index_t> const rows{7, 64, 33}, columns{9, 50, 40};
  transport<device_memory> card(rows, columns);
  transport<host_memory> host(rows, columns);
  card.for_each([](char const*, auto const& p) { on_card(p)(cudaStream_t()); });
  host.for_each([](char const*, auto const& p) { run_on_host(p); });
  require_agreement(card, host, 4e-5);
}
void check_loss() {
  kit::loss_on_card<bfloat16> const loss({37, 5, 64}, {41, 9, 50}, 3001, 2053);
  loss(kit::own_stream());
  loss.require_agreement();
}

/// Times calls, or only makes them.
class list_of_rows {
 public:
  explicit list_of_rows(bool once) : once_(once) {}
  void add(std::string const& name, double bytes, double goal, std::vector<call> const& calls) {
    if (once_)
      calls[0](cudaStream_t());
    else
      rows_.push_back(measured(name, bytes, goal, calls));
    succeeds(cudaDeviceSynchronize());
  }
  std::vector<row> const& rows() const { return rows_; }

 private:
  bool once_;
  std::vector<row> rows_;
};

void add_loss(list_of_rows& all) {
  index_t const length = 512, size = 151936;
  std::vector<index_t> const lengths(4, length);
  auto const loss = std::make_shared<kit::loss_on_card<bfloat16>>(lengths, lengths, size, size);
  all.add("loss, bfloat16, 4 x 512 x 151936", loss->least_bytes(), 1.5,
          {[loss](cudaStream_t stream) { (*loss)(stream); }});
}
template <class S>
void add_vocabulary(list_of_rows& all, std::string const& storage) {
  vocabulary<device_memory, S> one(4, 512, 151936);
  one.for_each([&](std::string const& name, double bytes, auto const& p) {
    call const one_call = on_card(p);
    one_call(cudaStream_t());  // what comes after needs its results
    all.add(name + ", " + storage, bytes, 0, {one_call});
  });
}
/// As many batches in turn as do not fit into the cache together, and the same step of each.
template <class Device = mlot::on::cuda>
void add_transport(list_of_rows& all, std::string const& shape, double cache, double goal,
                   std::vector<index_t> const& lengths) {
  std::vector<std::unique_ptr<transport<device_memory>>> batches;
  for (double bytes = 0; bytes <= 2 * cache; bytes += batches.back()->bytes())
    batches.push_back(std::make_unique<transport<device_memory>>(lengths, lengths));
  std::vector<call> there_and_back(batches.size());
  std::vector<std::pair<std::string, std::vector<call>>> steps;
  for (std::size_t n = 0; n < batches.size(); ++n) {
    std::vector<call> own;
    batches[n]->for_each([&](char const* name, auto const& p) {
      call const step = on_card<Device>(p);
      step(cudaStream_t());
      if (n == 0) steps.emplace_back(name, std::vector<call>());
      steps[own.size()].second.push_back(step);
      own.push_back(step);
    });
    there_and_back[n] = [own](cudaStream_t stream) {
      for (call const& step : own) step(stream);
    };
  }
  all.add("transport, " + shape, 0, goal, there_and_back);
  for (auto const& [name, calls] : steps) all.add("  " + name, 0, 0, calls);
}

void run(std::string const& folder, bool once) {
  check_vocabulary<float>();
  check_vocabulary<bfloat16>();
  check_transport();
  check_loss();
  card const on = this_card();
  list_of_rows all(once);
  add_loss(all);
  add_vocabulary<bfloat16>(all, "bfloat16");
  add_vocabulary<float>(all, "float");
  add_transport(all, "64 of 256 x 256", on.l2_bytes, 0.5, std::vector<index_t>(64, 256));
  std::vector<index_t> const small(64, 128);
  add_transport(all, "64 of 128 x 128", on.l2_bytes, 0, small);
  if (kit::has_hoppers_shared_memory())
    add_transport<mlot::on::hopper>(all, "64 of 128 x 128, on::hopper", on.l2_bytes, 0, small);
  add_transport(all, "one of 4096 x 4096", on.l2_bytes, 3, {4096});
  if (once) return;
  print(on, all.rows());
  if (!folder.empty()) save(folder + "/cuda.json", on, all.rows());
}
}  // namespace

int main(int count, char** words) {
  if (!kit::has_card()) {
    std::puts("skipped: no CUDA card");
    return skipped;
  }
  bool const once = count > 1 && std::strcmp(words[1], "--once") == 0;
  try {
    run(count > 1 && !once ? words[1] : "", once);
  } catch (std::exception const& problem) {
    std::printf("cuda_bench: %s\n", problem.what());
    return 1;
  }
  return 0;
}
