#include "experiments/trials.hpp"

#include <algorithm>

#include "distill/report.hpp"
#include "distill/schedule.hpp"

namespace experiments {
trials::trials(corpus const& text, distill::index_t seeds, distill::index_t threads)
    : text_(text), seeds_(seeds), threads_(threads) {}

trials::entry const* trials::find(trial const& one) const {
  auto const at =
      std::find_if(entries_.begin(), entries_.end(), [&](entry const& e) { return e.of == one; });
  return at == entries_.end() ? nullptr : &*at;
}

std::vector<run_record> const& trials::of(trial const& trained) const {
  return find(trained)->runs;
}

course const& trials::course_of(course_options const& options, account& done) {
  if (!course_ || options_of_course_ != options) {
    course_.reset();
    course_.emplace(prepare(text_, options, done));
    options_of_course_ = options;
  }
  return *course_;
}

void trials::train(table const& asked, account& done) {
  std::vector<row> missing;
  for (row const& r : asked.rows)
    if (find(r.of) == nullptr && std::none_of(missing.begin(), missing.end(),
                                              [&](row const& other) { return other.of == r.of; }))
      missing.push_back(r);
  while (!missing.empty()) {
    course_options const options = missing.front().of.course;
    auto const others = std::stable_partition(missing.begin(), missing.end(),
                                              [&](row const& r) { return r.of.course == options; });
    std::vector<row> const fresh(missing.begin(), others);
    missing.erase(missing.begin(), others);

    course const& from = course_of(options, done);
    auto const rows = distill::index_t(fresh.size());
    std::vector<std::vector<run_record>> runs(fresh.size(),
                                              std::vector<run_record>(std::size_t(seeds_)));
    progress shown(rows * seeds_, fresh.front().of.training.epochs);
    for_each_job(rows * seeds_, threads_, [&](distill::index_t job) {
      row const& r = fresh[std::size_t(job / seeds_)];
      auto const seed = std::size_t(job % seeds_);
      std::string const name = r.label + ", seed " + std::to_string(seed + 1);
      trainer student(from.data, from.teacher, r.of.training, r.of.goal, seed + 1);
      run_record& record = runs[std::size_t(job / seeds_)][seed];
      record = student.run([&](epoch_record const& epoch) { shown.epoch(name, epoch); });
      shown.run(name, record);
    });
    shown.finish();
    done.line("students", "%s: %d x %d seeds", asked.name.c_str(), int(rows), int(seeds_));
    for (std::size_t i = 0; i < fresh.size(); ++i)
      entries_.push_back({fresh[i].of, std::move(runs[i])});
  }
}
}  // namespace experiments
