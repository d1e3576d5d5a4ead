// tests/support/fault_script.h
//
// What goes wrong, and when: the fakes tell it each call by name (`source.read`,
// `target.commit`), it counts them and throws, calls a hook, or holds the call until it is
// cancelled. Shared by all the fakes of a test; safe from any thread.

#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"

namespace backfill {

class FaultScript {
 public:
  // The nth time from now (from 1), or, as 0, every time, `call` throws.
  void fail(const std::string& call, int nth, const Error& error) {
    const std::lock_guard lock(mutex_);
    rules_.push_back({call, nth == 0 ? 0 : calls_[call] + nth, error, nullptr});
  }

  // The nth time, or every time, `hook` runs first; without any lock held.
  void on(const std::string& call, int nth, std::function<void()> hook) {
    const std::lock_guard lock(mutex_);
    rules_.push_back({call, nth == 0 ? 0 : calls_[call] + nth, std::nullopt, std::move(hook)});
  }

  // Any call may lose its connection.
  void fail_randomly(double probability, std::uint64_t seed) {
    const std::lock_guard lock(mutex_);
    probability_ = probability;
    random_.seed(seed);
  }

  // From now on `call` does not return until cancel().
  void hold(const std::string& call) {
    const std::lock_guard lock(mutex_);
    held_ = call;
  }
  void cancel() {
    const std::lock_guard lock(mutex_);
    is_cancelled_ = true;
    changed_.notify_all();
  }

  // For the fakes: `call` happens now.
  void reach(const std::string& call) {
    std::vector<Rule> due;
    {
      std::unique_lock lock(mutex_);
      const int nth = ++calls_[call];
      changed_.notify_all();
      if (call == held_) {
        changed_.wait(lock, [this] { return is_cancelled_; });
        throw Error(ErrorKind::cancelled, call + ": cancelled", "57014");
      }
      for (const Rule& rule : rules_) {
        if (rule.call == call && (rule.nth == 0 || rule.nth == nth)) due.push_back(rule);
      }
      if (probability_ > 0 && std::uniform_real_distribution<double>()(random_) < probability_) {
        throw Error(ErrorKind::retry, call + ": connection lost", "08006");
      }
    }
    for (const Rule& rule : due) {
      if (rule.hook) rule.hook();
      if (rule.error) throw *rule.error;
    }
  }

  int calls(const std::string& call) const {
    const std::lock_guard lock(mutex_);
    const auto found = calls_.find(call);
    return found == calls_.end() ? 0 : found->second;
  }

  // Waits until `call` has happened `times` times.
  void await(const std::string& call, int times) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      const auto found = calls_.find(call);
      return found != calls_.end() && found->second >= times;
    });
  }

 private:
  struct Rule {
    std::string call;
    int nth;
    std::optional<Error> error;
    std::function<void()> hook;
  };

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  // Guarded by mutex_.
  std::vector<Rule> rules_;
  std::map<std::string, int> calls_;
  double probability_ = 0;
  std::mt19937_64 random_;
  std::string held_;
  bool is_cancelled_ = false;
};

inline Error connection_lost(const std::string& what = "connection lost") {
  return Error(ErrorKind::retry, what, "08006");
}

}  // namespace backfill
