// observe/log.h
//
// A Log on stderr: a line per event, as text for people or as JSON lines for machines. The
// only place that knows spdlog.

#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "core/log.h"

namespace spdlog {
class logger;
}

namespace backfill {

enum class LogFormat { text, json };

class StderrLog : public Log {
 public:
  // `job` stands in every JSON line, and so does the run once it is known.
  StderrLog(LogFormat format, LogLevel level, std::string job);

  void write(LogLevel level, std::string_view event, const Fields& fields = {}) override;
  bool writes(LogLevel level) const override;
  void set_run_id(const std::string& run_id) override;

 private:
  std::string json_line(LogLevel level, std::string_view event, const Fields& fields) const;

  const LogFormat format_;
  const std::string job_;
  std::shared_ptr<spdlog::logger> logger_;
  mutable std::mutex mutex_;
  std::string run_id_;  // guarded by mutex_; empty: not known yet
};

}  // namespace backfill
