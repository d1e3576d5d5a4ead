// observe/log.h
//
// A Log on stderr: a line per event, as text for people or as JSON lines for machines. The
// only place that knows spdlog.

#pragma once

#include <memory>
#include <string>

#include "core/log.h"

namespace spdlog {
class logger;
}

namespace backfill {

enum class LogFormat { text, json };

class StderrLog : public Log {
 public:
  // `job` stands in every JSON line.
  StderrLog(LogFormat format, LogLevel level, std::string job);

  void write(LogLevel level, std::string_view event, const Fields& fields = {}) override;

 private:
  const LogFormat format_;
  const std::string job_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace backfill
