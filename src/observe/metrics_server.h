// observe/metrics_server.h
//
// Answers `GET /metrics` for a Prometheus server, in threads of its own, until its end. Nothing
// that is asked disturbs the run: few are answered at once, the others wait outside, and one that
// never finishes its question does not hold up the end.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "core/log.h"

namespace backfill {

class MetricsServer {
 public:
  using Text = std::function<std::string()>;

  // `address` is `ADDR:PORT` or `:PORT`; port 0 is any free one. `text` is called in the server's
  // threads, also a moment after the server's end: it owns what it needs. Throws
  // Error(ExitCode::usage) when the address cannot be had.
  MetricsServer(const std::string& address, Text text, Log& log);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // With the port it has: `127.0.0.1:9187`.
  const std::string& address() const { return address_; }

 private:
  struct Listener;

  Log& log_;
  std::shared_ptr<Listener> listener_;
  std::string address_;
  std::thread thread_;
};

}  // namespace backfill
