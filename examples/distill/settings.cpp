#include "distill/settings.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <iostream>
#include <thread>

namespace distill {
namespace {
/// CLI11's own ranges let NaN and infinity pass.
CLI::Validator real_number(bool zero_too) {
  std::string const allowed = zero_too ? "finite and at least 0" : "finite and above 0";
  return {[=](std::string& text) {
            double value = NAN;
            bool const read = CLI::detail::lexical_cast(text, value);
            bool const good = read && std::isfinite(value) && (zero_too ? value >= 0 : value > 0);
            return good ? std::string() : text + " given, must be " + allowed;
          },
          "FLOAT " + allowed};
}
CLI::Range count(index_t most) { return {index_t(1), most}; }
}  // namespace

std::optional<settings> parse_command_line(int argc, char const* const* argv) {
  settings s;
  s.threads = std::max<index_t>(1, std::thread::hardware_concurrency());
  s.training.loss.device = available(loss_device::simd) ? loss_device::simd : loss_device::scalar;
  loss_options& loss = s.training.loss;
  bool quick = false;
  std::string device;

  CLI::App app(
      "Distils a student language model from a teacher with another tokenizer, on real text, with "
      "cross-entropy alone and with MultiLevelOT added, and reports what comes out.",
      "distill");
  app.add_option("--corpus", s.corpus, "A plain text of some MB (default: Jane Austen's novels)");
  app.add_option("--out", s.out, "Folder for the pictures and downloads")->capture_default_str();
  app.add_option("--seeds", s.seeds, "Students trained on either objective")
      ->check(count(100))
      ->capture_default_str();
  auto* const epochs =
      app.add_option("--epochs", s.training.epochs, "Passes over the student's text")
          ->check(count(10000))
          ->capture_default_str();
  app.add_option("--device", device, "Where the loss runs: scalar, simd or cuda")
      ->check(CLI::IsMember({"scalar", "simd", "cuda"}));
  app.add_option("--threads", s.threads, "Students trained at a time; changes no result")
      ->check(count(1024))
      ->capture_default_str();
  app.add_option("--k", loss.k, "Columns kept of either vocabulary")
      ->check(count(1 << 20))
      ->capture_default_str();
  app.add_option("--alpha", loss.alpha, "Weight of the distillation terms")
      ->check(real_number(true))
      ->capture_default_str();
  app.add_option("--beta", loss.beta, "Weight of SL within them")
      ->check(real_number(true))
      ->capture_default_str();
  app.add_option("--gamma", loss.gamma, "Weight of SD within them")
      ->check(real_number(true))
      ->capture_default_str();
  app.add_option("--epsilon", loss.epsilon, "Entropic regularisation of SD")
      ->check(real_number(false))
      ->capture_default_str();
  app.add_option("--iterations", loss.iterations, "Sinkhorn iterations of SD")
      ->check(count(100000))
      ->capture_default_str();
  app.add_flag("--check", s.check, "Only check the gradients by central differences");
  app.add_flag("--quick", quick, "A tiny run of a few seconds, to see that everything works");

  try {
    app.parse(argc, argv);
  } catch (CLI::CallForHelp const&) {
    std::cout << app.help();
    return std::nullopt;
  } catch (CLI::ParseError const& wrong) {
    throw user_error(wrong.what());
  }
  if (!device.empty())
    loss.device = device == "simd"   ? loss_device::simd
                  : device == "cuda" ? loss_device::cuda
                                     : loss_device::scalar;
  if (!available(loss.device))
    throw user_error("--device " + device + ": this build has none" +
                     (device == "cuda" ? ", or this machine no card" : ""));
  if (quick) {
    s.teacher_pieces = 400;
    s.student_pieces = 200;
    s.train_segments = 48;
    s.held_out_segments = 16;
    s.training.width = s.training.hidden = 32;
    if (epochs->empty()) s.training.epochs = 2;
  }
  return s;
}
}  // namespace distill
