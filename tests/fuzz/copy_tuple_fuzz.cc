// The binary COPY reader, and everything that reads its tuples: cells, their texts, the keys and
// the dead letters made of them.
//
// Input: fields of a tuple; the size of the pieces in which the stream comes; the stream.

#include <nlohmann/json.hpp>
#include <vector>

#include "backfill/wire.hpp"
#include "core/batch.h"
#include "core/row_key.h"
#include "fuzz/input.h"
#include "fuzz/promise.h"
#include "postgres/cell_text.h"
#include "postgres/copy_format.h"

namespace backfill::fuzz {
namespace {

constexpr int kKinds = BACKFILL_NUMERIC + 1;
constexpr std::size_t kCellsLookedAt = 24;  // a numeric of eight bytes can have 130,000 digits

struct Outcome {
  Batch batch;
  std::string failure;  // empty: a whole stream
};

Outcome read_stream(std::string_view stream, std::size_t fields, std::size_t piece) {
  Outcome outcome;
  CopyReader reader(outcome.batch, fields);
  const auto failure = failure_of([&] {
    for (std::size_t at = 0; at < stream.size(); at += piece) reader.feed(stream.substr(at, piece));
    reader.finish();
  });
  if (failure) outcome.failure = failure->what();
  return outcome;
}

// The server prints a numeric of these bytes, and would read it back.
void check_numeric(std::string_view bytes) {
  std::string text;
  try {
    text = wire::numeric_text(bytes);
  } catch (const std::invalid_argument&) {
    return;
  }
  promise(wire::numeric_text(wire::numeric_bytes(text)) == text, "a numeric reads back", text);
}

void check_dynamic(const Cell& cell) {
  DynamicCell dynamic{};
  if (failure_of([&] { dynamic = read_dynamic(cell); })) return;
  for (int kind = 0; kind < kKinds; ++kind) {
    PgType type;
    type.sql = "wanted";
    type.kind = static_cast<Kind>(kind);
    const auto failure = failure_of([&] { cell_text(dynamic, type); });
    promise(!failure || failure->kind() == ErrorKind::reject,
            "a value without meaning in a type rejects its row", failure ? failure->what() : "");
  }
}

void check_cell(const Cell& cell) {
  Column column;
  for (int kind = 0; kind < kKinds; ++kind) {
    column.kind = static_cast<Kind>(kind);
    column.dynamic = false;
    display_cell(column, cell);
    column.dynamic = true;
    failure_of([&] { display_cell(column, cell); });
  }
  if (cell.is_null()) return;
  check_numeric(cell.view());
  check_dynamic(cell);
}

// A tuple that was taken from a stream has the form of one.
void check_tuple(std::string_view tuple, std::size_t fields, std::size_t& cells_left) {
  std::vector<Cell> cells;
  read_cells(tuple, fields, cells);
  Batch copy;
  copy.begin_tuple(static_cast<std::int16_t>(fields));
  Columns columns;
  std::vector<int> key;
  for (std::size_t i = 0; i < fields; ++i) {
    copy.append_cell(cells[i]);
    columns.emplace_back().name = "c" + std::to_string(i);
    columns.back().kind = static_cast<Kind>(i * 5 % kKinds);
    columns.back().dynamic = i % 3 == 2;
    key.push_back(static_cast<int>(i));
    if (cells_left == 0) continue;
    --cells_left;
    check_cell(cells[i]);
  }
  promise(copy.tuple(0) == tuple, "a tuple is its cells");

  failure_of([&] {
    const std::string row = row_to_json(columns, tuple);
    promise(nlohmann::json::accept(row), "a dead letter's row is JSON", row);
  });
  failure_of([&] { row_key(columns, key, tuple).display(); });
}

void check(Input input) {
  const std::size_t fields = input.below(8);
  const std::size_t piece = 1 + input.below(40);
  const std::string_view stream = input.rest();

  const Outcome whole = read_stream(stream, fields, stream.size() + 1);
  const Outcome pieces = read_stream(stream, fields, piece);
  promise(whole.failure == pieces.failure && whole.batch.tuples() == pieces.batch.tuples() &&
              whole.batch.rows() == pieces.batch.rows(),
          "a stream reads the same in any pieces", whole.failure + " | " + pieces.failure);
  if (whole.failure.empty() && stream.substr(0, copy_header.size()) == copy_header) {
    std::string again(copy_header);
    again += whole.batch.tuples();
    again += copy_trailer;
    promise(again == stream, "a stream is a header, its tuples and a trailer");
  }

  std::size_t cells_left = kCellsLookedAt;
  for (std::size_t row = 0; row < whole.batch.rows(); ++row) {
    check_tuple(whole.batch.tuple(row), fields, cells_left);
  }
  // Tuples also come from where no reader has looked at them.
  std::vector<Cell> cells;
  failure_of([&] { read_cells(stream, fields, cells); });
}

}  // namespace
}  // namespace backfill::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  backfill::fuzz::check(backfill::fuzz::Input(bytes, size));
  return 0;
}
