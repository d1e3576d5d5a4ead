#include "support/batch_builder.h"

namespace backfill {
namespace {

WriteColumn write_column(const Column& column, WriteColumn::Role role, int read, int output) {
  WriteColumn written;
  written.column = column;
  written.target = column;
  written.role = role;
  written.read = read;
  written.output = output;
  return written;
}

}  // namespace

Column int64_column(const std::string& name) {
  Column column;
  column.name = name;
  column.type = "bigint";
  column.kind = Kind::int64;
  column.oid = 20;
  return column;
}

Column text_column(const std::string& name) {
  Column column;
  column.name = name;
  column.type = "text";
  column.kind = Kind::text;
  column.oid = 25;
  return column;
}

std::string int64_bytes(std::int64_t value) {
  std::string bytes(8, '\0');
  auto rest = static_cast<std::uint64_t>(value);
  for (std::size_t i = bytes.size(); i-- > 0; rest >>= 8) bytes[i] = static_cast<char>(rest & 0xff);
  return bytes;
}

std::int64_t int64_of(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(value);
}

Batch make_batch(const std::vector<std::pair<std::int64_t, std::string>>& rows) {
  Batch batch;
  for (const auto& [id, value] : rows) {
    batch.begin_tuple(2);
    batch.append_field(int64_bytes(id));
    batch.append_field(value);
  }
  return batch;
}

Key key_of(std::int64_t id) { return Key{{std::to_string(id)}}; }

std::int64_t id_of(const Key& key) { return std::stoll(key.values.at(0)); }

Chunk make_chunk(std::int64_t after, std::int64_t upto, std::int64_t keys) {
  Chunk chunk;
  if (after != 0) chunk.after = key_of(after);
  chunk.upto = key_of(upto);
  chunk.keys = keys;
  chunk.size = keys;
  return chunk;
}

Layout copy_layout() {
  Layout layout;
  layout.read = {{int64_column("id"), "", true}, {text_column("value"), "", true}};
  layout.read_key = {0};
  layout.write = {write_column(int64_column("id"), WriteColumn::Role::key, 0, -1),
                  write_column(text_column("value"), WriteColumn::Role::value, 1, -1)};
  layout.forwards = true;
  return layout;
}

Layout transform_layout() {
  Layout layout = copy_layout();
  layout.write[1] = write_column(text_column("value"), WriteColumn::Role::value, -1, 0);
  layout.forwards = false;
  return layout;
}

Layout guarded_layout() {
  Layout layout = transform_layout();
  layout.in_place = true;
  layout.read.push_back({int64_column("version"), "version", false});
  layout.write.push_back(write_column(int64_column("version"), WriteColumn::Role::guard, 2, -1));
  return layout;
}

}  // namespace backfill
