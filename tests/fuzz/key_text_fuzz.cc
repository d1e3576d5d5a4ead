// Keys as text: the JSON of checkpoint and ledger, SQLite's literals, PostgreSQL's typed literals,
// names and select items. What we quote is read by SQLite itself and by a scanner of the
// standard's rules: one literal or one name, whatever was in it.
//
// Input: any text.

#include "backfill/wire.hpp"
#include "core/batch.h"
#include "core/key.h"
#include "core/row_key.h"
#include "core/sql.h"
#include "fuzz/input.h"
#include "fuzz/promise.h"
#include "postgres/key_sql.h"
#include "sqlite/literal.h"

namespace backfill::fuzz {
namespace {

SqliteConnection& sqlite() {
  static SqliteConnection connection(":memory:", SqliteConnection::Mode::create);
  return connection;
}

// What stands between the quotes that enclose all of `sql`; the scanner knows nothing but that a
// doubled quote is one.
std::string unquoted(std::string_view sql, char quote) {
  promise(sql.size() >= 2 && sql.front() == quote && sql.back() == quote, "quoted text has quotes");
  std::string text;
  for (std::size_t at = 1; at + 1 < sql.size(); ++at) {
    if (sql[at] == quote) {
      promise(at + 2 < sql.size() && sql[at + 1] == quote, "quotes do not end early",
              std::string(sql));
      ++at;
    }
    text += sql[at];
  }
  return text;
}

void check_quoting(const std::string& text) {
  promise(unquoted(quote_literal(text), '\'') == text, "a literal is its text");
  promise(unquoted(quote_identifier(text), '"') == text, "an identifier is its name");
  if (!text.empty()) {
    for (const bool fold_case : {false, true}) {
      promise(split_name(quote_identifier(text) + "." + quote_identifier(text), fold_case) ==
                  std::vector<std::string>{text, text},
              "a quoted name is read as it is");
    }
  }
  failure_of([&] { split_name(text, true); });
  parse_select_item(text, false);

  Column column;
  column.name = text;
  column.type = "public.mood";
  const std::string literal = KeySql("t", {column}).literals(Key{{text}});
  promise(literal.ends_with("'::public.mood") &&
              unquoted(literal.substr(0, literal.size() - 13), '\'') == text,
          "a key is one typed literal", literal);
}

void check_json(const std::string& text) {
  Key key;
  const auto refused = failure_of([&] { key = Key::from_json(text); });
  if (!refused) {
    promise(!key.values.empty(), "a stored key has values");
    promise(Key::from_json(key.to_json()) == key, "a key reads back", text);
    key.display();
  }
  // Bytes that are not UTF-8 are refused, not changed.
  const Key made{{text, "1"}};
  std::string json;
  if (!failure_of([&] { json = made.to_json(); }))
    promise(Key::from_json(json) == made, "any key reads back", json);
}

// SQLite reads a literal of ours as the value that it was made of.
void check_literal(const SqliteValue& value, const std::string& literal) {
  promise(parse_literal(literal) == value, "a literal of ours reads back", literal);
  SqliteStatement statement = sqlite().prepare("SELECT " + literal);
  promise(statement.step() && statement.storage_class(0) == value.storage,
          "SQLite reads the same class", literal);
  switch (value.storage) {
    case StorageClass::integer:
      return promise(statement.integer(0) == value.integer, "the same integer", literal);
    case StorageClass::real:
      return;  // SQLite rounds the last digit as it likes, so reals are bound, not spliced
    default:
      return promise(statement.bytes(0) == value.bytes, "the same bytes", literal);
  }
}

std::string literal_of(const SqliteValue& value) {
  switch (value.storage) {
    case StorageClass::integer:
      return integer_literal(value.integer);
    case StorageClass::real:
      return real_literal(value.real);
    case StorageClass::text:
      return text_literal(value.bytes);
    default:
      return blob_literal(value.bytes);
  }
}

Kind kind_of(StorageClass storage) {
  switch (storage) {
    case StorageClass::integer:
      return Kind::int64;
    case StorageClass::real:
      return Kind::float64;
    case StorageClass::text:
      return Kind::text;
    default:
      return Kind::bytes;
  }
}

std::string wire_of(const SqliteValue& value) {
  char bytes[8];
  if (value.storage == StorageClass::integer) {
    wire::write_int64(bytes, value.integer);
  } else if (value.storage == StorageClass::real) {
    wire::write_float64(bytes, value.real);
  } else {
    return value.bytes;
  }
  return {bytes, sizeof bytes};
}

// The key of a row in a batch is the key that its database gives, also in the checkpoint's form.
void check_row_key(const SqliteValue& value) {
  Column column;
  column.dynamic = true;
  Batch batch;
  batch.begin_tuple(1);
  batch.append_dynamic(kind_of(value.storage), wire_of(value));
  const Key key = row_key({column}, {0}, batch.tuple(0));

  SqliteStatement statement = sqlite().prepare("SELECT ?");
  bind_key(statement, 1, key, 1);
  promise(statement.step(), "a key can be bound");
  promise(read_key(statement, 1) == key, "a row's key is the key its database gives",
          key.display() + " | " + read_key(statement, 1).display());
  promise(Key::from_json(key.to_json()) == key, "a SQLite key can be kept", key.display());
}

void check_value(const SqliteValue& value) {
  check_literal(value, literal_of(value));
  check_row_key(value);
}

void check_sqlite(const std::string& text) {
  check_value(SqliteValue{StorageClass::text, 0, 0, text});
  check_value(SqliteValue{StorageClass::blob, 0, 0, text});
  SqliteValue parsed;
  if (!failure_of([&] { parsed = parse_literal(text); })) check_value(parsed);
}

void check(std::string_view input) {
  const std::string text(input);
  check_quoting(text);
  check_json(text);
  check_sqlite(text);
}

}  // namespace
}  // namespace backfill::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  backfill::fuzz::check({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
