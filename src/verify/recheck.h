// verify/recheck.h
//
// Looks at suspects again, by key and on both sides, until it is known which of them are
// differences and which were writes under way. A difference stands when it has been there for as
// long as the application may take between its two writes, and the source row was the same all the
// while: before and after the look at the target as well. "Absent on both sides" is equal.
//
// One thread; only cancel() may be called from another.

#pragma once

#include <stop_token>
#include <vector>

#include "core/log.h"
#include "engine/backoff.h"
#include "verify/finding.h"
#include "verify/patience.h"
#include "verify/sides.h"

namespace backfill {

struct RecheckOptions {
  Duration settle = std::chrono::seconds(5);  // the most that a dual write takes
  int rounds_max = 20;  // of a row whose source never stays the same for so long
};

class Recheck {
 public:
  Recheck(const VerifyTerms& terms, Sides::Makers makers, const RecheckOptions& options,
          const BackoffOptions& backoff, Clock& clock, Log& log);

  // Looks at them at the time `now_ms`; each is as it is now in what comes back, and those that
  // turned out to be equal, or none of the job's rows, are not among them.
  std::vector<Suspect> look(std::vector<Suspect> suspects, std::int64_t now_ms,
                            const std::stop_token& stop);

  // Of a new suspect: that it is to be looked at soon.
  void begin(Suspect& suspect, std::int64_t now_ms) const;

  void cancel() noexcept { sides_.cancel(); }

 private:
  struct Seen {
    std::string state;  // of the source row; empty: there is none
    bool equal = true;
    FindingKind kind = FindingKind::extra;
    std::vector<std::string> columns;
  };

  std::int64_t settle_ms() const;
  void watch(Suspect& suspect, std::int64_t now_ms) const;
  std::vector<Seen> see(const std::vector<Suspect>& suspects);
  std::vector<std::optional<std::size_t>> read_source(const std::vector<Suspect>& suspects,
                                                      Expected& expected);
  void see_absent(const std::vector<Suspect>& suspects, const std::vector<std::size_t>& absent,
                  std::vector<Seen>& seen);

  const VerifyTerms& terms_;
  Sides sides_;
  const RecheckOptions options_;
  const BackoffOptions backoff_;
  const Patience patience_;
  Expected expected_;
  Expected again_;
  Batch actual_;
};

// Of the wall clock, for it outlives the process.
std::int64_t wall_clock_ms();

}  // namespace backfill
