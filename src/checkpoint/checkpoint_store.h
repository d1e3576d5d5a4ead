// checkpoint/checkpoint_store.h
//
// The checkpoint file: one SQLite database a job, one transaction a step, synced before a
// step counts (journal WAL, synchronous FULL). It stores and never interprets; deciding what
// a saved run means is the engine's.
//
// Readable with the sqlite3 shell: tables job, run, watermark, done_range, in_doubt,
// dead_letter, sample, control. Created readable by its owner only.
//
// One thread at a time; other processes may read while a run writes.

#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/saved_run.h"
#include "core/chunk.h"
#include "sqlite/connection.h"

namespace backfill {

class CheckpointStore {
 public:
  // The file at `path`, made when it is not there. An unreadable, foreign or newer-format file
  // throws Error(ExitCode::usage) and is left as it is: also one whose run cannot be read.
  static CheckpointStore open(const std::filesystem::path& path);

  // For `status`: none when there is no file; the same errors.
  static std::optional<CheckpointStore> open_existing(const std::filesystem::path& path);

  // The run in the file; none when there is none.
  std::optional<SavedRun> load();
  FingerprintFields fingerprint();

  // Forgets whatever is there and starts a run.
  void start(const SavedRun& run, const std::string& job, const FingerprintFields& fingerprint);
  // Goes on with the run that is there: as it is now, and for this fingerprint. Its ranges above
  // the watermark stay until the next step.
  void go_on(const SavedRun& run, const std::string& job, const FingerprintFields& fingerprint);

  // One step: the run as it is now, with what is new. Throws Error(stop) when the file is no longer
  // there under its name, so that nobody would find what it holds.
  void save(const SavedRun& run, const std::vector<DeadLetter>& dead_letters,
            const std::optional<Sample>& sample);

  // Dead letters that were tried again: these are gone, those have another reason now, and the run
  // counts accordingly; all in one step.
  void settle(const SavedRun& run, const std::vector<Key>& settled,
              const std::vector<DeadLetter>& rejected_again);

  // The oldest `limit` of them.
  std::vector<DeadLetter> dead_letters(std::size_t limit);
  // Their keys, in the order of their text, behind `after`; empty: from the first.
  std::vector<Key> dead_letter_keys(const std::string& after, std::size_t limit);
  bool has_dead_letter(const Key& key);
  std::int64_t dead_letter_count();

  // The samples of the run from the first on, one at a time: a long run has very many.
  std::int64_t sample_count();
  void visit_samples(const std::function<void(const Sample&)>& visit);

  // What `read` reads of this file is of one moment, also while a run goes on. It only reads.
  void read_at_once(const std::function<void()>& read);

  // What was set for the run, in the order of the keys; it stays until it is unset.
  std::vector<Control> controls();
  void change_controls(const std::vector<Control>& set, const std::vector<std::string>& unset);
  // Whether another connection has written to the file since this was asked before.
  bool has_changed();

 private:
  CheckpointStore(std::filesystem::path path, std::unique_ptr<SqliteConnection> connection);
  static CheckpointStore open_once(const std::filesystem::path& path);

  SqliteStatement& kept(const std::string& sql);
  void write_run(const SavedRun& run);
  void write_watermark(const SavedRun& run);
  void write_doubts(const SavedRun& run);
  void write_fingerprint(const FingerprintFields& fingerprint);
  void write_dead_letters(const std::vector<DeadLetter>& dead_letters,
                          const std::string& recorded_at);
  void check_file() const;

  // Which file was opened, whatever bears its name later.
  struct Identity {
    dev_t device;
    ino_t inode;
    bool operator==(const Identity&) const = default;
  };
  static std::optional<Identity> identity(const std::filesystem::path& path);

  std::filesystem::path path_;
  std::optional<Identity> identity_;
  std::unique_ptr<SqliteConnection> connection_;
  std::map<std::string, SqliteStatement> kept_;  // statements of a step, by their SQL
  std::string job_;
  std::int64_t seen_version_ = -1;  // of the file's data, as SQLite counts for this connection
  // What this object has written, so that a step writes only what changed; none: nothing yet.
  std::optional<Key> saved_watermark_;
  std::optional<std::vector<DoneRange>> saved_ranges_;
  std::optional<std::vector<Doubt>> saved_doubts_;
};

}  // namespace backfill
