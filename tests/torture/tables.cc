#include "torture/tables.h"

#include "scenario/job_on_disk.h"
#include "torture/session.h"

namespace backfill {
namespace {

constexpr const char* label_sql = "id::text || ':' || version::text";

// Both databases are made with the first round and stay.
std::string database_url(PostgresServer& server, const std::string& name) {
  if (server.value("SELECT 1 FROM pg_database WHERE datname = '" + name + "'").empty()) {
    server.execute("CREATE DATABASE " + name);
  }
  const std::string url = server.url();
  return url.substr(0, url.rfind('/') + 1) + name;
}

void empty_database(const std::string& url) {
  Session(url).query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
}

std::string label(const RowWrite& write) {
  return "'" + std::to_string(write.id) + ":" + std::to_string(write.version) + "'";
}

}  // namespace

Tables::Tables(PostgresServer& server, const TortureCase& tested, std::int64_t rows)
    : tested_(tested), rows_(rows) {
  source_url_ = database_url(server, "source_side");
  target_url_ = database_url(server, "target_side");
  empty_database(source_url_);
  empty_database(target_url_);
  if (tested_.place != Place::two_databases) target_url_ = source_url_;
  create();
}

void Tables::create() const {
  const std::string columns = is_in_place()
                                  ? tested_.doubles ? "balance bigint NOT NULL" : "label text"
                                  : "body text NOT NULL";
  const std::string values =
      is_in_place() ? tested_.doubles ? "id * 3 + 1" : "NULL" : "repeat('x', 30)";
  const std::string series =
      "FROM generate_series(1, " + std::to_string(rows_) + ") AS id WHERE id % 7 <> 0";
  Session source(source_url_);
  source.query("CREATE TABLE items (id bigint PRIMARY KEY, version bigint NOT NULL, " + columns +
               ")");
  source.query("INSERT INTO items SELECT id, 0, " + values + " " + series);
  if (is_in_place()) return;

  Session target(target_url_);
  target.query("CREATE TABLE copies (id bigint PRIMARY KEY, version bigint NOT NULL, label text)");
  // What is there to be updated: a version that no row of the source ever had.
  if (tested_.write == "update") {
    target.query("INSERT INTO copies SELECT id, -1, NULL " + series);
  }
}

std::map<std::string, std::string> Tables::job_keys() const {
  std::string columns = R"("id")";
  if (!is_in_place() || (tested_.has_plugin && !tested_.doubles)) columns += R"(, "version")";
  if (tested_.doubles) columns += R"(, "balance")";
  if (!tested_.has_plugin) columns += std::string(", \"") + label_sql + " as label\"";
  std::map<std::string, std::string> keys = {
      {"name", toml_string(job_name)},
      {"source.url", toml_string(source_url_)},
      {"source.table", toml_string("items")},
      {"source.columns", "[" + columns + "]"},
      {"source.consistency", toml_string(tested_.consistency)},
      {"target.ledger", toml_string(tested_.ledger)},
      {"throttle.enabled", "false"},
  };
  if (tested_.has_plugin) {
    keys["transform.plugin"] =
        toml_string(plugin_path(tested_.doubles ? "double_balance" : "label_version"));
  }
  // Another text of the same URL: what the two have in common is found out by the servers only.
  const std::string elsewhere = tested_.travels ? "?connect_timeout=20" : "";
  keys["target.url"] = toml_string(target_url_ + elsewhere);
  if (!is_in_place()) {
    keys["target.table"] = toml_string("copies");
    keys["target.write"] = toml_string(tested_.write);
  }
  if (!tested_.version_column.empty()) {
    keys["target.version_column"] = toml_string(tested_.version_column);
  }
  return keys;
}

std::string Tables::source_sql(const RowWrite& write) const {
  const std::string id = std::to_string(write.id);
  const std::string version = std::to_string(write.version);
  switch (write.kind) {
    case RowWrite::Kind::insert:
      return "INSERT INTO items VALUES (" + id + ", " + version + ", " +
             (is_in_place() ? label(write) : "repeat('y', 30)") + ")";
    case RowWrite::Kind::update:
      return "UPDATE items SET version = " + version +
             (is_in_place() && !tested_.doubles ? ", label = " + label(write) : "") +
             " WHERE id = " + id;
    case RowWrite::Kind::remove:
      return "DELETE FROM items WHERE id = " + id;
  }
  return "";
}

std::string Tables::target_sql(const RowWrite& write) const {
  const std::string id = std::to_string(write.id);
  const std::string version = std::to_string(write.version);
  if (write.kind == RowWrite::Kind::remove) return "DELETE FROM copies WHERE id = " + id;
  if (tested_.habit == Habit::existing_rows) {
    return "UPDATE copies SET version = " + version + ", label = " + label(write) +
           " WHERE id = " + id;
  }
  return "INSERT INTO copies VALUES (" + id + ", " + version + ", " + label(write) +
         ") ON CONFLICT (id) DO UPDATE SET version = excluded.version, label = excluded.label";
}

std::string Tables::version_sql(std::int64_t id) const {
  return "SELECT version FROM items WHERE id = " + std::to_string(id);
}

// The application's versions begin with 1.
std::string Tables::frontier_sql() const {
  const std::string highest = "SELECT coalesce(max(id), 0) FROM ";
  if (!is_in_place()) return highest + "copies WHERE version = 0";
  if (tested_.doubles) return highest + "items WHERE balance <> id * 3 + 1";
  return highest + "items WHERE version = 0 AND label IS NOT NULL";
}

}  // namespace backfill
