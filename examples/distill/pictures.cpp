#include "distill/pictures.hpp"

#include <algorithm>

#include "distill/heat_map.hpp"
#include "distill/line_chart.hpp"
#include "distill/report.hpp"

namespace distill {
namespace {
constexpr std::string_view plain_colour = "#c2571a", distilled_colour = "#1f6fb2";

template <class Measure>
curve curve_of(std::string name, std::string_view colour, std::vector<run_record> const& runs,
               Measure measure) {
  curve out{.name = std::move(name), .colour = colour, .mean = {}, .low = {}, .high = {}};
  for (std::size_t epoch = 0; epoch < runs.front().epochs.size(); ++epoch) {
    std::vector<double> values;
    for (run_record const& run : runs) values.push_back(measure(run.epochs[epoch]));
    spread const s = spread_of(values);
    out.mean.push_back(s.mean);
    if (runs.size() > 1) {
      out.low.push_back(s.low);
      out.high.push_back(s.high);
    }
  }
  return out;
}

template <class Measure>
panel panel_of(std::string title, std::string y_label, comparison const& runs, Measure measure) {
  return {std::move(title),
          "epoch",
          std::move(y_label),
          {curve_of("CE", plain_colour, runs.plain, measure),
           curve_of(title_of(runs.loss), distilled_colour, runs.distilled, measure)}};
}

std::string seeds_remark(comparison const& runs) {
  return runs.plain.size() > 1 ? "Mean of " + std::to_string(runs.plain.size()) +
                                     " seeds; the bands reach from the least to the largest."
                               : "One seed.";
}

svg bits_chart(comparison const& runs) {
  panel p = panel_of("held-out text", "bits per byte", runs,
                     [](epoch_record const& e) { return e.held_out_bits; });
  auto const train = [](epoch_record const& e) { return e.train_bits; };
  panel t = panel_of("text learned from", "", runs, train);
  return line_charts("A student with its own tokenizer, with and without the teacher",
                     seeds_remark(runs), {p, t}, 430, 360);
}

svg terms_chart(comparison const& runs) {
  std::vector<panel> panels;
  for (std::string_view const term : facts_of(runs.loss).terms)
    panels.push_back(
        panel_of(std::string(term), "", runs,
                 [i = panels.size()](epoch_record const& e) { return e.held_out.distance[i]; }));
  double const width = panels.size() == 1 ? 600 : 330;  // the heading has to fit
  return line_charts("The terms of the loss on held-out text, a student token", seeds_remark(runs),
                     panels, width, 300);
}

/// A held-out segment whose plan fits a page: the one nearest to a good length.
sample const& readable_sample(training_data const& data) {
  auto const unfit = [](sample const& s) {
    constexpr std::size_t good = 22;
    std::size_t const longer = std::max(s.teacher.size(), s.student.size());
    return longer > good ? longer - good : good - longer;
  };
  return *std::min_element(data.held_out.begin(), data.held_out.end(),
                           [&](sample const& a, sample const& b) { return unfit(a) < unfit(b); });
}

std::vector<std::string> pieces(tokenizer const& t, std::vector<token> const& ids) {
  std::vector<std::string> out;
  for (token const id : ids) out.push_back(t.piece(id));
  return out;
}

svg plan_map(student<float>& model, course const& from, loss_options const& loss) {
  sample const& shown = readable_sample(from.data);
  batch b;
  b.append(shown);
  matrix<float> student_logits, teacher_logits(b.teacher.size(), from.teacher.vocabulary());
  model.forward(b.student, student_logits);
  from.teacher.logits(b.teacher[0], teacher_logits);
  mlot_step<float> step(loss);
  step.keep_plan(true);
  step(teacher_logits, student_logits, b, nullptr);
  return heat_map{.heading = "How the Sinkhorn term pairs tokens of two tokenizers",
                  .remark =
                      "Transport plan of one held-out segment: each student token receives "
                      "one unit of mass.",
                  .row_title = "teacher tokens",
                  .column_title = "student tokens",
                  .rows = pieces(*from.teacher_tokens, shown.teacher),
                  .columns = pieces(*from.student_tokens, shown.student),
                  .values = step.plan().cast<double>()}
      .draw();
}
}  // namespace

std::vector<std::filesystem::path> draw_pictures(std::filesystem::path const& folder,
                                                 comparison& runs, course const& from,
                                                 loss_options const& loss) {
  std::vector<std::filesystem::path> written;
  auto const write = [&](char const* name, svg const& picture) {
    picture.write(folder / name);
    written.push_back(folder / name);
  };
  write("bits_per_byte.svg", bits_chart(runs));
  write("terms.svg", terms_chart(runs));
  if (loss.has_plan()) write("transport_plan.svg", plan_map(runs.example->student(), from, loss));
  return written;
}
}  // namespace distill
