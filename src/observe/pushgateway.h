// observe/pushgateway.h
//
// Hands metrics to a Prometheus Pushgateway, for runs that are over before anybody asks. What is
// pushed replaces what was pushed before by name: what a run does not know stays, such as when
// the last success was. One thread.

#pragma once

#include <string>

namespace backfill {

class Pushgateway {
 public:
  // `url` is http://… or https://…, maybe with user:password@ and a path. Throws
  // Error(ExitCode::usage) when it is not.
  Pushgateway(const std::string& url, const std::string& job);

  // Takes a quarter of a minute at most. Throws Error(retry) with what came back.
  void push(const std::string& text) const;

 private:
  std::string origin_;  // `http://host:9091`
  std::string path_;    // `/metrics/job/NAME`
  std::string user_;
  std::string password_;
};

}  // namespace backfill
