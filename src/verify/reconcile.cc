#include "verify/reconcile.h"

#include <map>
#include <utility>

#include "core/bisect.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

// Small, since its rows stay locked in the source while they are written.
constexpr std::size_t kRepairsAtOnce = 200;
constexpr Duration kLookInterval = std::chrono::milliseconds(100);
constexpr Duration kPauseInterval = std::chrono::milliseconds(500);  // of looks whether it is over

// The keys that a transaction is about, for messages.
Chunk chunk_of(const std::vector<Key>& keys) {
  Chunk chunk;
  chunk.upto = keys.back();
  chunk.keys = chunk.size = static_cast<std::int64_t>(keys.size());
  return chunk;
}

}  // namespace

Reconcile::Reconcile(const ReconcileParts& parts, const ReconcileOptions& options,
                     VerifyStore& store, Clock& clock, Log& log, ReconcileWatch watch)
    : parts_(parts),
      options_(options),
      store_(store),
      clock_(clock),
      log_(log),
      watch_(std::move(watch)),
      began_(clock.now()),
      hours_(clock),
      throttle_(0),
      sides_(parts.terms, parts.makers),
      target_(options.dry_run ? nullptr : parts.target()),
      backoff_(options.backoff),
      patience_{sides_, backoff_, clock, log},
      recheck_(parts.compare.recheck_terms, parts.compare.recheck_makers, options.recheck,
               options.backoff, clock, log),
      verifier_(parts.compare.terms, parts.compare.makers, options.backoff, clock, log) {}

void Reconcile::cancel() noexcept {
  sides_.cancel();
  if (target_) target_->cancel();
  recheck_.cancel();
  verifier_.cancel();
}

ReconcileReport Reconcile::execute(const std::stop_token& stop) {
  if (options_.dry_run) {
    show_all();
  } else {
    load_watch_ = watch(parts_.watched());
    repair_until_clean(stop);
    load_watch_.reset();
  }
  report_.left = store_.count();
  return report_;
}

// First what an earlier process repaired or found, and had no time to look at.
void Reconcile::repair_until_clean(const std::stop_token& stop) {
  const auto look = [&] { return look_until_settled(stop) && compare_repaired(stop); };
  if (!look()) return;
  for (int round = 0; round < options_.rounds_max; ++round) {
    if (!repair_all(stop) || !look()) return;
  }
}

// Waits for a window to open, and for the end of a pause. False when the time to work is over.
bool Reconcile::may_work(const std::stop_token& stop) {
  while (true) {
    take_change();
    if (hours_.are_over(options_.schedule)) report_.ended = kWindowClosed;
    if (options_.runtime_max && clock_.now() - began_ >= *options_.runtime_max)
      report_.ended = "max_runtime is over";
    if (!report_.ended.empty()) return false;
    const ThrottleLimits limits = hours_.limits(options_.throttle, options_.schedule);
    load_watch_->set_limits(limits);
    if (!limits.standstill) return true;
    confirm_lock();
    if (!clock_.wait(kPauseInterval, stop)) throw Error(ErrorKind::cancelled, "repair: stopped");
  }
}

void Reconcile::take_change() {
  auto change = watch_.look_for_change ? watch_.look_for_change() : std::nullopt;
  if (!change) return;
  options_.throttle = change->throttle;
  options_.schedule = change->schedule;
  options_.runtime_max = change->runtime_max;
  if (!change->watched) return;
  load_watch_.reset();
  load_watch_ = watch(std::move(*change->watched));
}

std::unique_ptr<LoadWatch> Reconcile::watch(LoadWatch::Parts parts) {
  parts.give_way = [this] { cancel(); };
  return std::make_unique<LoadWatch>(std::move(parts),
                                     hours_.limits(options_.throttle, options_.schedule), throttle_,
                                     clock_, log_);
}

void Reconcile::show_all() {
  std::optional<Suspect> last;
  while (true) {
    std::vector<Suspect> some = store_.standing(last ? &*last : nullptr, kRepairsAtOnce);
    if (some.empty()) return;
    for (const Suspect& suspect : some) {
      if (suspect.finding.kind == FindingKind::extra && !options_.delete_extra) {
        ++report_.kept;
      } else if (repairs_ >= options_.repairs_max) {
        report_.reached_limit = true;
      } else {
        ++repairs_;
        watch_.on_repair(suspect.finding);
      }
    }
    last = std::move(some.back());
  }
}

// False when nothing was there to repair, or the time to work is over.
bool Reconcile::repair_all(const std::stop_token& stop) {
  std::optional<Suspect> last;
  bool repaired = false;
  report_.kept = 0;
  while (true) {
    std::vector<Suspect> some = store_.standing(last ? &*last : nullptr, kRepairsAtOnce);
    if (some.empty()) return repaired;
    last = some.back();
    std::vector<Suspect> chosen;
    for (Suspect& suspect : some) {
      if (suspect.finding.kind == FindingKind::extra && !options_.delete_extra) {
        ++report_.kept;
      } else if (repairs_ >= options_.repairs_max) {
        report_.reached_limit = true;
      } else {
        ++repairs_;
        chosen.push_back(std::move(suspect));
      }
    }
    if (chosen.empty()) continue;
    if (!may_work(stop)) return false;
    confirm_lock();
    if (!throttle_.begin(stop)) throw Error(ErrorKind::cancelled, "repair: stopped");
    const TimePoint began = clock_.now();
    repair(chosen, stop);
    repaired = true;
    if (!throttle_.rest_after(clock_.now() - began, stop))
      throw Error(ErrorKind::cancelled, "repair: stopped");
  }
}

// The order that matters: what was repaired is a suspect again only after its commit, so that a
// crash in between has it repaired once more.
void Reconcile::repair(const std::vector<Suspect>& suspects, const std::stop_token& stop) {
  std::vector<Suspect> there;
  std::vector<Suspect> extra;
  for (const Suspect& suspect : suspects) {
    watch_.on_repair(suspect.finding);
    (suspect.finding.kind == FindingKind::extra ? extra : there).push_back(suspect);
  }
  if (!there.empty()) write(there, stop);
  if (!extra.empty()) remove(extra, stop);
  failpoint("reconcile.after_repair");
  VerifyStore::Step step;
  for (Suspect suspect : suspects) {
    recheck_.begin(suspect, wall_clock_ms());
    suspect.look_at_ms = suspect.since_ms;
    suspect.rounds = 0;
    step.changed.push_back(std::move(suspect));
  }
  store_.put_repaired(step);
}

void Reconcile::write(const std::vector<Suspect>& suspects, const std::stop_token& stop) {
  std::vector<Key> keys;
  for (const Suspect& suspect : suspects) keys.push_back(suspect.finding.source_key);
  patiently(patience_, "repair rows", stop, [&] {
    try {
      write_once(keys);
    } catch (const Error& error) {
      target_->rollback();
      sides_.source().release();
      if (error.kind() == ErrorKind::retry) target_->reconnect();
      throw;
    }
  });
}

// The rows are locked by the read, which sees them as they are once it has the locks; the lock
// holds until the target has them.
void Reconcile::write_once(const std::vector<Key>& keys) {
  sides_.read_source(keys, expected_);
  failpoint("reconcile.after_read");
  if (!expected_.rows().empty()) {
    const Chunk chunk = chunk_of(keys);
    std::vector<RowReject> refused;
    target_->begin(chunk);
    const WriteReport written = target_->write_around_rejects(expected_.rows(), refused);
    target_->commit(chunk, {});
    report_.written += written.written;
    report_.refused += static_cast<std::int64_t>(refused.size());
    for (const RowReject& reject : refused) {
      const Key key = sides_.source_key(expected_, expected_.source_of(reject.row));
      log_.write(LogLevel::warning, "the target refuses a row",
                 {{"key", key.display()}, {"code", reject.code}, {"reason", reject.message}});
    }
  }
  sides_.source().release();
}

void Reconcile::remove(const std::vector<Suspect>& suspects, const std::stop_token& stop) {
  report_.deleted += patiently(patience_, "delete rows", stop, [&] {
    try {
      return remove_once(suspects);
    } catch (const Error& error) {
      target_->rollback();
      if (error.kind() == ErrorKind::retry) target_->reconnect();
      throw;
    }
  });
}

// The source is looked at by a statement of its own, after the target's rows are locked: who puts
// such a row back writes to the source first, and waits for us at the target.
std::int64_t Reconcile::remove_once(const std::vector<Suspect>& suspects) {
  std::vector<Key> target_keys;
  std::vector<Key> source_keys;
  for (const Suspect& suspect : suspects) {
    target_keys.push_back(suspect.finding.target_key);
    source_keys.push_back(suspect.finding.source_key);
  }
  const Chunk chunk = chunk_of(target_keys);
  target_->begin(chunk);
  target_->lock(target_keys);
  failpoint("reconcile.after_lock");
  const std::vector<bool> in_source = sides_.are_in_source(source_keys);
  std::vector<Key> gone;
  for (std::size_t i = 0; i < target_keys.size(); ++i) {
    if (!in_source[i]) gone.push_back(target_keys[i]);
  }
  const std::int64_t removed = gone.empty() ? 0 : target_->remove(gone);
  target_->commit(chunk, {});
  return removed;
}

// False when the time to work is over.
bool Reconcile::look_until_settled(const std::stop_token& stop) {
  while (store_.count().waiting > 0) {
    if (!may_work(stop)) return false;
    const std::vector<Suspect> due = store_.due(wall_clock_ms(), kRepairsAtOnce);
    if (due.empty()) {
      confirm_lock();
      if (!clock_.wait(kLookInterval, stop))
        throw Error(ErrorKind::cancelled, "look again at what was repaired: stopped");
      continue;
    }
    VerifyStore::Step step;
    step.changed = recheck_.look(due, wall_clock_ms(), stop);
    std::map<std::vector<std::string>, bool> stays;
    for (const Suspect& suspect : step.changed) stays[suspect.finding.target_key.values] = true;
    for (const Suspect& suspect : due) {
      if (!stays.contains(suspect.finding.target_key.values))
        step.settled.push_back(suspect.finding.target_key);
    }
    store_.put(step);
  }
  return true;
}

// The chunks in which rows were repaired, as a whole. False when the time to work is over.
bool Reconcile::compare_repaired(const std::stop_token& stop) {
  while (const auto range = store_.repaired_range()) {
    if (!may_work(stop)) return false;
    confirm_lock();
    if (!throttle_.begin(stop)) throw Error(ErrorKind::cancelled, "compare again: stopped");
    const TimePoint began = clock_.now();
    store_.put_compared(*range, compare_again(*range, stop));
    ++report_.compared_again;
    if (!throttle_.rest_after(clock_.now() - began, stop))
      throw Error(ErrorKind::cancelled, "compare again: stopped");
  }
  return look_until_settled(stop);
}

VerifyStore::Step Reconcile::compare_again(const RepairedRange& range,
                                           const std::stop_token& stop) {
  Chunk chunk;
  chunk.after = range.after;
  chunk.upto = range.upto;
  ChunkFindings findings =
      verifier_.verify(chunk, side_of(range.place, parts_.compare.terms), stop);
  VerifyStore::Step step;
  for (Suspect& suspect : findings.suspects) {
    recheck_.begin(suspect, wall_clock_ms());
    suspect.place = range.place;
    suspect.after = range.after;
    suspect.upto = range.upto;
    step.changed.push_back(std::move(suspect));
  }
  return step;
}

void Reconcile::confirm_lock() {
  try {
    if (parts_.lock != nullptr) parts_.lock->confirm();
  } catch (const Error& error) {
    // Unknown for now: the next write meets the same trouble, and waits for its end.
    if (error.kind() != ErrorKind::retry) throw;
  }
}

}  // namespace backfill
