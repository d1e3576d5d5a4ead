// core/error.h
//
// A failure, named by its remedy rather than its origin. Thrown where it happens;
// caught in three places only: the chunk attempt, a thread's body, and main.

#pragma once

#include <stdexcept>
#include <string>

namespace backfill {

// What the program tells its caller, as written in the README. Scripts and CronJobs depend on it.
enum class ExitCode {
  done = 0,                // complete, or a planned stop with work left
  failed = 1,              // unexpected; the checkpoint is valid
  usage = 2,               // bad command line or job file, or a resume that does not fit
  unsafe = 3,              // refused before the first row: table, key, privilege, plugin
  rejected = 4,            // every row visited, more were rejected than allowed
  differences = 5,         // verify or reconcile found differences
  source_unreachable = 6,  // after retries
  target_unreachable = 7,  // after retries
  other_runner = 8,        // another runner holds this job
  stopped = 75,            // stopped by a signal with work left
};

enum class ErrorKind {
  retry,      // the same work may succeed later: lost connection, deadlock, lock timeout, busy
  too_large,  // the same work may succeed in smaller pieces: statement timeout, batch over its
              // bytes
  reject,     // these rows cannot be written as they are: constraint, value out of range
  stop,       // going on is pointless: wrong job, missing table, no privilege, broken plugin
  cancelled,  // someone asked the run to stop
};

// `text` without line breaks and other control characters; blanks take their places.
inline std::string on_one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

// One line, whatever its message quotes from a job, a file or a server: what was tried, on what,
// what came back, what to do. Never holds a password.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message, std::string code = "")
      : std::runtime_error(on_one_line(message)), kind_(kind), code_(std::move(code)) {}

  // A failure that ends the program with a code of its own.
  Error(ExitCode exit_code, const std::string& message)
      : std::runtime_error(on_one_line(message)), kind_(ErrorKind::stop), exit_code_(exit_code) {}

  ErrorKind kind() const { return kind_; }

  // The database's own code, such as a SQLSTATE; empty when there is none.
  const std::string& code() const { return code_; }

  // What main returns when this error ends the run.
  ExitCode exit_code() const { return exit_code_; }

  // The same failure, with where it happened put in front and, if given, another exit code.
  Error within(const std::string& what) const {
    Error copy(kind_, what + ": " + this->what(), code_);
    copy.exit_code_ = exit_code_;
    return copy;
  }
  Error ending_with(ExitCode exit_code) const {
    Error copy(*this);
    copy.exit_code_ = exit_code;
    return copy;
  }

 private:
  ErrorKind kind_;
  std::string code_;
  ExitCode exit_code_ = ExitCode::failed;
};

}  // namespace backfill
