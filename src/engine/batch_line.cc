#include "engine/batch_line.h"

#include <chrono>
#include <cmath>

namespace backfill {
namespace {

double milliseconds(std::chrono::nanoseconds duration) {
  return std::round(std::chrono::duration<double, std::micro>(duration).count()) / 1000;
}

std::string event_of(const ChunkReport& report) {
  if (!report.chunk.mark.empty()) return "batch levelled";
  return report.from_ledger ? "batch found in the ledger" : "batch";
}

}  // namespace

void log_batch(Log& log, const ChunkReport& report, const std::string& reason) {
  if (!log.writes(LogLevel::debug)) return;
  const Chunk& chunk = report.chunk;
  Log::Fields fields = {{"ordinal", static_cast<std::int64_t>(chunk.ordinal)},
                        {"after", chunk.after ? chunk.after->display() : "start"},
                        {"upto", chunk.upto.display()},
                        {"worker", report.worker}};
  add_counts(report.rows, fields);
  fields.insert(fields.end(), {{"read_ms", milliseconds(report.times.read)},
                               {"transform_ms", milliseconds(report.times.transform)},
                               {"write_ms", milliseconds(report.times.in_target())},
                               {"validate_ms", milliseconds(report.times.validate)},
                               {"rested_ms", milliseconds(report.rested)},
                               {"retries", report.retries},
                               {"splits", report.splits}});
  if (!reason.empty()) fields.emplace_back("reason", reason);
  log.write(LogLevel::debug, event_of(report), fields);
}

}  // namespace backfill
