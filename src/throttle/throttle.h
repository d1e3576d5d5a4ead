// throttle/throttle.h
//
// Gives workers their turns, so that together they work as hard as was decided and no harder.
// No more of them are at work than the share of all their time needs; these rest after work of t
// for t × (1/part − 1), with a little jitter so that they do not march in step. Smooth below one
// worker. Outside any transaction; a rest ends at once
// with a stop or a better share. At share 0 there is a pause. Safe from any thread.

#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <random>
#include <stop_token>
#include <string>

#include "support/clock.h"
#include "throttle/controller.h"
#include "throttle/pressure.h"

namespace backfill {

class Throttle {
 public:
  // `share` in 0..1, until follow() says another; `seed` feeds the jitter.
  explicit Throttle(double share, int workers = 1, std::uint64_t seed = std::random_device{}());

  // Waits until this worker is needed; `worker` counts from 0. Who waits here must hold no work.
  // False when a stop or the end of the work came first.
  bool wait_for_turn(std::stop_token stop, int worker = 0);

  // Waits out a pause; a batch then counts as ours under way until rest_after(). False when a stop
  // came first.
  bool begin(std::stop_token stop);

  // Rests after `work`; so much of the rest has passed already. False when a stop ended it.
  bool rest_after(Duration work, std::stop_token stop, int worker = 0,
                  Duration rested = Duration::zero());

  // Nobody needs to wait for a turn any more.
  void end_of_work();

  // Takes up another share; workers at rest do so at once.
  void follow(const Decision& decision);

  // While it lives no batch is begun, so that the others can be looked at without us.
  class Look {
   public:
    explicit Look(Throttle& throttle) : throttle_(throttle) { throttle_.hold_back(1); }
    ~Look() { throttle_.hold_back(-1); }
    Look(const Look&) = delete;
    Look& operator=(const Look&) = delete;

    // Waits until a batch would begin now and none is under way, no longer than `longest`: then
    // false.
    bool wait_for_beginning(Duration longest, std::stop_token stop);

   private:
    Throttle& throttle_;
  };

  int workers() const;
  // Those beyond wait for their turn.
  void set_workers(int workers);
  double share() const;
  bool is_small() const;
  // Where batches are to be small: how long others wait at times without us; zero: not known.
  Duration usual_wait() const;
  Pressure pressure() const;
  std::map<std::string, double> levels() const;  // of each signal that is watched: 1 at its limit
  // Why the share is not higher; empty: it is as high as may be.
  std::string reason() const;

  // Of our batches, over all workers.
  struct Activity {
    int under_way = 0;
    TimePoint idle_since;  // when the last one ended
    Duration busy{0};      // time with any under way, so far
    Duration worked{0};    // their times, added up
    std::int64_t begun = 0;
  };
  Activity activity() const;

  // Waits until a batch begins, no longer than `longest`: then false.
  bool wait_for_beginning(Duration longest, std::stop_token stop);

  // All rests and pauses so far, over all workers, those that last included; and by what asked for
  // them.
  Duration rested() const;
  std::map<std::string, Duration> rested_by() const;

 private:
  void hold_back(int looks);      // so many more
  double part(int worker) const;  // of its time that a worker may be busy; these need mutex_
  Duration rest_for(Duration work, int worker);
  template <class MayGoOn>
  bool wait_until(std::unique_lock<std::mutex>& lock, const std::stop_token& stop,
                  const MayGoOn& may_go_on);
  // One that a worker is in.
  struct Rest {
    TimePoint since;
    std::string cause;  // empty: it does not count
  };
  using Rests = std::list<Rest>;
  Rests::iterator begin_rest();
  void end_rest(Rests::iterator rest);
  void count_activity(TimePoint now);

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::condition_variable_any began_;  // a batch, or it would
  // Guarded by mutex_.
  int workers_;
  Decision decision_;
  int looks_ = 0;           // that hold batches back
  int about_to_begin_ = 0;  // workers
  bool is_all_done_ = false;
  int changes_ = 0;  // of all that decides about turns
  Activity activity_;
  TimePoint counted_at_;  // of activity_
  Rests resting_;
  std::map<std::string, Duration> rested_;  // without those in resting_
  std::mt19937_64 random_;
};

}  // namespace backfill
