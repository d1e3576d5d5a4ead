#include "engine/recorder.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

constexpr Duration kHeartbeat = std::chrono::seconds(1);  // `status` shows a live run as live
// A short run has enough samples to draw, a long one no more than it takes.
constexpr Duration kSampleIntervalMin = std::chrono::seconds(1);
constexpr Duration kSampleIntervalMax = std::chrono::seconds(5);
constexpr double kSamplesOfShortRun = 60;
constexpr std::size_t kGroupMax = 64;  // reports saved in one step
// Each step syncs the disk, which small batches feel, and others who use it. Where there are
// doubts, which have to be synced in any case, reports wait for the next one; and where others are
// to be spared, for each other; so long after a step.
constexpr std::chrono::milliseconds kGathering{50};

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
double milliseconds_of(Duration duration) { return seconds(duration) * 1000; }

Duration sample_interval(double elapsed_s) {
  const std::chrono::duration<double> part(elapsed_s / kSamplesOfShortRun);
  return std::clamp(std::chrono::duration_cast<Duration>(part), kSampleIntervalMin,
                    kSampleIntervalMax);
}

}  // namespace

std::vector<Recorder::OpenDoubt> Recorder::open_doubts(const SavedRun& run) {
  std::vector<OpenDoubt> doubts;
  for (const Doubt& doubt : run.in_doubt) doubts.push_back({std::nullopt, doubt});
  return doubts;
}

Recorder::Recorder(SavedRun run, std::size_t queue_size, Wiring wiring)
    : wiring_(std::move(wiring)),
      entries_(queue_size),
      watermark_(run.watermark),
      progress_(run, wiring_.clock),
      run_(std::move(run)),
      doubts_(open_doubts(run_)),
      carried_(run_.done_ahead),
      throttled_before_s_(run_.throttled_s),
      rested_before_s_(run_.rested_s),
      sampled_at_(wiring_.clock.now()),
      published_(run_),
      thread_([this] { keep_recording(); }) {}

Recorder::~Recorder() { entries_.close(); }

void Recorder::record(ChunkReport report) {
  std::vector<DeadLetter> dead_letters = std::move(report.dead_letters);
  entries_.push({std::move(report), std::move(dead_letters), std::nullopt, std::nullopt},
                std::stop_token());
}

void Recorder::keep(const std::vector<DeadLetter>& dead_letters) {
  std::promise<void> saved;
  std::future<void> future = saved.get_future();
  entries_.push({std::nullopt, dead_letters, std::nullopt, std::move(saved)}, std::stop_token());
  try {
    future.get();
  } catch (const std::future_error&) {
    throw Error(ErrorKind::stop, "keep dead letters: the checkpoint cannot be written");
  }
}

std::future<void> Recorder::note(const Chunk& chunk, const std::string& mark) {
  std::promise<void> saved;
  std::future<void> future = saved.get_future();
  entries_.push({std::nullopt,
                 {},
                 OpenDoubt{chunk.ordinal, {chunk.after, chunk.upto, mark}},
                 std::move(saved)},
                std::stop_token());
  return future;
}

SavedRun Recorder::drain() {
  entries_.close();
  if (thread_.joinable()) thread_.join();
  return run_;
}

void Recorder::finish(RunState state, const std::string& reason, bool all_visited) {
  if (has_failed_) return;
  run_.state = state;
  run_.reason = reason;
  run_.all_visited = all_visited;
  save({}, /*with_sample=*/true);
}

SavedRun Recorder::snapshot() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

void Recorder::keep_recording() {
  try {
    while (!entries_.is_finished()) record_next();
    save_gathered();
  } catch (...) {
    has_failed_ = true;
    entries_.close();
    // Nobody may wait for what is never saved.
    gathered_ = Gathered();
    while (entries_.pop_for(Duration::zero())) {
    }
    wiring_.on_failure(std::current_exception());
  }
}

// What waits together is saved together.
void Recorder::record_next() {
  using Steady = std::chrono::steady_clock;
  const bool gathers = has_doubts_ || wiring_.throttle.is_small();
  const Steady::time_point save_by = gathers ? saved_at_ + kGathering : saved_at_;
  const Duration until_then = std::max<Duration>(save_by - Steady::now(), Duration::zero());
  auto entry = entries_.pop_for(gathered_.reports == 0 ? kHeartbeat : until_then);
  for (std::size_t taken = 0; entry; entry = entries_.pop_for(Duration::zero())) {
    gather(std::move(*entry));
    if (++taken == kGroupMax) break;
  }
  const bool may_wait = gathered_.reports > 0 && gathered_.reports < kGroupMax &&
                        gathered_.waiting.empty() && Steady::now() < save_by;
  if (may_wait) return;
  save_gathered();
  saved_at_ = Steady::now();
}

void Recorder::gather(Entry entry) {
  if (entry.report) {
    ++gathered_.reports;
    add(*entry.report);
    if (entry.report->chunk.mark.empty()) gathered_.durable.push_back(entry.report->chunk.upto);
  }
  if (entry.doubt) {
    has_doubts_ = true;
    add(std::move(*entry.doubt));
  }
  for (DeadLetter& letter : entry.dead_letters) gathered_.dead_letters.push_back(std::move(letter));
  if (entry.saved) gathered_.waiting.push_back(std::move(*entry.saved));
}

void Recorder::save_gathered() {
  Gathered gathered = std::exchange(gathered_, Gathered());
  save(gathered.dead_letters, wiring_.clock.now() - sampled_at_ >= sample_interval(run_.elapsed_s));
  for (std::promise<void>& saved : gathered.waiting) saved.set_value();
  if (!gathered.durable.empty()) wiring_.on_durable(gathered.durable);
}

// A part of a chunk that is written again, by another transaction, has been settled before.
void Recorder::add(OpenDoubt doubt) {
  std::erase_if(doubts_, [&](const OpenDoubt& open) {
    return open.ordinal == doubt.ordinal && open.doubt.after == doubt.doubt.after &&
           open.doubt.upto == doubt.doubt.upto;
  });
  doubts_.push_back(std::move(doubt));
}

void Recorder::end_doubts(const ChunkReport& report) {
  std::erase_if(doubts_, [&](const OpenDoubt& open) {
    if (report.chunk.mark.empty()) return open.ordinal == report.chunk.ordinal;
    return !open.ordinal && open.doubt.mark == report.chunk.mark;
  });
}

void Recorder::add(const ChunkReport& report) {
  end_doubts(report);
  if (!report.chunk.mark.empty()) {
    run_.rows.conflicts += report.rows.conflicts;  // its other rows are counted with their chunk
    return;
  }
  watermark_.complete(report.chunk);
  std::erase_if(carried_, [&](const DoneRange& range) { return range.upto == report.chunk.upto; });
  run_.rows += report.rows;
  run_.batches.done +=
      report.chunk.size > 0 ? 1 : 0;  // ranges done by an earlier process have no size
  run_.batches.retried += report.retries;
  run_.batches.split += report.splits;
  work_since_sample_ += report.times;
  ++batches_since_sample_;
}

void Recorder::save(const std::vector<DeadLetter>& dead_letters, bool with_sample) {
  run_.watermark = watermark_.key();
  run_.done_ahead = watermark_.done_ahead();
  run_.done_ahead.insert(run_.done_ahead.end(), carried_.begin(), carried_.end());
  run_.in_doubt.clear();
  for (const OpenDoubt& open : doubts_) run_.in_doubt.push_back(open.doubt);
  run_.batch_size = wiring_.batch_size();
  run_.share = wiring_.throttle.share();
  run_.workers = wiring_.throttle.workers();
  run_.throttled_s = throttled_before_s_ + seconds(wiring_.throttle.rested());
  run_.rested_s = rested_before_s_;
  for (const auto& [cause, rested] : wiring_.throttle.rested_by())
    run_.rested_s[cause] += seconds(rested);
  const Pressure pressure = wiring_.throttle.pressure();
  run_.pressure_signal = pressure.signal;
  run_.pressure.reset();
  if (!pressure.signal.empty()) run_.pressure = pressure.level;
  // Of a run that has ended they are of the past.
  run_.signals = run_.state == RunState::running ? wiring_.throttle.levels() : Figures();
  if (run_.state == RunState::running) run_.reason = wiring_.throttle.reason();
  run_.updated_at = utc_now();
  progress_.update(run_);

  const TimePoint began = wiring_.clock.now();
  failpoint("checkpoint.before_commit");
  wiring_.store.save(run_, dead_letters, with_sample ? std::optional(sample()) : std::nullopt);
  failpoint("checkpoint.after_commit");
  const Duration saving = wiring_.clock.now() - began;
  saving_since_sample_ += saving;
  if (wiring_.on_saved) wiring_.on_saved(saving);

  const std::lock_guard lock(mutex_);
  published_ = run_;
}

Sample Recorder::sample() {
  Sample sample;
  sample.taken_at = run_.updated_at;
  sample.elapsed_s = run_.elapsed_s;
  sample.rows_read = run_.rows.read;
  sample.rows_written = run_.rows.written;
  sample.rate_rows_per_s = run_.rate_rows_per_s.value_or(0);
  sample.batch_size = run_.batch_size;
  if (batches_since_sample_ > 0) {
    sample.batch_ms =
        milliseconds_of(work_since_sample_.total()) / static_cast<double>(batches_since_sample_);
  }
  sample.share = run_.share;
  sample.pressure = run_.pressure;
  sample.reason = run_.reason;
  sample.progress = run_.progress;
  sample.batches_done = run_.batches.done;
  sample.batches_retried = run_.batches.retried;
  sample.rows_conflicts = run_.rows.conflicts;
  sample.rows_rejected = run_.rows.rejected;
  sample.signals = run_.signals;
  sample.rested_s = run_.rested_s;
  sample.phases_ms = {{"read", milliseconds_of(work_since_sample_.read)},
                      {"transform", milliseconds_of(work_since_sample_.transform)},
                      {"write", milliseconds_of(work_since_sample_.in_target())},
                      {"validate", milliseconds_of(work_since_sample_.validate)},
                      {"checkpoint", milliseconds_of(saving_since_sample_)}};
  work_since_sample_ = {};
  saving_since_sample_ = {};
  batches_since_sample_ = 0;
  sampled_at_ = wiring_.clock.now();
  return sample;
}

}  // namespace backfill
