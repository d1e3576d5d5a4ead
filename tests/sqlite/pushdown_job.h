// tests/sqlite/pushdown_job.h
//
// A job from table to table of one SQLite file, run chunk after chunk: its rows in batches, or
// pushed down.

#pragma once

#include "core/layout.h"
#include "core/transform.h"
#include "sqlite/pushdown_limits.h"
#include "sqlite_file.h"

namespace backfill {

struct PushdownJob {
  std::string source = "a";
  std::string target = "b";
  std::vector<std::string> key;
  std::vector<std::string> items;
  std::string where;
  WriteMode mode = WriteMode::insert_missing;
  std::string version_column;
};

class PushdownRun {
 public:
  PushdownRun(const SqliteFile& file, const PushdownJob& job) : file_(file) {
    SqliteConnection connection = file.connect();
    LayoutRequest request;
    request.source = inspect_table(connection, job.source, job.key, job.where);
    request.target = inspect_table(connection, job.target, request.source.key, "");
    request.target_key = request.source.key;
    request.columns = type_columns(connection, request.source, job.items);
    request.mode = job.mode;
    request.target_reads_binary = false;
    layout_ = make_layout(request);
    read = {request.source.name, layout_.read, {}, job.where};
    for (const std::string& name : request.source.key)
      read.key.push_back(SqliteFile::column_of(request.source, name));
    write.table = request.target.name;
    write.columns = layout_.write;
    write.mode = job.mode;
    write.version_column = job.version_column;
  }

  bool may_be_pushed_down() const {
    SqliteConnection connection = file_.connect();
    return one_statement_does_the_same(connection, pushed());
  }

  WriteSpec pushed() const {
    WriteSpec spec = write;
    spec.from = read;
    return spec;
  }

  std::vector<Chunk> plan(std::int64_t keys) const {
    SqliteSource source(file_.path(), read);
    std::vector<Chunk> chunks;
    std::optional<Key> after;
    const auto end = source.last_key();
    while (end) {
      const auto cut = source.cut(after, *end, keys);
      if (!cut) break;
      Chunk chunk;
      chunk.after = after;
      chunk.upto = cut->upto;
      chunk.keys = cut->keys;
      chunks.push_back(chunk);
      after = cut->upto;
    }
    return chunks;
  }

  RowCounts push_down(std::int64_t keys = 30) const {
    SqliteTarget target(file_.path(), pushed());
    return each_chunk(keys, [&target](const Chunk& chunk) { return push_down(target, chunk); });
  }

  // As the engine does: what is refused travels in batches, which tell the bad rows.
  RowCounts push_down_or_carry(std::int64_t keys) const {
    SqliteTarget target(file_.path(), pushed());
    return each_chunk(keys, [&](const Chunk& chunk) {
      try {
        return push_down(target, chunk);
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::reject) throw;
      }
      const RowCounts rows = carry(target, chunk);
      ADD_FAILURE() << chunk.display() << " was refused without a bad row";
      return rows;
    });
  }

  RowCounts carry_rows(std::int64_t keys = 30) const {
    SqliteTarget target(file_.path(), write);
    return each_chunk(keys, [&](const Chunk& chunk) { return carry(target, chunk); });
  }

  ReadSpec read;
  WriteSpec write;

 private:
  template <class Write>
  RowCounts each_chunk(std::int64_t keys, Write write_chunk) const {
    RowCounts sum;
    for (const Chunk& chunk : plan(keys)) sum += write_chunk(chunk);
    return sum;
  }

  static RowCounts push_down(SqliteTarget& target, const Chunk& chunk) {
    target.begin(chunk);
    const RowCounts rows = target.write_from_source(chunk).rows;
    target.commit(chunk, rows);
    return rows;
  }

  RowCounts carry(SqliteTarget& target, const Chunk& chunk) const {
    SqliteSource source(file_.path(), read);
    Projection projection(layout_);
    Batch batch;
    source.read(chunk, batch);
    Transformed transformed;
    if (!layout_.forwards) projection.apply(batch, transformed);
    target.begin(chunk);
    const WriteReport report = target.write(layout_.forwards ? batch : transformed.rows);
    EXPECT_TRUE(report.conflicts.empty());
    RowCounts rows;
    rows.read = static_cast<std::int64_t>(batch.rows());
    rows.written = report.written;
    rows.unchanged = report.unchanged;
    target.commit(chunk, rows);
    return rows;
  }

  const SqliteFile& file_;
  Layout layout_;
};

}  // namespace backfill
