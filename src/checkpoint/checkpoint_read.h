// checkpoint/checkpoint_read.h
//
// What a checkpoint file holds, as values. The file may be anybody's: what cannot be, such as two
// runs or a key that is none, is Error(stop).
//
// One thread, in whatever transaction the connection is.

#pragma once

#include <cstdint>
#include <functional>
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

// From the first on.
void read_samples(SqliteConnection& connection, const std::function<void(const Sample&)>& visit);

// How many rows a table has.
std::int64_t read_count(SqliteConnection& connection, const std::string& table);

std::vector<Control> read_controls(SqliteConnection& connection);

// `PRAGMA name`; 0 when it says nothing.
std::int64_t read_pragma(SqliteConnection& connection, const std::string& name);

}  // namespace backfill
