// throttle/controller.h
//
// How hard we may work, decided from what is known of the others. A pure step: what it is given,
// the time among it, decides all; so it is tested against tables and a simulated server.
//
//   nobody else is there         full share
//   a steering level below 1     the share grows: fast to where the level may be 1 if noise hides
//                                harm, then slowly, more so where it was too much of late
//   a steering level above 1     the share shrinks by what it is above, at most to half a step
//   a surge                      half the share at once, and again each half second it lasts
//   a budget from half on        caps the share, in a straight line to its limit
//   a stop, or a budget's limit  no batch is begun, until it is below 80 % for some seconds
//   a signal that cannot be read freezes growth, then shrinks the share; a budget stops

#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/sensor.h"
#include "support/clock.h"
#include "throttle/pressure.h"

namespace backfill {

// A reading, and how old it is.
struct Signal {
  Reading reading;
  Duration age{0};
  double noise = 0;          // of a steering level: its standard error
  bool is_of_ours = false;   // of one: it is in proportion to the time that batches of ours run
  bool is_known = true;      // false of a steering level: not enough was seen yet
  bool is_required = false;  // asked for by the user, or seen before: must not be missing
  bool is_surge = false;     // others have become much slower just now, whoever's doing it is
};

struct Readings {
  std::vector<Signal> signals;
  bool is_somebody_there = true;
  Duration usual_wait{0};  // of others without us, one time in ten; zero: not known
  double busy = 0;  // part of the time that batches of ours ran, of late: growth is no use unless
                    // the share is used
};

// Somebody's will that no batch is begun.
struct Standstill {
  std::string cause;   // `pause`, `window`
  std::string reason;  // in words

  bool operator==(const Standstill&) const = default;
};

// What the user allows; may change while a run goes on.
struct ThrottleLimits {
  bool enabled = true;  // false: only what somebody wants counts, no measurement
  double share_max = 1;
  double latency_increase_max = 0.2;
  std::optional<Standstill> standstill;

  bool operator==(const ThrottleLimits&) const = default;
};

struct Decision {
  double share = 1;            // 0: pause
  bool is_small = false;       // batches are to be small, so that nobody waits long behind one:
  Duration usual_wait{0};      // no longer than others wait at times anyway; zero: not known
  bool must_give_way = false;  // batches under way are to end
  Pressure pressure;           // the worst signal
  std::map<std::string, double> levels;  // of each signal that is known, by its name: the worst
  std::string
      cause;  // the signal, or other cause, that the share is below what the user allows for
  std::string reason;  // the same in words; empty: it is not
};

class Controller {
 public:
  Controller();

  Decision step(const Readings& readings, const ThrottleLimits& limits, TimePoint now);

 private:
  struct Hold {
    TimePoint clear_since;
    std::string reason;
    bool is_clear = false;
    bool frees_at_once = false;
  };

  void smooth(double level, double noise, bool is_of_ours, double passed);
  void steer(const Readings& readings, double seconds, TimePoint now);
  void grow(bool is_of_ours, double noise, double passed, TimePoint now);
  static double cap(const Readings& readings, const Reading*& tightest);
  void hold_and_free(const Readings& readings, TimePoint now);
  void hold(const Signal& signal, TimePoint now);
  void shrink(double factor, TimePoint now);

  bool has_begun_ = false;
  TimePoint stepped_at_;
  double share_;           // while somebody is there
  double share_of_level_;  // at which level_ is
  double seen_share_;      // that readings are of
  Pressure steering_;      // the worst steering signal
  double level_ = 0;       // that of it, smoothed: what it is at this share
  std::optional<TimePoint> known_since_;
  bool starts_slowly_ = true;
  double too_much_ = 2;  // the share at which it last shrank
  TimePoint too_much_at_;
  TimePoint shrank_at_;
  std::map<std::string, Hold> holds_;  // by signal
};

}  // namespace backfill
