#include "verify/digest.h"

#include <fmt/format.h>
#include <xxhash.h>

namespace backfill {

std::string Digest::text() const { return fmt::format("{:016x}{:016x}", high, low); }

Digest digest_of(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

}  // namespace backfill
