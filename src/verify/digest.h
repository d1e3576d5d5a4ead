// verify/digest.h
//
// 128 bits that tell two strings of bytes apart: XXH3. The only place that knows xxHash. Pure.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace backfill {

struct Digest {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  bool operator==(const Digest&) const = default;

  // 32 hexadecimal digits.
  std::string text() const;
};

Digest digest_of(std::string_view bytes);

}  // namespace backfill
