// verify/verify_store.h
//
// What the checkpoint file holds of the last pass of `verify`: how far it is, and the rows that
// differ, so that a pass goes on after a crash and `reconcile` knows what to repair. In tables of
// its own, over a connection of its own: a run that uses the file at the same time is not
// disturbed. Readable with the sqlite3 shell: verify_pass, verify_suspect.
//
// One thread. Failures are the Errors of SqliteConnection.

#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sqlite/connection.h"
#include "verify/finding.h"

namespace backfill {

enum class PassState {
  running,
  stopped,   // with work left
  paused,    // likewise, as planned
  complete,  // every row was looked at, and every suspect settled
  failed,
};
const char* pass_state_name(PassState state);

// One walk over a side's keys.
struct SavedSpan {
  std::optional<Key> end;        // the last key when the pass began; none: there was none
  std::optional<Key> watermark;  // every chunk up to here was looked at
  std::int64_t chunks = 0;       // up to the watermark
};

struct SavedPass {
  std::string pass_id;
  PassState state = PassState::running;
  std::string reason;
  std::string started_at;
  std::string updated_at;
  double elapsed_s = 0;
  std::optional<double> sample;  // part of the chunks that is looked at; none: all
  std::map<std::string, std::string> fingerprint;
  SavedSpan source;  // over the source's keys
  SavedSpan target;  // over those of the target that come after, or over all of them
  CompareCounts counts;
  std::optional<std::int64_t> estimated_rows;
};

// A chunk in which rows were repaired, and which is to be compared again.
struct RepairedRange {
  std::int64_t place = 0;
  std::optional<Key> after;
  Key upto;
};

class VerifyStore {
 public:
  // The file is there and is a checkpoint.
  explicit VerifyStore(const std::filesystem::path& path);

  // For looking only: none when no pass was ever begun.
  static std::unique_ptr<VerifyStore> open_existing(const std::filesystem::path& path);

  std::optional<SavedPass> load();
  // Forgets the pass that is there and its suspects, but for what count_new() needs.
  void start(const SavedPass& pass);

  struct Step {
    std::vector<Suspect> changed;   // new, or looked at again
    std::vector<Key> settled = {};  // target keys of suspects that are none any more
    std::vector<Finding> transient =
        {};  // what some of these were; the first are kept, as examples
  };
  void save(const SavedPass& pass, const Step& step);

  // At most `limit` suspects that are to be looked at by `now_ms`.
  std::vector<Suspect> due(std::int64_t now_ms, std::size_t limit);

  Differences count();
  // Of the differences that stand, those that the whole pass before this one did not leave.
  std::int64_t count_new();

  // A whole pass has ended at this time, in seconds since 1970, and found nothing.
  void note_clean(const SavedPass& pass, double unix_s);
  // When that last was, of a pass over the same rows and columns; none: never.
  std::optional<double> clean_at(const std::map<std::string, std::string>& fingerprint);

  // Where the first chunk below `place` with an open suspect or a difference begins; none: no chunk
  // has any. The inner none is the start of the table.
  std::optional<std::optional<Key>> first_unclean(std::int64_t place);

  // At most `limit` of those that stand or are unsettled, in the order of their chunks, behind
  // `last`; null: from the first.
  std::vector<Suspect> standing(const Suspect* last, std::size_t limit);
  // Rows that differed for a moment, as they were seen first; at most so many are kept of a pass.
  static constexpr int kTransientKept = 20;
  std::vector<Finding> transient();
  // As save, of no pass.
  void put(const Step& step);

  // As put, of suspects that were repaired: their chunks are to be compared again.
  void put_repaired(const Step& step);
  // The first of those chunks, in key order; none: there is none.
  std::optional<RepairedRange> repaired_range();
  // As put, of what was found when that chunk was compared again.
  void put_compared(const RepairedRange& range, const Step& step);

 private:
  VerifyStore(const std::filesystem::path& path, SqliteConnection::Mode mode);

  std::vector<Suspect> read_suspects(SqliteStatement& statement);
  void write_pass(const SavedPass& pass);
  void write_step(const Step& step);

  SqliteConnection connection_;
};

}  // namespace backfill
