#include "distill/experiment.hpp"

#include "distill/progress.hpp"
#include "distill/schedule.hpp"

namespace distill {
comparison compare(training_data const& data, logit_source const& teacher,
                   training_options const& options, index_t seeds, index_t threads) {
  comparison out;
  out.loss = options.loss.kind;
  out.plain.resize(std::size_t(seeds));
  out.distilled.resize(std::size_t(seeds));
  progress shown(2 * seeds, options.epochs);
  for_each_job(2 * seeds, threads, [&](index_t job) {
    bool const distilled = job < seeds;  // the longer runs first, so that threads end together
    index_t const seed = job % seeds;
    auto run = std::make_unique<trainer>(
        data, teacher, options, distilled ? objective::distilled : objective::cross_entropy,
        std::uint64_t(seed + 1));
    std::string const name =
        (distilled ? title_of(options.loss.kind) : "CE") + ", seed " + std::to_string(seed + 1);
    auto& records = distilled ? out.distilled : out.plain;
    records[std::size_t(seed)] =
        run->run([&](epoch_record const& epoch) { shown.epoch(name, epoch); });
    shown.run(name, records[std::size_t(seed)]);
    if (distilled && seed == 0) out.example = std::move(run);
  });
  shown.finish();
  return out;
}
}  // namespace distill
