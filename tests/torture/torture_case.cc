#include "torture/torture_case.h"

#include "core/error.h"
#include "support/failpoint.h"

namespace backfill {

const std::vector<TortureCase>& torture_cases() {
  using enum Place;
  static const std::vector<TortureCase> cases = {
      {.name = "insert-missing-two-databases", .place = two_databases, .write = "insert_missing"},
      {.name = "insert-missing-plugin-ledger",
       .place = two_databases,
       .write = "insert_missing",
       .has_plugin = true,
       .ledger = "on"},
      {.name = "insert-missing-pushdown", .place = one_database, .write = "insert_missing"},
      {.name = "insert-missing-travelling",
       .place = one_database,
       .write = "insert_missing",
       .travels = true},
      {.name = "insert-missing-lock",
       .place = two_databases,
       .write = "insert_missing",
       .consistency = "lock"},
      {.name = "insert-missing-pushdown-lock",
       .place = one_database,
       .write = "insert_missing",
       .consistency = "lock"},
      {.name = "upsert-two-databases",
       .place = two_databases,
       .write = "upsert",
       .has_plugin = true},
      {.name = "upsert-pushdown-ledger", .place = one_database, .write = "upsert", .ledger = "on"},
      {.name = "upsert-plugin-ledger",
       .place = one_database,
       .write = "upsert",
       .has_plugin = true,
       .ledger = "on"},
      {.name = "upsert-version-column",
       .place = two_databases,
       .write = "upsert",
       .version_column = "version"},
      {.name = "upsert-lock",
       .place = one_database,
       .write = "upsert",
       .has_plugin = true,
       .consistency = "lock"},
      {.name = "update-two-databases", .place = two_databases, .write = "update"},
      {.name = "update-pushdown", .place = one_database, .write = "update"},
      {.name = "update-plugin-ledger",
       .place = one_database,
       .write = "update",
       .has_plugin = true,
       .ledger = "on"},
      {.name = "insert-two-databases",
       .place = two_databases,
       .write = "insert",
       .habit = Habit::existing_rows},
      {.name = "insert-pushdown",
       .place = one_database,
       .write = "insert",
       .habit = Habit::existing_rows},
      {.name = "in-place-plugin", .place = in_place, .has_plugin = true},
      {.name = "in-place-plugin-ledger", .place = in_place, .has_plugin = true, .ledger = "on"},
      {.name = "in-place-plugin-lock",
       .place = in_place,
       .has_plugin = true,
       .consistency = "lock"},
      {.name = "in-place-pushdown", .place = in_place},
      {.name = "in-place-travelling", .place = in_place, .travels = true},
      {.name = "exactly-once",
       .place = in_place,
       .has_plugin = true,
       .habit = Habit::existing_rows,
       .doubles = true},
  };
  return cases;
}

const std::vector<TortureCase>& unprotected_cases() {
  using enum Place;
  static const std::vector<TortureCase> cases = {
      {.name = "without-consistency",
       .place = two_databases,
       .write = "insert_missing",
       .consistency = "none",
       .must_fail = true},
      {.name = "without-levelling",
       .place = two_databases,
       .write = "insert_missing",
       .must_fail = true,
       .without = "resume.level=skip",
       .crash_at = {"target.after_commit", "validate.before"}},
      {.name = "without-order",
       .place = two_databases,
       .write = "insert_missing",
       .must_fail = true,
       .without = "commit.first=skip",
       .crash_at = {"target.before_commit"}},
      {.name = "without-ledger",
       .place = in_place,
       .has_plugin = true,
       .ledger = "off",
       .habit = Habit::existing_rows,
       .doubles = true,
       .must_fail = true,
       .crash_at = {"target.after_commit"}},
  };
  return cases;
}

std::optional<TortureCase> find_torture_case(const std::string& name) {
  for (const auto* cases : {&torture_cases(), &unprotected_cases()}) {
    for (const TortureCase& one : *cases) {
      if (one.name == name) return one;
    }
  }
  return std::nullopt;
}

bool is_available(const TortureCase& tested) {
  try {
    set_failpoints(tested.without);
  } catch (const Error&) {
    return false;
  }
  set_failpoints("");
  return true;
}

}  // namespace backfill
