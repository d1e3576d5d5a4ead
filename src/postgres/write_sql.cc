#include "postgres/write_sql.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/sql.h"

namespace backfill {
namespace {

using Names = std::vector<std::string>;
using Role = WriteColumn::Role;

constexpr const char* stage = "pg_temp.backfill_stage";

// Built-in types are the same everywhere by number; others by name.
bool is_same_type(const Column& sender, const Column& target) {
  if (sender.dynamic) return false;
  if (sender.type == target.type) return true;
  return sender.oid != 0 && sender.oid == target.oid && sender.oid < 16384;
}

// Types that round a value to the column's precision when it is stored.
bool rounds(std::uint32_t oid) {
  constexpr std::array<std::uint32_t, 6> rounding{1083, 1114, 1184, 1186, 1266, 1700};
  return std::find(rounding.begin(), rounding.end(), oid) != rounding.end();
}

// Types of which no two values that differ in a byte are equal; text by the collation "C".
bool is_text(std::uint32_t oid) { return oid == 25 || oid == 1043; }
bool is_equal_only_to_itself(std::uint32_t oid) {
  constexpr std::array<std::uint32_t, 9> exact{16, 17, 20, 21, 23, 1082, 1114, 1184, 2950};
  return is_text(oid) || std::find(exact.begin(), exact.end(), oid) != exact.end();
}

std::string staged_name(std::size_t i) { return fmt::format("c{}", i); }

bool has_own_collation(const Column& column) {
  return !column.collation.empty() && column.collation != "pg_catalog.\"default\"";
}

}  // namespace

WriteSql::WriteSql(WriteSpec spec, std::vector<PgType> types)
    : spec_(std::move(spec)), types_(std::move(types)) {
  for (const int at : spec_.key) key_at_.push_back(static_cast<std::size_t>(at));
  if (key_at_.empty()) key_at_ = with_role(Role::key);
  for (const std::size_t at : key_at_) key_.push_back(spec_.columns[at].target);
}

std::vector<std::size_t> WriteSql::with_role(Role role) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < spec_.columns.size(); ++i) {
    if (spec_.columns[i].role == role) found.push_back(i);
  }
  return found;
}

// An identity that is always the database's can be inserted, never updated.
std::vector<std::size_t> WriteSql::settable() const {
  std::vector<std::size_t> found = with_role(Role::value);
  std::erase_if(found, [&](std::size_t i) { return spec_.columns[i].target.always_identity; });
  return found;
}

bool WriteSql::needs_cast(std::size_t i) const {
  return !is_same_type(spec_.columns[i].column, spec_.columns[i].target);
}

bool WriteSql::is_guarded() const { return !with_role(Role::guard).empty(); }

bool WriteSql::goes_straight() const {
  return spec_.mode == WriteMode::insert && may_go_straight();
}

bool WriteSql::may_go_straight() const {
  if (spec_.mode == WriteMode::update || is_guarded()) return false;
  for (std::size_t i = 0; i < spec_.columns.size(); ++i) {
    if (needs_cast(i)) return false;
  }
  return true;
}

// Without length or precision, and below domains: whether a value fits is judged where it is
// stored, once.
std::string WriteSql::staged_type(std::size_t i) const {
  const Column& sender = spec_.columns[i].column;
  if (sender.dynamic) return "text";
  if (!needs_cast(i)) return types_[i].base_sql;
  return sender.kind == Kind::other ? sender.type : facts_of(sender.kind).type;
}

std::string WriteSql::create_stage() const {
  Names columns;
  for (std::size_t i = 0; i < spec_.columns.size(); ++i) {
    columns.push_back(staged_name(i) + " " + staged_type(i));
  }
  return fmt::format("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DELETE ROWS", stage,
                     join(columns, ", "));
}

std::string WriteSql::clear_stage() const { return fmt::format("TRUNCATE {}", stage); }

std::string WriteSql::copy_stage() const {
  return fmt::format("COPY {} FROM STDIN (FORMAT binary)", stage);
}

Names WriteSql::target_names() const {
  Names names;
  for (const WriteColumn& column : spec_.columns) {
    if (column.role != Role::guard) names.push_back(quote_identifier(column.target.name));
  }
  return names;
}

std::string WriteSql::copy_straight() const {
  return fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", spec_.table,
                     join(target_names(), ", "));
}

std::string WriteSql::from_range(const std::string& after, const std::string& upto) const {
  return fmt::format("FROM {} WHERE {}", spec_.table,
                     KeySql(spec_.table, key_).between(after, upto));
}

std::string WriteSql::look(const std::string& after, const std::string& upto,
                           const std::string& rows_max) const {
  Names names;
  for (const Column& column : key_) names.push_back(quote_identifier(column.name));
  return fmt::format("COPY (SELECT {} {} LIMIT {}) TO STDOUT (FORMAT binary)", join(names, ", "),
                     from_range(after, upto), rows_max);
}

std::string WriteSql::look_for_any(const std::string& after, const std::string& upto) const {
  return "SELECT 1 " + from_range(after, upto) + " LIMIT 1";
}

std::string WriteSql::look(const Chunk& chunk, std::size_t rows_max) const {
  const KeySql key(spec_.table, key_);
  return look(chunk.after ? key.literals(*chunk.after) : "", key.literals(chunk.upto),
              std::to_string(rows_max));
}

// A cast to the bare type: what stores the value then applies length and domain as an
// assignment does, where an explicit cast would cut off in silence.
std::string WriteSql::cast(std::size_t i, const std::string& expression) const {
  return needs_cast(i) ? expression + "::" + types_[i].base_sql : expression;
}

std::string WriteSql::value(std::size_t i) const { return cast(i, "s." + staged_name(i)); }

Names WriteSql::staged_values() const {
  Names values;
  for (std::size_t i = 0; i < spec_.columns.size(); ++i) values.push_back(value(i));
  return values;
}

// For comparing byte by byte both sides must be of one type, below domains.
std::string WriteSql::comparable(std::size_t i, const std::string& expression) const {
  const bool is_domain = types_[i].base_oid != spec_.columns[i].target.oid;
  return is_domain ? expression + "::" + types_[i].base_sql : expression;
}

std::string WriteSql::as_stored(std::size_t i, const std::string& value) const {
  const std::string& type = spec_.columns[i].target.type;
  if (type == types_[i].base_sql || !rounds(types_[i].base_oid)) return value;
  return fmt::format("{}::{}::{}", value, type, types_[i].base_sql);
}

// They come back in the order they were staged in, which is that of the key.
std::string WriteSql::staged() const {
  return fmt::format("(SELECT ctid AS place, * FROM {}) AS s", stage);
}

std::string WriteSql::key_matches() const {
  Names parts;
  for (const std::size_t at : key_at_) {
    const Column& target = spec_.columns[at].target;
    const std::string collate = has_own_collation(target) ? " COLLATE " + target.collation : "";
    parts.push_back(fmt::format("t.{}{} = {}", quote_identifier(target.name), collate, value(at)));
  }
  return join(parts, " AND ");
}

std::string WriteSql::guards_hold() const {
  Names parts;
  for (const std::size_t at : with_role(Role::guard)) {
    const std::string name = "t." + quote_identifier(spec_.columns[at].target.name);
    if (spec_.columns[at].target.name == "xmin") {
      parts.push_back(fmt::format("{} = {}", name, value(at)));
    } else {
      parts.push_back(fmt::format("ROW({})::record OPERATOR(pg_catalog.*=) ROW({})::record",
                                  comparable(at, name), as_stored(at, value(at))));
    }
  }
  return join(parts, " AND ");
}

// Byte by byte: 1.0 and 1.00 are not the same here. Types whose equality is that are compared by
// it, which is far cheaper; the others as records, since types such as json have no `=`. Without
// ::record the parser would look for the operator of each column's type.
std::string WriteSql::differ(const std::vector<std::size_t>& columns, const Names& stored,
                             const Names& wanted) const {
  Names parts;
  Names left;
  Names right;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const PgType& type = types_[columns[i]];
    if (is_equal_only_to_itself(type.base_oid)) {
      const char* by_bytes = is_text(type.base_oid) ? " COLLATE pg_catalog.\"C\"" : "";
      parts.push_back(fmt::format("{}{} IS DISTINCT FROM {}", stored[i], by_bytes, wanted[i]));
    } else {
      left.push_back(stored[i]);
      right.push_back(wanted[i]);
    }
  }
  if (!left.empty()) {
    parts.push_back(fmt::format("ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record",
                                join(left, ", "), join(right, ", ")));
  }
  return "(" + join(parts, " OR ") + ")";
}

std::string WriteSql::values_differ(const std::string& qualifier, const Names& values) const {
  Names stored;
  Names wanted;
  const std::vector<std::size_t> columns = settable();
  for (const std::size_t at : columns) {
    stored.push_back(comparable(at, qualifier + quote_identifier(spec_.columns[at].target.name)));
    wanted.push_back(as_stored(at, values[at]));
  }
  return differ(columns, stored, wanted);
}

std::string WriteSql::write() const {
  return spec_.mode == WriteMode::update ? update(staged()) : insert(staged()) + on_conflict();
}

std::string WriteSql::write_from(const std::string& subquery) const {
  const std::string rows = "(" + subquery + ") AS s";
  return spec_.mode == WriteMode::update ? update(rows) : insert(rows) + on_conflict();
}

std::string WriteSql::insert_from(const std::string& subquery) const {
  return insert("(" + subquery + ") AS s");
}

// What is to become of rows that are there is said by on_conflict().
std::string WriteSql::insert(const std::string& rows) const {
  Names values;
  bool overrides = false;
  for (std::size_t i = 0; i < spec_.columns.size(); ++i) {
    if (spec_.columns[i].role == Role::guard) continue;
    values.push_back(value(i));
    overrides = overrides || spec_.columns[i].target.always_identity;
  }
  return fmt::format("INSERT INTO {} AS t ({}) {}SELECT {} FROM {}", spec_.table,
                     join(target_names(), ", "), overrides ? "OVERRIDING SYSTEM VALUE " : "",
                     join(values, ", "), rows);
}

std::string WriteSql::on_conflict() const {
  if (spec_.mode == WriteMode::insert) return "";
  Names key;
  for (const Column& column : key_) key.push_back(quote_identifier(column.name));
  const std::string conflict = fmt::format(" ON CONFLICT ({}) DO ", join(key, ", "));
  Names sets;
  Names stored;
  Names wanted;
  for (const std::size_t at : settable()) {
    const std::string name = quote_identifier(spec_.columns[at].target.name);
    sets.push_back(name + " = excluded." + name);
    stored.push_back(comparable(at, "t." + name));
    wanted.push_back(comparable(at, "excluded." + name));
  }
  if (spec_.mode == WriteMode::insert_missing || sets.empty()) return conflict + "NOTHING";
  std::string sql = fmt::format("{}UPDATE SET {} WHERE {}", conflict, join(sets, ", "),
                                differ(settable(), stored, wanted));
  if (!spec_.version_column.empty()) {
    const std::string version = quote_identifier(spec_.version_column);
    sql += fmt::format(" AND (t.{0} IS NULL OR excluded.{0} > t.{0})", version);
  }
  return sql;
}

std::string WriteSql::update_between(const Chunk& chunk) const {
  return update(staged(), in_chunk(chunk) + " AND ");
}

std::string WriteSql::in_chunk(const Chunk& chunk) const {
  const KeySql key("t", key_);
  if (chunk.is_lone_row) return key.is_one_of({chunk.upto});
  return key.between(chunk.after ? key.literals(*chunk.after) : "", key.literals(chunk.upto));
}

std::string WriteSql::update(const std::string& rows, const std::string& condition) const {
  Names sets;
  for (const std::size_t at : settable()) {
    sets.push_back(quote_identifier(spec_.columns[at].target.name) + " = " + value(at));
  }
  const std::string guards = is_guarded() ? guards_hold() + " AND " : "";
  return fmt::format("UPDATE {} AS t SET {} FROM {} WHERE {}{} AND {}{}", spec_.table,
                     join(sets, ", "), rows, condition, key_matches(), guards,
                     values_differ("t.", staged_values()));
}

std::string WriteSql::level_update(const std::string& transaction) const {
  if (settable().empty()) return "";
  return update(staged(), fmt::format("t.xmin = '{}'::xid AND ", transaction));
}

std::string WriteSql::level_delete(const std::string& transaction, const Chunk& chunk) const {
  const bool is_range = spec_.same_key_order || chunk.is_lone_row;
  const std::string range = is_range ? in_chunk(chunk) + " AND " : "";
  return fmt::format(
      "DELETE FROM {} AS t WHERE {}t.xmin = '{}'::xid AND NOT EXISTS (SELECT 1 FROM {} WHERE {})",
      spec_.table, range, transaction, staged(), key_matches());
}

// Without an alias, so that expressions may name the table.
std::string WriteSql::update_by(const Names& expressions, const std::string& condition) const {
  Names sets;
  Names values;
  for (std::size_t i = 0; i < spec_.columns.size(); ++i) values.push_back(cast(i, expressions[i]));
  for (const std::size_t at : settable()) {
    sets.push_back(quote_identifier(spec_.columns[at].target.name) + " = " + values[at]);
  }
  return fmt::format("UPDATE {} SET {} WHERE {} AND {}", spec_.table, join(sets, ", "), condition,
                     values_differ("", values));
}

// Rows that the write itself updated have its transaction in xmin, as long as no savepoint stands
// between.
std::string WriteSql::changed_rows() const {
  Names texts;
  for (const std::size_t at : key_at_) texts.push_back("s." + staged_name(at) + "::text");
  return fmt::format(
      "SELECT coalesce(t.xmin = pg_catalog.pg_current_xact_id()::xid, false), {} FROM {} LEFT JOIN "
      "{} AS t ON {} WHERE ({}) IS NOT TRUE",
      join(texts, ", "), staged(), spec_.table, key_matches(), guards_hold());
}

std::string WriteSql::lock(const std::vector<Key>& keys) const {
  const KeySql key(spec_.table, key_);
  return fmt::format("SELECT 1 FROM {} WHERE {} {} FOR NO KEY UPDATE", spec_.table,
                     key.is_one_of(keys), key.order_by());
}

std::string WriteSql::remove(const std::vector<Key>& keys) const {
  const KeySql key(spec_.table, key_);
  return fmt::format("DELETE FROM {} WHERE {}", spec_.table, key.is_one_of(keys));
}

// By the type's own equality, which takes 1.0 for 1.00, -0.0 for 0.0, NaN for NaN and jsonb
// whatever the order of its keys. Text is compared byte by byte: some types of text and some
// collations have equal values that differ. Without an equality of a type it is the bytes that
// count, of json its text.
std::string WriteSql::means_another(std::size_t i) const {
  const std::string stored = comparable(i, "t." + quote_identifier(spec_.columns[i].target.name));
  const std::string wanted = as_stored(i, value(i));
  switch (types_[i].kind) {
    case Kind::text:
      return fmt::format("({})::text COLLATE pg_catalog.\"C\" IS DISTINCT FROM ({})::text", stored,
                         wanted);
    case Kind::json:
      return fmt::format("({})::text IS DISTINCT FROM ({})::text", stored, wanted);
    case Kind::other:
      return fmt::format("ROW({})::record OPERATOR(pg_catalog.*<>) ROW({})::record", stored,
                         wanted);
    default:
      return fmt::format("{} IS DISTINCT FROM {}", stored, wanted);
  }
}

std::string WriteSql::compare() const {
  Names answers{"s.place", "t." + quote_identifier(key_.front().name) + " IS NULL"};
  Names conditions{answers.back()};
  for (const std::size_t i : values()) {
    answers.push_back("(" + means_another(i) + ")");
    conditions.push_back(answers.back());
  }
  return fmt::format(
      "SELECT {} FROM (SELECT row_number() OVER (ORDER BY ctid) - 1 AS place, * FROM {}) AS s "
      "LEFT JOIN {} AS t ON {} WHERE {} ORDER BY s.place",
      join(answers, ", "), stage, spec_.table, key_matches(), join(conditions, " OR "));
}

std::string WriteSql::count_differing(const std::string& subquery, const Chunk& chunk) const {
  const std::string stored = "t." + quote_identifier(key_.front().name);
  const std::string wanted = "s." + staged_name(key_at_.front());
  Names conditions{stored + " IS NULL", wanted + " IS NULL"};
  for (const std::size_t i : values()) conditions.push_back(means_another(i));
  return fmt::format(
      "SELECT count({}), count({}), count(*) FILTER (WHERE {}) FROM ({}) AS s {} JOIN (SELECT * "
      "FROM {} AS t WHERE {}) AS t ON {}",
      wanted, stored, join(conditions, " OR "), subquery,
      spec_.mode == WriteMode::update ? "INNER" : "FULL", spec_.table, in_chunk(chunk),
      key_matches());
}

std::string conversion_note(const WriteColumn& column) {
  if (column.role == Role::guard || is_same_type(column.column, column.target)) return "";
  const std::string& target = column.target.type;
  const std::string arrow = fmt::format(
      "column {}: {} -> {}", column.target.name,
      column.column.type.empty() ? facts_of(column.column.kind).name : column.column.type, target);
  if (!column.column.dynamic) return arrow + ", cast by the server";
  switch (column.target.kind) {
    case Kind::date:
    case Kind::timestamp:
    case Kind::timestamptz:
      return arrow + ", cast value by value; integers are seconds since 1970-01-01 00:00 UTC";
    case Kind::boolean:
      return arrow + ", cast value by value; 0 is false, 1 is true";
    default:
      return arrow + ", cast value by value";
  }
}

}  // namespace backfill
