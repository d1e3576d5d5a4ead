#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint_store.h"
#include "cli/commands.h"
#include "cli/live_control.h"
#include "cli/seen_run.h"
#include "core/quantity_text.h"
#include "job/job.h"
#include "observe/progress_display.h"
#include "support/clock.h"

namespace backfill {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kDeadLettersMax = 1000;
constexpr Duration kWatchInterval = std::chrono::seconds(1);

struct Status {
  Job job;
  std::optional<SavedRun> run;
  std::vector<DeadLetter> dead_letters;
  std::vector<Control> controls;
  bool is_at_work = false;  // a runner is, also in a pause
};

Status read_status(const Options& options) {
  Status status{load_job(options.job_file, options.overrides), std::nullopt, {}, {}, false};
  if (auto store = CheckpointStore::open_existing(status.job.checkpoint)) {
    status.run = store->load();
    status.controls = store->controls();
    if (options.dead_letters) status.dead_letters = store->dead_letters(kDeadLettersMax);
  }
  if (status.run) {
    auto [run, is_at_work] = seen_run(std::move(*status.run), status.job);
    status.run = std::move(run);
    status.is_at_work = is_at_work;
  }
  return status;
}

template <class Value>
Json json_or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json();
}

Json key_json(const std::optional<Key>& key) { return key ? Json(key->values) : Json(); }

Json to_json(const Status& status) {
  Json json;
  const SavedRun run = status.run.value_or(SavedRun());
  const bool known = status.run.has_value();
  const auto known_or_null = [&](auto value) { return known ? Json(value) : Json(); };
  json["job"] = status.job.name;
  json["run_id"] = known_or_null(run.run_id);
  json["state"] = known_or_null(run_state_name(run.state));
  json["reason"] = known && !run.reason.empty() ? Json(run.reason) : Json();
  json["rows"] = {{"read", run.rows.read},
                  {"written", run.rows.written},
                  {"skipped", run.rows.skipped},
                  {"rejected", run.rows.rejected},
                  {"unchanged", run.rows.unchanged},
                  {"conflicts", run.rows.conflicts},
                  {"estimated_total", json_or_null(run.estimated_total)}};
  json["progress"] =
      known && (run.estimated_total || run.all_visited) ? Json(run.progress) : Json();
  json["rate_rows_per_s"] = json_or_null(run.rate_rows_per_s);
  json["eta_s"] = {{"low", json_or_null(run.eta_low_s)}, {"high", json_or_null(run.eta_high_s)}};
  json["watermark"] = key_json(run.watermark);
  json["end_key"] = key_json(run.end_key);
  json["batch_size"] = known_or_null(run.batch_size);
  json["workers"] = known_or_null(run.workers);
  json["share"] = known_or_null(run.share);
  json["pressure"] = {{"value", json_or_null(run.pressure)},
                      {"signal", run.pressure_signal.empty() ? Json() : Json(run.pressure_signal)}};
  if (!run.signals.empty()) json["signals"] = run.signals;
  json["batches"] = {
      {"done", run.batches.done}, {"retried", run.batches.retried}, {"split", run.batches.split}};
  for (const Control& control : status.controls) {
    json["control"].push_back(
        {{"key", control.key}, {"value", control.value}, {"set_at", control.set_at}});
  }
  json["started_at"] = known_or_null(run.started_at);
  json["updated_at"] = known_or_null(run.updated_at);
  json["elapsed_s"] = known_or_null(run.elapsed_s);
  json["throttled_s"] = known_or_null(run.throttled_s);
  return json;
}

Json to_json(const std::vector<DeadLetter>& letters) {
  Json list = Json::array();
  for (const DeadLetter& letter : letters) {
    Json values = Json::parse(letter.values, nullptr, /*allow_exceptions=*/false);
    list.push_back({{"key", Key::from_json(letter.key).values},
                    {"code", letter.code},
                    {"message", letter.message},
                    {"values", values.is_discarded() ? Json(letter.values) : values}});
  }
  return list;
}

void print_line(const char* name, const std::string& value) {
  fmt::print("{:<12} {}\n", name, value);
}

void print_run(const SavedRun& run) {
  print_line("state", run.reason.empty()
                          ? run_state_name(run.state)
                          : fmt::format("{}: {}", run_state_name(run.state), run.reason));
  print_line("progress", progress_line(run));
  print_line("rows",
             fmt::format("{} read, {} written, {} unchanged, {} skipped, {} rejected, {} conflicts",
                         count_text(run.rows.read), count_text(run.rows.written),
                         count_text(run.rows.unchanged), count_text(run.rows.skipped),
                         count_text(run.rows.rejected), count_text(run.rows.conflicts)));
  print_line("batches",
             fmt::format("{} done, {} retried, {} split; now {} rows", count_text(run.batches.done),
                         run.batches.retried, run.batches.split, count_text(run.batch_size)));
  print_line("watermark",
             fmt::format("{} of {}", run.watermark ? run.watermark->display() : "none",
                         run.end_key ? run.end_key->display() : "none: the table was empty"));
  const std::string rests = rests_text(run);
  print_line("pace",
             fmt::format("{} workers, share {:.2f}, {} at rest{}", run.workers, run.share,
                         duration_text(run.throttled_s), rests.empty() ? "" : " (" + rests + ")"));
  print_line("time", fmt::format("{} running; started {}, updated {}", duration_text(run.elapsed_s),
                                 run.started_at, run.updated_at));
  if (!run.forced.empty()) print_line("forced", run.forced);
}

void print(const Status& status, const Options& options) {
  if (options.json) {
    Json json = to_json(status);
    if (options.dead_letters) json["dead_letters"] = to_json(status.dead_letters);
    fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
    return;
  }
  print_line("job", status.job.name);
  for (const Control& control : status.controls) {
    print_line("set", describe_control(control));
  }
  if (!status.run)
    return print_line("state", "not started: no checkpoint at " + status.job.checkpoint.string());
  print_run(*status.run);
  for (const DeadLetter& letter : status.dead_letters) {
    fmt::print("dead letter  key {}: {} [{}] {}\n", Key::from_json(letter.key).display(),
               letter.message, letter.code, letter.values);
  }
}

}  // namespace

ExitCode status_command(const Options& options) {
  SystemClock clock;
  while (true) {
    const Status status = read_status(options);
    if (options.watch && !options.json && isatty(STDOUT_FILENO) != 0) fmt::print("\033[H\033[2J");
    print(status, options);
    std::fflush(stdout);
    if (!options.watch || !status.is_at_work) return ExitCode::done;
    clock.wait(kWatchInterval, std::stop_token());
  }
}

}  // namespace backfill
