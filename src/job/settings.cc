#include "job/settings.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "job/database_url.h"
#include "schedule/window.h"

namespace backfill {
namespace {

using namespace std::chrono_literals;
using Takes = JobKey::Takes;

constexpr const char* a_url =
    "postgresql://…, libpq keywords such as \"host=… dbname=…\", or sqlite:PATH "
    "(in a postgresql:// password, special characters are written %XX)";
constexpr const char* a_postgres_url =
    "a list of postgresql://… or libpq keywords such as [\"host=… dbname=…\"]";
constexpr const char* a_table = "a table name as SQL, such as \"public.users\"";
constexpr const char* a_key = "a list of different column names, such as [\"id\"]";

// Limits that no sensible job comes near; they keep sums and buffers within their types.
constexpr std::int64_t batch_rows_max = 1'000'000;
constexpr std::int64_t batch_bytes_max = std::int64_t{1} << 30;
constexpr std::int64_t lag_bytes_max = std::int64_t{1} << 40;
constexpr std::chrono::milliseconds year = 365 * 24h;
constexpr double number_max = 1e18;

// Moves what a reader found to where it belongs; false when it found nothing.
template <class Field, class Found>
bool put(Field& field, const std::optional<Found>& found) {
  if (!found) return false;
  field = static_cast<Field>(*found);
  return true;
}

// Text that may be empty, which is the same as not giving it.
bool put_text(std::string& field, const Value& value) {
  if (value.is_text() && value.text.empty()) {
    field.clear();
    return true;
  }
  return put(field, filled_text(value));
}

bool put_checked(std::string& field, const Value& value, bool is_allowed) {
  return value.is_text() && is_allowed && put(field, filled_text(value));
}

bool put_url(std::string& field, const Value& value) {
  return put_checked(field, value, names_sqlite_file(value.text) || is_postgres_url(value.text));
}

bool put_replicas(std::vector<std::string>& field, const Value& value) {
  if (value.form != Value::Form::list) return false;
  std::vector<std::string> urls;
  for (const auto& element : value.elements) {
    if (!element.is_text() || !is_postgres_url(element.text)) return false;
    urls.push_back(element.text);
  }
  field = std::move(urls);
  return true;
}

bool is_plugin(const std::string& text) {
  if (text.find('/') != text.npos) return text.back() != '/';
  return !text.empty() && text.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
                              "XYZ0123456789_.-") == text.npos;
}

bool put_plugin(std::string& field, const Value& value) {
  return put_checked(field, value, is_plugin(value.text));
}

bool put_max_rejected(Limits& limits, const Value& value) {
  if (const auto share = percentage_of(value)) {
    limits.max_rejected_share = share;
    limits.max_rejected = 0;
    return true;
  }
  limits.max_rejected_share.reset();
  return put(limits.max_rejected, integer_in(value, 0, std::numeric_limits<std::int64_t>::max()));
}

bool put_rows(std::int64_t& field, const Value& value) {
  return put(field, integer_in(value, 1, batch_rows_max));
}

// The defaults of the three sizes give way to those that were given.
std::string derived_size(const Job& job) {
  const std::int64_t least = job.batch.min_size;
  const std::int64_t most = job.batch.max_size;
  if (least <= most) return std::to_string(std::clamp(job.batch.size, least, most));
  // One bound was given beyond the other's default, which will follow.
  return std::to_string(least > BatchSettings{}.max_size ? least : most);
}

std::string derived_checkpoint(const Job& job) {
  return (job.file.parent_path() / (job.name + ".checkpoint.db")).string();
}

std::vector<JobKey> source_keys() {
  return {
      {.name = "source.url",
       .takes = Takes::url,
       .allowed = a_url,
       .store = [](Job& job, const Value& value) { return put_url(job.source.url, value); },
       .is_required = true},
      {.name = "source.table",
       .takes = Takes::text,
       .allowed = a_table,
       .store = [](Job& job,
                   const Value& value) { return put(job.source.table, filled_text(value)); },
       .is_required = true},
      {.name = "source.key",
       .allowed = a_key,
       .store = [](Job& job, const Value& value) { return put(job.source.key, names_of(value)); },
       .when_unset = "the primary key"},
      {.name = "source.columns",
       .allowed = "a list of different columns or SQL expressions, such as "
                  "[\"id\", \"lower(email) as email\"]",
       .store = [](Job& job,
                   const Value& value) { return put(job.source.columns, names_of(value)); },
       .when_unset = "every column"},
      {.name = "source.where",
       .takes = Takes::text,
       .allowed = "an SQL condition",
       .store = [](Job& job, const Value& value) { return put_text(job.source.where, value); },
       .when_unset = "every row"},
      {.name = "source.consistency",
       .takes = Takes::text,
       .allowed = "validate, lock or none",
       .store =
           [](Job& job, const Value& value) {
             return put(job.source.consistency,
                        word_of<Consistency>(value, {{"validate", Consistency::validate},
                                                     {"lock", Consistency::lock},
                                                     {"none", Consistency::none}}));
           },
       .standard = "validate"},
  };
}

std::vector<JobKey> target_keys() {
  return {
      {.name = "target.url",
       .takes = Takes::url,
       .allowed = a_url,
       .store = [](Job& job, const Value& value) { return put_url(job.target.url, value); },
       .derived = [](const Job& job) { return job.source.url; }},
      {.name = "target.table",
       .takes = Takes::text,
       .allowed = a_table,
       .store = [](Job& job,
                   const Value& value) { return put(job.target.table, filled_text(value)); },
       .derived = [](const Job& job) { return job.source.table; }},
      {.name = "target.key",
       .allowed = a_key,
       .store = [](Job& job, const Value& value) { return put(job.target.key, names_of(value)); },
       .when_unset = "the source key's names"},
      {.name = "target.write",
       .takes = Takes::text,
       .allowed = "update, insert_missing, upsert or insert",
       .store =
           [](Job& job, const Value& value) {
             return put(job.target.write,
                        word_of<WriteMode>(value, {{"update", WriteMode::update},
                                                   {"insert_missing", WriteMode::insert_missing},
                                                   {"upsert", WriteMode::upsert},
                                                   {"insert", WriteMode::insert}}));
           },
       .when_unset = "update in place, else insert_missing"},
      {.name = "target.version_column",
       .takes = Takes::text,
       .allowed = "a column name",
       .store =
           [](Job& job, const Value& value) {
             return put(job.target.version_column, filled_text(value));
           },
       .when_unset = "none"},
      {.name = "target.ledger",
       .takes = Takes::text,
       .allowed = "auto, on or off",
       .store =
           [](Job& job, const Value& value) {
             return put(job.target.ledger,
                        word_of<LedgerMode>(value, {{"auto", LedgerMode::automatic},
                                                    {"on", LedgerMode::on},
                                                    {"off", LedgerMode::off}}));
           },
       .standard = "auto"},
      {.name = "transform.plugin",
       .takes = Takes::plugin,
       .allowed =
           "a plugin's name ([A-Za-z0-9_.-]+) or a path with a slash in it, such as ./mask.so",
       .store = [](Job& job,
                   const Value& value) { return put_plugin(job.transform.plugin, value); },
       .when_unset = "none"},
  };
}

std::vector<JobKey> batch_keys() {
  return {
      {.name = "batch.size",
       .allowed = "an integer from 1 to 1000000",
       .store = [](Job& job, const Value& value) { return put_rows(job.batch.size, value); },
       .derived = derived_size,
       .option = "batch-size"},
      {.name = "batch.min_size",
       .allowed = "an integer from 1 to 1000000",
       .store = [](Job& job, const Value& value) { return put_rows(job.batch.min_size, value); },
       .derived =
           [](const Job& job) {
             return std::to_string(std::min(job.batch.min_size, job.batch.size));
           }},
      {.name = "batch.max_size",
       .allowed = "an integer from 1 to 1000000",
       .store = [](Job& job, const Value& value) { return put_rows(job.batch.max_size, value); },
       .derived =
           [](const Job& job) {
             return std::to_string(std::max(job.batch.max_size, job.batch.size));
           }},
      {.name = "batch.max_bytes",
       .allowed = "a size from 1KiB to 1GiB, such as \"16MiB\" (units: KiB MiB GiB kB MB GB, "
                  "or none for bytes)",
       .store =
           [](Job& job, const Value& value) {
             return put(job.batch.max_bytes, size_in(value, 1024, batch_bytes_max));
           },
       .standard = "16MiB"},
      {.name = "batch.target_time",
       .allowed = "a duration from 1ms to 1h, such as \"100ms\" (units: ms s m h d)",
       .store =
           [](Job& job, const Value& value) {
             return put(job.batch.target_time, duration_in(value, 1ms, 1h));
           },
       .standard = "100ms"},
      {.name = "batch.adaptive",
       .allowed = "true or false",
       .store = [](Job& job,
                   const Value& value) { return put(job.batch.adaptive, boolean_of(value)); },
       .standard = "true"},
  };
}

std::vector<JobKey> run_keys() {
  return {
      {.name = "run.workers",
       .allowed = "an integer from 1 to 64",
       .store = [](Job& job,
                   const Value& value) { return put(job.workers, integer_in(value, 1, 64)); },
       .standard = "2",
       .option = "workers"},
      {.name = "limits.max_rejected",
       .allowed = "a number of rows, 0 or more, or a percentage up to \"100%\"",
       .store = [](Job& job, const Value& value) { return put_max_rejected(job.limits, value); },
       .standard = "0"},
      {.name = "limits.retries",
       .allowed = "an integer from 0 to 1000",
       .store =
           [](Job& job, const Value& value) {
             return put(job.limits.retries, integer_in(value, 0, 1000));
           },
       .standard = "10"},
      {.name = "schedule.window",
       .takes = Takes::text,
       .allowed = "times of day such as \"22:00-06:00\" or \"Mon-Fri 22:00-06:00 share=0.5; "
                  "Sat-Sun 00:00-24:00 max_latency_increase=1\"",
       .store =
           [](Job& job, const Value& value) {
             return put_checked(job.schedule.window, value, parse_windows(value.text).has_value());
           },
       .when_unset = "always"},
      {.name = "schedule.timezone",
       .takes = Takes::text,
       .allowed = "an IANA time zone that this machine knows, such as \"Europe/Berlin\"",
       .store =
           [](Job& job, const Value& value) {
             return put_checked(job.schedule.timezone, value, is_timezone(value.text));
           },
       .standard = "UTC"},
      {.name = "schedule.max_runtime",
       .allowed = "a duration from 1ms to 365d, such as \"6h\" (units: ms s m h d)",
       .store =
           [](Job& job, const Value& value) {
             return put(job.schedule.max_runtime, duration_in(value, 1ms, year));
           },
       .when_unset = "no limit",
       .option = "max-runtime"},
  };
}

std::vector<JobKey> throttle_keys() {
  return {
      {.name = "throttle.enabled",
       .allowed = "true or false",
       .store = [](Job& job,
                   const Value& value) { return put(job.throttle.enabled, boolean_of(value)); },
       .standard = "true",
       .option = "no-throttle"},
      {.name = "throttle.share",
       .allowed = "a number from 0 to 1",
       .store = [](Job& job,
                   const Value& value) { return put(job.throttle.share, number_in(value, 0, 1)); },
       .standard = "1.0"},
      {.name = "throttle.max_latency_increase",
       .allowed = "a number from 0 to 100, such as 0.2 for 20 %",
       .store =
           [](Job& job, const Value& value) {
             return put(job.throttle.max_latency_increase, number_in(value, 0, 100));
           },
       .standard = "0.2"},
      {.name = "throttle.max_replica_lag",
       .allowed = "a duration from 1ms to 365d, such as \"10s\" (units: ms s m h d)",
       .store =
           [](Job& job, const Value& value) {
             return put(job.throttle.max_replica_lag, duration_in(value, 1ms, year));
           },
       .standard = "10s"},
      {.name = "throttle.max_replica_lag_bytes",
       .allowed =
           "a size from 1KiB to 1TiB, such as \"1GiB\" (units: KiB MiB GiB kB MB GB, or none "
           "for bytes)",
       .store =
           [](Job& job, const Value& value) {
             return put(job.throttle.max_replica_lag_bytes, size_in(value, 1024, lag_bytes_max));
           },
       .standard = "1GiB"},
      {.name = "throttle.replicas",
       .allowed = a_postgres_url,
       .store = [](Job& job,
                   const Value& value) { return put_replicas(job.throttle.replicas, value); },
       .when_unset = "those in pg_stat_replication"},
      {.name = "throttle.query",
       .takes = Takes::text,
       .allowed = "an SQL query that answers one number",
       .store = [](Job& job, const Value& value) { return put_text(job.throttle.query, value); },
       .when_unset = "none"},
      {.name = "throttle.query_limit",
       .allowed = "a number, 0 or more",
       .store =
           [](Job& job, const Value& value) {
             return put(job.throttle.query_limit, number_in(value, 0, number_max));
           },
       .when_unset = "none: any number above 0, or true, pauses"},
      {.name = "throttle.pause_file",
       .takes = Takes::path,
       .allowed = "the path of a file",
       .store = [](Job& job,
                   const Value& value) { return put(job.throttle.pause_file, filled_text(value)); },
       .when_unset = "none"},
      {.name = "checkpoint.path",
       .takes = Takes::path,
       .allowed = "the path of a file",
       .store = [](Job& job,
                   const Value& value) { return put(job.checkpoint, filled_text(value)); },
       .derived = derived_checkpoint,
       .option = "checkpoint"},
  };
}

std::vector<JobKey> make_job_keys() {
  std::vector<JobKey> keys{
      {.name = "name",
       .takes = Takes::text,
       .allowed = "lower-case letters, digits and dashes ([a-z0-9][a-z0-9-]*), such as "
                  "\"split-full-name\"",
       .store =
           [](Job& job, const Value& value) {
             return put_checked(job.name, value, is_job_name(value.text));
           },
       .is_required = true},
  };
  for (const auto& group :
       {source_keys(), target_keys(), batch_keys(), run_keys(), throttle_keys()}) {
    keys.insert(keys.end(), group.begin(), group.end());
  }
  return keys;
}

}  // namespace

const std::vector<JobKey>& job_keys() {
  static const std::vector<JobKey> keys = make_job_keys();
  return keys;
}

const JobKey* find_job_key(std::string_view name) {
  for (const auto& key : job_keys()) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

}  // namespace backfill
