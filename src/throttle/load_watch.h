// throttle/load_watch.h
//
// Keeps an eye on the others while a run works, and tells the throttle how hard it may: a thread
// for each sensor and probe, so that none waits for another, and one that puts what they found
// before the controller a few times a second. Ends them all with itself.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/log.h"
#include "core/sensor.h"
#include "support/clock.h"
#include "throttle/controller.h"
#include "throttle/foreground.h"
#include "throttle/throttle.h"

namespace backfill {

class LoadWatch {
 public:
  // What there is to be watched; nothing is connected yet.
  struct Parts {
    std::vector<std::unique_ptr<Sensor>> sensors;
    std::vector<std::unique_ptr<ForegroundProbe>> probes;
    // Ends the batches that are under way: somebody waits for them.
    std::function<void()> give_way;
  };

  LoadWatch(Parts parts, const ThrottleLimits& limits, Throttle& throttle, Clock& clock, Log& log);
  ~LoadWatch();
  LoadWatch(const LoadWatch&) = delete;
  LoadWatch& operator=(const LoadWatch&) = delete;

  // From any thread.
  void set_limits(const ThrottleLimits& limits);

 private:
  struct WatchedSensor {
    std::unique_ptr<Sensor> sensor;
    std::vector<Reading> readings;  // the last ones
    TimePoint read_at;
    bool was_read = false;
  };
  struct WatchedProbe {
    std::unique_ptr<ForegroundProbe> probe;
    Foreground others;
    bool meets_batches = false;  // when it looks next
  };

  void decide_by_limits();  // needs mutex_, or no other thread
  void watch(WatchedSensor& watched, const std::stop_token& stop);
  void probe(WatchedProbe& watched, const std::stop_token& stop);
  bool meet(std::minstd_rand& random, std::optional<Throttle::Look>& without,
            const std::stop_token& stop);
  void steer(const std::stop_token& stop);
  void add_batches(double seconds_each);
  bool is_new();
  void look_without_us(TimePoint now);
  Readings readings(TimePoint now);
  void tell(const Decision& decision);
  void tell_step(const Readings& readings, const Decision& decision);
  template <class Part, class Work>
  void keep_trying(Part& part, const std::stop_token& stop, const Work& work);

  Parts parts_;
  Throttle& throttle_;
  Clock& clock_;
  Log& log_;
  const TimePoint began_;

  std::mutex mutex_;
  // Guarded by mutex_.
  ThrottleLimits limits_;
  std::vector<WatchedSensor> sensors_;
  std::vector<WatchedProbe> probes_;
  std::optional<Throttle::Look> look_;

  // The steering thread's own.
  Controller controller_;
  Throttle::Activity activity_;
  double busy_ = 0;    // parts of the time, of late: with a batch of ours under way,
  double worked_ = 0;  // and the workers' own
  std::atomic<double> batch_seconds_ = 0;  // that one lasts; for the probes, too
  TimePoint stepped_at_;
  TimePoint quiet_since_;  // in a look: none of our batches
  TimePoint looked_at_;    // when the last look began or ended
  bool has_looked_ = false;
  TimePoint gave_way_at_;
  bool is_paused_ = false;

  std::vector<std::jthread> threads_;  // last: they end before the rest goes
};

}  // namespace backfill
