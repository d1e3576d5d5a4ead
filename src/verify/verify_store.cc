#include "verify/verify_store.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "sqlite/fields.h"

namespace backfill {
namespace {

constexpr const char* kTables = R"sql(
CREATE TABLE IF NOT EXISTS verify_pass (  -- the last pass of verify
  pass_id TEXT PRIMARY KEY NOT NULL,
  state TEXT NOT NULL,                    -- running, stopped, paused, complete, failed
  reason TEXT NOT NULL,
  started_at TEXT NOT NULL, updated_at TEXT NOT NULL, elapsed_s REAL NOT NULL,
  sample REAL,                            -- part of the chunks that is looked at; NULL: all
  fingerprint TEXT NOT NULL,              -- what is compared with what; a JSON object
  source_end TEXT, source_watermark TEXT, source_chunks INTEGER NOT NULL,
  target_end TEXT, target_watermark TEXT, target_chunks INTEGER NOT NULL,
  chunks INTEGER NOT NULL, source_rows INTEGER NOT NULL, target_rows INTEGER NOT NULL,
  compared INTEGER NOT NULL, skipped INTEGER NOT NULL, rejected INTEGER NOT NULL,
  not_there INTEGER NOT NULL, transient INTEGER NOT NULL, rows_estimated INTEGER);
CREATE TABLE IF NOT EXISTS verify_suspect (  -- rows that differ, or may
  target_key TEXT PRIMARY KEY NOT NULL,   -- a JSON array
  source_key TEXT NOT NULL,
  kind TEXT NOT NULL,                     -- missing, extra, different
  columns TEXT NOT NULL,                  -- a JSON array
  state TEXT NOT NULL,                    -- waiting, stands, unsettled
  source_state TEXT NOT NULL,             -- a digest of the source row; empty: not there
  since_ms INTEGER NOT NULL, look_at_ms INTEGER NOT NULL, rounds INTEGER NOT NULL,
  place INTEGER NOT NULL, after TEXT, upto TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verify_repaired (  -- chunks that reconcile is to compare again
  place INTEGER NOT NULL, after TEXT, upto TEXT NOT NULL,
  PRIMARY KEY (place, upto)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS verify_suspect_place ON verify_suspect (place, target_key);
CREATE INDEX IF NOT EXISTS verify_suspect_due ON verify_suspect (state, look_at_ms);
CREATE TABLE IF NOT EXISTS verify_transient (  -- rows that differed for a moment, some of them
  target_key TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS verify_before ( -- differences that the last whole pass left
  target_key TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verify_clean (  -- the last whole pass that found nothing
  ended_at REAL NOT NULL, fingerprint TEXT NOT NULL);
)sql";

constexpr const char* kSuspectColumns =
    "target_key, source_key, kind, columns, state, source_state, since_ms, look_at_ms, rounds, "
    "place, after, upto";

const char* suspect_state_name(Suspect::State state) {
  switch (state) {
    case Suspect::State::waiting:
      return "waiting";
    case Suspect::State::stands:
      return "stands";
    case Suspect::State::unsettled:
      return "unsettled";
  }
  return "";
}

Suspect::State suspect_state_of(const std::string& name) {
  for (const auto state :
       {Suspect::State::waiting, Suspect::State::stands, Suspect::State::unsettled}) {
    if (name == suspect_state_name(state)) return state;
  }
  throw Error(ErrorKind::stop, "a stored suspect is in no known state: " + name);
}

PassState pass_state_of(const std::string& name) {
  for (const auto state : {PassState::running, PassState::stopped, PassState::paused,
                           PassState::complete, PassState::failed}) {
    if (name == pass_state_name(state)) return state;
  }
  throw Error(ErrorKind::stop, "a stored pass is in no known state: " + name);
}

SavedSpan read_span(Reader& row) {
  SavedSpan span;
  span.end = row.maybe_key();
  span.watermark = row.maybe_key();
  span.chunks = row.integer();
  return span;
}

std::vector<std::string> strings_in(const std::string& json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  std::vector<std::string> strings;
  if (!parsed.is_array()) return strings;
  for (const auto& item : parsed) {
    if (item.is_string()) strings.push_back(item.get<std::string>());
  }
  return strings;
}

std::map<std::string, std::string> fields_in(const std::string& json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  std::map<std::string, std::string> fields;
  if (!parsed.is_object()) return fields;
  for (const auto& [name, value] : parsed.items()) {
    if (value.is_string()) fields[name] = value.get<std::string>();
  }
  return fields;
}

}  // namespace

const char* pass_state_name(PassState state) {
  switch (state) {
    case PassState::running:
      return "running";
    case PassState::stopped:
      return "stopped";
    case PassState::paused:
      return "paused";
    case PassState::complete:
      return "complete";
    case PassState::failed:
      return "failed";
  }
  return "";
}

VerifyStore::VerifyStore(const std::filesystem::path& path, SqliteConnection::Mode mode)
    : connection_(path.string(), mode, std::chrono::seconds(30)) {}

std::unique_ptr<VerifyStore> VerifyStore::open_existing(const std::filesystem::path& path) {
  std::unique_ptr<VerifyStore> store(new VerifyStore(path, SqliteConnection::Mode::read_only));
  auto statement =
      store->connection_.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'verify_suspect'");
  return statement.step() ? std::move(store) : nullptr;
}

VerifyStore::VerifyStore(const std::filesystem::path& path)
    : VerifyStore(path, SqliteConnection::Mode::read_write) {
  connection_.execute("PRAGMA synchronous = FULL");
  SqliteTransaction transaction(connection_);
  connection_.execute(kTables);
  transaction.commit();
}

std::optional<SavedPass> VerifyStore::load() {
  auto statement = connection_.prepare(
      "SELECT pass_id, state, reason, started_at, updated_at, elapsed_s, sample, fingerprint, "
      "source_end, source_watermark, source_chunks, target_end, target_watermark, target_chunks, "
      "chunks, source_rows, target_rows, compared, skipped, rejected, not_there, transient, "
      "rows_estimated FROM verify_pass");
  if (!statement.step()) return std::nullopt;
  Reader row(statement);
  SavedPass pass;
  pass.pass_id = row.text();
  pass.state = pass_state_of(row.text());
  pass.reason = row.text();
  pass.started_at = row.text();
  pass.updated_at = row.text();
  pass.elapsed_s = row.real();
  pass.sample = row.maybe_real();
  pass.fingerprint = fields_in(row.text());
  pass.source = read_span(row);
  pass.target = read_span(row);
  CompareCounts& counts = pass.counts;
  for (std::int64_t* count :
       {&counts.chunks, &counts.source_rows, &counts.target_rows, &counts.compared, &counts.skipped,
        &counts.rejected, &counts.not_there, &counts.transient}) {
    *count = row.integer();
  }
  pass.estimated_rows = row.maybe_integer();
  return pass;
}

void VerifyStore::start(const SavedPass& pass) {
  SqliteTransaction transaction(connection_);
  const std::optional<SavedPass> before = load();
  if (before && before->state == PassState::complete && !before->sample)
    connection_.execute(
        "DELETE FROM verify_before; "
        "INSERT INTO verify_before SELECT target_key FROM verify_suspect WHERE state = 'stands'");
  connection_.execute(
      "DELETE FROM verify_suspect; DELETE FROM verify_repaired; DELETE FROM verify_transient; "
      "DELETE FROM verify_pass");
  write_pass(pass);
  transaction.commit();
}

void VerifyStore::save(const SavedPass& pass, const Step& step) {
  SqliteTransaction transaction(connection_);
  write_pass(pass);
  write_step(step);
  transaction.commit();
}

void VerifyStore::put(const Step& step) {
  SqliteTransaction transaction(connection_);
  write_step(step);
  transaction.commit();
}

void VerifyStore::put_repaired(const Step& step) {
  SqliteTransaction transaction(connection_);
  write_step(step);
  auto statement = connection_.prepare("INSERT OR IGNORE INTO verify_repaired VALUES (?, ?, ?)");
  for (const Suspect& suspect : step.changed) {
    Binder(statement).integer(suspect.place).key(suspect.after).key(suspect.upto);
    statement.run();
  }
  transaction.commit();
}

std::optional<RepairedRange> VerifyStore::repaired_range() {
  auto statement =
      connection_.prepare("SELECT place, after, upto FROM verify_repaired ORDER BY place, upto");
  if (!statement.step()) return std::nullopt;
  Reader row(statement);
  RepairedRange range;
  range.place = row.integer();
  range.after = row.maybe_key();
  range.upto = row.key();
  return range;
}

void VerifyStore::put_compared(const RepairedRange& range, const Step& step) {
  SqliteTransaction transaction(connection_);
  write_step(step);
  auto statement = connection_.prepare("DELETE FROM verify_repaired WHERE place = ? AND upto = ?");
  Binder(statement).integer(range.place).key(range.upto);
  statement.run();
  transaction.commit();
}

void VerifyStore::write_pass(const SavedPass& pass) {
  auto statement = connection_.prepare(
      "INSERT OR REPLACE INTO verify_pass VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?, ?, ?)");
  Binder row(statement);
  row.text(pass.pass_id).text(pass_state_name(pass.state)).text(pass.reason);
  row.text(pass.started_at).text(pass.updated_at).real(pass.elapsed_s);
  row.real(pass.sample).text(nlohmann::json(pass.fingerprint).dump());
  for (const SavedSpan* span : {&pass.source, &pass.target})
    row.key(span->end).key(span->watermark).integer(span->chunks);
  const CompareCounts& counts = pass.counts;
  row.integer(counts.chunks).integer(counts.source_rows).integer(counts.target_rows);
  row.integer(counts.compared).integer(counts.skipped).integer(counts.rejected);
  row.integer(counts.not_there).integer(counts.transient);
  row.integer(pass.estimated_rows);
  statement.run();
}

void VerifyStore::write_step(const Step& step) {
  auto remove = connection_.prepare("DELETE FROM verify_suspect WHERE target_key = ?");
  for (const Key& key : step.settled) {
    Binder(remove).text(key.to_json());
    remove.run();
  }
  auto keep = connection_.prepare(
      "INSERT OR IGNORE INTO verify_transient SELECT ?, ? WHERE (SELECT count(*) FROM "
      "verify_transient) < ?");
  for (const Finding& finding : step.transient) {
    Binder(keep)
        .text(finding.target_key.to_json())
        .text(finding_kind_name(finding.kind))
        .integer(kTransientKept);
    keep.run();
  }
  auto statement =
      connection_.prepare(std::string("INSERT OR REPLACE INTO verify_suspect (") + kSuspectColumns +
                          ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const Suspect& suspect : step.changed) {
    const Finding& finding = suspect.finding;
    Binder(statement)
        .text(finding.target_key.to_json())
        .text(finding.source_key.to_json())
        .text(finding_kind_name(finding.kind))
        .text(nlohmann::json(finding.columns).dump())
        .text(suspect_state_name(suspect.state))
        .text(suspect.source_state)
        .integer(suspect.since_ms)
        .integer(suspect.look_at_ms)
        .integer(suspect.rounds)
        .integer(suspect.place)
        .key(suspect.after)
        .key(suspect.upto);
    statement.run();
  }
}

std::vector<Suspect> VerifyStore::read_suspects(SqliteStatement& statement) {
  std::vector<Suspect> suspects;
  while (statement.step()) {
    Reader row(statement);
    Suspect suspect;
    suspect.finding.target_key = row.key();
    suspect.finding.source_key = row.key();
    suspect.finding.kind = finding_kind_of(row.text());
    suspect.finding.columns = strings_in(row.text());
    suspect.state = suspect_state_of(row.text());
    suspect.source_state = row.text();
    suspect.since_ms = row.integer();
    suspect.look_at_ms = row.integer();
    suspect.rounds = static_cast<int>(row.integer());
    suspect.place = row.integer();
    suspect.after = row.maybe_key();
    suspect.upto = row.key();
    suspects.push_back(std::move(suspect));
  }
  return suspects;
}

std::vector<Suspect> VerifyStore::due(std::int64_t now_ms, std::size_t limit) {
  auto statement = connection_.prepare(
      std::string("SELECT ") + kSuspectColumns +
      " FROM verify_suspect WHERE state = 'waiting' AND look_at_ms <= ? ORDER BY look_at_ms "
      "LIMIT ?");
  Binder(statement).integer(now_ms).integer(static_cast<std::int64_t>(limit));
  return read_suspects(statement);
}

Differences VerifyStore::count() {
  auto statement =
      connection_.prepare("SELECT state, kind, count(*) FROM verify_suspect GROUP BY state, kind");
  Differences differences;
  while (statement.step()) {
    Reader row(statement);
    const Suspect::State state = suspect_state_of(row.text());
    const FindingKind kind = finding_kind_of(row.text());
    const std::int64_t count = row.integer();
    if (state == Suspect::State::waiting) differences.waiting += count;
    if (state == Suspect::State::unsettled) differences.unsettled += count;
    if (state != Suspect::State::stands) continue;
    if (kind == FindingKind::missing) differences.missing += count;
    if (kind == FindingKind::extra) differences.extra += count;
    if (kind == FindingKind::different) differences.different += count;
  }
  return differences;
}

std::int64_t VerifyStore::count_new() {
  auto statement = connection_.prepare(
      "SELECT count(*) FROM verify_suspect WHERE state = 'stands' AND target_key NOT IN (SELECT "
      "target_key FROM verify_before)");
  return statement.step() ? Reader(statement).integer() : 0;
}

void VerifyStore::note_clean(const SavedPass& pass, double unix_s) {
  SqliteTransaction transaction(connection_);
  connection_.execute("DELETE FROM verify_clean");
  auto statement = connection_.prepare("INSERT INTO verify_clean VALUES (?, ?)");
  Binder(statement).real(unix_s).text(nlohmann::json(pass.fingerprint).dump());
  statement.run();
  transaction.commit();
}

std::optional<double> VerifyStore::clean_at(const std::map<std::string, std::string>& fingerprint) {
  auto statement = connection_.prepare("SELECT ended_at, fingerprint FROM verify_clean");
  if (!statement.step()) return std::nullopt;
  Reader row(statement);
  const double ended_at = row.real();
  return fields_in(row.text()) == fingerprint ? std::optional(ended_at) : std::nullopt;
}

std::optional<std::optional<Key>> VerifyStore::first_unclean(std::int64_t place) {
  auto statement = connection_.prepare(
      "SELECT after FROM verify_suspect WHERE place < ? ORDER BY place LIMIT 1");
  statement.bind_integer(1, place);
  if (!statement.step()) return std::nullopt;
  return Reader(statement).maybe_key();
}

std::vector<Suspect> VerifyStore::standing(const Suspect* last, std::size_t limit) {
  const std::string behind = last == nullptr ? "" : "AND (place, target_key) > (?, ?) ";
  auto statement = connection_.prepare(std::string("SELECT ") + kSuspectColumns +
                                       " FROM verify_suspect WHERE state <> 'waiting' " + behind +
                                       "ORDER BY place, target_key LIMIT ?");
  Binder row(statement);
  if (last != nullptr) row.integer(last->place).text(last->finding.target_key.to_json());
  row.integer(static_cast<std::int64_t>(limit));
  return read_suspects(statement);
}

std::vector<Finding> VerifyStore::transient() {
  auto statement =
      connection_.prepare("SELECT target_key, kind FROM verify_transient ORDER BY rowid");
  std::vector<Finding> findings;
  while (statement.step()) {
    Reader row(statement);
    Finding finding;
    finding.target_key = row.key();
    finding.kind = finding_kind_of(row.text());
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace backfill
