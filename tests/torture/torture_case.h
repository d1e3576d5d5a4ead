// torture/torture_case.h
//
// What a round of the torture is about: where source and target stand, how rows become others and
// are written, what the application does meanwhile. Plain values; free of threads.

#pragma once

#include <optional>
#include <string>
#include <vector>

namespace backfill {

enum class Place {
  two_databases,  // a copy into another database
  one_database,   // a copy into another table beside the source
  in_place,       // a new column of the source itself
};

enum class Habit {
  everything,     // inserts, updates and deletes; the target is written by upsert and delete
  existing_rows,  // updates of rows that are there, deletes of some; nothing is inserted
};

struct TortureCase {
  std::string name;
  Place place = Place::two_databases;
  std::string write = {};   // `target.write`; empty: the default, which is update in place
  bool has_plugin = false;  // else SQL makes the label
  std::string ledger = "auto";
  std::string consistency = "validate";
  bool travels = false;  // in one database, without a plugin: rows leave the server nevertheless
  std::string version_column = {};
  Habit habit = Habit::everything;
  bool doubles = false;  // in place: `balance = balance * 2` instead of a label

  // A protection that a test-only failpoint or `consistency = "none"` takes away; then the check
  // must find failures, or it would find none anywhere.
  bool must_fail = false;
  std::string without = {};
  std::vector<std::string> crash_at = {};  // where failpoints kill; empty: anywhere
};

// Those that must end without a failure.
const std::vector<TortureCase>& torture_cases();

// Those in which something that protects is off.
const std::vector<TortureCase>& unprotected_cases();

// Of either kind; none when there is none of this name.
std::optional<TortureCase> find_torture_case(const std::string& name);

// False when this build of the program has no failpoint for what the case takes away.
bool is_available(const TortureCase& tested);

}  // namespace backfill
