#include "throttle/throttle.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace backfill {
namespace {

constexpr double kJitter = 0.2;  // of a rest, either way
constexpr Duration kRestMax = std::chrono::seconds(30);

TimePoint present() { return std::chrono::steady_clock::now(); }

}  // namespace

Throttle::Throttle(double share, int workers, std::uint64_t seed)
    : workers_(workers), counted_at_(present()), random_(seed) {
  decision_.share = share;
  activity_.idle_since = counted_at_;
}

template <class MayGoOn>
bool Throttle::wait_until(std::unique_lock<std::mutex>& lock, const std::stop_token& stop,
                          const MayGoOn& may_go_on) {
  while (!stop.stop_requested() && !may_go_on()) {
    const auto rest = begin_rest();
    const int changes = changes_;
    changed_.wait(lock, stop, [&] { return changes_ != changes || may_go_on(); });
    end_rest(rest);
  }
  return !stop.stop_requested();
}

bool Throttle::wait_for_turn(std::stop_token stop, int worker) {
  std::unique_lock lock(mutex_);
  return wait_until(lock, stop, [&] { return is_all_done_ || part(worker) > 0; }) && !is_all_done_;
}

void Throttle::end_of_work() {
  const std::lock_guard lock(mutex_);
  is_all_done_ = true;
  ++changes_;
  changed_.notify_all();
}

bool Throttle::begin(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  ++about_to_begin_;
  began_.notify_all();
  const bool may_begin = wait_until(lock, stop, [&] { return looks_ == 0 && decision_.share > 0; });
  --about_to_begin_;
  if (!may_begin) return false;
  count_activity(present());
  ++activity_.under_way;
  ++activity_.begun;
  began_.notify_all();
  return true;
}

bool Throttle::wait_for_beginning(Duration longest, std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const std::int64_t begun = activity_.begun;
  return began_.wait_for(lock, std::move(stop), longest, [&] { return activity_.begun > begun; });
}

bool Throttle::Look::wait_for_beginning(Duration longest, std::stop_token stop) {
  std::unique_lock lock(throttle_.mutex_);
  return throttle_.began_.wait_for(lock, std::move(stop), longest, [&] {
    return throttle_.about_to_begin_ > 0 && throttle_.activity_.under_way == 0 &&
           throttle_.decision_.share > 0;
  });
}

bool Throttle::rest_after(Duration work, std::stop_token stop, int worker, Duration rested) {
  std::unique_lock lock(mutex_);
  const TimePoint ended = present();
  const TimePoint began = ended - rested;
  count_activity(ended);
  if (activity_.under_way > 0 && --activity_.under_way == 0) {
    activity_.idle_since = ended;
    began_.notify_all();  // who waits for nothing to be under way
  }
  // Each turn is one stretch of rest at one share; a new share starts the reckoning anew, with
  // the rest already had counted.
  while (!stop.stop_requested() && part(worker) > 0) {
    const Duration left = rest_for(work, worker) - (present() - began);
    if (left <= Duration::zero()) break;
    const auto rest = begin_rest();
    const int changes = changes_;
    const bool is_changed =
        changed_.wait_for(lock, stop, left, [&] { return changes_ != changes; });
    end_rest(rest);
    if (!is_changed) break;
  }
  return !stop.stop_requested();
}

void Throttle::follow(const Decision& decision) {
  const std::lock_guard lock(mutex_);
  const double share = std::clamp(decision.share, 0.0, 1.0);
  if (share != decision_.share) ++changes_;
  decision_ = decision;
  decision_.share = share;
  changed_.notify_all();
}

void Throttle::hold_back(int looks) {
  const std::lock_guard lock(mutex_);
  looks_ += looks;
  changed_.notify_all();
}

int Throttle::workers() const {
  const std::lock_guard lock(mutex_);
  return workers_;
}

void Throttle::set_workers(int workers) {
  const std::lock_guard lock(mutex_);
  if (workers == workers_) return;
  workers_ = workers;
  ++changes_;
  changed_.notify_all();
}

double Throttle::share() const {
  const std::lock_guard lock(mutex_);
  return decision_.share;
}

bool Throttle::is_small() const {
  const std::lock_guard lock(mutex_);
  return decision_.is_small;
}

Duration Throttle::usual_wait() const {
  const std::lock_guard lock(mutex_);
  return decision_.usual_wait;
}

Pressure Throttle::pressure() const {
  const std::lock_guard lock(mutex_);
  return decision_.pressure;
}

std::map<std::string, double> Throttle::levels() const {
  const std::lock_guard lock(mutex_);
  return decision_.levels;
}

std::string Throttle::reason() const {
  const std::lock_guard lock(mutex_);
  return decision_.reason;
}

Throttle::Activity Throttle::activity() const {
  const std::lock_guard lock(mutex_);
  Activity activity = activity_;
  const Duration passed = present() - counted_at_;
  if (activity.under_way > 0) activity.busy += passed;
  activity.worked += passed * activity.under_way;
  return activity;
}

Duration Throttle::rested() const {
  Duration sum{0};
  for (const auto& [cause, rested] : rested_by()) sum += rested;
  return sum;
}

std::map<std::string, Duration> Throttle::rested_by() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, Duration> rested = rested_;
  for (const Rest& rest : resting_) {
    if (!rest.cause.empty()) rested[rest.cause] += present() - rest.since;
  }
  return rested;
}

// 0.3 of four workers' time are two who are busy 0.6 of it, and two who wait.
double Throttle::part(int worker) const {
  const double wanted = decision_.share * workers_;
  if (wanted <= 0) return 0;
  const double at_work = std::ceil(wanted - 1e-9);
  return worker < at_work ? std::min(1.0, wanted / at_work) : 0;
}

Duration Throttle::rest_for(Duration work, int worker) {
  const double busy = part(worker);
  if (busy >= 1) return Duration::zero();
  std::uniform_real_distribution<double> jitter(1 - kJitter, 1 + kJitter);
  const double rest = static_cast<double>(work.count()) * (1 / busy - 1) * jitter(random_);
  return std::min(Duration(static_cast<std::int64_t>(std::min(rest, 1e18))), kRestMax);
}

// What asks for it when it begins; to be held back by a look at the others is no rest.
Throttle::Rests::iterator Throttle::begin_rest() {
  std::string cause;
  if (looks_ == 0 || decision_.share <= 0)
    cause = decision_.cause.empty() ? "share" : decision_.cause;
  return resting_.insert(resting_.end(), {present(), std::move(cause)});
}

void Throttle::end_rest(Rests::iterator rest) {
  if (!rest->cause.empty()) rested_[rest->cause] += present() - rest->since;
  resting_.erase(rest);
}

void Throttle::count_activity(TimePoint now) {
  const Duration passed = now - counted_at_;
  if (activity_.under_way > 0) activity_.busy += passed;
  activity_.worked += passed * activity_.under_way;
  counted_at_ = now;
}

}  // namespace backfill
