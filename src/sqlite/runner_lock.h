// sqlite/runner_lock.h
//
// Keeps a second run of the same job off the same SQLite file: a lock on one byte of it, at an
// offset made from the job's name, far beyond the bytes that SQLite locks itself. The kernel
// drops it when the process ends, however it ends. Other jobs lock other bytes.
//
// Lifetime: closing any descriptor of a file drops the POSIX locks that this process holds on
// it, SQLite's among them. So this object must outlive every connection of this process to the
// file, and be made before or after them, never destroyed between.
//
// One thread. Errors as core/target.h says; a file that cannot be opened is Error(stop).

#pragma once

#include <cstdint>
#include <string>

#include "core/target.h"

namespace backfill {

class SqliteRunnerLock : public RunnerLock {
 public:
  SqliteRunnerLock(std::string path, std::string job);
  ~SqliteRunnerLock() override;
  SqliteRunnerLock(const SqliteRunnerLock&) = delete;
  SqliteRunnerLock& operator=(const SqliteRunnerLock&) = delete;

  void acquire() override;
  // Also throws Error(stop) when the file was replaced by another, which this lock does not guard.
  void confirm() override;

  // Whether a run of this job holds its lock on this file; false when there is no such file. Opens
  // and closes the file: not for a process that has a connection to it in a transaction.
  static bool is_held(const std::string& path, const std::string& job);

 private:
  const std::string path_;
  const std::string job_;
  int descriptor_ = -1;
};

}  // namespace backfill
