#include "observe/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "support/clock.h"

namespace backfill {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

const char* level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "info";
}

// `name=value`, quoted where the value has blanks; always one line.
void append_field(std::string& line, std::string_view name, const LogValue& fact) {
  const std::string value = log_text(fact);
  line += ' ';
  line += name;
  line += '=';
  const bool quoted = value.empty() || value.find_first_of(" \"\n\r\t") != std::string::npos;
  if (!quoted) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (c == '"') line += '\\';
    line += c == '\n' || c == '\r' ? ' ' : c;
  }
  line += '"';
}

template <class Known>
void put_field(nlohmann::ordered_json& json, std::string_view name, const Known& known) {
  json[std::string(name)] = known;
}
void put_field(nlohmann::ordered_json& json, std::string_view name, const LogTime& time) {
  json[std::string(name) + "_s"] = std::round(time.count() * 1000) / 1000;
}

}  // namespace

StderrLog::StderrLog(LogFormat format, LogLevel level, std::string job)
    : format_(format),
      job_(std::move(job)),
      logger_(std::make_shared<spdlog::logger>("backfill",
                                               std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  logger_->set_level(spdlog_level(level));
  logger_->set_pattern(format == LogFormat::json ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                       spdlog::pattern_time_type::utc);
}

void StderrLog::write(LogLevel level, std::string_view event, const Fields& fields) {
  if (!writes(level)) return;
  std::string line;
  if (format_ == LogFormat::text) {
    line = event;
    for (const auto& [name, value] : fields) append_field(line, name, value);
  } else {
    line = json_line(level, event, fields);
  }
  logger_->log(spdlog_level(level), "{}", line);
  logger_->flush();
}

std::string StderrLog::json_line(LogLevel level, std::string_view event,
                                 const Fields& fields) const {
  nlohmann::ordered_json json;
  json["time"] = utc_now();
  json["level"] = level_name(level);
  json["job"] = job_;
  {
    const std::lock_guard lock(mutex_);
    if (!run_id_.empty()) json["run_id"] = run_id_;
  }
  json["event"] = event;
  for (const auto& [name, fact] : fields) {
    std::visit([&json, &name = name](const auto& known) { put_field(json, name, known); }, fact);
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool StderrLog::writes(LogLevel level) const { return logger_->should_log(spdlog_level(level)); }

void StderrLog::set_run_id(const std::string& run_id) {
  const std::lock_guard lock(mutex_);
  run_id_ = run_id;
}

}  // namespace backfill
