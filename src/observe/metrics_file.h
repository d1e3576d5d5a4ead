// observe/metrics_file.h
//
// A file of metrics for node_exporter's textfile collector. It is replaced as a whole, so that no
// reader finds half of it. When the last success was is kept from run to run. One thread.

#pragma once

#include <filesystem>
#include <string>

namespace backfill {

class MetricsFile {
 public:
  // Changes nothing yet. Throws Error(ExitCode::usage) when such a file cannot be written.
  MetricsFile(std::filesystem::path path, const std::string& job);

  // Throws Error(retry) when it cannot be written.
  void write(const std::string& text) const;

 private:
  const std::filesystem::path path_;
  const std::filesystem::path unfinished_;  // not *.prom: node_exporter leaves it alone
  std::string last_success_;                // its lines in the file that was there
};

}  // namespace backfill
