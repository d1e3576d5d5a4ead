#include "job/job.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>
#include <system_error>

#include "core/error.h"
#include "core/sql.h"
#include "job/database_url.h"
#include "job/job_file.h"
#include "job/key_names.h"
#include "job/settings.h"

namespace backfill {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& message) { throw Error(ExitCode::usage, message); }

// What was set while a run goes on is the latest word; a flag wins over the environment, that over
// the file.
int rank_of(const std::string& origin) {
  if (origin == "control") return 3;
  if (origin == "flag") return 2;
  return origin == "environment" ? 1 : 0;
}

// `batch-size` is BACKFILL_BATCH_SIZE; a key without an option comes through BACKFILL_SET.
std::string variable_of(const std::string& name) {
  const JobKey* key = find_job_key(name);
  if (key == nullptr || key->option.empty()) return "BACKFILL_SET " + name;
  std::string variable = "BACKFILL_";
  for (const char c : key->option) {
    variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return variable;
}

bool stays_text(const std::string& name) {
  const JobKey* key = find_job_key(name);
  return key == nullptr ? is_plugin_option(name) : key->takes != JobKey::Takes::value;
}

void refuse_unknown(const Given& given) {
  if (find_job_key(given.name) != nullptr) return;
  if (is_job_table(given.name) && !is_plugin_option(given.name)) {
    refuse(describe_name(given) + ": must be a table, such as [" + given.name + "]");
  }
  if (is_plugin_option(given.name)) return;
  // Of an override the table is part of the name; in a file it stands by itself.
  const bool is_table = given.value.form == Value::Form::table;
  refuse(describe_name(given) + (is_table ? ": unknown table" : ": unknown key") +
         (is_table ? suggestion_for_table(given.name) : suggestion_for_key(given.name)));
}

std::string absolute(const std::string& path, const fs::path& folder) {
  return (folder / path).lexically_normal().string();
}

// The same text with relative paths in it made absolute.
std::string anchored(const std::string& text, JobKey::Takes takes, const fs::path& folder) {
  switch (takes) {
    case JobKey::Takes::path:
      return text.empty() ? text : absolute(text, folder);
    case JobKey::Takes::plugin:
      return text.find('/') == text.npos ? text : absolute(text, folder);
    case JobKey::Takes::url:
      if (!names_sqlite_file(text)) return text;
      return "sqlite:" + absolute(sqlite_path(text), folder);
    case JobKey::Takes::text:
    case JobKey::Takes::value:
      break;
  }
  return text;
}

bool names_a_secret(const std::string& option) {
  std::string name = option;
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* word : {"password", "passwd", "secret", "token", "salt", "api_key"}) {
    if (name.find(word) != name.npos) return true;
  }
  return false;
}

// Tells a changed secret from an unchanged one without keeping it (FNV-1a, 64 bits).
std::string trace_of(const std::string& secret) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : secret) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  char text[24];
  std::snprintf(text, sizeof text, "#%016llx", static_cast<unsigned long long>(hash));
  return text;
}

// Turns what was given into a job, one step after the other.
class Loading {
 public:
  Loading(const fs::path& file, std::string content, const std::vector<Override>& overrides);

  void store_given();
  void store_defaults();
  void check();
  void list_settings();

  Job job;

 private:
  void take(Given given);
  void store(const JobKey& key, const Value& value);
  void store_option(const Given& given);
  const Given* given(std::string_view name) const;
  [[noreturn]] void refuse_missing(const JobKey& key) const;
  [[noreturn]] void refuse_value(const char* name, const std::string& message) const;
  void check_batch() const;
  void check_target() const;
  void check_table(const char* name, const std::string& url, const std::string& table) const;

  const std::string file_;  // as it was given, for messages
  std::map<std::string, std::string> table_places_;
  std::map<std::string, Given, std::less<>> winners_;
  std::map<std::string_view, std::string> shown_;  // of every key, once it is stored
};

Loading::Loading(const fs::path& file, std::string content, const std::vector<Override>& overrides)
    : file_(file.string()) {
  const IsTable is_table = [](const std::string& name) { return is_job_table(name); };
  JobFile text = parse_job_file(file, content, is_table);
  job.text = std::move(content);
  table_places_ = std::move(text.table_places);
  std::error_code failure;
  job.file = fs::absolute(file, failure).lexically_normal();
  if (failure) refuse("find the folder of job file " + file_ + ": " + failure.message());

  for (Given& one : text.given) take(std::move(one));
  for (const Override& override : overrides) {
    for (Given& one :
         read_override(override, variable_of(override.name), stays_text(override.name), is_table)) {
      take(std::move(one));
    }
  }
}

void Loading::take(Given given) {
  refuse_unknown(given);
  const auto place = winners_.find(given.name);
  if (place == winners_.end()) {
    winners_.emplace(given.name, std::move(given));
  } else if (rank_of(given.origin) >= rank_of(place->second.origin)) {
    place->second = std::move(given);
  }
}

const Given* Loading::given(std::string_view name) const {
  const auto place = winners_.find(name);
  return place == winners_.end() ? nullptr : &place->second;
}

void Loading::store(const JobKey& key, const Value& value) {
  const Given* origin = given(key.name);
  if (!key.store(job, value)) {
    const std::string start =
        origin != nullptr ? describe(*origin) : file_ + ": " + std::string(key.name);
    refuse(start + ": must be " + std::string(key.allowed));
  }
  shown_[key.name] = shown(value);
}

void Loading::store_option(const Given& given) {
  constexpr std::string_view table = "transform.options.";
  job.transform.options.emplace_back(given.name.substr(table.size()), given.value.text);
}

void Loading::store_given() {
  std::error_code failure;
  const fs::path working_folder = fs::current_path(failure);
  for (auto& [name, given] : winners_) {
    if (!given.unresolved.empty()) {
      refuse(given.place + ": " + name + ": " + given.unresolved);
    }
    const JobKey* key = find_job_key(name);
    if (key == nullptr) {
      store_option(given);
      continue;
    }
    if (given.value.is_text()) {
      const fs::path folder = given.origin == "job file" ? job.file.parent_path() : working_folder;
      given.value.text = anchored(given.value.text, key->takes, folder);
    }
    store(*key, given.value);
  }
}

void Loading::store_defaults() {
  for (const JobKey& key : job_keys()) {
    if (given(key.name) != nullptr) continue;
    if (key.is_required) refuse_missing(key);
    const bool is_text = key.takes != JobKey::Takes::value;
    if (key.derived != nullptr) {
      const std::string derived = key.derived(job);
      store(key, is_text ? text_value(derived) : read_default(derived, false));
    } else if (!key.standard.empty()) {
      store(key, read_default(key.standard, is_text));
    } else {
      shown_[key.name] = key.when_unset;
    }
  }
}

void Loading::refuse_missing(const JobKey& key) const {
  const auto table = table_places_.find(std::string(key.name.substr(0, key.name.find('.'))));
  const std::string place = table == table_places_.end() ? file_ + ":1:1" : table->second;
  refuse(place + ": " + std::string(key.name) + ": is required and not set; it must be " +
         std::string(key.allowed));
}

void Loading::refuse_value(const char* name, const std::string& message) const {
  const Given* origin = given(name);
  refuse((origin != nullptr ? describe(*origin) : file_ + ":1:1: " + name) + ": " + message);
}

void Loading::check_table(const char* name, const std::string& url,
                          const std::string& table) const {
  try {
    split_name(table, !is_sqlite_url(url));
  } catch (const Error& error) {
    refuse_value(name, error.what());
  }
}

void Loading::check_batch() const {
  const BatchSettings& batch = job.batch;
  // Defaults have given way already: of two that disagree, both were given.
  const std::string above = "must not be above batch.max_size, which is ";
  const bool bounds_given =
      given("batch.min_size") != nullptr && given("batch.max_size") != nullptr;
  if (bounds_given && batch.min_size > batch.max_size) {
    refuse_value("batch.min_size", above + std::to_string(batch.max_size));
  }
  if (batch.size > batch.max_size) {
    refuse_value("batch.size", above + std::to_string(batch.max_size));
  }
  if (batch.size < batch.min_size) {
    refuse_value("batch.size",
                 "must not be below batch.min_size, which is " + std::to_string(batch.min_size));
  }
}

void Loading::check_target() const {
  const TargetSettings& target = job.target;
  if (target.write == WriteMode::insert && target.ledger == LedgerMode::off) {
    refuse_value("target.ledger",
                 "must be auto or on with target.write = \"insert\": without the ledger a batch "
                 "could not be done again after a crash");
  }
  const auto& source_key = job.source.key;
  if (!target.key.empty() && !source_key.empty() && target.key.size() != source_key.size()) {
    refuse_value("target.key",
                 "must have as many columns as source.key, which is " + toml_list(source_key));
  }
}

void Loading::check() {
  check_table("source.table", job.source.url, job.source.table);
  if (given("target.table") != nullptr) {
    check_table("target.table", job.target.url, job.target.table);
  }
  check_batch();
  check_target();
}

void Loading::list_settings() {
  for (const JobKey& key : job_keys()) {
    const Given* origin = given(key.name);
    const std::string name(key.name);
    job.settings.push_back(
        {name, shown_[key.name], origin != nullptr ? origin->origin : "default"});
    if (key.name != "transform.plugin") continue;
    for (const auto& [option, value] : job.transform.options) {
      const std::string dotted = "transform.options." + option;
      job.settings.push_back({dotted, names_a_secret(option) ? "***" : without_password(value),
                              given(dotted)->origin});
    }
  }
}

}  // namespace

namespace {

Job load(const fs::path& file, std::string content, const std::vector<Override>& overrides) {
  Loading loading(file, std::move(content), overrides);
  loading.store_given();
  loading.store_defaults();
  loading.check();
  loading.list_settings();
  return std::move(loading.job);
}

}  // namespace

Job load_job(const fs::path& file, const std::vector<Override>& overrides) {
  return load(file, read_job_text(file), overrides);
}

Job reload_job(const Job& job, const std::vector<Override>& overrides) {
  return load(job.file, job.text, overrides);
}

bool can_change_in_run(std::string_view name) {
  const std::string_view table = name.substr(0, name.find('.'));
  return table == "batch" || table == "limits" || table == "schedule" || table == "throttle" ||
         name == "run.workers";
}

Job with_changes(Job job, const Job& changed) {
  job.batch = changed.batch;
  job.workers = changed.workers;
  job.limits = changed.limits;
  job.schedule = changed.schedule;
  job.throttle = changed.throttle;
  job.text = changed.text;
  for (Setting& setting : job.settings) {
    if (!can_change_in_run(setting.name)) continue;
    const auto now = std::find_if(changed.settings.begin(), changed.settings.end(),
                                  [&](const Setting& one) { return one.name == setting.name; });
    if (now != changed.settings.end()) setting = *now;
  }
  return job;
}

Fingerprint fingerprint(const Job& job) {
  const auto list = [](const std::vector<std::string>& names) {
    return names.empty() ? std::string() : toml_list(names);
  };
  Fingerprint result{
      {"source.url", database_identity(job.source.url)},
      {"source.table", job.source.table},
      {"source.key", list(job.source.key)},
      {"source.columns", list(job.source.columns)},
      {"source.where", job.source.where},
      {"target.url", database_identity(job.target.url)},
      {"target.table", job.target.table},
      {"target.key", list(job.target.key)},
      {"target.write", job.target.write ? write_mode_name(*job.target.write) : ""},
      {"target.version_column", job.target.version_column},
      {"transform.plugin", job.transform.plugin},
  };
  for (const auto& [option, value] : job.transform.options) {
    result["transform.options." + option] =
        names_a_secret(option) ? trace_of(value) : without_password(value);
  }
  return result;
}

}  // namespace backfill
