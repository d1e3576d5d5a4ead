// core/target.h
//
// Where rows go. Each worker owns one Target with a connection of its own. A batch is one
// transaction; writing it again changes nothing (write mode `insert` relies on the ledger
// for that). All calls throw Error; after any Error nothing of the batch is in the target,
// unless the connection was lost during COMMIT, which is_recorded() or doing it again settles.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/batch.h"
#include "core/chunk.h"
#include "core/key.h"
#include "core/layout.h"
#include "core/source.h"

namespace backfill {

// Who writes, as the ledger knows it.
struct LedgerSpec {
  std::string job;
  std::string run_id;
};

// What every Target of a run writes.
struct WriteSpec {
  std::string table;                 // as SQL, qualified
  std::vector<WriteColumn> columns;  // the fields of an output tuple: Layout::write
  WriteMode mode = WriteMode::insert_missing;
  std::string version_column;  // upsert only: a row with a lower or equal version does not replace;
                               // empty: none
  std::optional<LedgerSpec> ledger;  // none: no ledger is kept
  bool levels = false;               // what is written may have to be levelled
  // Whether the target has the key in the source's order, so that a chunk is a range there too.
  bool same_key_order = false;
  // RunnerLock::lease() of the run; none: nothing but the caller's care keeps a second runner off.
  std::optional<std::int32_t> lease;
  // Positions in `columns` of the key, in the order of the source's key; empty: as they stand.
  std::vector<int> key;
  // Pushdown: what the source reads, where that is in the target's own database and nothing but
  // SQL changes it; none elsewhere.
  std::optional<ReadSpec> from;
};

// Of the rows given to one write.
struct WriteReport {
  std::int64_t written = 0;
  std::int64_t unchanged = 0;
  std::vector<Key>
      conflicts;  // keys, in source form, of rows that changed or went since they were read
};

// A row the database refused; `row` is its place in the batch.
struct RowReject {
  std::size_t row;
  std::string code;
  std::string message;
};

// A row that the target does not hold as writing it would leave it.
struct RowDifference {
  std::size_t row;           // its place in the batch
  bool is_missing = false;   // there is no row with its key
  std::vector<int> columns;  // positions of those that differ, in WriteSpec::columns
};

// Of a chunk compared where both sides are.
struct ChunkComparison {
  std::int64_t source_rows = 0;
  std::int64_t target_rows = 0;
  std::int64_t differing = 0;  // in mode `update` of rows on both sides only
};

// Of a transaction.
enum class Fate {
  committed,
  aborted,
  unknown,  // a server that crashed since may have given its number to another
};

// What levelling came to.
struct LevelReport {
  std::int64_t updated = 0;
  std::int64_t deleted = 0;
  std::vector<RowReject> rejects;
};

// Of a chunk written from where it is.
struct PushdownReport {
  RowCounts rows;
  bool wrote_all = false;  // each row that was read was written, and they were rows.read
  // Before the rows were read, as Source::moment() tells it; empty where there is no mark.
  std::string moment;
};

// A range that the ledger says is written.
struct LedgerRange {
  std::optional<Key> after;
  Key upto;
  RowCounts rows;
};

class Target {
 public:
  virtual ~Target() = default;

  // Begins the transaction of a chunk.
  virtual void begin(const Chunk& chunk) = 0;

  // Writes rows in it; all of them or, when it throws, none of the whole transaction.
  virtual WriteReport write(const Batch& rows) = 0;

  // As write, but rows that the database refuses are left out and named: found by halving,
  // in O(k log n) writes for k bad rows of n.
  virtual WriteReport write_around_rejects(const Batch& rows, std::vector<RowReject>& rejects) = 0;

  // Writes all rows of the chunk from where they are, by one statement of the database, in the
  // transaction begun; only where the spec says `from`. Sets read, written and unchanged. Rows
  // that the database refuses are an Error(reject), as with write.
  virtual PushdownReport write_from_source(const Chunk& chunk) = 0;

  // Locks these rows until the transaction ends, so that a read from now on stays true.
  virtual void lock(const std::vector<Key>& keys) = 0;

  // Commits, with the ledger's row for the chunk and its counts where a ledger is kept.
  virtual void commit(const Chunk& chunk, const RowCounts& rows) = 0;

  // Whether others are at work whom commits are to spare, from the next transaction on: such a
  // commit leaves it to theirs to make the database sync its disk, and wait_until_durable() tells
  // when that is done. Of a database that cannot do so each commit is durable when it returns.
  virtual void spare_others(bool) {}

  // Returns when what was committed last outlives a crash of the database. After Error(retry) its
  // fate is open, as when the answer to a commit is lost.
  virtual void wait_until_durable() {}

  // Tells what the transaction begun writes from what anybody else does, also later on; another
  // one when a write had to begin it anew. Empty where nobody else can write until it ends.
  virtual std::string mark() = 0;

  // Levels the rows that the transaction `mark` wrote in the chunk's range and that nobody has
  // written since: they become as in `rows`, which is all that the source has there now; those
  // that are not in `rows` go, unless the write mode only updates. A transaction of its own, after
  // the end of `mark`.
  virtual LevelReport level(const Chunk& chunk, const std::string& mark, const Batch& rows) = 0;

  // Compares rows with what the target holds under their keys, all in one moment: each value as it
  // would be stored, by what it means and not by its bytes (1.0 is 1.00), text byte by byte. Names
  // those that are not there or differ, in the order of the batch. Writes nothing, and is no part
  // of a transaction. A value that could not be stored is Error(reject).
  virtual std::vector<RowDifference> compare(const Batch& rows) = 0;

  // Compares all rows of the chunk, as compare() does, by one statement of the database that has
  // both sides; only where the spec says `from`. None where it cannot.
  virtual std::optional<ChunkComparison> compare_with_source(const Chunk&) { return std::nullopt; }

  // Deletes the rows of these keys in the transaction begun; how many were there.
  virtual std::int64_t remove(const std::vector<Key>& keys) = 0;

  // What became of a transaction whose commit may have been lost on its way. Error(retry) while it
  // may still do either.
  virtual Fate fate(const std::string& mark) = 0;

  // Ends a transaction that will not be committed; harmless when there is none.
  virtual void rollback() noexcept = 0;

  // The counts of a chunk that the ledger has already; none without a ledger or when it has not.
  virtual std::optional<RowCounts> recorded(const Chunk& chunk) = 0;

  virtual std::vector<Statement> statements() const = 0;

  virtual void reconnect() = 0;

  // Makes a call in progress fail soon with Error(cancelled). From any thread.
  virtual void cancel() noexcept = 0;
};

// The job's rows in the target's ledger, over all chunks. One connection, one thread.
class Ledger {
 public:
  virtual ~Ledger() = default;
  // Throws Error(ExitCode::unsafe), with the SQL for a DBA, when it is not there and may not be
  // made.
  virtual void prepare() = 0;
  virtual std::vector<LedgerRange> ranges() = 0;
  // Forgets these ranges: the checkpoint has them.
  virtual void prune(const std::vector<Key>& upto) = 0;
  // Forgets everything of this job.
  virtual void clear() = 0;
  // Makes a call in progress fail soon, where it could take long. From any thread.
  virtual void cancel() noexcept {}
};

// Held while a run works, so that a second run of the same job, from any machine, finds it
// taken. One connection, one thread.
class RunnerLock {
 public:
  virtual ~RunnerLock() = default;
  // Takes the lock or throws Error(ExitCode::other_runner), naming the holder where it can.
  virtual void acquire() = 0;
  // True while it is surely still held; takes it again after a lost connection where nobody
  // else has it. Throws Error(ExitCode::other_runner) when somebody has, Error(retry) when unknown.
  virtual void confirm() = 0;
  // Makes a call in progress fail soon, where it could take long. From any thread.
  virtual void cancel() noexcept {}
  // What a batch is to be written under where the lock can be lost without the runner's knowing;
  // none where it cannot.
  virtual std::optional<std::int32_t> lease() const { return std::nullopt; }
};

}  // namespace backfill
