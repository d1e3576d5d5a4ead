// throttle/pause_file.h
//
// A file that pauses every run that watches it, for as long as it is there.

#pragma once

#include <filesystem>

#include "core/sensor.h"

namespace backfill {

class PauseFile : public Sensor {
 public:
  explicit PauseFile(std::filesystem::path path) : path_(std::move(path)) {}

  std::string name() const override { return "pause_file"; }
  std::chrono::milliseconds interval() const override { return std::chrono::milliseconds(200); }
  bool is_required() const override { return true; }
  // A file that cannot be seen, in a folder that is gone, asks for nothing.
  std::vector<Reading> read() override;
  void reconnect() override {}
  void cancel() noexcept override {}

 private:
  const std::filesystem::path path_;
};

}  // namespace backfill
