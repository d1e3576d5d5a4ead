// verify/pass.h
//
// One pass of `verify` over all rows: a planner walks the keys of the source and then those that
// only the target can have, workers compare chunks, and the calling thread keeps the account, looks
// again at what differs, and writes down how far the pass is. Blocks the thread that calls
// execute(); stop() and change() may be called from any other.

#pragma once

#include <array>
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "engine/chunk_planner.h"
#include "engine/chunk_sizer.h"
#include "engine/working_hours.h"
#include "support/bounded_queue.h"
#include "throttle/load_watch.h"
#include "throttle/throttle.h"
#include "verify/chunk_verifier.h"
#include "verify/recheck.h"
#include "verify/verify_store.h"

namespace backfill {

struct PassOptions {
  int workers = 2;
  ChunkSizerOptions sizer;
  BackoffOptions backoff;
  RecheckOptions recheck;
  ThrottleLimits throttle;
  Schedule schedule;
  std::optional<Duration> runtime_max;
  std::uint64_t seed = 0;  // of the chunks that a sample takes
  Duration grace = std::chrono::seconds(20);
};

struct PassParts {
  VerifyTerms terms;
  Sides::Makers makers;
  VerifyTerms recheck_terms;  // for looking at a row again, with its version
  Sides::Makers recheck_makers;
  std::function<LoadWatch::Parts()> watched;  // what decides how hard the workers may work
};

// What may change while a pass goes on: of the options workers, sizer, throttle, schedule and
// runtime_max.
struct PassChange {
  PassOptions options;
  std::optional<LoadWatch::Parts> watched;  // instead of what is watched so far
};

struct PassOutcome {
  // `done` when it is complete, whatever it found, and when it ended as planned.
  ExitCode exit_code = ExitCode::failed;
  std::string reason;
  SavedPass pass;
};

class Pass {
 public:
  using OnTick = std::function<void(const SavedPass&, const Differences&)>;

  // `saved` is in the store already. `parts` must outlive the pass. `on_tick` is called about
  // once a second from execute()'s thread.
  Pass(const PassParts& parts, const PassOptions& options, SavedPass saved, VerifyStore& store,
       Clock& clock, Log& log, OnTick on_tick);

  // Works until the end. Failures come back as an outcome; what was found is in the store.
  PassOutcome execute();

  void stop(const std::string& reason);

  // Takes up other options within a fraction of a second.
  void change(PassChange change);

 private:
  enum class Ending { none, stopped, planned, failed };

  // Of the two walks: over the source's keys, then over the target's.
  static constexpr std::size_t kSpans = 2;

  struct Task {
    std::size_t span;
    Chunk chunk;
  };
  struct Result {
    std::size_t span;
    ChunkFindings findings;
  };
  struct Done {
    Key upto;
    CompareCounts counts;
  };

  void plan();
  bool plan_span(std::size_t span);
  void add_workers(int workers);
  void work(int worker);
  void account(std::unique_ptr<LoadWatch>& watch);
  void take_change(std::unique_ptr<LoadWatch>& watch);
  void follow_schedule(LoadWatch& watch);
  void take(Result result);
  bool look_again();
  void save(bool always);
  void end(Ending ending, const std::string& reason, std::exception_ptr failure = nullptr);
  void leave();
  bool is_worked_off();
  void watch_grace();
  std::unique_ptr<LoadWatch> watch(LoadWatch::Parts parts);
  SavedSpan& span_of(std::size_t span);
  PassOutcome outcome();

  const PassParts& parts_;
  PassOptions options_;  // changed by the calling thread; others read `backoff` and `seed`
  VerifyStore& store_;
  Clock& clock_;
  Log& log_;
  const OnTick on_tick_;
  const std::array<std::int64_t, kSpans> first_place_;  // of this process's chunks

  ChunkSizer sizer_;
  Throttle throttle_;
  BoundedQueue<Task> tasks_;
  BoundedQueue<Result> results_;
  std::stop_source stop_;

  // Of the calling thread.
  WorkingHours hours_;
  SavedPass pass_;
  Recheck recheck_;
  VerifyStore::Step step_;
  std::array<std::map<std::uint64_t, Done>, kSpans> done_ahead_;
  std::array<std::uint64_t, kSpans> next_ordinal_{};
  const TimePoint began_;
  const double elapsed_before_s_;
  TimePoint saved_at_;
  TimePoint looked_at_;
  TimePoint told_at_;

  std::mutex mutex_;
  // Guarded by mutex_.
  Ending ending_ = Ending::none;
  std::string reason_;
  std::exception_ptr failure_;
  std::optional<TimePoint> stop_asked_at_;
  int threads_left_;
  bool all_planned_ = false;
  std::vector<ChunkVerifier*> verifiers_;
  ChunkPlanner* planner_ = nullptr;
  std::optional<PassChange> change_;  // to be taken up

  std::vector<std::jthread> workers_;  // of the calling thread
};

}  // namespace backfill
