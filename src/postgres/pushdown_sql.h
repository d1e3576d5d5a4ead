// postgres/pushdown_sql.h
//
// The statements that carry a chunk from table to table inside one database, or change it in
// place, without its rows leaving the server. Bounds are SQL, as in read_sql.h. Pure.

#pragma once

#include <string>

#include "core/target.h"
#include "postgres/read_sql.h"
#include "postgres/write_sql.h"

namespace backfill {

class PushdownSql {
 public:
  // spec.from is there; `write` is made from the same spec and must outlive this.
  PushdownSql(const WriteSpec& spec, const WriteSql& write);

  const KeySql& key() const { return read_.key(); }

  // The count of rows is that of rows written.
  std::string write(const std::string& after, const std::string& upto) const;
  // As write, where no row of the range is in the table that rows are inserted into.
  std::string insert(const std::string& after, const std::string& upto) const;
  // How many rows the source and the target have in the range, and how many differ.
  std::string compare(const std::string& after, const std::string& upto, const Chunk& chunk) const;
  // How many rows of the range the job wants.
  std::string count(const std::string& after, const std::string& upto) const;

 private:
  std::vector<std::string> items() const;
  std::string rows(const std::string& after, const std::string& upto) const;

  const WriteSpec spec_;
  const WriteSql& write_;
  const ReadSql read_;
};

}  // namespace backfill
