#include "postgres/copy_format.h"

#include <cstdint>

#include "core/error.h"

namespace backfill {
namespace {

constexpr std::string_view signature{"PGCOPY\n\377\r\n\0", 11};
constexpr std::size_t header_bytes = 19;  // signature, flags, length of the extension

std::uint32_t read_uint32(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::int16_t read_int16(const char* bytes) {
  return static_cast<std::int16_t>(static_cast<unsigned char>(bytes[0]) << 8 |
                                   static_cast<unsigned char>(bytes[1]));
}

[[noreturn]] void not_a_stream(const std::string& why) {
  throw Error(ErrorKind::stop, "read a binary COPY stream: " + why);
}

}  // namespace

const std::string_view copy_header{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", header_bytes};
const std::string_view copy_trailer{"\377\377", 2};

void CopyReader::feed(std::string_view bytes) {
  if (!pending_.empty()) {
    pending_.append(bytes);
    bytes = pending_;
  }
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    const std::size_t part = take(bytes.substr(taken));
    if (part == 0) break;
    taken += part;
  }
  if (taken == bytes.size()) return pending_.clear();
  // `bytes` may be a view of pending_ itself.
  std::string rest(bytes.substr(taken));
  pending_.swap(rest);
}

void CopyReader::finish() const {
  if (part_ == Part::done && pending_.empty()) return;
  throw Error(ErrorKind::retry, "read a binary COPY stream: it ended before its trailer", "08006");
}

// Takes one part from the front and returns its length; 0 when it is not whole yet.
std::size_t CopyReader::take(std::string_view bytes) {
  if (part_ == Part::header) return take_header(bytes);
  if (part_ == Part::tuples) return take_tuple(bytes);
  not_a_stream("bytes after its trailer");
}

std::size_t CopyReader::take_header(std::string_view bytes) {
  if (bytes.size() < header_bytes) return 0;
  if (bytes.substr(0, signature.size()) != signature) not_a_stream("no PGCOPY signature");
  const std::uint32_t flags = read_uint32(bytes.data() + signature.size());
  if ((flags & 0xffff0000U) != 0) not_a_stream("flags that this program does not know");
  const std::size_t length = header_bytes + read_uint32(bytes.data() + signature.size() + 4);
  if (bytes.size() < length) return 0;
  part_ = Part::tuples;
  return length;
}

std::size_t CopyReader::take_tuple(std::string_view bytes) {
  if (bytes.size() < 2) return 0;
  const std::int16_t fields = read_int16(bytes.data());
  if (fields == -1) {
    part_ = Part::done;
    return 2;
  }
  if (fields < 0 || static_cast<std::size_t>(fields) != fields_) {
    not_a_stream("a row of " + std::to_string(fields) + " fields where " + std::to_string(fields_) +
                 " were asked for");
  }
  std::size_t at = 2;
  for (std::size_t i = 0; i < fields_; ++i) {
    if (bytes.size() < at + 4) return 0;
    const auto length = static_cast<std::int32_t>(read_uint32(bytes.data() + at));
    if (length < -1) not_a_stream("a field of negative length");
    at += 4 + (length < 0 ? 0 : static_cast<std::size_t>(length));
    if (bytes.size() < at) return 0;
  }
  batch_.append_tuple(bytes.substr(0, at));
  return at;
}

}  // namespace backfill
