#include "engine/run.h"

#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "engine/batch_line.h"
#include "engine/done_ranges.h"
#include "engine/retried.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(200);
constexpr Duration kHousekeeping = std::chrono::seconds(1);
constexpr int kConfirmEvery = 5;  // rounds of housekeeping
constexpr Duration kCancelledFor =
    std::chrono::seconds(5);  // a cancelled call that takes longer is given up
constexpr std::size_t kChunksAheadPerWorker = 2;
constexpr std::size_t kReportsAheadPerWorker = 4;

std::string words(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    return error.what();
  }
}

ExitCode exit_code_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return error.exit_code();
  } catch (const std::exception&) {
    return ExitCode::failed;
  }
}

}  // namespace

Run::Run(RunParts parts, const RunOptions& options, SavedRun saved, CheckpointStore& store,
         Clock& clock, Log& log, RunWatch watch)
    : parts_(std::move(parts)),
      options_(options),
      store_(store),
      clock_(clock),
      log_(log),
      watch_(std::move(watch)),
      start_watermark_(saved.watermark),
      end_key_(saved.end_key),
      done_ahead_(saved.done_ahead),
      in_doubt_(saved.in_doubt),
      hours_(clock),
      sizer_(options.sizer, parts_.locks_others_out),
      throttle_(0, options.workers),  // until it is known what there is to watch
      chunks_(static_cast<std::size_t>(options.workers) * kChunksAheadPerWorker),
      threads_left_(options.workers + 2) {  // the planner's, and one that keeps house
  Recorder::Wiring wiring{
      store_,
      throttle_,
      clock_,
      [this] { return sizer_.size(); },
      [this](std::exception_ptr failure) { end(Ending::failed, "", std::move(failure)); },
      [this](const std::vector<Key>& keys) {
        const std::lock_guard lock(mutex_);
        if (parts_.ledger) forgettable_.insert(forgettable_.end(), keys.begin(), keys.end());
      },
      watch_.on_saved};
  recorder_ = std::make_unique<Recorder>(
      std::move(saved), static_cast<std::size_t>(options.workers) * kReportsAheadPerWorker,
      std::move(wiring));
}

template <class Work>
auto Run::patiently(const Work& work) {
  return retried(backoff(), clock_, log_, stop_.get_token(), work);
}

RunOutcome Run::execute() {
  try {
    std::unique_ptr<Source> source;
    const DoneRanges done = patiently([&] {
      std::unique_ptr<Source> asked =
          parts_.source ? std::move(parts_.source) : parts_.make_source();
      const auto ledger = parts_.ledger ? parts_.ledger->ranges() : std::vector<LedgerRange>();
      DoneRanges found = merge_done_ranges(*asked, start_watermark_, done_ahead_, ledger);
      source = std::move(asked);
      return found;
    });
    ledger_rows_ = done.ledger_rows;

    std::optional<ChunkPlanner> planner;
    if (end_key_) {
      planner.emplace(std::move(source),
                      ChunkPlanner::Span{start_watermark_, *end_key_, done.ranges}, sizer_,
                      options_.backoff, clock_, log_);
    }
    hours_.are_over(options_.schedule);
    const auto leave = [this] {
      const std::lock_guard lock(mutex_);
      --threads_left_;
      changed_.notify_all();
    };
    std::jthread housekeeping([this, leave](std::stop_token stop) {
      keep_house(std::move(stop));
      leave();
    });
    WorkerPool pool(
        options_.workers,
        {[this] {
           ChunkRunner::KeepDeadLetters keep;
           if (parts_.ledger) {
             keep = [this](const std::vector<DeadLetter>& letters) { recorder_->keep(letters); };
           }
           return std::make_unique<ChunkRunner>(
               patiently(parts_.make_runner_parts), parts_.layout, backoff(), clock_, log_,
               std::move(keep), [this](const Chunk& chunk, const std::string& mark) {
                 return recorder_->note(chunk, mark);
               });
         },
         chunks_, throttle_, clock_,
         [this](ChunkReport report) {
           sizer_.keep_small(throttle_.is_small(), throttle_.usual_wait());
           if (report.chunk.mark.empty()) sizer_.observe(report);
           if (watch_.on_chunk) watch_.on_chunk(report);
           log_batch(log_, report, throttle_.reason());
           recorder_->record(std::move(report));
         },
         [this](std::exception_ptr failure) { end(Ending::failed, "", std::move(failure)); }, leave,
         [this](const std::exception_ptr& failure) {
           log_.write(LogLevel::warning, "a worker that was added cannot begin; the others go on",
                      {{"reason", words(failure)}});
         }},
        stop_.get_token());
    auto watch = std::make_unique<LoadWatch>(
        LoadWatch::Parts{std::move(parts_.sensors), std::move(parts_.probes),
                         [&pool] { pool.cancel(); }},
        limits_now(), throttle_, clock_, log_);
    std::jthread planning([&] {
      if (!hand_out_doubts()) {
        // Stopped before.
      } else if (planner) {
        plan(*planner);
      } else {
        // An empty table: there is nothing to hand out.
        const std::lock_guard lock(mutex_);
        all_planned_ = true;
      }
      chunks_.close();
      leave();
    });
    wait_for_threads(pool, watch, planner ? &*planner : nullptr, housekeeping);
  } catch (...) {
    end(Ending::failed, "", std::current_exception());
  }
  return outcome();
}

// What the job allows at this time of day.
ThrottleLimits Run::limits_now() const {
  return hours_.limits(options_.throttle, options_.schedule);
}

// Waits for a window to open; once it has worked in one, the end of that is its end.
void Run::follow_schedule(LoadWatch& watch) {
  if (hours_.are_over(options_.schedule)) {
    if (!std::exchange(has_closed_, true)) {
      log_.write(LogLevel::info, std::string(kWindowClosed) + "; batches in flight are finished",
                 {});
    }
    return end(Ending::planned, kWindowClosed);
  }
  watch.set_limits(limits_now());
}

BackoffOptions Run::backoff() {
  const std::lock_guard lock(mutex_);
  return options_.backoff;
}

void Run::change(RunChange change) {
  const std::lock_guard lock(mutex_);
  change_ = std::move(change);
}

void Run::take_change(WorkerPool& pool, std::unique_ptr<LoadWatch>& watch) {
  std::optional<RunChange> change;
  {
    const std::lock_guard lock(mutex_);
    change.swap(change_);
    if (!change) return;
    change->options.grace = options_.grace;
    options_ = change->options;
  }
  sizer_.set_options(options_.sizer);
  pool.set_retries(options_.backoff.retries);
  add_workers(pool, options_.workers);
  throttle_.set_workers(options_.workers);
  if (change->watched) {
    watch.reset();
    watch = std::make_unique<LoadWatch>(
        LoadWatch::Parts{std::move(change->watched->sensors), std::move(change->watched->probes),
                         [&pool] { pool.cancel(); }},
        limits_now(), throttle_, clock_, log_);
  } else {
    watch->set_limits(limits_now());
  }
}

// Those that are too many wait for their turn, should they be wanted again.
void Run::add_workers(WorkerPool& pool, int workers) {
  if (workers <= pool.size() || chunks_.is_finished()) return;
  {
    const std::lock_guard lock(mutex_);
    if (ending_ != Ending::none) return;
    threads_left_ += workers - pool.size();
  }
  chunks_.set_capacity(static_cast<std::size_t>(workers) * kChunksAheadPerWorker);
  pool.grow_to(workers);
}

void Run::stop(const std::string& reason) { end(Ending::stopped, reason); }

// Batches that an earlier process left in doubt come first. False when a stop was asked for.
bool Run::hand_out_doubts() {
  if (is_skipped("resume.level")) return true;
  for (const Doubt& doubt : in_doubt_) {
    Chunk chunk;
    chunk.after = doubt.after;
    chunk.upto = doubt.upto;
    chunk.mark = doubt.mark;
    if (!chunks_.push(std::move(chunk), stop_.get_token())) return false;
  }
  return true;
}

void Run::plan(ChunkPlanner& planner) {
  try {
    const auto accept = [this](Chunk chunk, bool done) {
      if (!done) return chunks_.push(std::move(chunk), stop_.get_token());
      ChunkReport report;
      report.chunk = std::move(chunk);
      if (const auto rows = ledger_rows_.find(report.chunk.upto.values);
          rows != ledger_rows_.end()) {
        report.rows = rows->second;
      }
      recorder_->record(std::move(report));
      return true;
    };
    const bool all_planned = planner.plan(accept, stop_.get_token());
    const std::lock_guard lock(mutex_);
    all_planned_ = all_planned;
  } catch (...) {
    end(Ending::failed, "", std::current_exception());
  }
}

// Sees to it that the runner's lock is still ours, and that the ledger stays small.
void Run::keep_house(std::stop_token stop) {
  for (int round = 1; clock_.wait(kHousekeeping, stop); ++round) {
    std::vector<Key> keys;
    try {
      if (round % kConfirmEvery == 0) parts_.lock->confirm();
      {
        const std::lock_guard lock(mutex_);
        keys.swap(forgettable_);
        // The newest stays, so that the ledger of an unfinished run is never empty: who lost the
        // checkpoint is to be told.
        if (!keys.empty()) {
          forgettable_.push_back(std::move(keys.back()));
          keys.pop_back();
        }
      }
      if (!keys.empty()) parts_.ledger->prune(keys);
    } catch (const Error& error) {
      // Unknown for now, or the ledger out of reach: the workers meet the same trouble and decide.
      if (error.kind() == ErrorKind::retry || error.kind() == ErrorKind::cancelled) {
        const std::lock_guard lock(mutex_);
        forgettable_.insert(forgettable_.begin(), keys.begin(), keys.end());
        continue;
      }
      end(Ending::failed, "", std::current_exception());
      return;
    }
  }
}

void Run::wait_for_threads(WorkerPool& pool, std::unique_ptr<LoadWatch>& watch,
                           ChunkPlanner* planner, std::jthread& housekeeping) {
  const TimePoint began = clock_.now();
  std::unique_lock lock(mutex_);
  while (threads_left_ > 0) {
    // The house is kept as long as anybody works in it.
    const bool works = threads_left_ > 1;
    if (!works) housekeeping.request_stop();
    changed_.wait_for(lock, kTick);
    const std::optional<TimePoint> stop_asked_at = stop_asked_at_;
    lock.unlock();
    watch_.on_tick(recorder_->snapshot());
    if (works) take_change(pool, watch);
    if (works) follow_schedule(*watch);
    if (works && options_.runtime_max && clock_.now() - began >= *options_.runtime_max) {
      end(Ending::planned, "max_runtime is over");
    }
    if (stop_asked_at) {
      const Duration waited = clock_.now() - *stop_asked_at;
      if (waited >= options_.grace) {
        pool.cancel();
        if (planner != nullptr) planner->cancel();
        parts_.lock->cancel();
        if (parts_.ledger) parts_.ledger->cancel();
      }
      if (waited >= options_.grace + kCancelledFor) leave_behind();
    }
    lock.lock();
  }
}

// A call that cannot even be cancelled, such as one on a dead connection, must not hold the
// process: what it did is in doubt and will be done again, as after a crash.
void Run::leave_behind() {
  recorder_->drain();
  RunOutcome outcome{RunState::stopped, "stopped with a batch in flight", ExitCode::stopped, {}};
  {
    const std::lock_guard lock(mutex_);
    if (ending_ == Ending::failed) {
      outcome = {RunState::failed, reason_, exit_code_of(failure_), {}};
    }
  }
  recorder_->finish(outcome.state, outcome.reason, false);
  outcome.run = recorder_->snapshot();
  log_.write(LogLevel::warning, "a database call could not be cancelled; leaving it behind",
             {{"reason", outcome.reason}});
  if (watch_.on_left_behind) watch_.on_left_behind(outcome);
  std::_Exit(static_cast<int>(outcome.exit_code));
}

void Run::end(Ending ending, const std::string& reason, std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  if (ending_ == Ending::none) {
    ending_ = ending;
    reason_ = failure ? words(failure) : reason;
    failure_ = std::move(failure);
    stop_asked_at_ = clock_.now();
  }
  stop_.request_stop();
  changed_.notify_all();
}

RunOutcome Run::outcome() {
  // Draining may still find a failure, so it comes first, and without the mutex.
  const SavedRun run = recorder_->drain();
  std::unique_lock lock(mutex_);
  const bool all_visited = ending_ == Ending::none && all_planned_;
  RunOutcome outcome;
  outcome.reason = reason_;
  switch (ending_) {
    case Ending::none: {
      const auto rejected = over_rejected_limit(run, options_);
      outcome.state = rejected ? RunState::failed : RunState::complete;
      outcome.exit_code = rejected ? ExitCode::rejected : ExitCode::done;
      outcome.reason = rejected.value_or("");
      break;
    }
    case Ending::stopped:
      outcome.state = RunState::stopped;
      outcome.exit_code = ExitCode::stopped;
      break;
    case Ending::planned:
      outcome.state = RunState::paused;
      outcome.exit_code = ExitCode::done;
      break;
    case Ending::failed:
      outcome.state = RunState::failed;
      outcome.exit_code = exit_code_of(failure_);
      break;
  }
  try {
    recorder_->finish(outcome.state, outcome.reason, all_visited);
  } catch (const Error& error) {
    outcome.state = RunState::failed;
    outcome.reason = error.what();
    outcome.exit_code = error.exit_code();
    outcome.run = recorder_->snapshot();
    return outcome;
  }
  outcome.run = recorder_->snapshot();
  lock.unlock();
  if (all_visited && parts_.ledger) clear_ledger();
  return outcome;
}

// The checkpoint says that everything is done, so the ledger has served its purpose.
void Run::clear_ledger() {
  try {
    patiently([&] {
      failpoint("ledger.before_clear");
      parts_.lock->confirm();  // nobody keeps the house any more, and a lost server takes the lock
      parts_.ledger->clear();
    });
  } catch (const Error& error) {
    log_.write(LogLevel::warning, "rows of this job stay in backfill_ledger",
               {{"reason", error.what()}});
  }
}

std::optional<std::string> over_rejected_limit(const SavedRun& run, const RunOptions& options) {
  std::int64_t allowed = options.rejected_max;
  if (options.rejected_share_max) {
    allowed =
        static_cast<std::int64_t>(*options.rejected_share_max * static_cast<double>(run.rows.read));
  }
  if (run.rows.rejected <= allowed) return std::nullopt;
  return fmt::format("{} rows rejected, limits.max_rejected allows {}", run.rows.rejected, allowed);
}

}  // namespace backfill
