// tests/support/collecting_log.h
//
// A Log that keeps its lines, each as `level event name=value …`. Safe from any thread.

#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

#include "core/log.h"

namespace backfill {

class CollectingLog : public Log {
 public:
  void write(LogLevel level, std::string_view event, const Fields& fields = {}) override {
    static constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};
    std::string line = kLevels[static_cast<int>(level)];
    line += ' ';
    line += event;
    for (const auto& [name, value] : fields)
      line += " " + std::string(name) + "=" + log_text(value);
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
  }

  bool writes(LogLevel) const override { return true; }
  void set_run_id(const std::string&) override {}

  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

  // How many lines hold `text`.
  std::ptrdiff_t count(const std::string& text) const {
    const std::lock_guard lock(mutex_);
    return std::count_if(lines_.begin(), lines_.end(), [&](const std::string& line) {
      return line.find(text) != std::string::npos;
    });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;  // guarded by mutex_
};

}  // namespace backfill
