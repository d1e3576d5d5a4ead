// support/program.h
//
// A program that a test starts, watches, signals and waits for. Its output goes to files, so it
// never waits for us to read. Whatever still runs at the end of the object is killed.
//
// One thread. Every wait has a deadline; one that passes fails the test.

#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "temp_folder.h"

namespace backfill {

// How a program ended: by an exit code or, when `signal` is not 0, by that signal.
struct ProgramEnd {
  int exit_code = -1;
  int signal = 0;
  std::string out;
  std::string err;
};

// For messages of assertions: the end and all output.
std::ostream& operator<<(std::ostream& stream, const ProgramEnd& end);

class Program {
 public:
  using Environment = std::map<std::string, std::string>;

  // Starts arguments[0], looked up in PATH unless it has a slash. Variables of the test itself
  // are handed on, but for those that begin with BACKFILL_ or PG.
  explicit Program(const std::vector<std::string>& arguments, const Environment& environment = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  bool is_running();
  void send(int signal);

  // What it has written so far.
  std::string out() const { return read_file(folder_ / "out"); }
  std::string err() const { return read_file(folder_ / "err"); }

  // Waits for the end. One that takes longer than the limit is killed, and fails the test.
  ProgramEnd wait(std::chrono::milliseconds limit = std::chrono::seconds(60));

 private:
  bool reap(std::chrono::milliseconds limit);

  TempFolder folder_;
  pid_t pid_ = -1;
  int descriptor_ = -1;  // a pidfd
  bool is_reaped_ = false;
  int status_ = 0;
};

// Starts it and waits for the end.
ProgramEnd run_program(const std::vector<std::string>& arguments,
                       const Program::Environment& environment = {});

// Asks again every few milliseconds; false when the limit passed before it came true.
bool wait_until(const std::function<bool()>& is_true,
                std::chrono::milliseconds limit = std::chrono::seconds(30));

}  // namespace backfill
