// checkpoint/checkpoint_read.h
//
// What a checkpoint file holds, as values. The file may be anybody's: what cannot be, such as two
// runs or a key that is none, is Error(stop).
//
// One thread, in whatever transaction the connection is.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/saved_run.h"
#include "core/chunk.h"
#include "sqlite/connection.h"

namespace backfill {

// None when there is no run in it.
std::optional<SavedRun> read_run(SqliteConnection& connection);
FingerprintFields read_fingerprint(SqliteConnection& connection);
// The oldest `limit` of them.
std::vector<DeadLetter> read_dead_letters(SqliteConnection& connection, std::size_t limit);

std::vector<Control> read_controls(SqliteConnection& connection);

// `PRAGMA name`; 0 when it says nothing.
std::int64_t read_pragma(SqliteConnection& connection, const std::string& name);

}  // namespace backfill
