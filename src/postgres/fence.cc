#include "postgres/fence.h"

#include <fmt/format.h>

#include <random>

#include "core/sql.h"

namespace backfill {
namespace {

// SQL alone has no RAISE. A setting that does not exist is an error of a code and with a name in
// its message, in any language, that nothing else makes.
constexpr std::string_view no_such_setting = "backfill.lease_is_lost";
constexpr std::string_view undefined_object = "42704";

// The first half of a flag's key; the second is the lease's number.
std::string flag_family(const std::string& job) {
  return fmt::format("pg_catalog.hashtext({})", quote_literal("backfill lease:" + job));
}

// Of this database: pg_locks shows those of all.
constexpr const char* held_here =
    "l.locktype = 'advisory' AND l.granted AND l.database = (SELECT d.oid FROM "
    "pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())";

}  // namespace

std::int32_t new_lease() {
  std::random_device random;
  return static_cast<std::int32_t>(random() & 0x7fffffff);
}

std::string runner_lock_key(const std::string& job) {
  return fmt::format("pg_catalog.hashtextextended({}, 0)", quote_literal("backfill:" + job));
}

std::string batch_lock_key(const std::string& job) {
  return fmt::format("pg_catalog.hashtextextended({}, 0)", quote_literal("backfill batch:" + job));
}

std::string flag_key(const std::string& job, std::int32_t lease) {
  return fmt::format("{}, {}", flag_family(job), lease);
}

std::string is_lock(const std::string& key) {
  return fmt::format("{} AND l.objsubid = 1 AND (l.classid::bigint << 32) | l.objid::bigint = {}",
                     held_here, key);
}

// pg_locks shows the two numbers of a key unsigned.
std::string is_any_flag(const std::string& job) {
  return fmt::format(
      "{} AND l.objsubid = 2 AND l.mode = 'ExclusiveLock' AND l.classid::bigint::bit(32) = "
      "{}::bit(32)",
      held_here, flag_family(job));
}

std::string is_flag(const std::string& job, std::int32_t lease) {
  return fmt::format("{} AND l.objid::bigint = {}", is_any_flag(job), lease);
}

// CASE asks its questions in the order they stand in, and that order matters. Who can have the
// flag, even shared, for the asking sees that its holder is gone.
std::string fence_sql(const std::string& job, std::optional<std::int32_t> lease) {
  const std::string batch =
      fmt::format("pg_catalog.pg_advisory_xact_lock_shared({})", batch_lock_key(job));
  if (!lease) return fmt::format("SELECT {}; ", batch);
  return fmt::format(
      "SELECT CASE WHEN {} IS NULL THEN NULL WHEN "
      "pg_catalog.pg_try_advisory_xact_lock_shared({}) THEN pg_catalog.current_setting('{}') END; ",
      batch, flag_key(job, *lease), no_such_setting);
}

bool is_fence_failure(std::string_view sqlstate, std::string_view message) {
  return sqlstate == undefined_object && message.find(no_such_setting) != std::string_view::npos;
}

}  // namespace backfill
