// The colours of one picture given to another: pixels are points in RGB, the plan says which
// colours of the second each pixel of the first is to have, and it takes their mean. Every pixel
// meets every other without a matrix of costs and without one of the plan. Given a folder, the
// program writes the three pictures there.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <mlot/interop/describe.hpp>
#include <mlot/interop/owned.hpp>
#include <string>
#if __has_include(<xsimd/xsimd.hpp>)
#  include <mlot/simd.hpp>
using fastest = mlot::on::simd<>;
constexpr mlot::index_t width = 48, height = 36;
#else
#  include <mlot/mlot.hpp>
using fastest = mlot::on::scalar;
constexpr mlot::index_t width = 24, height = 18;
#endif
constexpr mlot::index_t pixels = width * height;
using colour = std::array<float, 3>;  // red, green, blue from 0 to 1
using picture = std::vector<colour>;

colour mix(colour const& a, colour const& b, float share) {
  colour c;
  for (std::size_t l = 0; l < 3; ++l) c[l] = a[l] + share * (b[l] - a[l]);
  return c;
}
/// A picture from its colour at (x, y), x from 0 to 1 to the right, y from 0 to 1 down.
template <class Colour>
picture paint(Colour colour_at) {
  picture all;
  for (mlot::index_t n = 0; n < pixels; ++n)
    all.push_back(colour_at((float(n % width) + 0.5f) / width, (float(n / width) + 0.5f) / height));
  return all;
}
picture sunset() {
  return paint([](float x, float y) {
    colour const night{0.25f, 0.08f, 0.30f}, glow{0.98f, 0.55f, 0.20f}, sun{1, 0.93f, 0.60f};
    if (y > 0.80f + 0.08f * std::sin(7 * x)) return mix({0.10f, 0.04f, 0.08f}, glow, 0.2f * x);
    float const from_sun = std::hypot(1.33f * (x - 0.65f), y - 0.60f);
    if (from_sun < 0.13f) return sun;
    return mix(mix(night, glow, y / 0.85f), sun, 0.5f * std::exp(-6 * from_sun));
  });
}
picture fjord() {
  return paint([](float x, float y) {
    colour const sky{0.62f, 0.80f, 0.95f}, water{0.05f, 0.25f, 0.45f}, wood{0.10f, 0.40f, 0.22f};
    if (y > 0.70f) return mix(water, sky, 0.5f * (1 - y) + 0.1f * std::sin(40 * y + 6 * x));
    if (y > 0.45f - 0.25f * std::sin(5 * x + 0.5f)) return mix(wood, {0.45f, 0.7f, 0.3f}, 1 - y);
    return mix(sky, {0.20f, 0.45f, 0.80f}, 1 - 1.6f * y);
  });
}
void write(picture const& p, std::string const& path) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return;
  std::fprintf(file, "P6\n%d %d\n255\n", int(width), int(height));
  for (colour const& c : p)
    for (float const x : c) std::fputc(int(std::lround(255 * std::clamp(x, 0.f, 1.f))), file);
  std::fclose(file);
}

struct statistics {
  colour mean{}, least{9, 9, 9}, most{-9, -9, -9};
  float variance = 0;  // mean squared distance from the mean
  explicit statistics(picture const& p) {
    for (colour const& c : p)
      for (std::size_t l = 0; l < 3; ++l) {
        mean[l] += c[l] / pixels;
        least[l] = std::min(least[l], c[l]);
        most[l] = std::max(most[l], c[l]);
      }
    for (colour const& c : p)
      for (std::size_t l = 0; l < 3; ++l) variance += (c[l] - mean[l]) * (c[l] - mean[l]) / pixels;
  }
};

int main(int count, char** arguments) {
  picture const from = sunset(), to = fjord();
  statistics const first(from), second(to);
  float scale = first.variance + second.variance;  // mean squared distance of two pixels
  for (std::size_t l = 0; l < 3; ++l) scale += std::pow(first.mean[l] - second.mean[l], 2.f);

  using mlot::index_t;
  using cost = mlot::table_cost<float, mlot::host_memory, mlot::squared_difference>;
  index_t const offsets[] = {0, pixels};
  mlot::host::matrix<float const> const target{to[0].data(), pixels, 3, 3};
  std::vector<float> u(pixels), v(pixels);
  float distance = 0, row_error = 0;
  index_t logarithmic = 0, iterations = 0, converged = 0;
  mlot::sinkhorn<float, mlot::host_memory, cost> const transport{
      .batch = {{offsets, 2}, {offsets, 2}, pixels, pixels, pixels},
      .cost = {.teacher = {from[0].data(), pixels, 3, 3}, .student = target},
      .row_marginal = {1.f / pixels},
      .column_marginal = {1.f / pixels},
      .epsilon = 0.02f * scale,
      .iterations = 500,
      .tolerance = 2e-3f,
      .history = {{u.data(), 1, pixels, pixels},
                  {v.data(), 1, pixels, pixels},
                  {&logarithmic, 1},
                  {&iterations, 1}},
      .distance = {&distance, 1},
      .report = {.converged = {&converged, 1}, .row_error = {&row_error, 1}}};
  picture result(pixels);
  mlot::barycentric_projection<float, mlot::host_memory, cost> const projection{
      .of = transport, .points = target, .out = {result[0].data(), pixels, 3, 3}};
  mlot::scratch_buffer scratch;
  fastest const device;
  auto status = mlot::compute(device, transport, scratch.for_call(device, transport));
  if (status.ok()) status = mlot::compute(device, projection, scratch.for_call(device, projection));
  if (!status.ok()) return std::puts(mlot::describe(status).c_str()), 1;
  std::printf("%d iterations, rows off by %.1e, mean squared change of colour %.3f\n",
              int(iterations), double(row_error), double(distance));
  if (count > 1) {
    std::string const folder = arguments[1];
    write(from, folder + "/sunset.ppm");
    write(to, folder + "/fjord.ppm");
    write(result, folder + "/sunset_in_fjord_colours.ppm");
  }

  // Means differ by what the rows lack at most, colours are among those of the second picture.
  statistics const third(result);
  bool right = converged == 1 && row_error <= 2e-3f;
  for (std::size_t l = 0; l < 3; ++l) {
    right &= std::fabs(third.mean[l] - second.mean[l]) <= row_error + 1e-5f;
    right &= third.least[l] >= second.least[l] - 1e-5f && third.most[l] <= second.most[l] + 1e-5f;
    std::printf("%c: mean %.4f, should be %.4f\n", "rgb"[l], double(third.mean[l]),
                double(second.mean[l]));
  }
  return right && third.variance > 0.5f * second.variance ? 0 : 1;
}
