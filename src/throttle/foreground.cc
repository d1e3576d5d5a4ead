#include "throttle/foreground.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace backfill {
namespace {

constexpr Duration kThere = std::chrono::seconds(2);  // somebody was there so lately
constexpr double kSamplesWanted = 12;                 // without us

// A sample sees what a batch does to a commit while it lasts. Users feel that in other statements
// and afterwards, too: where samples saw commits take 7, 12 and 20 % longer, their mean grew by 30,
// 45 and 64 %, their p99 by 15, 27 and 37 % (bench/README.md). So half of what is allowed may be
// seen of commits.
constexpr double kSeenOfCommits = 0.5;

// Commits are felt by who writes. Of sessions that do nothing else, more than half have written
// something at any moment.
constexpr double kAllWrite = 0.5;
constexpr Duration kMemoryOfWriters = std::chrono::seconds(3);  // who begins to is found soon

// How many sessions are at work tells of any statement, but is three times as uncertain as what
// one takes: beside these it counts as far as it is sure, by so many standard errors.
constexpr double kSure = 1.5;

}  // namespace

Foreground::Foreground(int samples_to_tell, TimePoint now)
    : samples_to_tell_(samples_to_tell),
      began_(now),
      at_work_(kMemoryOfWriters),
      writing_(kMemoryOfWriters),
      sampled_at_(now),
      somebody_at_(now),
      is_somebody_there_(samples_to_tell > 0) {}

void Foreground::Statement::add(const std::optional<double>& sample, bool had_batches,
                                TimePoint now) {
  is_shown = sample.has_value();
  if (!sample) return;
  seconds.add(*sample, had_batches, now);
  if (!had_batches) slow.add(*sample);
  if (slow.tenth()) surge.add(*sample / std::max(*slow.tenth(), 1e-9), now);
}

void Foreground::add(const ForegroundSample& sample, Ours ours, TimePoint now) {
  sampled_at_ = now;
  if (sample.is_somebody_there) somebody_at_ = now;
  backfills_ = sample.backfills;
  ++samples_;
  // At first nobody was seen, and nothing is known.
  const bool was_seen = somebody_at_ != began_;
  is_somebody_there_ = was_seen ? now - somebody_at_ < kThere : samples_ < samples_to_tell_;
  if (!is_somebody_there_) return;
  shows_writing_ = sample.active && sample.writing;
  if (shows_writing_) {
    at_work_.add(*sample.active, now);
    writing_.add(*sample.writing, now);
  }
  if (ours == Ours::unclear) return;
  const bool had_batches = ours == Ours::batch;
  shows_active_ = sample.active.has_value();
  if (sample.active) active_.add(*sample.active, had_batches, now);
  commits_.add(sample.commit_seconds, had_batches, now);
  reads_.add(sample.read_seconds, had_batches, now);
}

bool Foreground::is_known(TimePoint now) const {
  if (commits_.is_shown && !commits_.is_known(now)) return false;
  if (reads_.is_shown && !reads_.is_known(now)) return false;
  if (shows_active_ && !active_.is_known(now)) return false;
  return commits_.is_shown || reads_.is_shown || shows_active_;
}

bool Foreground::lacks_base(TimePoint now) const {
  const auto lacks = [&](const Contrast& contrast) {
    return contrast.samples_without(now) < kSamplesWanted;
  };
  const auto lacks_of = [&](const Statement& statement) {
    return statement.is_shown && (lacks(statement.seconds) || !statement.slow.tenth());
  };
  if (lacks_of(commits_) || lacks_of(reads_) || (shows_active_ && lacks(active_))) return true;
  return !(commits_.is_shown || reads_.is_shown || shows_active_);
}

Duration Foreground::usual_wait() const {
  if (!is_somebody_there_) return Duration::zero();
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(commits_.slow.tenth().value_or(0)));
}

// All, where nobody tells.
double Foreground::part_that_writes() const {
  if (!shows_writing_ || at_work_.mean() <= 0) return 1;
  return std::min(1.0, writing_.mean() / at_work_.mean() / kAllWrite);
}

std::vector<Signal> Foreground::signals(double busy, double increase_max, TimePoint now) const {
  std::vector<Signal> found;
  if (!is_somebody_there_) return found;
  // Each of several backfills does its part of the harm that is allowed.
  const double of_all = std::max(increase_max, 1e-3) / backfills_;
  const auto add = [&](const char* signal, const Contrast& contrast, double limit, bool if_sure,
                       std::string words) {
    const Contrast::Harm harm = contrast.harm(busy, now);
    if (backfills_ > 1) words += fmt::format("; {} backfills at work", backfills_);
    Reading reading;
    reading.signal = signal;
    reading.kind = SignalKind::steering;
    reading.level = std::max(0.0, harm.increase - (if_sure ? kSure * harm.error : 0)) / limit;
    reading.reason = std::move(words);
    found.push_back({.reading = std::move(reading),
                     .age = now - sampled_at_,
                     .noise = if_sure ? 0 : harm.error / limit,
                     .is_of_ours = true,
                     .is_known = contrast.is_known(now)});
  };
  const auto add_statement = [&](const char* signal, const char* name, const Statement& statement,
                                 double limit, bool tells_surges) {
    add(signal, statement.seconds, limit, false,
        fmt::format("{} take {:.2f} ms while our batches run, {:.2f} ms else", name,
                    statement.seconds.with() * 1000, statement.seconds.without() * 1000));
    if (!tells_surges || !statement.surge.is_on()) return;
    Signal& last = found.back();
    last.is_surge = true;
    last.reading.level = std::max(last.reading.level, 1.0);
    last.reading.reason =
        fmt::format("most of the last {} {} took over {:.1f} ms, as one in ten does else",
                    Surge::kOf, name, statement.slow.tenth().value_or(0) * 1000);
  };
  // A server that may not be written to shows no commits.
  const double writes = commits_.is_shown ? part_that_writes() : 0;
  const bool most_write = writes >= 0.5;
  if (commits_.is_shown) {
    add_statement("commit_latency", "commits", commits_,
                  kSeenOfCommits * of_all / std::max(writes, 1e-3), most_write);
  }
  if (reads_.is_shown) add_statement("read_latency", "small reads", reads_, of_all, !most_write);
  if (shows_active_) {
    add("active_sessions", active_, of_all, commits_.is_shown || reads_.is_shown,
        fmt::format("{:.1f} sessions of others are at work while our batches run, {:.1f} else",
                    active_.with(), active_.without()));
  }
  return found;
}

}  // namespace backfill
