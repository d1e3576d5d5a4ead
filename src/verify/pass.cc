#include "verify/pass.h"

#include <chrono>
#include <utility>

#include "support/failpoint.h"

namespace backfill {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(50);
constexpr Duration kSaveInterval = std::chrono::milliseconds(250);
constexpr Duration kLookInterval = std::chrono::milliseconds(100);
constexpr Duration kTellInterval = std::chrono::seconds(1);
constexpr std::size_t kSuspectsUnsaved = 5000;
constexpr std::size_t kLooksAtOnce = 500;
constexpr std::size_t kChunksAheadPerWorker = 2;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Pass::Pass(const PassParts& parts, const PassOptions& options, SavedPass saved, VerifyStore& store,
           Clock& clock, Log& log, OnTick on_tick)
    : parts_(parts),
      options_(options),
      store_(store),
      clock_(clock),
      log_(log),
      on_tick_(std::move(on_tick)),
      first_place_{saved.source.chunks, kFirstPlaceInTarget + saved.target.chunks},
      sizer_(options.sizer),
      throttle_(0, options.workers),
      tasks_(static_cast<std::size_t>(options.workers) * kChunksAheadPerWorker),
      results_(static_cast<std::size_t>(options.workers) * kChunksAheadPerWorker),
      hours_(clock),
      pass_(std::move(saved)),
      recheck_(parts.recheck_terms, parts.recheck_makers, options.recheck, options.backoff, clock,
               log),
      began_(clock.now()),
      elapsed_before_s_(pass_.elapsed_s),
      saved_at_(began_),
      looked_at_(began_),
      told_at_(began_),
      threads_left_(1) {}  // the planner's

SavedSpan& Pass::span_of(std::size_t span) { return span == 0 ? pass_.source : pass_.target; }

PassOutcome Pass::execute() {
  std::jthread planning([this] {
    try {
      plan();
    } catch (...) {
      end(Ending::failed, "", std::current_exception());
    }
    tasks_.close();
    leave();
  });
  add_workers(options_.workers);
  try {
    std::unique_ptr<LoadWatch> watched =
        watch(parts_.watched ? parts_.watched() : LoadWatch::Parts());
    account(watched);
  } catch (...) {
    end(Ending::failed, "", std::current_exception());
  }
  results_.close();
  workers_.clear();
  planning.join();
  return outcome();
}

// Those that are too many wait for their turn, should they be wanted again.
void Pass::add_workers(int workers) {
  tasks_.set_capacity(static_cast<std::size_t>(workers) * kChunksAheadPerWorker);
  while (static_cast<int>(workers_.size()) < workers) {
    {
      const std::lock_guard lock(mutex_);
      ++threads_left_;
    }
    workers_.emplace_back([this, worker = static_cast<int>(workers_.size())] {
      try {
        work(worker);
      } catch (...) {
        end(Ending::failed, "", std::current_exception());
      }
      leave();
    });
  }
}

void Pass::stop(const std::string& reason) { end(Ending::stopped, reason); }

void Pass::end(Ending ending, const std::string& reason, std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  if (ending_ == Ending::none) {
    stop_asked_at_ = clock_.now();
    ending_ = ending;
    reason_ = reason;
    failure_ = std::move(failure);
  }
  stop_.request_stop();
}

void Pass::change(PassChange change) {
  const std::lock_guard lock(mutex_);
  change_ = std::move(change);
}

void Pass::take_change(std::unique_ptr<LoadWatch>& watched) {
  std::optional<PassChange> change;
  {
    const std::lock_guard lock(mutex_);
    change.swap(change_);
  }
  if (!change) return;
  const PassOptions& options = change->options;
  options_.throttle = options.throttle;
  options_.schedule = options.schedule;
  options_.runtime_max = options.runtime_max;
  sizer_.set_options(options.sizer);
  if (!tasks_.is_finished()) add_workers(options.workers);
  throttle_.set_workers(options.workers);
  if (!change->watched) return;
  watched.reset();
  watched = watch(std::move(*change->watched));
}

// Waits for a window to open; once it has worked in one, the end of that is its end.
void Pass::follow_schedule(LoadWatch& watch) {
  if (hours_.are_over(options_.schedule)) {
    log_.write(LogLevel::info, std::string(kWindowClosed) + "; chunks in flight are finished", {});
    return end(Ending::planned, kWindowClosed);
  }
  if (options_.runtime_max && clock_.now() - began_ >= *options_.runtime_max)
    return end(Ending::planned, "max_runtime is over");
  watch.set_limits(hours_.limits(options_.throttle, options_.schedule));
}

void Pass::leave() {
  const std::lock_guard lock(mutex_);
  --threads_left_;
}

void Pass::plan() {
  bool all = plan_span(0);
  if (all && parts_.terms.finds_extra) all = plan_span(1);
  const std::lock_guard lock(mutex_);
  all_planned_ = all;
}

bool Pass::plan_span(std::size_t span) {
  // Ends and watermarks are read before any result can change them.
  const SavedSpan saved = span_of(span);
  if (!saved.end) return true;
  const bool follows_source = span == 1 && parts_.terms.same_key_order;
  std::optional<Key> after = saved.watermark;
  if (!after && follows_source) after = pass_.source.end;
  ChunkPlanner planner(span == 0 ? parts_.makers.source_keys() : parts_.makers.target(),
                       {after, *saved.end, {}}, sizer_, options_.backoff, clock_, log_);
  {
    const std::lock_guard lock(mutex_);
    planner_ = &planner;
  }
  std::mt19937_64 random(options_.seed + span);
  const double sample = pass_.sample.value_or(1);
  const auto accept = [&](Chunk chunk, bool) {
    if (sample < 1 && std::uniform_real_distribution<double>(0, 1)(random) >= sample) {
      Result passed_over{span, {}};
      passed_over.findings.chunk = std::move(chunk);
      return results_.push(std::move(passed_over), stop_.get_token());
    }
    return tasks_.push({span, std::move(chunk)}, stop_.get_token());
  };
  const bool all = planner.plan(accept, stop_.get_token());
  const std::lock_guard lock(mutex_);
  planner_ = nullptr;
  return all;
}

void Pass::work(int worker) {
  ChunkVerifier verifier(parts_.terms, parts_.makers, options_.backoff, clock_, log_);
  {
    const std::lock_guard lock(mutex_);
    verifiers_.push_back(&verifier);
  }
  const auto retire = [&] {
    const std::lock_guard lock(mutex_);
    std::erase(verifiers_, &verifier);
  };
  try {
    while (throttle_.wait_for_turn(stop_.get_token(), worker)) {
      const auto task = tasks_.pop(stop_.get_token());
      if (!task) {
        throttle_.end_of_work();
        break;
      }
      if (!throttle_.begin(stop_.get_token())) break;
      const ChunkSide side = side_of(first_place_[task->span], parts_.terms);
      Result result{task->span, verifier.verify(task->chunk, side, stop_.get_token())};
      ChunkReport report;
      report.chunk = task->chunk;
      report.rows.read = result.findings.counts.source_rows;
      report.bytes = result.findings.bytes;
      report.times.write = result.findings.work;
      report.splits = result.findings.splits;
      sizer_.keep_small(throttle_.is_small(), throttle_.usual_wait());
      sizer_.observe(report);
      const Duration work = result.findings.work;
      if (!results_.push(std::move(result), {})) break;
      if (!throttle_.rest_after(work, stop_.get_token(), worker)) break;
    }
  } catch (...) {
    retire();
    throw;
  }
  retire();
}

bool Pass::is_worked_off() {
  const std::lock_guard lock(mutex_);
  return threads_left_ == 0;
}

// The calling thread: takes what the workers found until they are done and nothing is suspect any
// more, or a stop was asked for.
void Pass::account(std::unique_ptr<LoadWatch>& watch) {
  const std::stop_token stop = stop_.get_token();
  while (true) {
    const bool is_last = is_worked_off();
    bool took = false;
    while (auto result = results_.pop_for(took ? Duration::zero() : kTick)) {
      take(std::move(*result));
      took = true;
      if (step_.changed.size() >= kSuspectsUnsaved) break;
    }
    save(/*always=*/false);
    if (!stop.stop_requested()) {
      take_change(watch);
      follow_schedule(*watch);
    }
    if (!stop.stop_requested()) {
      const bool looked = look_again();
      if (is_last && !took && !looked) {
        save(/*always=*/true);
        if (store_.count().waiting == 0) return;
      }
    } else if (is_last && !took) {
      return;
    }
    watch_grace();
  }
}

void Pass::take(Result result) {
  ChunkFindings& findings = result.findings;
  const std::int64_t now_ms = wall_clock_ms();
  const auto place = first_place_[result.span] + static_cast<std::int64_t>(findings.chunk.ordinal);
  for (Suspect& suspect : findings.suspects) {
    recheck_.begin(suspect, now_ms);
    suspect.place = place;
    suspect.after = findings.chunk.after;
    suspect.upto = findings.chunk.upto;
    step_.changed.push_back(std::move(suspect));
  }
  auto& ahead = done_ahead_[result.span];
  ahead.emplace(findings.chunk.ordinal, Done{findings.chunk.upto, findings.counts});
  SavedSpan& span = span_of(result.span);
  for (auto next = ahead.find(next_ordinal_[result.span]); next != ahead.end();
       next = ahead.find(next_ordinal_[result.span])) {
    span.watermark = next->second.upto;
    ++span.chunks;
    pass_.counts += next->second.counts;
    ahead.erase(next);
    ++next_ordinal_[result.span];
  }
}

// True when there was anything to look at.
bool Pass::look_again() {
  if (clock_.now() - looked_at_ < kLookInterval) return false;
  save(!step_.changed.empty());
  const std::vector<Suspect> due = store_.due(wall_clock_ms(), kLooksAtOnce);
  if (due.empty()) {
    looked_at_ = clock_.now();
    return false;
  }
  if (throttle_.share() <= 0) return true;
  std::vector<Suspect> left = recheck_.look(due, wall_clock_ms(), stop_.get_token());
  std::map<std::vector<std::string>, bool> stays;
  for (const Suspect& suspect : left) stays[suspect.finding.target_key.values] = true;
  for (const Suspect& suspect : due) {
    if (stays.contains(suspect.finding.target_key.values)) continue;
    step_.settled.push_back(suspect.finding.target_key);
    step_.transient.push_back(suspect.finding);
    ++pass_.counts.transient;
  }
  for (Suspect& suspect : left) step_.changed.push_back(std::move(suspect));
  save(/*always=*/true);
  return true;
}

void Pass::save(bool always) {
  const TimePoint now = clock_.now();
  const bool is_due = now - saved_at_ >= kSaveInterval || step_.changed.size() >= kSuspectsUnsaved;
  if (!always && !is_due) return;
  pass_.updated_at = utc_now();
  pass_.elapsed_s = elapsed_before_s_ + seconds(now - began_);
  failpoint("verify.before_save");
  store_.save(pass_, step_);
  failpoint("verify.after_save");
  step_ = {};
  saved_at_ = now;
  if (now - told_at_ < kTellInterval) return;
  told_at_ = now;
  on_tick_(pass_, store_.count());
}

void Pass::watch_grace() {
  const std::lock_guard lock(mutex_);
  if (!stop_asked_at_ || clock_.now() - *stop_asked_at_ < options_.grace) return;
  for (ChunkVerifier* verifier : verifiers_) verifier->cancel();
  if (planner_ != nullptr) planner_->cancel();
}

// What is under way gives way to others who wait for it, and is done again.
std::unique_ptr<LoadWatch> Pass::watch(LoadWatch::Parts parts) {
  parts.give_way = [this] {
    const std::lock_guard lock(mutex_);
    for (ChunkVerifier* verifier : verifiers_) verifier->cancel();
  };
  return std::make_unique<LoadWatch>(std::move(parts),
                                     hours_.limits(options_.throttle, options_.schedule), throttle_,
                                     clock_, log_);
}

PassOutcome Pass::outcome() {
  PassOutcome outcome;
  {
    const std::lock_guard lock(mutex_);
    outcome.reason = reason_;
    if (failure_) {
      pass_.state = PassState::failed;
      try {
        std::rethrow_exception(failure_);
      } catch (const Error& error) {
        outcome.reason = error.what();
        outcome.exit_code = error.exit_code();
      } catch (const std::exception& error) {
        outcome.reason = error.what();
      }
    } else if (ending_ == Ending::planned) {
      pass_.state = PassState::paused;
      outcome.exit_code = ExitCode::done;
    } else if (ending_ == Ending::stopped || !all_planned_) {
      pass_.state = PassState::stopped;
      outcome.exit_code = ExitCode::stopped;
    } else {
      pass_.state = PassState::complete;
      outcome.exit_code = ExitCode::done;
    }
  }
  pass_.reason = outcome.reason;
  try {
    save(/*always=*/true);
  } catch (const Error& error) {
    if (pass_.state != PassState::failed) {
      outcome.exit_code = error.exit_code();
      outcome.reason = error.what();
    }
    pass_.state = PassState::failed;
  }
  outcome.pass = pass_;
  return outcome;
}

}  // namespace backfill
