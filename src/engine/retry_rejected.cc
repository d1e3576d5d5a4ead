#include "engine/retry_rejected.h"

#include <fmt/format.h>

#include <future>
#include <thread>

#include "engine/lone_row_source.h"
#include "engine/working_hours.h"

namespace backfill {
namespace {

constexpr std::size_t kLettersAtOnce = 1000;  // of the checkpoint, in memory
constexpr Duration kTick = std::chrono::milliseconds(200);
constexpr int kConfirmEvery = 5;  // ticks

// Keeps the lease while rows are retried, and cancels a call that outlasts the grace after a stop.
class Housekeeping {
 public:
  Housekeeping(RunnerLock& lock, ChunkRunner& runner, Duration grace, Clock& clock,
               std::stop_source& stop)
      : thread_([this, &lock, &runner, grace, &clock, &stop](const std::stop_token& done) {
          std::optional<TimePoint> asked_at;
          for (int tick = 1; clock.wait(kTick, done); ++tick) {
            if (tick % kConfirmEvery == 0 && !stop.stop_requested()) confirm(lock, stop);
            if (!stop.stop_requested()) continue;
            if (!asked_at) asked_at = clock.now();
            if (clock.now() - *asked_at >= grace) runner.cancel();
          }
        }) {}

  // Why the retry cannot go on; none when it can. Once it has ended.
  const std::exception_ptr& failure() const { return failure_; }

  void end() {
    thread_.request_stop();
    thread_.join();
  }

 private:
  void confirm(RunnerLock& lock, std::stop_source& stop) {
    try {
      lock.confirm();
    } catch (const Error& error) {
      // Unknown for now: the next write meets the same trouble, and waits for its end.
      if (error.kind() == ErrorKind::retry) return;
      failure_ = std::current_exception();
      stop.request_stop();
    }
  }

  std::exception_ptr failure_;
  std::jthread thread_;
};

// Of a type that we cannot read, all that a dead letter has is the bytes in hex.
void refuse_unreadable_keys(const Layout& layout) {
  for (const int position : layout.read_key) {
    const Column& column = layout.read[static_cast<std::size_t>(position)].column;
    if (column.kind != Kind::other || column.dynamic) continue;
    throw Error(ExitCode::unsafe,
                fmt::format("retry rejected rows: values of key column {} cannot be read back from "
                            "a dead letter; --restart does every row again",
                            column.name));
  }
}

// Each row is a transaction of its own: what became of it is never mixed up with others.
class Retry {
 public:
  Retry(const RunParts& parts, const RunOptions& options, SavedRun run, CheckpointStore& store,
        Clock& clock, Log& log, const LookForOptions& look_for_options)
      : parts_(parts),
        options_(options),
        store_(store),
        clock_(clock),
        log_(log),
        look_for_options_(look_for_options) {
    report_.run = std::move(run);
    ChunkRunner::Parts made = parts.make_runner_parts();
    made.source = std::make_unique<LoneRowSource>(std::move(made.source));
    made.pushes_down = false;
    ChunkRunner::KeepDeadLetters keep;
    if (parts.ledger) {
      keep = [this](const std::vector<DeadLetter>& letters) { save({}, letters); };
    }
    runner_ = std::make_unique<ChunkRunner>(
        std::move(made), parts.layout, options.backoff, clock, log, std::move(keep),
        [this](const Chunk& chunk, const std::string& mark) { return note_doubt(chunk, mark); });
  }

  ChunkRunner& runner() { return *runner_; }
  const RetryReport& report() const { return report_; }

  // What an earlier process wrote and had no time to validate, or to note.
  void take_over(const std::stop_token& stop) {
    while (!report_.run.in_doubt.empty()) {
      const Doubt& doubt = report_.run.in_doubt.back();
      Chunk chunk = LoneRowSource::chunk_of(doubt.upto);
      chunk.mark = doubt.mark;
      const ChunkReport levelled = runner_->run(chunk, std::nullopt, stop);
      report_.run.in_doubt.pop_back();
      save({}, levelled.dead_letters);
    }
    if (!parts_.ledger) return;
    for (const LedgerRange& range : parts_.ledger->ranges()) {
      if (!store_.has_dead_letter(range.upto)) continue;
      ChunkReport done;
      done.rows = range.rows;
      done.from_ledger = true;
      settle(range.upto, done);
    }
    parts_.ledger->clear();
  }

  void retry_all(const std::stop_token& stop) {
    std::string after;
    while (true) {
      const std::vector<Key> keys = store_.dead_letter_keys(after, kLettersAtOnce);
      if (keys.empty()) return;
      after = keys.back().to_json();
      for (const Key& key : keys) {
        wait_out_standstill(stop);
        settle(key, runner_->run(LoneRowSource::chunk_of(key), std::nullopt, stop));
      }
      if (parts_.ledger) parts_.ledger->clear();
    }
  }

 private:
  void wait_out_standstill(const std::stop_token& stop) {
    for (std::string told; !stop.stop_requested();) {
      if (auto options = look_for_options_()) options_ = std::move(*options);
      const std::optional<Standstill> standstill =
          WorkingHours(clock_).limits(options_.throttle, options_.schedule).standstill;
      if (!standstill) return;
      if (standstill->reason != told) {
        log_.write(LogLevel::info, "paused", {{"reason", standstill->reason}});
        told = standstill->reason;
      }
      clock_.wait(kTick, stop);
    }
    throw Error(ErrorKind::cancelled, "retry: stopped");
  }

  void settle(const Key& key, const ChunkReport& done) {
    report_.run.in_doubt.clear();
    // Found in the ledger as refused once more: it stays, with the reason kept before the commit.
    if (done.from_ledger && done.rows.rejected > 0) return save({}, {});
    const std::int64_t gone = done.rows.read == 0 ? 1 : 0;
    ++report_.retried;
    report_.gone += gone;
    report_.rows += done.rows;
    RowCounts& rows = report_.run.rows;
    rows.rejected += done.rows.rejected - 1;
    rows.written += done.rows.written;
    rows.skipped += done.rows.skipped;
    rows.unchanged += done.rows.unchanged + gone;  // nothing is left to do for it
    rows.conflicts += done.rows.conflicts;
    save({key}, done.dead_letters);
  }

  std::future<void> note_doubt(const Chunk& chunk, const std::string& mark) {
    report_.run.in_doubt.push_back({chunk.after, chunk.upto, mark});
    save({}, {});
    std::promise<void> saved;
    saved.set_value();
    return saved.get_future();
  }

  void save(const std::vector<Key>& settled, const std::vector<DeadLetter>& rejected_again) {
    SavedRun& run = report_.run;
    const auto rejected = over_rejected_limit(run, options_);
    run.state = rejected ? RunState::failed : RunState::complete;
    run.reason = rejected.value_or("");
    run.updated_at = utc_now();
    store_.settle(run, settled, rejected_again);
  }

  const RunParts& parts_;
  RunOptions options_;
  CheckpointStore& store_;
  Clock& clock_;
  Log& log_;
  const LookForOptions& look_for_options_;
  RetryReport report_;
  std::unique_ptr<ChunkRunner> runner_;
};

}  // namespace

std::string retry_ledger_job(const std::string& job, const std::string& run_id) {
  return job + "/rejected/" + run_id;
}

RetryReport retry_rejected(const RunParts& parts, const RunOptions& options, SavedRun run,
                           CheckpointStore& store, Clock& clock, Log& log,
                           const LookForOptions& look_for_options, std::stop_token stop) {
  refuse_unreadable_keys(parts.layout);
  std::stop_source stop_all;
  const std::stop_callback forward(stop, [&] { stop_all.request_stop(); });
  Retry retry(parts, options, std::move(run), store, clock, log, look_for_options);
  Housekeeping housekeeping(*parts.lock, retry.runner(), options.grace, clock, stop_all);
  try {
    retry.take_over(stop_all.get_token());
    retry.retry_all(stop_all.get_token());
  } catch (const Error& error) {
    housekeeping.end();
    if (housekeeping.failure()) std::rethrow_exception(housekeeping.failure());
    if (error.kind() != ErrorKind::cancelled || !stop.stop_requested()) throw;
    throw Error(ExitCode::stopped,
                fmt::format("stopped with {} rejected rows left; run again with --retry-rejected",
                            retry.report().run.rows.rejected));
  }
  return retry.report();
}

}  // namespace backfill
