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

// How many sessions are at work tells of any statement, but is three times as uncertain as what
// commits take: beside these it counts as far as it is sure, by so many standard errors.
constexpr double kSure = 1.5;

}  // namespace

Foreground::Foreground(int samples_to_tell, TimePoint now)
    : samples_to_tell_(samples_to_tell),
      began_(now),
      sampled_at_(now),
      somebody_at_(now),
      is_somebody_there_(samples_to_tell > 0) {}

void Foreground::add(const ForegroundSample& sample, Ours ours, TimePoint now) {
  sampled_at_ = now;
  if (sample.is_somebody_there) somebody_at_ = now;
  backfills_ = sample.backfills;
  ++samples_;
  // At first nobody was seen, and nothing is known.
  const bool was_seen = somebody_at_ != began_;
  is_somebody_there_ = was_seen ? now - somebody_at_ < kThere : samples_ < samples_to_tell_;
  if (!is_somebody_there_ || ours == Ours::unclear) return;
  const bool had_batches = ours == Ours::batch;
  shows_active_ = sample.active.has_value();
  if (sample.active) active_.add(*sample.active, had_batches, now);
  shows_commits_ = sample.commit_seconds.has_value();
  if (!sample.commit_seconds) return;
  commits_.add(*sample.commit_seconds, had_batches, now);
  if (!had_batches) slow_.add(*sample.commit_seconds);
  if (!slow_.tenth()) return;
  surge_.add(*sample.commit_seconds / std::max(*slow_.tenth(), 1e-9), now);
}

bool Foreground::is_known(TimePoint now) const {
  if (shows_commits_ && (!commits_.is_known(now) || !slow_.tenth())) return false;
  if (shows_active_ && !active_.is_known(now)) return false;
  return shows_commits_ || shows_active_;
}

bool Foreground::lacks_base(TimePoint now) const {
  const auto lacks = [&](const Contrast& contrast) {
    return contrast.samples_without(now) < kSamplesWanted;
  };
  if (shows_commits_ && (lacks(commits_) || !slow_.tenth())) return true;
  if (shows_active_ && lacks(active_)) return true;
  return !(shows_commits_ || shows_active_);
}

Duration Foreground::usual_wait() const {
  if (!is_somebody_there_) return Duration::zero();
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(slow_.tenth().value_or(0)));
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
  // A server that may not be written to shows no commits.
  if (shows_commits_) {
    add("commit_latency", commits_, kSeenOfCommits * of_all, false,
        fmt::format("commits take {:.1f} ms while our batches run, {:.1f} ms else",
                    commits_.with() * 1000, commits_.without() * 1000));
    if (surge_.is_on()) {
      Signal& signal = found.back();
      signal.is_surge = true;
      signal.reading.level = std::max(signal.reading.level, 1.0);
      signal.reading.reason =
          fmt::format("most of the last {} commits took over {:.1f} ms, as one in ten does else",
                      Surge::kOf, slow_.tenth().value_or(0) * 1000);
    }
  }
  if (shows_active_) {
    add("active_sessions", active_, of_all, shows_commits_,
        fmt::format("{:.1f} sessions of others are at work while our batches run, {:.1f} else",
                    active_.with(), active_.without()));
  }
  return found;
}

}  // namespace backfill
