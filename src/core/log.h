// core/log.h
//
// What a run says while it works: one line per event, key facts as name=value, no row
// values, no passwords. Implemented by observe/log; tests collect the lines.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace backfill {

struct RowCounts;

enum class LogLevel { debug, info, warning, error };

// For people `4.2 s`; for machines a number, and the name has `_s` behind it.
using LogTime = std::chrono::duration<double>;

// A fact of a line: words, or a number that machines read as one.
using LogValue = std::variant<std::string, std::int64_t, double, LogTime>;
// As people read it.
std::string log_text(const LogValue& value);

class Log {
 public:
  using Fields = std::vector<std::pair<std::string_view, LogValue>>;

  virtual ~Log() = default;
  // Safe from any thread.
  virtual void write(LogLevel level, std::string_view event, const Fields& fields = {}) = 0;

  // Whether lines of this level are written at all; for what is said too often to be made in vain.
  virtual bool writes(LogLevel level) const = 0;

  // The run that lines are of from now on, once it is known.
  virtual void set_run_id(const std::string& run_id) = 0;
};

// A fact a count.
void add_counts(const RowCounts& rows, Log::Fields& fields);

}  // namespace backfill
