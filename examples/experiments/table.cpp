#include "experiments/table.hpp"

#include <cstdio>

namespace experiments {
namespace {
trial ordinary(bool quick) {
  trial out;
  out.course.train_segments = quick ? 32 : 160;
  out.course.held_out_segments = quick ? 8 : 64;
  out.course.teacher_tokenizer.pieces = quick ? 400 : 2000;
  out.course.student_tokenizer.pieces = quick ? 200 : 1000;
  if (quick) {
    out.training.epochs = 1;
    out.training.width = out.training.hidden = 16;
  }
  out.training.loss.device = available(loss_device::simd) ? loss_device::simd : loss_device::scalar;
  return out;
}

/// With cross-entropy alone, where the loss only judges: always the same one, so that tables share
/// the runs.
trial plain(trial of) {
  of.training.loss = ordinary(false).training.loss;
  of.goal = objective::cross_entropy;
  return of;
}

trial with_loss(trial of, loss_kind kind) {
  auto const device = of.training.loss.device;
  of.training.loss = options_of(kind);
  of.training.loss.device = device;
  return of;
}

/// MultiLevelOT of these weights.
trial weighing(trial of, double alpha, double had, double sl, double sd) {
  of.training.loss.alpha = alpha;
  of.training.loss.holistic = had;
  of.training.loss.beta = sl;
  of.training.loss.gamma = sd;
  return of;
}

trial strong(trial const& of) { return weighing(of, 1, 1, 0.1, 0.1); }
/// SD alone, weighed so that what it does can be seen.
trial sinkhorn_alone(trial const& of) { return weighing(of, 1, 0, 0, 1); }

std::string short_number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", x);
  return text;
}

/// A row for cross-entropy and one for every value, each compared with it.
template <class Set>
table sweep(std::string name, std::string title, std::string const& symbol, trial const& of,
            std::vector<double> const& values, Set set) {
  table out = {std::move(name), std::move(title), symbol, {{"CE", -1, {}, plain(of)}}};
  for (double const value : values) {
    trial one = of;
    set(one.training.loss, value);
    out.rows.push_back({symbol + " = " + short_number(value), 0, value, one});
  }
  return out;
}

table tokenizer_pairs(trial const& of) {
  using enum tokenizer_kind;
  distill::index_t const small = of.course.student_tokenizer.pieces,
                         large = of.course.teacher_tokenizer.pieces;
  struct pair {
    tokenizer_choice teacher, student;
  };
  table out = {"tokenizers", "Tokenizers of teacher and student", "", {}};
  for (auto const& [teacher, student] :
       {pair{{unigram, large}, {bpe, small}}, pair{{bpe, large}, {unigram, small}},
        pair{{unigram, large}, {unigram, large}}, pair{{bpe, small}, {unigram, large}},
        pair{{unigram, large}, {character, large}}}) {
    trial one = of;
    one.course.teacher_tokenizer = teacher;
    one.course.student_tokenizer = student;
    auto const called = [](tokenizer_choice const& choice) {
      return name_of(choice.kind) +
             (choice.kind == character ? "" : " " + std::to_string(choice.pieces));
    };
    std::string const names = called(teacher) + " to " + called(student);
    auto const first = distill::index_t(out.rows.size());
    out.rows.push_back({names + ": CE", -1, {}, plain(one)});
    out.rows.push_back({names + ": all terms", first, {}, strong(one)});
  }
  return out;
}
}  // namespace

std::vector<table> all_tables(bool quick) {
  trial const of = ordinary(quick);
  trial by_tokens = of;
  by_tokens.training.loss.level = transport::tokens;
  return {{"terms",
           "Terms (the paper's Table 3)",
           "",
           {{"CE", -1, {}, plain(of)},
            {"CE + ULD, weight 1.5", 0, {}, with_loss(of, loss_kind::universal_logit)},
            {"CE + 0.15 HAD", 0, {}, weighing(of, 0.15, 1, 0, 0)},
            {"CE + 0.015 SL", 0, {}, weighing(of, 0.15, 0, 0.1, 0)},
            {"CE + 0.015 SD", 0, {}, weighing(of, 0.15, 0, 0, 0.1)},
            {"CE + all terms, alpha = 0.15", 0, {}, of},
            {"CE + all terms, alpha = 1", 0, {}, strong(of)}}},
          {"level",
           "Sinkhorn between tokens of sequences or columns of tokens (Table 4)",
           "",
           {{"CE", -1, {}, plain(of)},
            {"all terms, sequences", 0, {}, of},
            {"all terms, tokens", 1, {}, by_tokens},
            {"SD alone, weight 1, sequences", 0, {}, sinkhorn_alone(of)},
            {"SD alone, weight 1, tokens", 3, {}, sinkhorn_alone(by_tokens)}}},
          sweep("iterations", "Sinkhorn iterations (Table 7), SD alone, weight 1", "N",
                sinkhorn_alone(of), {5, 10, 20, 50, 100},
                [](loss_options& o, double n) { o.iterations = distill::index_t(n); }),
          sweep("columns", "Columns kept (Table 8), all terms, alpha = 1", "k", strong(of),
                {5, 20, 50, 100, 300, 1000},
                [](loss_options& o, double k) { o.k = distill::index_t(k); }),
          sweep("epsilon", "Entropic regularisation, SD alone, weight 1", "epsilon",
                sinkhorn_alone(of), {0.02, 0.05, 0.1, 0.3, 1},
                [](loss_options& o, double epsilon) { o.epsilon = epsilon; }),
          tokenizer_pairs(of)};
}
}  // namespace experiments
