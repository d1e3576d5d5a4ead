// Runs something that must fail, and gives its Error back.

#pragma once

#include <gtest/gtest.h>

#include "core/error.h"

namespace backfill {

template <class Act>
Error error_of(Act act) {
  try {
    act();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "did not fail";
  return Error(ErrorKind::stop, "did not fail");
}

inline ::testing::AssertionResult says(const Error& error, const std::string& part) {
  if (std::string(error.what()).find(part) != std::string::npos)
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "\"" << error.what() << "\" does not say \"" << part << "\"";
}

}  // namespace backfill
