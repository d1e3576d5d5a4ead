// torture/tables.h
//
// Source and target of one round, made anew in databases that stay: the job over them, and the
// application's SQL for them. Const once made, so threads may share it.
//
// Each write of the application gives its row a version that is higher than any before. The target
// holds the label `id:version`, so that a row there says which version of its source it came of.

#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "support/postgres_server.h"
#include "torture/torture_case.h"

namespace backfill {

inline constexpr const char* job_name = "torture";

// What the application does to a row.
struct RowWrite {
  enum class Kind { insert, update, remove };
  Kind kind;
  std::int64_t id;
  std::int64_t version;
};

class Tables {
 public:
  // Rows 1 to `rows`, but for every seventh, which the application may insert. Drops what an
  // earlier round left.
  Tables(PostgresServer& server, const TortureCase& tested, std::int64_t rows);

  static bool is_there_at_first(std::int64_t id) { return id % 7 != 0; }
  // Where nothing is inserted, three of four rows stay: the check needs rows to look at.
  static bool may_go_for_good(std::int64_t id) { return id % 4 == 0; }

  std::map<std::string, std::string> job_keys() const;

  const TortureCase& tested() const { return tested_; }
  const std::string& source_url() const { return source_url_; }
  const std::string& target_url() const { return target_url_; }
  std::int64_t rows() const { return rows_; }
  bool is_in_place() const { return tested_.place == Place::in_place; }

  // In place the application's statement does both at once, and there is none for the target.
  std::string source_sql(const RowWrite& write) const;
  std::string target_sql(const RowWrite& write) const;
  std::string version_sql(std::int64_t id) const;
  // The highest key that the backfill has written, more or less: where it is at work.
  std::string frontier_sql() const;

 private:
  void create() const;

  const TortureCase tested_;
  const std::int64_t rows_;
  std::string source_url_;
  std::string target_url_;
};

}  // namespace backfill
