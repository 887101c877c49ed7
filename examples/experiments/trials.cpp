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
  std::vector<trial> missing;
  for (row const& r : asked.rows)
    if (find(r.of) == nullptr && std::find(missing.begin(), missing.end(), r.of) == missing.end())
      missing.push_back(r.of);
  while (!missing.empty()) {
    course_options const options = missing.front().course;
    auto const others = std::stable_partition(
        missing.begin(), missing.end(), [&](trial const& one) { return one.course == options; });
    std::vector<entry> fresh;
    for (auto one = missing.begin(); one != others; ++one)
      fresh.push_back({*one, std::vector<run_record>(std::size_t(seeds_))});
    missing.erase(missing.begin(), others);

    course const& from = course_of(options, done);
    progress shown(distill::index_t(fresh.size()) * seeds_, fresh.front().of.training.epochs);
    for_each_job(distill::index_t(fresh.size()) * seeds_, threads_, [&](distill::index_t job) {
      entry& mine = fresh[std::size_t(job / seeds_)];
      auto const seed = std::size_t(job % seeds_);
      trainer student(from.data, from.teacher, mine.of.training, mine.of.goal, seed + 1);
      std::string const name = asked.name + ", seed " + std::to_string(seed + 1);
      mine.runs[seed] = student.run([&](epoch_record const& epoch) { shown.epoch(name, epoch); });
      shown.run(name, mine.runs[seed]);
    });
    shown.finish();
    done.line("students", "%s: %d x %d seeds", asked.name.c_str(), int(fresh.size()), int(seeds_));
    std::move(fresh.begin(), fresh.end(), std::back_inserter(entries_));
  }
}
}  // namespace experiments
