#include "cli/options.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>

#include "cli/command_tree.h"
#include "core/error.h"
#include "job/value.h"

#ifndef BACKFILL_VERSION
#error "BACKFILL_VERSION is set by the build"
#endif

namespace backfill {
namespace {

const std::map<std::string, LogLevel> kLogLevels = {{"debug", LogLevel::debug},
                                                    {"info", LogLevel::info},
                                                    {"warning", LogLevel::warning},
                                                    {"error", LogLevel::error}};
const std::map<std::string, LogFormat> kLogFormats = {{"text", LogFormat::text},
                                                      {"json", LogFormat::json}};
const std::map<std::string, ProgressStyle> kProgressStyles = {{"auto", ProgressStyle::automatic},
                                                              {"bar", ProgressStyle::bar},
                                                              {"log", ProgressStyle::log},
                                                              {"none", ProgressStyle::none}};

template <class Value>
Value one_of(const std::map<std::string, Value>& words, const std::string& word,
             const std::string& option) {
  const auto found = words.find(word);
  if (found != words.end()) return found->second;
  std::string allowed;
  for (const auto& [name, ignored] : words) allowed += (allowed.empty() ? "" : ", ") + name;
  throw Error(ExitCode::usage, option + ": \"" + word + "\" is none of " + allowed);
}

// `BACKFILL_BATCH_SIZE` of `--batch-size`
std::string environment_name(const std::string& option) {
  std::string name = "BACKFILL_";
  for (const char c : option.substr(2)) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

bool is_true(const std::string& value, const std::string& name) {
  if (value == "1" || value == "true" || value == "yes") return true;
  if (value == "0" || value == "false" || value == "no" || value.empty()) return false;
  throw Error(ExitCode::usage, name + ": \"" + value + "\" is neither true nor false");
}

// The value of an option that takes one: the flag's, else the environment's.
struct Given {
  std::string value;
  std::string origin;  // `flag` or `environment`
  std::string shown;   // `--workers` or `BACKFILL_WORKERS`, for messages
};

std::optional<Given> given(const CLI::App& command, const std::string& option) {
  const CLI::Option* found = command.get_option_no_throw(option);
  if (found == nullptr) return std::nullopt;
  const bool is_flag = found->get_expected_max() == 0;
  if (found->count() > 0) return Given{is_flag ? "true" : found->results().back(), "flag", option};
  const std::string name = environment_name(option);
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return Given{value, "environment", name};
}

std::chrono::milliseconds grace_of(const Given& grace) {
  const auto time =
      duration_in(text_value(grace.value), std::chrono::milliseconds(0), std::chrono::hours(1));
  if (!time)
    throw Error(ExitCode::usage,
                grace.shown + ": \"" + grace.value + "\" is not a time up to 1h, such as 20s");
  return *time;
}

bool is_set(const CLI::App& command, const std::string& option) {
  const auto value = given(command, option);
  return value && is_true(value->value, value->shown);
}

// Run options that are a job key under another name.
const std::vector<std::pair<std::string, std::string>> kJobKeys = {
    {"--checkpoint", "checkpoint.path"},
    {"--workers", "run.workers"},
    {"--batch-size", "batch.size"},
    {"--max-runtime", "schedule.max_runtime"},
};

void add_overrides(const CLI::App& command, Options& options) {
  std::vector<Override> flags;
  for (const auto& [option, key] : kJobKeys) {
    const auto value = given(command, option);
    if (!value) continue;
    (value->origin == "flag" ? flags : options.overrides)
        .push_back({key, value->value, value->origin});
  }
  if (is_set(command, "--no-throttle")) {
    const std::string origin = given(command, "--no-throttle")->origin;
    (origin == "flag" ? flags : options.overrides).push_back({"throttle.enabled", "false", origin});
  }
  for (const std::string& text : command.get_option("--set")->results()) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw Error(ExitCode::usage,
                  "--set " + text + ": write --set KEY=VALUE, such as --set batch.size=500");
    }
    flags.push_back({text.substr(0, equals), text.substr(equals + 1), "flag"});
  }
  options.overrides.insert(options.overrides.end(), flags.begin(), flags.end());
}

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("JOB", "the job file")->required()->option_text("JOB.toml");
  command->add_option("--set", "a job key by its dotted name; repeatable")
      ->option_text("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  command->add_option("--checkpoint", "the checkpoint file")->option_text("FILE");
  command->add_option("--log-level", "the least that is logged; info")
      ->option_text("debug|info|warning|error");
  command->add_option("--log-format", "lines for people, or for machines; text")
      ->option_text("text|json");
  return command;
}

// What `run` would do is what `plan` tells, with the same settings.
void add_settings(CLI::App& command) {
  command.add_option("--workers", "workers, each with connections of its own")->option_text("N");
  command.add_option("--batch-size", "rows of the first batch")->option_text("N");
  command.add_option("--max-runtime", "stop as planned after this time, such as 2h")
      ->option_text("TIME");
  command.add_flag("--no-throttle")->description("work at full speed whatever the load");
}

void add_metrics(CLI::App& command) {
  command.add_option("--metrics-listen", "answer GET /metrics here while it runs")
      ->option_text("ADDR:PORT");
  command.add_option("--metrics-file", "keep metrics for node_exporter's textfile collector here")
      ->option_text("FILE");
  command.add_option("--pushgateway", "push metrics there at the end, and after each pass")
      ->option_text("URL");
}

void add_run(CLI::App& app) {
  CLI::App* run = add_command(app, "run", "Page, transform, write, checkpoint: the main job");
  add_settings(*run);
  run->add_flag("--resume")->description("go on from the checkpoint; start when there is none");
  run->add_flag("--restart")->description("forget the checkpoint and start over");
  run->add_flag("--retry-rejected")
      ->description("once every row was visited, try those among the dead letters again");
  run->add_flag("--force")->description("resume although the job has changed");
  run->add_option("--grace", "how long batches in flight may take after a stop request; 20s")
      ->option_text("TIME");
  run->add_flag("--dry-run")->description("the same as plan");
  run->add_option("--progress", "how far it is, on a terminal or in the log; auto")
      ->option_text("auto|bar|log|none");
  add_metrics(*run);
}

void add_plan(CLI::App& app) {
  add_settings(*add_command(app, "plan",
                            "What run would do: settings, SQL, estimates, hazards; reads only"));
}

void add_status(CLI::App& app) {
  CLI::App* status = add_command(app, "status", "How far the run is, also while it goes on");
  status->add_flag("--json")->description("as JSON");
  status->add_flag("--watch")->description("again and again, until the run ends");
  status->add_flag("--dead-letters")
      ->description("also the rows that were rejected, with their reasons");
}

void add_control(CLI::App& app) {
  add_command(app, "pause", "Let a run in progress, or the next one, begin no batch until resume");
  add_command(app, "resume", "Let a paused run go on");
  CLI::App* set = add_command(
      app, "set", "Change settings of a run in progress, and of later ones until they are unset");
  set->add_option("CHANGES", "job keys by their dotted names; none: list what is set")
      ->option_text("KEY=VALUE...")
      ->expected(1, -1)
      ->allow_extra_args(true);
  set->add_option("--unset", "go back to what the job says of this key; repeatable")
      ->option_text("KEY")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

// `KEY=VALUE` after a command of the name.
Override parse_change(const std::string& text, const std::string& name, const std::string& origin) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(ExitCode::usage, name + " " + text + ": write " + name + " KEY=VALUE, such as " +
                                     name + " batch.size=500");
  }
  return {text.substr(0, equals), text.substr(equals + 1), origin};
}

void add_comparing(CLI::App& command) {
  command.add_option("--settle", "how long the application may take between its two writes; 5s")
      ->option_text("TIME");
  command.add_flag("--no-throttle")->description("work at full speed whatever the load");
  command.add_flag("--json")->description("as JSON");
  command.add_option("--grace", "how long chunks in flight may take after a stop request; 20s")
      ->option_text("TIME");
}

void add_verify(CLI::App& app) {
  CLI::App* verify =
      add_command(app, "verify", "Compare the target with what the job makes of the source");
  add_comparing(*verify);
  verify->add_option("--workers", "workers, each with connections of its own")->option_text("N");
  verify->add_option("--batch-size", "rows of the first chunk")->option_text("N");
  verify->add_flag("--resume")->description("go on with an unfinished pass; else begin one");
  verify->add_option("--sample", "random chunks only, such as 1%: no proof")->option_text("P%");
  verify->add_option("--list", "every difference as a line of JSON")->option_text("FILE");
  verify->add_option("--every", "pass after pass, one so often, such as 10m")->option_text("TIME");
  add_metrics(*verify);
  verify->add_option("--progress", "auto, bar, log or none")->option_text("STYLE");
}

void add_reconcile(CLI::App& app) {
  CLI::App* reconcile = add_command(app, "reconcile", "Repair what verify found");
  add_comparing(*reconcile);
  reconcile->add_flag("--dry-run")->description("show each repair, and do none");
  reconcile->add_flag("--delete-extra")->description("delete rows that the source has not");
  reconcile->add_option("--max-repairs", "stop after so many; 100000")->option_text("N");
}

void add_report(CLI::App& app) {
  CLI::App* report = add_command(app, "report", "Make an HTML page of a run: charts and facts");
  report->add_option("-o,--output", "where; - for stdout; NAME.report.html in this folder")
      ->option_text("FILE");
}

std::chrono::milliseconds time_of(const Given& time, std::chrono::milliseconds least) {
  const auto found = duration_in(text_value(time.value), least, std::chrono::hours(24 * 31));
  if (found) return *found;
  throw Error(ExitCode::usage, time.shown + ": \"" + time.value + "\" is not a time such as 10m");
}

// `1%`, `0.5%`
double sample_of(const Given& sample) {
  double percent = 0;
  const char* end = sample.value.data() + sample.value.size();
  const auto read = std::from_chars(sample.value.data(), end, percent);
  const bool is_percent = read.ec == std::errc() && std::string_view(read.ptr, end) == "%";
  if (is_percent && percent > 0 && percent < 100) return percent / 100;
  throw Error(ExitCode::usage,
              sample.shown + ": \"" + sample.value + "\" is not a part of the rows such as 1%");
}

std::int64_t count_of(const Given& count) {
  std::int64_t number = 0;
  const char* end = count.value.data() + count.value.size();
  const auto read = std::from_chars(count.value.data(), end, number);
  if (read.ec == std::errc() && read.ptr == end && number >= 0) return number;
  throw Error(ExitCode::usage, count.shown + ": \"" + count.value + "\" is not a number of rows");
}

VerifyFlags verify_flags(const CLI::App& command) {
  VerifyFlags flags;
  if (const auto value = given(command, "--sample")) flags.sample = sample_of(*value);
  if (const auto value = given(command, "--list")) flags.list_file = value->value;
  if (const auto value = given(command, "--settle"))
    flags.settle = time_of(*value, std::chrono::milliseconds(0));
  if (const auto value = given(command, "--every"))
    flags.every = time_of(*value, std::chrono::milliseconds(1));
  flags.delete_extra = is_set(command, "--delete-extra");
  if (const auto value = given(command, "--max-repairs")) flags.repairs_max = count_of(*value);
  return flags;
}

Options to_options(const CLI::App& command) {
  Options options;
  options.command = command.get_name();
  options.job_file = command.get_option("JOB")->as<std::string>();
  add_overrides(command, options);
  if (const auto value = given(command, "--log-level")) {
    options.log_level = one_of(kLogLevels, value->value, value->shown);
  }
  if (const auto value = given(command, "--log-format")) {
    options.log_format = one_of(kLogFormats, value->value, value->shown);
  }
  if (const auto value = given(command, "--progress")) {
    options.progress = one_of(kProgressStyles, value->value, value->shown);
  }
  if (const auto value = given(command, "--grace")) options.grace = grace_of(*value);
  if (const auto value = given(command, "--metrics-listen")) options.metrics.listen = value->value;
  if (const auto value = given(command, "--metrics-file")) options.metrics.file = value->value;
  if (const auto value = given(command, "--pushgateway"))
    options.metrics.pushgateway = value->value;
  options.start = {is_set(command, "--resume"), is_set(command, "--restart"),
                   is_set(command, "--force"), is_set(command, "--retry-rejected")};
  if (options.start.resume && options.start.restart) {
    throw Error(ExitCode::usage, "--resume and --restart exclude each other: go on, or start over");
  }
  if (options.command == "set") {
    for (const std::string& text : command.get_option("CHANGES")->results()) {
      options.changes.push_back(parse_change(text, "set", "control"));
    }
    options.unset = command.get_option("--unset")->results();
  }
  options.dry_run = is_set(command, "--dry-run");
  options.json = is_set(command, "--json");
  options.watch = is_set(command, "--watch");
  options.dead_letters = is_set(command, "--dead-letters");
  if (const auto value = given(command, "--output")) options.output = value->value;
  options.verify = verify_flags(command);
  return options;
}

// Names the word that is no command, where CLI11 only says that one is missing.
void check_command(const CLI::App& app, int argc, const char* const* argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  const std::string word = argv[1];
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == word) return;
  }
  throw Error(ExitCode::usage, "there is no command \"" + word +
                                   "\"; commands are run, plan, status, verify, reconcile, "
                                   "pause, resume, set and report");
}

}  // namespace

const std::vector<ExitMeaning>& exit_meanings() {
  static const std::vector<ExitMeaning> meanings = {
      {0, "done; or a planned stop with work left: status tells them apart"},
      {1, "unexpected failure; the checkpoint is valid"},
      {2, "bad usage, bad job file, or a resume that does not fit the checkpoint"},
      {3, "unsafe to run: a table, key, privilege, plugin or SQL that does not fit"},
      {4, "every row was visited, but more were rejected than limits.max_rejected"},
      {5, "differences found by verify, or left by reconcile"},
      {6, "the source could not be reached, after retries"},
      {7, "the target could not be reached, after retries"},
      {8, "another runner holds this job"},
      {75, "stopped by SIGTERM or SIGINT with work left; run again with --resume"},
  };
  return meanings;
}

std::shared_ptr<CLI::App> command_tree() {
  auto tree = std::make_shared<CLI::App>(
      "Throttled, resumable, crash-safe backfills for PostgreSQL and SQLite", "backfill");
  tree->set_version_flag("--version", "backfill " BACKFILL_VERSION);
  tree->require_subcommand(1);
  tree->fallthrough(false);
  tree->footer(
      "Every option of run is also a variable: BACKFILL_BATCH_SIZE for --batch-size. A flag wins "
      "over the environment, which wins over the job file. Passwords belong to PGPASSWORD, "
      "PGPASSFILE or a service file.");
  add_run(*tree);
  add_plan(*tree);
  add_status(*tree);
  add_control(*tree);
  add_verify(*tree);
  add_reconcile(*tree);
  add_report(*tree);
  return tree;
}

ParsedCommandLine parse_command_line(int argc, const char* const* argv) {
  const std::shared_ptr<CLI::App> tree = command_tree();
  CLI::App& app = *tree;
  ParsedCommandLine parsed;
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& answer) {  // --help, --version
    app.exit(answer, std::cout, std::cerr);
    parsed.is_answered = true;
    return parsed;
  } catch (const CLI::ParseError& error) {
    check_command(app, argc, argv);
    throw Error(ExitCode::usage, std::string(error.what()) + "; see backfill --help");
  }
  parsed.options = to_options(*app.get_subcommands().front());
  return parsed;
}

void hide_passwords(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::string shown = without_password(word);
    if (shown == word || shown.size() > word.size()) continue;
    std::fill_n(argv[i], word.size(), '\0');
    std::copy(shown.begin(), shown.end(), argv[i]);
  }
}

}  // namespace backfill
