#include "observe/metrics_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "core/error.h"

namespace backfill {
namespace {

constexpr std::string_view kLastSuccess = "backfill_last_success_timestamp_seconds";

// The lines of one job's last success in an earlier file.
std::string last_success_in(const std::filesystem::path& path, const std::string& job) {
  const std::string sample = std::string(kLastSuccess) + "{job=\"" + job + "\"} ";
  std::ifstream file(path);
  std::string lines;
  bool has_sample = false;
  for (std::string line; std::getline(file, line);) {
    const bool is_sample = line.starts_with(sample);
    const bool describes_it = line.starts_with("# HELP " + std::string(kLastSuccess) + " ") ||
                              line.starts_with("# TYPE " + std::string(kLastSuccess) + " ");
    if (is_sample || describes_it) lines += line + "\n";
    has_sample = has_sample || is_sample;
  }
  return has_sample ? lines : "";
}

std::string system_words() { return std::strerror(errno); }

}  // namespace

MetricsFile::MetricsFile(std::filesystem::path path, const std::string& job)
    : path_(std::move(path)), unfinished_(path_.string() + ".unfinished") {
  const auto refuse = [&](const std::string& why) {
    throw Error(ExitCode::usage, "write metrics to " + path_.string() + ": " + why +
                                     "; name a file in a folder that can be written to");
  };
  std::error_code ignored;
  const auto status = std::filesystem::status(path_, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    refuse("it is not a file");
  errno = 0;
  if (!std::ofstream(unfinished_)) refuse(system_words());
  std::filesystem::remove(unfinished_, ignored);
  last_success_ = last_success_in(path_, job);
}

void MetricsFile::write(const std::string& text) const {
  const auto fail = [&](const std::string& why) {
    throw Error(ErrorKind::retry, "write metrics to " + path_.string() + ": " + why);
  };
  errno = 0;
  std::ofstream file(unfinished_, std::ios::trunc);
  file << text;
  if (text.find("\n" + std::string(kLastSuccess)) == std::string::npos) file << last_success_;
  file.close();
  if (!file) fail(system_words());
  std::error_code error;
  std::filesystem::rename(unfinished_, path_, error);
  if (error) fail(error.message());
}

}  // namespace backfill
