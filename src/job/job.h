// job/job.h
//
// A checked job: what the job file, the environment and the command line ask for together.
// Constant once made. What only a database can tell (columns, keys, privileges) is not
// checked here.

#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/layout.h"
#include "core/source.h"

namespace backfill {

enum class LedgerMode { automatic, on, off };

struct SourceSettings {
  std::string url;
  std::string table;                 // as SQL
  std::vector<std::string> key;      // empty: the primary key
  std::vector<std::string> columns;  // as SQL; empty: every column
  std::string where;                 // as SQL; empty: every row
  Consistency consistency = Consistency::validate;
};

struct TargetSettings {
  std::string url;  // never empty: the source's by default
  std::string table;
  std::vector<std::string> key;    // empty: the source key's names
  std::optional<WriteMode> write;  // none: update in place, else insert_missing
  std::string version_column;      // empty: none
  LedgerMode ledger = LedgerMode::automatic;
};

struct TransformSettings {
  std::string plugin;                                        // name or path; empty: none
  std::vector<std::pair<std::string, std::string>> options;  // dotted name, value; in order of name
};

struct BatchSettings {
  std::int64_t size = 1000;  // rows of the first batch
  std::int64_t min_size = 100;
  std::int64_t max_size = 20'000;
  std::int64_t max_bytes = 16 << 20;
  std::chrono::milliseconds target_time{100};
  bool adaptive = true;
};

struct Limits {
  std::int64_t max_rejected = 0;  // rows, or
  std::optional<double>
      max_rejected_share;  // part of the rows read, 0..1, when given as a percentage
  int retries = 10;
};

struct ScheduleSettings {
  std::string window;  // empty: always
  std::string timezone = "UTC";
  std::optional<std::chrono::milliseconds> max_runtime;
};

struct ThrottleSettings {
  bool enabled = true;
  double share = 1.0;  // upper bound, 0..1
  double max_latency_increase = 0.2;
  std::chrono::milliseconds max_replica_lag{10'000};
  std::int64_t max_replica_lag_bytes = std::int64_t{1} << 30;
  std::vector<std::string> replicas;
  std::string query;
  double query_limit = 0;
  std::string pause_file;
};

// One job key, what it came to, and where from: `control` (live, by `backfill set`), `flag`,
// `environment`, `job file` or `default`.
struct Setting {
  std::string name;
  std::string value;  // for people; URLs without passwords
  std::string origin;
};

// Names in order; values as text. What decides which rows become what.
using Fingerprint = std::map<std::string, std::string>;

struct Job {
  std::string name;
  std::filesystem::path file;
  SourceSettings source;
  TargetSettings target;
  TransformSettings transform;
  BatchSettings batch;
  int workers = 2;
  Limits limits;
  ScheduleSettings schedule;
  ThrottleSettings throttle;
  std::filesystem::path checkpoint;

  std::vector<Setting> settings;  // every key, in the order of the README
  std::string text;               // of the file, as it was read
};

// A value from outside the file; `name` is the dotted key. Later ones win over earlier ones.
struct Override {
  std::string name;
  std::string value;   // a TOML value, or plain text where that does not parse
  std::string origin;  // `control`, `flag` or `environment`
};

// Reads, merges and checks. Throws Error(ExitCode::usage); errors in the file say file:line:column.
Job load_job(const std::filesystem::path& file, const std::vector<Override>& overrides);

// The same with the file as it was read then, whatever it says now.
Job reload_job(const Job& job, const std::vector<Override>& overrides);

// Whether a key may change while a run goes on, and a job with all such keys as another has them.
bool can_change_in_run(std::string_view name);
Job with_changes(Job job, const Job& changed);

// The part of the fingerprint that the job alone knows. The caller adds the plugin's name and
// version, and what the databases resolved (key, columns).
Fingerprint fingerprint(const Job& job);

// A URL without its password, for messages, `plan` and the checkpoint.
std::string without_password(const std::string& url);

}  // namespace backfill
