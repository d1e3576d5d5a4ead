#include "observe/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace backfill {
namespace {

using Labels = std::vector<std::pair<std::string_view, std::string>>;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
  return text;
}

void append_family(std::string& text, std::string_view name, std::string_view type,
                   std::string_view help) {
  text += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

// Samples of one family, each with the job as its first label.
class Samples {
 public:
  Samples(std::string& text, std::string_view name, const std::string& job_label)
      : text_(text), name_(name), job_label_(job_label) {}

  template <class Number>
  void append(const Labels& labels, Number number, std::string_view suffix = "") {
    text_ += name_;
    text_ += suffix;
    text_ += '{';
    text_ += job_label_;
    for (const auto& [name, value] : labels)
      text_ += fmt::format(",{}=\"{}\"", name, escaped(value));
    text_ += fmt::format("}} {}\n", number);
  }

 private:
  std::string& text_;
  const std::string_view name_;
  const std::string& job_label_;
};

// A counter that falls would look like one that was reset; levelling takes back what it counted.
void never_fall(RowCounts& now, const RowCounts& before) {
  now.read = std::max(now.read, before.read);
  now.written = std::max(now.written, before.written);
  now.skipped = std::max(now.skipped, before.skipped);
  now.rejected = std::max(now.rejected, before.rejected);
  now.unchanged = std::max(now.unchanged, before.unchanged);
  now.conflicts = std::max(now.conflicts, before.conflicts);
}

}  // namespace

double unix_time() { return seconds(std::chrono::system_clock::now().time_since_epoch()); }

Metrics::Metrics(const std::string& job)
    : job_label_("job=\"" + escaped(job) + "\""), began_at_(unix_time()) {}

void Metrics::Histogram::observe(double seconds) {
  const auto bound = std::lower_bound(bounds_s.begin(), bounds_s.end(), seconds);
  ++counts[static_cast<std::size_t>(bound - bounds_s.begin())];
  sum_s += seconds;
}

// A phase that a batch did not have is not one that took no time.
void Metrics::observe_phase(std::string_view phase, Duration duration) {
  if (duration > Duration::zero()) phases_[phase].observe(seconds(duration));
}

void Metrics::observe(const ChunkReport& report) {
  const std::lock_guard lock(mutex_);
  observe_phase("read", report.times.read);
  observe_phase("transform", report.times.transform);
  observe_phase("write", report.times.in_target());
  observe_phase("validate", report.times.validate);
  committed_at_ = unix_time();
}

void Metrics::observe_checkpoint(Duration duration) {
  const std::lock_guard lock(mutex_);
  observe_phase("checkpoint", duration);
}

void Metrics::show(const SavedRun& run) {
  const std::lock_guard lock(mutex_);
  SavedRun now = run;
  if (run_) never_fall(now.rows, run_->rows);
  is_running_ = now.state == RunState::running;
  run_ = std::move(now);
}

void Metrics::show(const Discrepancies& discrepancies) {
  const std::lock_guard lock(mutex_);
  discrepancies_ = discrepancies;
}

void Metrics::end() {
  const std::lock_guard lock(mutex_);
  is_running_ = false;
}

void Metrics::succeeded_at(double unix_s) {
  const std::lock_guard lock(mutex_);
  succeeded_at_ = unix_s;
}

bool Metrics::has_run() const {
  const std::lock_guard lock(mutex_);
  return run_ || discrepancies_;
}

std::string Metrics::text() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  if (run_) {
    append_counts(text);
    append_durations(text);
    append_gauges(text);
  }
  append_times(text);
  if (discrepancies_) append_discrepancies(text);
  return text;
}

void Metrics::append_counts(std::string& text) const {
  append_family(text, "backfill_rows_total", "counter",
                "Rows of the run by what became of them; read is all of them.");
  Samples rows(text, "backfill_rows_total", job_label_);
  rows.append({{"result", "read"}}, run_->rows.read);
  rows.append({{"result", "written"}}, run_->rows.written);
  rows.append({{"result", "skipped"}}, run_->rows.skipped);
  rows.append({{"result", "rejected"}}, run_->rows.rejected);
  rows.append({{"result", "unchanged"}}, run_->rows.unchanged);
  rows.append({{"result", "conflict"}}, run_->rows.conflicts);

  append_family(
      text, "backfill_batches_total", "counter",
      "Batches of the run that are done, and how often one was tried again or cut in two.");
  Samples batches(text, "backfill_batches_total", job_label_);
  batches.append({{"outcome", "done"}}, run_->batches.done);
  batches.append({{"outcome", "retried"}}, run_->batches.retried);
  batches.append({{"outcome", "split"}}, run_->batches.split);

  if (run_->rested_s.empty()) return;
  append_family(text, "backfill_sleep_seconds_total", "counter",
                "Time that workers rested, by what made them.");
  Samples rests(text, "backfill_sleep_seconds_total", job_label_);
  for (const auto& [reason, rested_s] : run_->rested_s)
    rests.append({{"reason", reason}}, rested_s);
}

void Metrics::append_durations(std::string& text) const {
  if (phases_.empty()) return;
  append_family(text, "backfill_batch_duration_seconds", "histogram",
                "How long the phases of a batch took in this process.");
  Samples samples(text, "backfill_batch_duration_seconds", job_label_);
  for (const auto& [phase, histogram] : phases_) {
    const std::string name(phase);
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      count += histogram.counts[i];
      const bool is_last = i == Histogram::bounds_s.size();
      samples.append(
          {{"phase", name}, {"le", is_last ? "+Inf" : fmt::format("{}", Histogram::bounds_s[i])}},
          count, "_bucket");
    }
    samples.append({{"phase", name}}, histogram.sum_s, "_sum");
    samples.append({{"phase", name}}, count, "_count");
  }
}

void Metrics::append_gauges(std::string& text) const {
  const auto gauge = [&](std::string_view name, std::string_view help, auto number,
                         const Labels& labels = {}) {
    append_family(text, name, "gauge", help);
    Samples(text, name, job_label_).append(labels, number);
  };
  gauge("backfill_running", "1 while a run is at work, 0 once it has ended.", is_running_ ? 1 : 0);
  gauge("backfill_batch_size_rows", "Rows that are asked for in the next batch.", run_->batch_size);
  gauge("backfill_share", "Part of the time that workers may be busy; 0 is a pause.", run_->share);
  if (!run_->signals.empty()) {
    append_family(text, "backfill_pressure", "gauge",
                  "Load by each signal that is watched; 1 is its limit.");
    Samples pressures(text, "backfill_pressure", job_label_);
    for (const auto& [signal, level] : run_->signals) pressures.append({{"signal", signal}}, level);
  }
  if (run_->estimated_total || run_->all_visited) {
    gauge("backfill_progress_ratio", "How far the run is; 1 once every row was visited.",
          run_->progress);
  }
}

void Metrics::append_discrepancies(std::string& text) const {
  append_family(text, "backfill_discrepancies", "gauge",
                "Rows in which the target differed when it was last verified.");
  Samples samples(text, "backfill_discrepancies", job_label_);
  samples.append({{"kind", "missing"}}, discrepancies_->missing);
  samples.append({{"kind", "extra"}}, discrepancies_->extra);
  samples.append({{"kind", "different"}}, discrepancies_->different);
  if (!discrepancies_->drift_within_hour) return;
  append_family(text, "backfill_verify_drift_per_hour", "gauge",
                "Differences that came up within the last hour, as pass after pass saw them.");
  Samples(text, "backfill_verify_drift_per_hour", job_label_)
      .append({}, *discrepancies_->drift_within_hour);
}

void Metrics::append_times(std::string& text) const {
  const auto time = [&](std::string_view name, std::string_view help, double unix_s) {
    append_family(text, name, "gauge", help);
    Samples(text, name, job_label_).append({}, fmt::format("{:.3f}", unix_s));
  };
  if (discrepancies_ && discrepancies_->clean_at)
    time("backfill_verify_last_clean_timestamp_seconds",
         "When a whole pass of verify last ended and had found nothing.",
         *discrepancies_->clean_at);
  if (run_) time("backfill_start_timestamp_seconds", "When this process began.", began_at_);
  if (committed_at_)
    time("backfill_last_commit_timestamp_seconds",
         "When a batch last came to its end in the target.", *committed_at_);
  if (succeeded_at_)
    time("backfill_last_success_timestamp_seconds",
         "When a run last ended with exit code 0: complete, or a planned stop.", *succeeded_at_);
}

}  // namespace backfill
