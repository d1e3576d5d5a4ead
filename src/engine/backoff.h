// engine/backoff.h
//
// The waits between attempts of one chunk: doubling, jittered, bounded in number and length,
// ended by a stop. With the defaults ten retries span more than a minute, so a server that
// restarts is waited for.
//
// One thread.

#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <stop_token>

#include "support/clock.h"

namespace backfill {

struct BackoffOptions {
  int retries = 10;
  Duration first = std::chrono::milliseconds(250);
  Duration longest = std::chrono::seconds(15);
};

class Backoff {
 public:
  // Without a seed the device is asked for one when a wait begins: each chunk has a Backoff, and
  // few of them wait.
  Backoff(const BackoffOptions& options, Clock& clock, std::optional<std::uint64_t> seed = {})
      : options_(options), clock_(clock), seed_(seed) {}

  // Waits before the next attempt. False, at once, when there is none left or a stop was requested.
  bool wait(std::stop_token stop);

  int retries() const { return retries_; }

 private:
  const BackoffOptions options_;
  Clock& clock_;
  int retries_ = 0;
  const std::optional<std::uint64_t> seed_;
  std::optional<std::mt19937_64> random_;
};

}  // namespace backfill
