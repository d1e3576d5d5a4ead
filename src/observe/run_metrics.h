// observe/run_metrics.h
//
// The metrics of a run or a `verify` on their ways out: asked for, as a file, and pushed at the
// end. Once it has begun, trouble with them is one warning and never the run's. Of one thread.

#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "core/log.h"
#include "observe/metrics.h"
#include "observe/metrics_file.h"
#include "observe/metrics_server.h"
#include "observe/pushgateway.h"
#include "support/clock.h"

namespace backfill {

// Empty: not wanted.
struct MetricsOptions {
  std::string listen;  // ADDR:PORT
  std::filesystem::path file;
  std::string pushgateway;  // URL; may hold a password
};

class RunMetrics {
 public:
  // Throws Error(ExitCode::usage) when one of them cannot be had.
  RunMetrics(const MetricsOptions& options, const std::string& job, Clock& clock, Log& log);
  // Tells the last figures; without succeeded(), those of a run that did not end well.
  ~RunMetrics();
  RunMetrics(const RunMetrics&) = delete;
  RunMetrics& operator=(const RunMetrics&) = delete;

  Metrics& metrics() { return *metrics_; }

  // Writes and pushes what there is now, rather than in its time.
  void tell_now();

  // The run ends with exit code 0.
  void succeeded() { metrics_->succeeded_at(unix_time()); }

 private:
  void keep_file(std::stop_token stop);
  void write_file();
  void push();

  Clock& clock_;
  Log& log_;
  const std::shared_ptr<Metrics> metrics_;  // shared with a server that is left behind
  std::mutex file_mutex_;
  std::optional<MetricsFile> file_;  // guarded by file_mutex_ once it is there
  bool has_warned_of_file_ = false;  // likewise
  std::optional<Pushgateway> pushgateway_;
  std::unique_ptr<MetricsServer> server_;
  std::jthread writer_;
};

}  // namespace backfill
