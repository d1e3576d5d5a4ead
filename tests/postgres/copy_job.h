// A copy from one table to another with the parts that a run uses: plan chunks, read, write,
// commit. No transform but the layout's own projection.

#pragma once

#include <string>
#include <vector>

#include "core/layout.h"
#include "core/transform.h"
#include "postgres/database.h"
#include "postgres/source.h"
#include "postgres/target.h"

namespace backfill {

struct CopyJob {
  std::string source_url;
  std::string target_url;
  std::string source_table = "a";
  std::string target_table = "b";
  std::vector<std::string> columns = {};
  std::vector<std::string> key = {};
  std::string where = {};
  WriteMode mode = WriteMode::insert_missing;
  std::string version_column = {};
};

// A job's resolved parts, as assemble makes them.
class CopyParts {
 public:
  explicit CopyParts(const CopyJob& job)
      : source_database(job.source_url, "copy", "source"),
        target_database(job.target_url, "copy", "target") {
    LayoutRequest request;
    request.source = source_database.inspect(job.source_table, job.key, job.where);
    request.target = target_database.inspect(job.target_table, request.source.key, "");
    request.target_key = request.source.key;
    request.columns = source_database.type_columns(request.source, job.columns);
    request.mode = job.mode;
    request.row_version = source_database.row_version();
    layout = make_layout(request);

    read.table = request.source.name;
    read.columns = layout.read;
    read.where = job.where;
    for (const std::string& name : request.source.key) {
      read.key.push_back(
          request.source
              .columns[static_cast<std::size_t>(find_column(request.source.columns, name))]);
    }
    write.table = request.target.name;
    write.columns = layout.write;
    write.mode = job.mode;
    write.version_column = job.version_column;
    for (const int position : layout.read_key) {
      for (std::size_t i = 0; i < layout.write.size(); ++i) {
        if (layout.write[i].role == WriteColumn::Role::key && layout.write[i].read == position) {
          write.key.push_back(static_cast<int>(i));
        }
      }
    }
    source = source_database.make_source(read);
    target = target_database.make_target(write);
  }

  // All chunks of `keys` keys, in order.
  std::vector<Chunk> plan(std::int64_t keys) {
    std::vector<Chunk> chunks;
    const std::optional<Key> end = source->last_key();
    std::optional<Key> after;
    while (end) {
      const auto cut = source->cut(after, *end, keys);
      if (!cut) break;
      Chunk chunk;
      chunk.ordinal = chunks.size();
      chunk.after = after;
      chunk.upto = cut->upto;
      chunk.keys = cut->keys;
      after = cut->upto;
      chunks.push_back(chunk);
    }
    return chunks;
  }

  Transformed transform(const Batch& input) {
    Projection projection(layout);
    Transformed output;
    projection.apply(input, output);
    return output;
  }

  // One chunk, read to commit.
  WriteReport copy(const Chunk& chunk) {
    Batch batch;
    source->read(chunk, batch);
    target->begin(chunk);
    const WriteReport report = target->write(transform(batch).rows);
    target->commit(chunk, {});
    return report;
  }

  WriteReport copy_all(std::int64_t keys) {
    WriteReport sum;
    for (const Chunk& chunk : plan(keys)) {
      const WriteReport report = copy(chunk);
      sum.written += report.written;
      sum.unchanged += report.unchanged;
      sum.conflicts.insert(sum.conflicts.end(), report.conflicts.begin(), report.conflicts.end());
    }
    return sum;
  }

  PostgresDatabase source_database;
  PostgresDatabase target_database;
  Layout layout;
  ReadSpec read;
  WriteSpec write;
  std::unique_ptr<Source> source;
  std::unique_ptr<Target> target;
};

}  // namespace backfill
