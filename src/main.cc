// From the command line to the exit code.

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "cli/commands.h"
#include "cli/options.h"
#include "core/error.h"
#include "support/failpoint.h"

namespace {

backfill::ExitCode execute(int argc, char** argv) {
  const char* failpoints = std::getenv("BACKFILL_FAILPOINTS");
  if (failpoints != nullptr) backfill::set_failpoints(failpoints);

  const backfill::ParsedCommandLine parsed = backfill::parse_command_line(argc, argv);
  backfill::hide_passwords(argc, argv);
  if (parsed.is_answered) return backfill::ExitCode::done;
  if (parsed.options.command == "run") return backfill::run_command(parsed.options);
  if (parsed.options.command == "plan") return backfill::plan_command(parsed.options);
  if (parsed.options.command == "verify") return backfill::verify_command(parsed.options);
  if (parsed.options.command == "reconcile") return backfill::reconcile_command(parsed.options);
  if (parsed.options.command == "status") return backfill::status_command(parsed.options);
  if (parsed.options.command == "report") return backfill::report_command(parsed.options);
  return backfill::control_command(parsed.options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return static_cast<int>(execute(argc, argv));
  } catch (const backfill::Error& error) {
    std::cerr << "backfill: " << error.what() << '\n';
    return static_cast<int>(error.exit_code());
  } catch (const std::exception& error) {
    std::cerr << "backfill: unexpected failure: " << backfill::on_one_line(error.what()) << '\n';
    return static_cast<int>(backfill::ExitCode::failed);
  }
}
