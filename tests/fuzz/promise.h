// tests/fuzz/promise.h
//
// What a fuzzer holds the program to, beyond not crashing. A broken promise ends the process as
// a crash does, so libFuzzer keeps the input.

#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace backfill::fuzz {

inline void promise(bool is_kept, std::string_view promised, const std::string& found = "") {
  if (is_kept) return;
  std::fprintf(stderr, "broken promise: %.*s\n  found: %s\n", static_cast<int>(promised.size()),
               promised.data(), found.c_str());
  std::abort();
}

// The Error that a call throws. Whatever else it throws escapes, which is a crash.
template <class Call>
std::optional<Error> failure_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

}  // namespace backfill::fuzz
