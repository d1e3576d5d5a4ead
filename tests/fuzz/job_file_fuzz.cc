// Job files and what is given beside them: read, merged and checked, or refused in one line.
//
// Input: a job file. Lines behind a line `#--` are overrides, `batch.size=5`, as if by --set.

#include <vector>

#include "core/error.h"
#include "fuzz/input.h"
#include "fuzz/promise.h"
#include "job/job.h"
#include "job/settings.h"
#include "support/temp_folder.h"

namespace backfill::fuzz {
namespace {

constexpr std::string_view kDivider = "\n#--\n";

std::vector<Override> overrides_in(Input lines) {
  std::vector<Override> overrides;
  for (bool is_flag = true; !lines.empty(); is_flag = !is_flag) {
    const std::string_view line = lines.line();
    const std::size_t equals = line.find('=');
    if (equals == line.npos) continue;
    overrides.push_back({std::string(line.substr(0, equals)), std::string(line.substr(equals + 1)),
                         is_flag ? "flag" : "environment"});
  }
  return overrides;
}

void check_job(const Job& job, const Job& again) {
  promise(!job.name.empty() && !job.source.url.empty() && !job.source.table.empty() &&
              !job.target.url.empty() && !job.target.table.empty() && !job.checkpoint.empty(),
          "a job has what is required");
  promise(job.batch.min_size >= 1 && job.batch.min_size <= job.batch.size &&
              job.batch.size <= job.batch.max_size && job.workers >= 1,
          "sizes are in order");
  promise(job.settings.size() == job_keys().size() + job.transform.options.size(),
          "every key has a setting");
  promise(fingerprint(job) == fingerprint(again), "a job loads the same twice");
}

void check_refusal(const Error& error) {
  const std::string message = error.what();
  promise(error.exit_code() == ExitCode::usage, "a bad job file ends with exit 2", message);
  promise(!message.empty() && message.find_first_of("\r\n") == message.npos,
          "a refusal is one line", message);
}

void check(std::string_view input) {
  static const TempFolder folder;
  const std::size_t divider = std::min(input.find(kDivider), input.size());
  const std::filesystem::path file = folder / "job.toml";
  write_file(file, std::string(input.substr(0, divider)));
  const std::string_view behind = input.substr(std::min(divider + kDivider.size(), input.size()));
  const std::vector<Override> overrides =
      overrides_in(Input(reinterpret_cast<const std::uint8_t*>(behind.data()), behind.size()));

  Job job;
  const auto refused = failure_of([&] { job = load_job(file, overrides); });
  if (refused) return check_refusal(*refused);
  check_job(job, load_job(file, overrides));
}

}  // namespace
}  // namespace backfill::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  backfill::fuzz::check({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
