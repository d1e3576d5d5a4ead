// From the command line to the exit code.

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "cli/commands.h"
#include "cli/options.h"
#include "core/error.h"
#include "observe/termination_log.h"
#include "support/failpoint.h"

namespace {

// What is known of a command when it ends.
struct Course {
  bool does_the_job = true;  // until it turns out that it looks at it only, or sets it otherwise
  std::string summary;
};

backfill::ExitCode execute(int argc, char** argv, Course& course) {
  const char* failpoints = std::getenv("BACKFILL_FAILPOINTS");
  if (failpoints != nullptr) backfill::set_failpoints(failpoints);

  const backfill::ParsedCommandLine parsed = backfill::parse_command_line(argc, argv);
  backfill::hide_passwords(argc, argv);
  const std::string& command = parsed.options.command;
  course.does_the_job = command == "run" || command == "verify" || command == "reconcile";
  if (parsed.is_answered) return backfill::ExitCode::done;
  if (command == "run") return backfill::run_command(parsed.options, course.summary);
  if (command == "plan") return backfill::plan_command(parsed.options);
  if (command == "verify") return backfill::verify_command(parsed.options, course.summary);
  if (command == "reconcile") return backfill::reconcile_command(parsed.options, course.summary);
  if (command == "status") return backfill::status_command(parsed.options);
  if (command == "report") return backfill::report_command(parsed.options);
  return backfill::control_command(parsed.options);
}

}  // namespace

int main(int argc, char** argv) {
  Course course;
  backfill::ExitCode exit_code = backfill::ExitCode::failed;
  std::string failure;
  try {
    exit_code = execute(argc, argv, course);
  } catch (const backfill::Error& error) {
    exit_code = error.exit_code();
    failure = error.what();
  } catch (const std::exception& error) {
    failure = "unexpected failure: " + backfill::on_one_line(error.what());
  }
  if (!failure.empty()) std::cerr << "backfill: " << failure << '\n';
  if (course.does_the_job) backfill::write_termination_log(exit_code, course.summary, failure);
  return static_cast<int>(exit_code);
}
