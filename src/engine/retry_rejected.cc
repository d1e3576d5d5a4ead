#include "engine/retry_rejected.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "engine/key_list_source.h"

namespace backfill {
namespace {

constexpr std::size_t kLettersAtOnce = 1000;  // of the checkpoint, in memory
constexpr Duration kTick = std::chrono::milliseconds(200);

// Cancels a call that outlasts the grace after a stop.
class GraceWatch {
 public:
  GraceWatch(ChunkRunner& runner, Duration grace, Clock& clock, std::stop_token stop)
      : thread_([&runner, grace, &clock, stop = std::move(stop)](const std::stop_token& done) {
          std::optional<TimePoint> asked_at;
          while (clock.wait(kTick, done)) {
            if (!stop.stop_requested()) continue;
            if (!asked_at) asked_at = clock.now();
            if (clock.now() - *asked_at >= grace) runner.cancel();
          }
        }) {}

 private:
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

class Retry {
 public:
  Retry(const RunParts& parts, const RunOptions& options, SavedRun run, CheckpointStore& store,
        Clock& clock, Log& log)
      : parts_(parts), options_(options), store_(store) {
    report_.run = std::move(run);
    ChunkRunner::Parts made = parts.make_runner_parts();
    auto source = std::make_unique<KeyListSource>(
        std::move(made.source), static_cast<std::size_t>(options.sizer.bytes_max));
    source_ = source.get();
    made.source = std::move(source);
    made.pushes_down = false;
    ChunkRunner::KeepDeadLetters keep;
    if (parts.ledger) {
      keep = [this](const std::vector<DeadLetter>& letters) { save({}, letters); };
    }
    runner_ = std::make_unique<ChunkRunner>(std::move(made), parts.layout, options.backoff, clock,
                                            log, std::move(keep));
  }

  ChunkRunner& runner() { return *runner_; }
  RetryReport report() const { return report_; }

  // What an earlier process wrote and had no time to note.
  void take_over_ledger() {
    if (!parts_.ledger) return;
    for (const LedgerRange& range : parts_.ledger->ranges()) {
      if (!store_.has_dead_letter(range.upto)) continue;
      ChunkReport done;
      done.rows = range.rows;
      done.from_ledger = true;
      settle({range.upto}, done);
    }
    parts_.ledger->clear();
  }

  void retry_all(const std::stop_token& stop) {
    std::string after;
    while (true) {
      const std::vector<Key> keys = store_.dead_letter_keys(after, kLettersAtOnce);
      if (keys.empty()) return;
      after = keys.back().to_json();
      confirm_lock();
      retry(keys, stop);
      if (parts_.ledger) parts_.ledger->clear();
    }
  }

 private:
  void retry(const std::vector<Key>& keys, const std::stop_token& stop) {
    // With a ledger each row is a transaction, so that its ledger row says it is done.
    const auto group_max = parts_.ledger ? 1 : static_cast<std::ptrdiff_t>(options_.sizer.size);
    for (auto first = keys.begin(); first != keys.end();) {
      if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "retry rejected rows: stopped");
      const auto last = first + std::min(group_max, keys.end() - first);
      source_->set_keys({first, last});
      const ChunkReport done = runner_->run(source_->whole(), std::nullopt, stop);
      settle({first, last}, done);
      report_.retried += last - first;
      first = last;
    }
  }

  void settle(const std::vector<Key>& keys, const ChunkReport& done) {
    // Found in the ledger as refused once more: it stays, with the reason kept before the commit.
    if (done.from_ledger && done.rows.rejected > 0) return;
    const auto gone = static_cast<std::int64_t>(keys.size()) - done.rows.read;
    report_.gone += gone;
    report_.rows += done.rows;
    RowCounts& rows = report_.run.rows;
    rows.rejected += done.rows.rejected - static_cast<std::int64_t>(keys.size());
    rows.written += done.rows.written;
    rows.skipped += done.rows.skipped;
    rows.unchanged += done.rows.unchanged + gone;  // nothing is left to do for them
    rows.conflicts += done.rows.conflicts;
    save(keys, done.dead_letters);
  }

  void save(const std::vector<Key>& settled, const std::vector<DeadLetter>& rejected_again) {
    SavedRun& run = report_.run;
    const auto rejected = over_rejected_limit(run, options_);
    run.state = rejected ? RunState::failed : RunState::complete;
    run.reason = rejected.value_or("");
    run.updated_at = utc_now();
    store_.settle(run, settled, rejected_again);
  }

  void confirm_lock() {
    try {
      parts_.lock->confirm();
    } catch (const Error& error) {
      // Unknown for now: the next write meets the same trouble, and waits for its end.
      if (error.kind() != ErrorKind::retry) throw;
    }
  }

  const RunParts& parts_;
  const RunOptions& options_;
  CheckpointStore& store_;
  RetryReport report_;
  KeyListSource* source_ = nullptr;  // the runner's
  std::unique_ptr<ChunkRunner> runner_;
};

}  // namespace

std::string retry_ledger_job(const std::string& job, const std::string& run_id) {
  return job + "/rejected/" + run_id;
}

RetryReport retry_rejected(const RunParts& parts, const RunOptions& options, SavedRun run,
                           CheckpointStore& store, Clock& clock, Log& log, std::stop_token stop) {
  refuse_unreadable_keys(parts.layout);
  Retry retry(parts, options, std::move(run), store, clock, log);
  const GraceWatch watch(retry.runner(), options.grace, clock, stop);
  try {
    retry.take_over_ledger();
    retry.retry_all(stop);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::cancelled || !stop.stop_requested()) throw;
    throw Error(ExitCode::stopped,
                fmt::format("stopped with {} rejected rows left; run again with --retry-rejected",
                            retry.report().run.rows.rejected));
  }
  return retry.report();
}

}  // namespace backfill
