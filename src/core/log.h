// core/log.h
//
// What a run says while it works: one line per event, key facts as name=value, no row
// values, no passwords. Implemented by observe/log; tests collect the lines.

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backfill {

enum class LogLevel { debug, info, warning, error };

class Log {
 public:
  using Fields = std::vector<std::pair<std::string_view, std::string>>;

  virtual ~Log() = default;
  // Safe from any thread.
  virtual void write(LogLevel level, std::string_view event, const Fields& fields = {}) = 0;
};

}  // namespace backfill
