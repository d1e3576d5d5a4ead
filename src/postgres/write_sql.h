// postgres/write_sql.h
//
// The statements that bring rows into a table. The tuples of a batch are staged in a temporary
// table in the types they come in, and one statement a batch casts and writes them; rows of the
// same database are written from where they are. Pure: made from what is written and what the
// catalog says of the target's types.

#pragma once

#include <string>
#include <vector>

#include "core/target.h"
#include "postgres/key_sql.h"
#include "postgres/types.h"

namespace backfill {

class WriteSql {
 public:
  // `types` are those of the target columns, one for each of spec.columns.
  WriteSql(WriteSpec spec, std::vector<PgType> types);

  // True when tuples can always be copied straight into the table: plain inserts without a cast.
  bool goes_straight() const;
  // True when they can be wherever none of their keys is there yet: that is what inserting
  // missing rows, and upserting them, comes to.
  bool may_go_straight() const;
  // True for updates of rows that must be as they were read.
  bool is_guarded() const;

  std::string create_stage() const;
  std::string clear_stage() const;
  std::string copy_stage() const;
  std::string copy_straight() const;
  // The keys in the table between those of a chunk, as tuples of the key's columns; no more than
  // `rows_max`.
  std::string look(const std::string& after, const std::string& upto,
                   const std::string& rows_max) const;
  std::string look(const Chunk& chunk, std::size_t rows_max) const;
  // A row when there is any key between these.
  std::string look_for_any(const std::string& after, const std::string& upto) const;

  // Writes the staged rows; the count of rows is that of rows written.
  std::string write() const;
  // As write, when guarded, where all staged rows lie between the keys of a chunk.
  std::string update_between(const Chunk& chunk) const;
  // Levels what the transaction of this 32-bit number wrote: its rows that stand in the stage
  // become as they stand there, and the others of the chunk go. The update may be empty.
  std::string level_update(const std::string& transaction) const;
  std::string level_delete(const std::string& transaction, const Chunk& chunk) const;
  // Writes the rows of a subquery, not guarded, whose columns c0, c1, … are those of a tuple.
  std::string write_from(const std::string& subquery) const;
  // As write_from, where none of the keys is there.
  std::string insert_from(const std::string& subquery) const;
  // Sets each written column to the expression at its position, of the row itself.
  std::string update_by(const std::vector<std::string>& expressions,
                        const std::string& condition) const;
  // After a write(), when guarded: the staged rows whose row in the table is gone or not
  // as it was read. First whether this transaction changed it, then the key.
  std::string changed_rows() const;
  std::string lock(const std::vector<Key>& keys) const;
  std::string remove(const std::vector<Key>& keys) const;
  // The staged rows that the table does not hold as they would be stored: the place of each in the
  // stage, from 0, whether its key is missing, then for each of values() whether it differs by what
  // it means.
  std::string compare() const;
  // How many rows a subquery as for write_from() has, how many the table has in the chunk, and how
  // many of all differ.
  std::string count_differing(const std::string& subquery, const Chunk& chunk) const;
  // Positions of the columns that are written, key and guards aside.
  std::vector<std::size_t> values() const { return with_role(WriteColumn::Role::value); }

  const std::vector<Column>& key() const { return key_; }
  const std::vector<std::size_t>& key_at() const { return key_at_; }  // in the tuples of a batch

 private:
  std::string insert(const std::string& rows) const;
  std::string from_range(const std::string& after, const std::string& upto) const;
  std::string update(const std::string& rows, const std::string& condition = "") const;
  std::string on_conflict() const;
  std::string in_chunk(const Chunk& chunk) const;
  std::string staged() const;
  std::string staged_type(std::size_t i) const;
  bool needs_cast(std::size_t i) const;
  std::string cast(std::size_t i, const std::string& expression) const;
  std::string value(std::size_t i) const;
  std::string comparable(std::size_t i, const std::string& expression) const;
  std::string as_stored(std::size_t i, const std::string& value) const;
  std::string key_matches() const;
  std::string guards_hold() const;
  std::string values_differ(const std::string& qualifier,
                            const std::vector<std::string>& values) const;
  std::string differ(const std::vector<std::size_t>& columns,
                     const std::vector<std::string>& stored,
                     const std::vector<std::string>& wanted) const;
  std::string means_another(std::size_t i) const;
  std::vector<std::string> staged_values() const;
  std::vector<std::size_t> with_role(WriteColumn::Role role) const;
  std::vector<std::size_t> settable() const;
  std::vector<std::string> target_names() const;

  const WriteSpec spec_;
  const std::vector<PgType> types_;
  std::vector<std::size_t> key_at_;  // positions in spec_.columns, in key order
  std::vector<Column> key_;
};

// How the values of a column become those of the target's type, for `plan`; empty when they
// are of that type already.
std::string conversion_note(const WriteColumn& column);

}  // namespace backfill
