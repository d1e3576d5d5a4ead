// sqlite/fields.h
//
// The parameters and columns of a statement one after the other, with what they hold by type; an
// absent value is NULL. Either lives no longer than its statement.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/key.h"
#include "sqlite/connection.h"

namespace backfill {

// Binds parameters from the first one on.
class Binder {
 public:
  explicit Binder(SqliteStatement& statement) : statement_(statement) {}

  Binder& text(const std::string& value) {
    statement_.bind_text(++at_, value);
    return *this;
  }
  Binder& integer(std::int64_t value) {
    statement_.bind_integer(++at_, value);
    return *this;
  }
  Binder& integer(const std::optional<std::int64_t>& value) {
    return value ? integer(*value) : null();
  }
  Binder& real(double value) {
    statement_.bind_real(++at_, value);
    return *this;
  }
  Binder& real(const std::optional<double>& value) { return value ? real(*value) : null(); }
  Binder& key(const std::optional<Key>& value) { return value ? text(value->to_json()) : null(); }

 private:
  Binder& null() {
    statement_.bind_null(++at_);
    return *this;
  }

  SqliteStatement& statement_;
  int at_ = 0;
};

// Reads the columns of the row that the statement stands on, from the first one on.
class Reader {
 public:
  explicit Reader(const SqliteStatement& statement) : statement_(statement) {}

  std::string text() { return std::string(statement_.bytes(at_++)); }
  std::int64_t integer() { return statement_.integer(at_++); }
  double real() { return statement_.real(at_++); }
  // Throws Error when it holds none.
  Key key() { return Key::from_json(text()); }

  std::optional<std::int64_t> maybe_integer() {
    return passes_null() ? std::nullopt : std::optional(integer());
  }
  std::optional<double> maybe_real() {
    return passes_null() ? std::nullopt : std::optional(real());
  }
  std::optional<Key> maybe_key() { return passes_null() ? std::nullopt : std::optional(key()); }

 private:
  bool passes_null() {
    const bool is_null = statement_.is_null(at_);
    if (is_null) ++at_;
    return is_null;
  }

  const SqliteStatement& statement_;
  int at_ = 0;
};

}  // namespace backfill
