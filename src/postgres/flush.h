// postgres/flush.h
//
// When a commit that did not wait for it (synchronous_commit = off) outlives a crash of the server:
// once the server has flushed its log beyond it. A flush takes the disk for a moment, and whoever
// commits meanwhile waits for it and then for one of his own. So where others commit all the time,
// batches leave the flush to them. Each call is on the connection's thread.

#pragma once

#include <chrono>
#include <string>

#include "postgres/connection.h"

namespace backfill {

// Whether it is enough that this server has flushed, as no standby has a say in it, and whether
// this role may ask.
bool may_flush_later(PgConnection& connection);

// Asked right after a commit: up to where the log must be flushed (pg_lsn), and whether that is
// still enough, as no standby was given a say meanwhile.
inline constexpr const char* log_place_sql =
    "SELECT pg_catalog.pg_current_wal_insert_lsn(), "
    "pg_catalog.current_setting('synchronous_standby_names') OPERATOR(pg_catalog.=) ''";

// Makes all that can be seen now outlive a crash; waits for a standby that has a say, where this
// role may call pg_logical_emit_message.
void flush_log(PgConnection& connection);

// Likewise up to this place of the log (pg_lsn as text); by others' flushes where they come soon.
// Whether they did.
bool wait_for_flush(PgConnection& connection, const std::string& upto);

// Whether others commit so often that a flush may be left to them: where one was waited for in
// vain, it is not for a second.
class OthersFlushes {
 public:
  bool are_likely() const { return Clock::now() >= likely_from_; }
  void came(bool in_time) {
    if (!in_time) likely_from_ = Clock::now() + std::chrono::seconds(1);
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point likely_from_;
};

}  // namespace backfill
