// scenario/gate.h
//
// A place where one thread of the program is held until the test lets it go on. A run with a gate
// cannot be over before the test has done to it what it is about, however slow the machine is.

#pragma once

#include <filesystem>
#include <string>

#include "job_on_disk.h"

namespace backfill {

class Gate {
 public:
  // `name`: of a file in the job's folder; one for each gate.
  explicit Gate(const JobOnDisk& job, const std::string& name = "gate")
      : file_((job.folder() / name).string()) {}

  // For Program's failpoints: the place, and the how many-th time that it is reached.
  std::string at(const std::string& failpoint, int time) const {
    return failpoint + "=wait(" + file_ + ")@" + std::to_string(time);
  }

  // Waits until somebody stands before it; false when the limit passed.
  bool is_reached() const {
    return wait_until([&] { return std::filesystem::exists(file_ + ".reached"); });
  }

  void open() const { write_file(file_, ""); }

 private:
  std::string file_;
};

}  // namespace backfill
