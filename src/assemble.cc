#include "assemble.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cctype>

#include "core/sql.h"
#include "engine/retried.h"
#include "postgres/database.h"
#include "sqlite/connection.h"
#include "sqlite/database.h"
#include "throttle/pause_file.h"

namespace backfill {
namespace {

std::unique_ptr<Database> connect(const std::string& url, const std::string& job,
                                  const std::string& role, ExitCode unreachable,
                                  const std::shared_ptr<OwnTransactions>& own) {
  try {
    if (is_sqlite_url(url)) return std::make_unique<SqliteDatabase>(url, job);
    return std::make_unique<PostgresDatabase>(url, job, role, own);
  } catch (const Error& error) {
    throw error.exit_code() == ExitCode::failed ? error.ending_with(unreachable) : error;
  }
}

// Both ends of one database are looked at over one connection.
std::unique_ptr<Database> connect_target(const Job& job, const Database& source,
                                         const std::shared_ptr<OwnTransactions>& own) {
  const auto* same = dynamic_cast<const PostgresDatabase*>(&source);
  if (same != nullptr && job.source.url == job.target.url) {
    return std::make_unique<PostgresDatabase>(*same, "target");
  }
  return connect(job.target.url, job.name, "target", ExitCode::target_unreachable, own);
}

// A connection that is not there in the end says which one it was.
template <class Make>
auto reach(ExitCode unreachable, const Make& make) {
  try {
    return make();
  } catch (const Error& error) {
    throw error.kind() == ErrorKind::retry ? error.ending_with(unreachable) : error;
  }
}

// Losing a connection later on is as bad as not getting one; all else that a database answers
// with is a reason not to begin.
template <class Look>
void look(ExitCode unreachable, Look look_at) {
  try {
    look_at();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::retry) throw error.ending_with(unreachable);
    const bool is_an_answer =
        (error.kind() == ErrorKind::stop || error.kind() == ErrorKind::reject) &&
        !error.code().empty();
    throw is_an_answer && error.exit_code() == ExitCode::failed
        ? error.ending_with(ExitCode::unsafe)
        : error;
  }
}

WriteMode write_mode(const Assembly& assembly) {
  const bool in_place = assembly.source_table.identity == assembly.target_table.identity;
  return assembly.job.target.write.value_or(in_place ? WriteMode::update
                                                     : WriteMode::insert_missing);
}

void bind_plugin(Assembly& assembly, const std::vector<ReadColumn>& columns,
                 LayoutRequest& request) {
  const Job& job = assembly.job;
  assembly.plugin = Plugin::open(job.transform.plugin, job.file.parent_path());
  assembly.offer = {job.name, columns, assembly.target_table.columns, job.transform.options};
  request.plugin = bind_columns(*assembly.plugin, assembly.offer);
}

// The target's name for each source key column.
std::vector<std::string> target_key(const Assembly& assembly) {
  const Job& job = assembly.job;
  const std::vector<std::string>& source_key = assembly.source_table.key;
  if (job.target.key.empty()) return source_key;
  if (job.target.key.size() != source_key.size()) {
    throw Error(ExitCode::unsafe,
                fmt::format("target.key names {} columns, the source key has {}: {}",
                            job.target.key.size(), source_key.size(), join(source_key, ", ")));
  }
  if (job.source.key.empty()) return job.target.key;
  // The key of an index may be in another order than the job's; target.key answers source.key.
  std::vector<std::string> names;
  for (const std::string& name : source_key) {
    const auto at = std::find(job.source.key.begin(), job.source.key.end(), name);
    if (at == job.source.key.end()) return job.target.key;
    names.push_back(job.target.key[static_cast<std::size_t>(at - job.source.key.begin())]);
  }
  return names;
}

bool mentions(const std::string& expression, const std::string& name) {
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  for (std::size_t at = expression.find(name); at != std::string::npos;
       at = expression.find(name, at + 1)) {
    const bool begins = at == 0 || !is_word(expression[at - 1]);
    const std::size_t end = at + name.size();
    const bool ends = end == expression.size() || !is_word(expression[end]);
    if (begins && ends) return true;
  }
  return false;
}

// Why doing a batch twice would change its outcome: it reads what it writes, or it inserts.
std::string reason_for_ledger(const LayoutRequest& request, const Layout& layout) {
  if (request.mode == WriteMode::insert)
    return "write = \"insert\" finds the rows of a batch done twice in its way";
  if (!layout.in_place) return "";
  for (const WriteColumn& column : layout.write) {
    if (column.role != WriteColumn::Role::value) continue;
    const std::string& name = column.target.name;
    const auto reads = [&](int input) {
      return request.columns[static_cast<std::size_t>(input)].column.name == name;
    };
    if (request.plugin &&
        std::any_of(request.plugin->inputs.begin(), request.plugin->inputs.end(), reads)) {
      return "the plugin reads column " + name + ", which it writes";
    }
    for (const ReadColumn& read : request.columns) {
      if (!read.expression.empty() && mentions(read.expression, name)) {
        return "the expression " + read.expression + " reads column " + name + ", which is written";
      }
    }
  }
  return "";
}

// Where the key columns stand in an output tuple, in the order of the source key.
std::vector<int> key_positions(const Layout& layout) {
  std::vector<int> positions;
  for (const int read : layout.read_key) {
    const auto is_key = [&](const WriteColumn& column) {
      return column.role == WriteColumn::Role::key && column.read == read;
    };
    const auto at = std::find_if(layout.write.begin(), layout.write.end(), is_key);
    positions.push_back(static_cast<int>(at - layout.write.begin()));
  }
  return positions;
}

// Numbers and the like sort everywhere as they do here; text does by its collation, and what a
// database's own is called by the same name may be another one in the next.
bool has_same_key_order(const Assembly& assembly) {
  const bool same_database =
      assembly.source_table.database_identity == assembly.target_table.database_identity;
  for (const int at : assembly.write.key) {
    const WriteColumn& column = assembly.write.columns[static_cast<std::size_t>(at)];
    const Column& source = column.column;
    if (source.dynamic || source.oid != column.target.oid) return false;
    if (source.collation.empty() && column.target.collation.empty()) continue;
    if (source.collation != column.target.collation) return false;
    if (!same_database && source.collation != "pg_catalog.\"C\"") return false;
  }
  return true;
}

// A version that is not written would be compared with nothing, and no row be replaced.
std::string version_column(const Assembly& assembly) {
  const std::string& name = assembly.job.target.version_column;
  // SQLite knows columns by any case.
  const bool by_any_case = is_sqlite_url(assembly.job.target.url);
  const auto is_it = [&](const WriteColumn& column) {
    const std::string& written = column.target.name;
    const bool is_named =
        by_any_case ? strcasecmp(written.c_str(), name.c_str()) == 0 : written == name;
    return column.role == WriteColumn::Role::value && is_named;
  };
  const auto& columns = assembly.layout.write;
  if (name.empty() || std::any_of(columns.begin(), columns.end(), is_it)) return name;
  throw Error(ExitCode::unsafe,
              fmt::format("target.version_column {} is not among the columns written to {}; add it "
                          "to {} and to source.columns",
                          name, assembly.target_table.name, assembly.target_table.name));
}

Fingerprint make_fingerprint(const Assembly& assembly) {
  Fingerprint fields = fingerprint(assembly.job);
  fields["name"] = assembly.job.name;
  fields["source.key"] = join(assembly.source_table.key, ", ");
  fields["target.write"] = write_mode_name(assembly.write.mode);
  std::vector<std::string> key;
  std::vector<std::string> values;
  for (const WriteColumn& column : assembly.layout.write) {
    if (column.role == WriteColumn::Role::key) key.push_back(column.target.name);
    if (column.role == WriteColumn::Role::value) values.push_back(column.target.name);
  }
  fields["target.key"] = join(key, ", ");
  fields["target.columns"] = join(values, ", ");
  if (assembly.plugin) {
    fields["transform.plugin"] = assembly.plugin->name();
    fields["transform.version"] = assembly.plugin->version();
  }
  return fields;
}

// Without a plugin, rows that stay in their database need not leave the server. Another user at
// the target may not be able to read the source.
bool can_push_down(const Assembly& assembly) {
  const Job& job = assembly.job;
  if (assembly.plugin || job.source.url != job.target.url) return false;
  if (assembly.source_table.database_identity != assembly.target_table.database_identity)
    return false;
  WriteSpec write = assembly.write;
  write.from = assembly.read;
  return assembly.target->pushes_down(write);
}

// A row that changes in place is told by its guard. A source that cannot be validated is copied as
// it is: `plan` says so.
void decide_consistency(Assembly& assembly) {
  assembly.consistency = assembly.job.source.consistency;
  if (assembly.layout.in_place) assembly.consistency = Consistency::none;
  if (assembly.consistency == Consistency::validate) {
    assembly.why_not_validated = assembly.source->why_not_validated();
    if (!assembly.why_not_validated.empty()) assembly.consistency = Consistency::none;
  }
  if (assembly.consistency == Consistency::lock) {
    if (const std::string why = assembly.source->why_not_locked(); !why.empty()) {
      throw Error(ExitCode::unsafe, fmt::format("source.consistency = \"lock\": {}; use "
                                                "\"validate\"",
                                                why));
    }
  }
  assembly.read.validates = assembly.consistency == Consistency::validate;
  assembly.read.locks = assembly.consistency == Consistency::lock;
  assembly.write.levels = assembly.consistency != Consistency::none;
  assembly.write.same_key_order = has_same_key_order(assembly);
}

void decide_ledger(Assembly& assembly) {
  const LedgerMode mode = assembly.job.target.ledger;
  const bool wanted =
      mode == LedgerMode::on || (mode == LedgerMode::automatic && !assembly.ledger_reason.empty());
  if (wanted) assembly.write.ledger = LedgerSpec{assembly.job.name, ""};
}

WatchSpec watched_target(const Assembly& assembly) {
  WatchSpec spec;
  spec.table = assembly.target_table.name;
  spec.makes_dead_rows =
      assembly.write.mode == WriteMode::update || assembly.write.mode == WriteMode::upsert;
  spec.replica_lag_max = {assembly.job.throttle.max_replica_lag,
                          assembly.job.throttle.max_replica_lag_bytes};
  spec.replicas = assembly.job.throttle.replicas;
  return spec;
}

WatchSpec watched_source() {
  WatchSpec spec;
  spec.is_written = false;
  return spec;
}

// Rows that applications change are locked, or all of the file.
bool locks_others_out(const Assembly& assembly) {
  return is_sqlite_url(assembly.job.target.url) || assembly.write.mode == WriteMode::update ||
         assembly.write.mode == WriteMode::upsert;
}

bool is_source_apart(const Assembly& assembly) {
  return assembly.source->server() != assembly.target->server();
}

}  // namespace

Assembly assemble(const Job& job, Purpose purpose) {
  Assembly assembly;
  assembly.job = job;
  const auto own = std::make_shared<OwnTransactions>();
  assembly.source = connect(job.source.url, job.name, "source", ExitCode::source_unreachable, own);
  assembly.target = connect_target(job, *assembly.source, own);

  LayoutRequest request;
  look(ExitCode::source_unreachable, [&] {
    assembly.source_table =
        assembly.source->inspect(job.source.table, job.source.key, job.source.where);
    request.columns = assembly.source->type_columns(assembly.source_table, job.source.columns);
  });
  look(ExitCode::target_unreachable, [&] {
    // The source key's names when the job gives none; they need a unique index there too.
    const std::vector<std::string> key = target_key(assembly);
    assembly.target_table = assembly.target->inspect(job.target.table, key, "");
  });

  request.source = assembly.source_table;
  request.target = assembly.target_table;
  request.target_key = target_key(assembly);
  request.mode = write_mode(assembly);
  request.row_version = assembly.source->row_version();
  request.target_reads_binary = assembly.target->reads_binary();
  if (!job.transform.plugin.empty()) bind_plugin(assembly, request.columns, request);
  assembly.layout = make_layout(request);
  assembly.ledger_reason = reason_for_ledger(request, assembly.layout);

  assembly.read.table = assembly.source_table.name;
  assembly.read.columns = assembly.layout.read;
  assembly.read.where = job.source.where;
  assembly.read.bytes_max = static_cast<std::size_t>(job.batch.max_bytes);
  for (const std::string& name : assembly.source_table.key) {
    const int at = find_column(assembly.source_table.columns, name);
    assembly.read.key.push_back(assembly.source_table.columns[static_cast<std::size_t>(at)]);
  }
  assembly.write.table = assembly.target_table.name;
  assembly.write.columns = assembly.layout.write;
  assembly.write.key = key_positions(assembly.layout);
  assembly.write.mode = request.mode;
  if (request.mode == WriteMode::upsert) assembly.write.version_column = version_column(assembly);
  look(ExitCode::source_unreachable, [&] { decide_consistency(assembly); });
  decide_ledger(assembly);
  if (can_push_down(assembly)) assembly.write.from = assembly.read;

  look(ExitCode::source_unreachable,
       [&] { assembly.source->check_source(assembly.source_table, assembly.read); });
  if (purpose == Purpose::write) {
    look(ExitCode::target_unreachable,
         [&] { assembly.target->check_target(assembly.target_table, assembly.write); });
  }
  look(ExitCode::source_unreachable, [&] { try_query(assembly); });
  assembly.fingerprint = make_fingerprint(assembly);
  return assembly;
}

// A query that cannot work is told before it is watched, not by a pause that never ends.
void try_query(const Assembly& assembly, const std::stop_token& stop) {
  const ThrottleSettings& throttle = assembly.job.throttle;
  if (!throttle.enabled || throttle.query.empty()) return;
  const auto sensor = assembly.source->make_query_sensor(throttle.query, throttle.query_limit);
  const std::stop_callback cancel(stop, [&] { sensor->cancel(); });
  sensor->reconnect();
  sensor->read();
}

Assembly assemble_with_retries(const Job& job, const BackoffOptions& backoff, Clock& clock,
                               Log& log, std::stop_token stop, Purpose purpose) {
  return retried(backoff, clock, log, stop, [&] { return assemble(job, purpose); });
}

std::unique_ptr<Transform> make_transform(const Assembly& assembly) {
  return make_transform(assembly, assembly.layout);
}

std::unique_ptr<Transform> make_transform(const Assembly& assembly, const Layout& layout) {
  if (!assembly.plugin) return std::make_unique<Projection>(layout);
  return std::make_unique<PluginTransform>(assembly.plugin, assembly.offer, layout);
}

std::unique_ptr<Source> make_source(const Assembly& assembly) {
  return reach(ExitCode::source_unreachable,
               [&] { return assembly.source->make_source(assembly.read); });
}

// A source at another server than the target is looked at as well.
LoadWatch::Parts make_watched(const Assembly& assembly, Purpose purpose) {
  LoadWatch::Parts parts;
  const ThrottleSettings& throttle = assembly.job.throttle;
  if (!throttle.pause_file.empty()) {
    parts.sensors.push_back(std::make_unique<PauseFile>(throttle.pause_file));
  }
  if (!throttle.enabled) return parts;
  const auto watch = [&](const Database& database, const WatchSpec& spec) {
    if (auto probe = database.make_probe(spec)) parts.probes.push_back(std::move(probe));
    for (auto& sensor : database.make_sensors(spec)) parts.sensors.push_back(std::move(sensor));
  };
  watch(*assembly.target, purpose == Purpose::write ? watched_target(assembly) : watched_source());
  if (is_source_apart(assembly)) watch(*assembly.source, watched_source());
  if (!throttle.query.empty()) {
    parts.sensors.push_back(
        assembly.source->make_query_sensor(throttle.query, throttle.query_limit));
  }
  return parts;
}

RunParts make_run_parts(const Assembly& assembly, const std::string& run_id) {
  WriteSpec write = assembly.write;
  if (write.ledger) write.ledger->run_id = run_id;
  RunParts parts;
  parts.lock =
      reach(ExitCode::target_unreachable, [&] { return assembly.target->make_runner_lock(); });
  write.lease = parts.lock->lease();
  parts.make_source = [&assembly] { return make_source(assembly); };
  parts.make_runner_parts = [&assembly, write] {
    std::unique_ptr<Source> source = make_source(assembly);
    std::unique_ptr<Transform> transform = make_transform(assembly);
    std::unique_ptr<Target> target =
        reach(ExitCode::target_unreachable, [&] { return assembly.target->make_target(write); });
    return ChunkRunner::Parts{std::move(source), std::move(transform), std::move(target),
                              write.from.has_value(), assembly.consistency};
  };
  if (write.ledger) {
    parts.ledger =
        reach(ExitCode::target_unreachable, [&] { return assembly.target->make_ledger(write); });
  }
  parts.layout = assembly.layout;
  parts.locks_others_out = locks_others_out(assembly);
  LoadWatch::Parts watched = make_watched(assembly, Purpose::write);
  parts.sensors = std::move(watched.sensors);
  parts.probes = std::move(watched.probes);
  return parts;
}

std::vector<std::string> describe_watch(const Assembly& assembly) {
  const ThrottleSettings& throttle = assembly.job.throttle;
  std::vector<std::string> lines;
  const auto add = [&](const std::string& end, const std::vector<std::string>& seen) {
    for (const std::string& line : seen) lines.push_back(end + ": " + line);
  };
  if (throttle.enabled) {
    add("target", assembly.target->describe_watch(watched_target(assembly)));
    if (is_source_apart(assembly)) {
      add("source", assembly.source->describe_watch(watched_source()));
    }
    if (!throttle.query.empty()) lines.push_back("throttle.query: " + throttle.query);
  } else {
    lines.emplace_back("throttle.enabled = false: full speed, whatever it does to others");
  }
  if (!throttle.pause_file.empty()) lines.push_back("pause file: " + throttle.pause_file);
  return lines;
}

ThrottleLimits make_throttle_limits(const Job& job) {
  ThrottleLimits limits;
  limits.enabled = job.throttle.enabled;
  limits.share_max = job.throttle.enabled ? job.throttle.share : 1.0;
  limits.latency_increase_max = job.throttle.max_latency_increase;
  return limits;
}

RunOptions make_run_options(const Job& job) {
  RunOptions options;
  options.workers = job.workers;
  options.sizer = {job.batch.size,      job.batch.min_size,    job.batch.max_size,
                   job.batch.max_bytes, job.batch.target_time, job.batch.adaptive};
  options.backoff.retries = job.limits.retries;
  options.throttle = make_throttle_limits(job);
  options.rejected_max = job.limits.max_rejected;
  options.rejected_share_max = job.limits.max_rejected_share;
  options.schedule = Schedule(job.schedule.window, job.schedule.timezone);
  if (job.schedule.max_runtime) options.runtime_max = *job.schedule.max_runtime;
  return options;
}

}  // namespace backfill
