// backfill/column_types.hpp
//
// The types in which a transform asks for columns: Text, Integer, Date and so on. Part of
// transform.hpp, which authors include.
//
// Each says which column types it reads (`reads`; of a SQLite column, whose values have types
// of their own, `reads_dynamic`), which target columns it fills (`writes`), and in which form
// (`sent_as`). decode and encode throw std::logic_error for a value that does not fit.

#pragma once

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "backfill/transform.h"
#include "backfill/wire.hpp"

namespace backfill::plugin {

namespace detail {

inline const char* type_word(std::uint32_t type) {
  static constexpr const char* words[] = {"a type that plugins cannot read",
                                          "boolean",
                                          "int16",
                                          "int32",
                                          "int64",
                                          "float32",
                                          "float64",
                                          "text",
                                          "bytes",
                                          "date",
                                          "timestamp",
                                          "timestamptz",
                                          "uuid",
                                          "json",
                                          "jsonb",
                                          "numeric"};
  return type < std::size(words) ? words[type] : words[0];
}

constexpr std::uint32_t types(std::same_as<backfill_type> auto... type) {
  return (0u | ... | (1u << static_cast<std::uint32_t>(type)));
}
constexpr bool contains(std::uint32_t set, std::uint32_t type) {
  return type < 32 && (set >> type & 1u) != 0;
}
// What a value of a dynamic (SQLite) column can be; a declared type beyond these promises nothing.
inline constexpr std::uint32_t dynamic_types =
    types(BACKFILL_INT64, BACKFILL_FLOAT64, BACKFILL_TEXT, BACKFILL_BYTES);

inline std::string_view view(const backfill_cell& cell) {
  return {static_cast<const char*>(cell.bytes), static_cast<std::size_t>(cell.length)};
}

[[noreturn]] inline void refuse(const backfill_cell& cell, const char* wanted) {
  throw std::invalid_argument(std::string("holds ") + type_word(cell.type) + ", not " + wanted);
}

// The batch's own memory, for values and texts that live as long as the batch.
class Memory {
 public:
  explicit Memory(backfill_batch& batch) : batch_(&batch) {}

  char* allocate(std::size_t size) {
    void* memory = batch_->allocate(batch_, size == 0 ? 1 : size);
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<char*>(memory);
  }
  std::string_view keep(std::string_view text) {
    char* copy = allocate(text.size());
    if (!text.empty()) std::memcpy(copy, text.data(), text.size());
    return {copy, text.size()};
  }

 private:
  backfill_batch* batch_;
};

inline backfill_cell share(std::string_view bytes, std::uint32_t type) {
  // COPY says the length of a field in 32 bits.
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw std::length_error("a value of more than 2 GiB");
  return {bytes.data() == nullptr ? "" : bytes.data(), static_cast<std::int32_t>(bytes.size()),
          type};
}

template <std::size_t size, class Write>
backfill_cell fixed(std::uint32_t type, Memory& memory, Write write) {
  char* bytes = memory.allocate(size);
  write(bytes);
  return {bytes, static_cast<std::int32_t>(size), type};
}

}  // namespace detail

struct Boolean {
  using Value = bool;
  static constexpr const char* word = "Boolean";
  static constexpr std::uint32_t reads = detail::types(BACKFILL_BOOLEAN);
  static constexpr std::uint32_t reads_dynamic = detail::types(BACKFILL_INT64);  // 0 or 1
  static constexpr std::uint32_t writes = detail::types(BACKFILL_BOOLEAN);

  static Value decode(const backfill_cell& cell, detail::Memory&) {
    if (cell.type == BACKFILL_BOOLEAN) return wire::read_boolean(detail::view(cell));
    if (cell.type != BACKFILL_INT64) detail::refuse(cell, "boolean");
    const std::int64_t value = wire::read_int64(detail::view(cell));
    if (value != 0 && value != 1)
      throw std::invalid_argument("holds " + std::to_string(value) + ", not 0 or 1");
    return value == 1;
  }
  static std::uint32_t sent_as(std::uint32_t, bool) { return BACKFILL_BOOLEAN; }
  static backfill_cell encode(Value value, std::uint32_t type, detail::Memory& memory) {
    return detail::fixed<1>(type, memory, [&](char* bytes) { *bytes = value ? 1 : 0; });
  }
};

// Every width of integer. Of a SQLite column also a real without a fraction. A value that the
// target's width cannot hold rejects the row.
struct Integer {
  using Value = std::int64_t;
  static constexpr const char* word = "Integer";
  static constexpr std::uint32_t reads =
      detail::types(BACKFILL_INT16, BACKFILL_INT32, BACKFILL_INT64);
  static constexpr std::uint32_t reads_dynamic =
      detail::types(BACKFILL_INT16, BACKFILL_INT32, BACKFILL_INT64, BACKFILL_FLOAT64);
  static constexpr std::uint32_t writes = reads;

  static Value decode(const backfill_cell& cell, detail::Memory&) {
    switch (cell.type) {
      case BACKFILL_INT16:
        return wire::read_int16(detail::view(cell));
      case BACKFILL_INT32:
        return wire::read_int32(detail::view(cell));
      case BACKFILL_INT64:
        return wire::read_int64(detail::view(cell));
      case BACKFILL_FLOAT64:
        return from_real(wire::read_float64(detail::view(cell)));
      default:
        detail::refuse(cell, "an integer");
    }
  }
  static std::uint32_t sent_as(std::uint32_t target, bool is_dynamic) {
    return is_dynamic ? static_cast<std::uint32_t>(BACKFILL_INT64) : target;
  }
  static backfill_cell encode(Value value, std::uint32_t type, detail::Memory& memory) {
    if (type == BACKFILL_INT64)
      return detail::fixed<8>(type, memory, [&](char* b) { wire::write_int64(b, value); });
    if (type == BACKFILL_INT32)
      return detail::fixed<4>(type, memory,
                              [&](char* b) { wire::write_int32(b, narrow<std::int32_t>(value)); });
    return detail::fixed<2>(type, memory,
                            [&](char* b) { wire::write_int16(b, narrow<std::int16_t>(value)); });
  }

 private:
  template <class Narrow>
  static Narrow narrow(Value value) {
    if (value < std::numeric_limits<Narrow>::min() || value > std::numeric_limits<Narrow>::max())
      throw std::out_of_range(std::to_string(value) + " does not fit into " +
                              std::to_string(sizeof(Narrow) * 8) + " bits");
    return static_cast<Narrow>(value);
  }
  static Value from_real(double value) {
    if (!(value >= -0x1p63 && value < 0x1p63) || value != std::trunc(value))
      throw std::invalid_argument("holds a real that is no integer");
    return static_cast<Value>(value);
  }
};

// float32 and float64. Of a SQLite column also an integer that a float64 holds exactly.
struct Real {
  using Value = double;
  static constexpr const char* word = "Real";
  static constexpr std::uint32_t reads = detail::types(BACKFILL_FLOAT32, BACKFILL_FLOAT64);
  static constexpr std::uint32_t reads_dynamic =
      detail::types(BACKFILL_FLOAT32, BACKFILL_FLOAT64, BACKFILL_INT64);
  static constexpr std::uint32_t writes = reads;

  static Value decode(const backfill_cell& cell, detail::Memory&) {
    if (cell.type == BACKFILL_FLOAT64) return wire::read_float64(detail::view(cell));
    if (cell.type == BACKFILL_FLOAT32) return wire::read_float32(detail::view(cell));
    if (cell.type != BACKFILL_INT64) detail::refuse(cell, "a real");
    const std::int64_t value = wire::read_int64(detail::view(cell));
    constexpr std::int64_t exact_max = std::int64_t{1} << 53;
    if (value < -exact_max || value > exact_max)
      throw std::invalid_argument("holds an integer too large for a real");
    return static_cast<double>(value);
  }
  static std::uint32_t sent_as(std::uint32_t target, bool is_dynamic) {
    return is_dynamic ? static_cast<std::uint32_t>(BACKFILL_FLOAT64) : target;
  }
  static backfill_cell encode(Value value, std::uint32_t type, detail::Memory& memory) {
    if (type == BACKFILL_FLOAT64)
      return detail::fixed<8>(type, memory, [&](char* b) { wire::write_float64(b, value); });
    if (std::isfinite(value) &&
        std::fabs(value) > static_cast<double>(std::numeric_limits<float>::max()))
      throw std::out_of_range(std::to_string(value) + " does not fit into a float32");
    return detail::fixed<4>(type, memory,
                            [&](char* b) { wire::write_float32(b, static_cast<float>(value)); });
  }
};

// UTF-8. Reads text kinds and enums, and json, jsonb, numeric and uuid as text. Fills text,
// and json, jsonb, numeric and types that plugins cannot read: there the server casts.
struct Text {
  using Value = std::string_view;
  static constexpr const char* word = "Text";
  static constexpr std::uint32_t reads =
      detail::types(BACKFILL_TEXT, BACKFILL_JSON, BACKFILL_JSONB, BACKFILL_NUMERIC, BACKFILL_UUID);
  static constexpr std::uint32_t reads_dynamic = detail::types(BACKFILL_TEXT);
  static constexpr std::uint32_t writes =
      detail::types(BACKFILL_TEXT, BACKFILL_JSON, BACKFILL_JSONB, BACKFILL_NUMERIC, BACKFILL_OTHER);

  static Value decode(const backfill_cell& cell, detail::Memory& memory) {
    switch (cell.type) {
      case BACKFILL_TEXT:
      case BACKFILL_JSON:
        return detail::view(cell);
      case BACKFILL_JSONB:
        return wire::jsonb_text(detail::view(cell));
      case BACKFILL_NUMERIC:
        return memory.keep(wire::numeric_text(detail::view(cell)));
      case BACKFILL_UUID:
        wire::require_size(detail::view(cell), 16, "uuid");
        return memory.keep(wire::uuid_text(detail::view(cell).data()));
      default:
        detail::refuse(cell, "text");
    }
  }
  static std::uint32_t sent_as(std::uint32_t, bool) { return BACKFILL_TEXT; }
  static backfill_cell encode(Value value, std::uint32_t type, detail::Memory& memory) {
    return detail::share(memory.keep(value), type);
  }
};

struct Bytes {
  using Value = std::string_view;
  static constexpr const char* word = "Bytes";
  static constexpr std::uint32_t reads = detail::types(BACKFILL_BYTES);
  static constexpr std::uint32_t reads_dynamic = reads;
  static constexpr std::uint32_t writes = reads;

  static Value decode(const backfill_cell& cell, detail::Memory&) {
    if (cell.type != BACKFILL_BYTES) detail::refuse(cell, "bytes");
    return detail::view(cell);
  }
  static std::uint32_t sent_as(std::uint32_t, bool) { return BACKFILL_BYTES; }
  static backfill_cell encode(Value value, std::uint32_t type, detail::Memory& memory) {
    return detail::share(memory.keep(value), type);
  }
};

// A day; infinity and -infinity reject the row. SQLite has no dates: read its Text.
struct Date {
  using Value = std::chrono::sys_days;
  static constexpr const char* word = "Date";
  static constexpr std::uint32_t reads = detail::types(BACKFILL_DATE);
  static constexpr std::uint32_t reads_dynamic = 0;
  static constexpr std::uint32_t writes = reads;

  static Value decode(const backfill_cell& cell, detail::Memory&) {
    if (cell.type != BACKFILL_DATE) detail::refuse(cell, "a date");
    return wire::to_sys_days(wire::read_int32(detail::view(cell)));
  }
  static std::uint32_t sent_as(std::uint32_t, bool) { return BACKFILL_DATE; }
  static backfill_cell encode(Value value, std::uint32_t type, detail::Memory& memory) {
    const std::int32_t days = wire::from_sys_days(value);
    return detail::fixed<4>(type, memory, [&](char* b) { wire::write_int32(b, days); });
  }
};

// A date and time without a zone, to the microsecond; otherwise as Date.
struct Timestamp {
  using Value = wire::LocalTime;
  static constexpr const char* word = "Timestamp";
  static constexpr std::uint32_t reads = detail::types(BACKFILL_TIMESTAMP);
  static constexpr std::uint32_t reads_dynamic = 0;
  static constexpr std::uint32_t writes = reads;

  static Value decode(const backfill_cell& cell, detail::Memory&) {
    if (cell.type != BACKFILL_TIMESTAMP) detail::refuse(cell, "a timestamp");
    return wire::to_local_time(wire::read_int64(detail::view(cell)));
  }
  static std::uint32_t sent_as(std::uint32_t, bool) { return BACKFILL_TIMESTAMP; }
  static backfill_cell encode(Value value, std::uint32_t type, detail::Memory& memory) {
    const std::int64_t microseconds = wire::from_local_time(value);
    return detail::fixed<8>(type, memory, [&](char* b) { wire::write_int64(b, microseconds); });
  }
};

// A point in time, to the microsecond; otherwise as Date.
struct Timestamptz {
  using Value = wire::SysTime;
  static constexpr const char* word = "Timestamptz";
  static constexpr std::uint32_t reads = detail::types(BACKFILL_TIMESTAMPTZ);
  static constexpr std::uint32_t reads_dynamic = 0;
  static constexpr std::uint32_t writes = reads;

  static Value decode(const backfill_cell& cell, detail::Memory&) {
    if (cell.type != BACKFILL_TIMESTAMPTZ) detail::refuse(cell, "a timestamptz");
    return wire::to_sys_time(wire::read_int64(detail::view(cell)));
  }
  static std::uint32_t sent_as(std::uint32_t, bool) { return BACKFILL_TIMESTAMPTZ; }
  static backfill_cell encode(Value value, std::uint32_t type, detail::Memory& memory) {
    const std::int64_t microseconds = wire::from_sys_time(value);
    return detail::fixed<8>(type, memory, [&](char* b) { wire::write_int64(b, microseconds); });
  }
};

// The 16 bytes. wire::parse_uuid and wire::uuid_text are the way from and to text. Of a SQLite
// column: its text, or 16 bytes.
struct Uuid {
  using Value = wire::Uuid;
  static constexpr const char* word = "Uuid";
  static constexpr std::uint32_t reads = detail::types(BACKFILL_UUID);
  static constexpr std::uint32_t reads_dynamic = detail::types(BACKFILL_TEXT, BACKFILL_BYTES);
  static constexpr std::uint32_t writes = reads;

  static Value decode(const backfill_cell& cell, detail::Memory&) {
    if (cell.type == BACKFILL_TEXT) return wire::parse_uuid(detail::view(cell));
    if (cell.type != BACKFILL_UUID && cell.type != BACKFILL_BYTES) detail::refuse(cell, "a uuid");
    wire::require_size(detail::view(cell), 16, "uuid");
    Value value;
    std::memcpy(value.data(), cell.bytes, value.size());
    return value;
  }
  static std::uint32_t sent_as(std::uint32_t, bool) { return BACKFILL_UUID; }
  static backfill_cell encode(const Value& value, std::uint32_t type, detail::Memory& memory) {
    return detail::fixed<16>(type, memory,
                             [&](char* b) { std::memcpy(b, value.data(), value.size()); });
  }
};

// json and jsonb, as their text. Whether it is well formed is for the server to say.
struct Json {
  using Value = std::string_view;
  static constexpr const char* word = "Json";
  static constexpr std::uint32_t reads = detail::types(BACKFILL_JSON, BACKFILL_JSONB);
  static constexpr std::uint32_t reads_dynamic = detail::types(BACKFILL_TEXT);
  static constexpr std::uint32_t writes = reads;

  static Value decode(const backfill_cell& cell, detail::Memory&) {
    if (cell.type == BACKFILL_JSONB) return wire::jsonb_text(detail::view(cell));
    if (cell.type != BACKFILL_JSON && cell.type != BACKFILL_TEXT) detail::refuse(cell, "json");
    return detail::view(cell);
  }
  static std::uint32_t sent_as(std::uint32_t target, bool is_dynamic) {
    return is_dynamic ? static_cast<std::uint32_t>(BACKFILL_JSON) : target;
  }
  static backfill_cell encode(Value value, std::uint32_t type, detail::Memory& memory) {
    if (type == BACKFILL_JSON) return detail::share(memory.keep(value), type);
    char* bytes = memory.allocate(value.size() + 1);
    bytes[0] = 1;
    if (!value.empty()) std::memcpy(bytes + 1, value.data(), value.size());
    return detail::share({bytes, value.size() + 1}, type);
  }
};

// A decimal number as text: `-12.50`, `NaN`. Of a SQLite column: an integer or a real.
struct Numeric {
  using Value = std::string_view;
  static constexpr const char* word = "Numeric";
  static constexpr std::uint32_t reads = detail::types(BACKFILL_NUMERIC);
  static constexpr std::uint32_t reads_dynamic = detail::types(BACKFILL_INT64, BACKFILL_FLOAT64);
  static constexpr std::uint32_t writes = reads;

  static Value decode(const backfill_cell& cell, detail::Memory& memory) {
    switch (cell.type) {
      case BACKFILL_NUMERIC:
        return memory.keep(wire::numeric_text(detail::view(cell)));
      case BACKFILL_INT64:
        return memory.keep(std::to_string(wire::read_int64(detail::view(cell))));
      case BACKFILL_FLOAT64:
        return shortest(wire::read_float64(detail::view(cell)), memory);
      default:
        detail::refuse(cell, "a number");
    }
  }
  static std::uint32_t sent_as(std::uint32_t, bool) { return BACKFILL_NUMERIC; }
  static backfill_cell encode(Value value, std::uint32_t type, detail::Memory& memory) {
    return detail::share(memory.keep(wire::numeric_bytes(value)), type);
  }

 private:
  static Value shortest(double value, detail::Memory& memory) {
    std::array<char, 400> text;
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    return memory.keep({text.data(), static_cast<std::size_t>(end.ptr - text.data())});
  }
};

}  // namespace backfill::plugin
