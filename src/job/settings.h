// job/settings.h
//
// The table of job keys: what each is called, what it takes, its default, and how it gets
// into a Job. Everything else that depends on the keys (suggestions, origins, the order of
// `plan` and of the README) is read from it; a new key is one entry. Constant; pure.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "job/job.h"
#include "job/value.h"

namespace backfill {

struct JobKey {
  // What a value from a shell is read as, and what a relative path in it is relative to.
  enum class Takes {
    value,   // a number, a boolean, a list, or a text that TOML would want in quotes
    text,    // never anything but text, also when it looks like a number
    path,    // text: a file
    url,     // text: a database, maybe a file
    plugin,  // text: a name, or a file when it has a slash
  };

  std::string_view name;  // dotted
  Takes takes = Takes::value;
  std::string_view allowed{};  // continues `must be …`
  // Puts the value into the job; false, with the job untouched, when it is not allowed.
  bool (*store)(Job& job, const Value& value) = nullptr;
  std::string_view standard{};    // the default as --set would give it; empty: none
  std::string_view when_unset{};  // what it means to have neither value nor default
  // A default that depends on what is in the job already; takes the place of `standard`.
  std::string (*derived)(const Job& job) = nullptr;
  std::string_view option{};  // its own option of `run`, which is also BACKFILL_<OPTION>
  bool is_required = false;
};

// In the order of the README. A derived default sees every value that was given, and the
// defaults of the keys in front of it.
const std::vector<JobKey>& job_keys();

// Null when there is no such key.
const JobKey* find_job_key(std::string_view name);

}  // namespace backfill
