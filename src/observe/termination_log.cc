#include "observe/termination_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace backfill {
namespace {

constexpr const char* kPath = "/dev/termination-log";
constexpr std::size_t kBytesMax = 4096;  // Kubernetes drops what is beyond

// No half of a character at the end: whoever reads it expects UTF-8.
std::string cut(const std::string& words, std::size_t bytes_max) {
  if (words.size() <= bytes_max) return words;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(words[end]) & 0xC0U) == 0x80U) --end;
  return words.substr(0, end);
}

}  // namespace

void write_termination_log(ExitCode exit_code, const std::string& summary,
                           const std::string& failure) {
  const char* named = std::getenv("BACKFILL_TERMINATION_LOG");
  const char* path = named != nullptr ? named : kPath;
  const int file = open(path, O_WRONLY | O_TRUNC | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return;
  // The code comes first: the end may be cut off.
  std::string words = "exit code " + std::to_string(static_cast<int>(exit_code));
  for (const std::string& part : {summary, failure}) {
    if (!part.empty()) words += ": " + part;
  }
  const std::string line = cut(words, kBytesMax - 1) + "\n";
  [[maybe_unused]] const ssize_t written = write(file, line.data(), line.size());
  close(file);
}

}  // namespace backfill
