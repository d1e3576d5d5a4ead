// core/batch.h
//
// The rows of one chunk: PostgreSQL binary COPY tuples, back to back in one buffer, with
// an index of where each begins. A tuple is an int16 number of fields, then for each field
// an int32 length (-1 for NULL) and that many bytes, all integers big-endian
// (https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format").
//
// A batch is reused chunk after chunk: clear() keeps the memory. One thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/column.h"

namespace backfill {

// A view of one value, valid while its batch is neither changed nor destroyed.
struct Cell {
  const char* bytes = nullptr;
  std::int32_t length = -1;  // -1: NULL

  bool is_null() const { return length < 0; }
  std::string_view view() const {
    return {bytes, length < 0 ? 0 : static_cast<std::size_t>(length)};
  }
};

class Batch {
 public:
  std::size_t rows() const { return offsets_.size(); }
  std::size_t bytes() const { return buffer_.size(); }
  bool empty() const { return offsets_.empty(); }

  // All tuples, back to back: what a COPY takes between its header and its trailer.
  std::string_view tuples() const { return buffer_; }
  std::string_view tuple(std::size_t row) const;
  // Tuples [first, last).
  std::string_view tuples(std::size_t first, std::size_t last) const;

  void clear();

  // Adds a tuple that is whole already; its form is the caller's promise.
  void append_tuple(std::string_view tuple);

  // Builds a tuple field by field: begin_tuple, then exactly `fields` calls of append_*.
  void begin_tuple(std::int16_t fields);
  void append_null();
  void append_field(std::string_view bytes);
  // A field of a dynamic column: the kind of this value in front of its bytes.
  void append_dynamic(Kind kind, std::string_view bytes);
  void append_cell(const Cell& cell);

 private:
  std::string buffer_;
  std::vector<std::size_t> offsets_;
};

// Splits a tuple into cells; `cells` is resized to the number of fields and points into the
// tuple. Throws Error(stop) when the bytes are not a tuple of `fields` fields.
void read_cells(std::string_view tuple, std::size_t fields, std::vector<Cell>& cells);
// Likewise the first `count` fields of a tuple that has `fields`; the others are not looked at.
void read_first_cells(std::string_view tuple, std::size_t fields, std::size_t count,
                      std::vector<Cell>& cells);

// The kind and value of a dynamic cell. Throws Error(stop) when the cell has no such prefix.
struct DynamicCell {
  Kind kind;
  Cell value;
};
DynamicCell read_dynamic(const Cell& cell);

// A cell as a person reads it: text of numbers, dates, …; `\x…` for bytes and unreadable types;
// `NULL` is returned as "NULL".
std::string display_cell(const Column& column, const Cell& cell);

// A row as a JSON object of column name to text or null, for the dead letters.
std::string row_to_json(const Columns& columns, std::string_view tuple);

}  // namespace backfill
