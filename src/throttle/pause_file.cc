#include "throttle/pause_file.h"

namespace backfill {

std::vector<Reading> PauseFile::read() {
  std::error_code unseen;
  Reading reading;
  reading.signal = "pause_file";
  reading.kind = SignalKind::stop;
  reading.frees_at_once = true;
  reading.level = std::filesystem::exists(path_, unseen) ? 1 : 0;
  reading.reason = "pause file " + path_.string() + " exists";
  return {reading};
}

}  // namespace backfill
