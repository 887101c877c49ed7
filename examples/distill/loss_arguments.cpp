#include "distill/loss_arguments.hpp"

#include "distill/mlot_step.hpp"

namespace distill {
namespace {
words<loss_kind> losses_that(bool (*are)(loss_facts const&)) {
  words<loss_kind> out;
  for (loss_facts const& facts : all_losses())
    if (are(facts)) out.emplace(facts.name, facts.kind);
  return out;
}

void only_for(std::string const& losses, std::vector<CLI::Option*> const& options) {
  for (CLI::Option const* option : options)
    if (!option->empty()) throw user_error(option->get_name() + ": only of --loss " + losses);
}
}  // namespace

loss_arguments::loss_arguments(CLI::App& app) {
  loss_.device = available(loss_device::simd) ? loss_device::simd : loss_device::scalar;
  add_choice(app, "--loss", loss_.kind, losses_that([](loss_facts const&) { return true; }),
             "What is added to cross-entropy");
  device_ = add_choice(
      app, "--device", loss_.device,
      {{"scalar", loss_device::scalar}, {"simd", loss_device::simd}, {"cuda", loss_device::cuda}},
      "Where the loss runs");
  auto const number = [&](char const* name, double& value, bool zero_too, char const* help) {
    return app.add_option(name, value, help)->check(real_number(zero_too));
  };
  alpha_ = number("--alpha", loss_.alpha, true,
                  "Weight of the distillation terms (default: the loss's own)");
  temperature_ = number("--temperature", loss_.temperature, false,
                        "Of both sides' probabilities (default: the loss's own, 1; SinKD's 2)");
  of_transport_ = {number("--epsilon", loss_.epsilon, false, "Entropic regularisation of SD")
                       ->capture_default_str(),
                   app.add_option("--iterations", loss_.iterations, "Sinkhorn iterations of SD")
                       ->check(count(100000))
                       ->capture_default_str()};
  of_multi_level_ = {
      app.add_option("--k", loss_.k, "Columns kept of either vocabulary")
          ->check(count(1 << 20))
          ->capture_default_str(),
      number("--had", loss_.holistic, true, "Weight of HAD within the distillation terms")
          ->capture_default_str(),
      number("--beta", loss_.beta, true, "Weight of SL within them")->capture_default_str(),
      number("--gamma", loss_.gamma, true, "Weight of SD within them")->capture_default_str(),
      number("--transport-temperature", loss_.transport_temperature, false,
             "Of the probabilities that SD compares")
          ->capture_default_str(),
      add_choice(app, "--level", loss_.level,
                 {{"sequence", transport::sequences}, {"token", transport::tokens}},
                 "What SD moves: tokens of sequences, or columns of tokens"),
      add_choice(
          app, "--matching", loss_.match,
          {{"rank", matching::rank}, {"greedy", matching::greedy}, {"exact", matching::exact}},
          "How the student's columns find the teacher's")};
}

loss_options loss_arguments::chosen(bool one_vocabulary, bool check) const {
  loss_options out = loss_;
  loss_facts const& facts = facts_of(out.kind);
  bool const multi_level = out.kind == loss_kind::multi_level;
  if (!multi_level) only_for("multi-level", of_multi_level_);
  if (!multi_level && out.kind != loss_kind::sinkd) only_for("multi-level or sinkd", of_transport_);
  if (alpha_->empty()) out.alpha = facts.alpha;
  if (temperature_->empty()) out.temperature = facts.temperature;
  if (!available(out.device))
    throw user_error("--device " + device_->as<std::string>() + ": this build has none" +
                     (out.device == loss_device::cuda ? ", or this machine no card" : ""));
  if (out.device == loss_device::cuda && (!multi_level || out.match != matching::rank))
    throw user_error("--device cuda: only of --loss multi-level with --matching rank");
  if (facts.one_vocabulary && !one_vocabulary)
    throw user_error(
        "--loss " + std::string(facts.name) +
        ": it compares tokens by id, and the tokenizers differ; share one by "
        "--shared-tokenizer, or take --loss " +
        listed(losses_that([](loss_facts const& f) { return !f.one_vocabulary; }), " or "));
  if (check && !out.is_smooth())
    throw user_error(
        "--check: differences give no gradient of --loss adaptive-kl, nor of --matching exact "
        "but with --beta 0 --gamma 0");
  return out;
}
}  // namespace distill
