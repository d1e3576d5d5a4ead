// sqlite/write_turn.h
//
// SQLite lets one writer at a time into a file, and the others poll for it. The writers of this
// process take turns instead, first come, first served, and sleep no longer than they must.
// Writers of other processes still poll: for them the file is left free after each turn, a tenth
// of the time it was taken, so that one that looks now and then comes in between.
//
// One thread, except cancel().

#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace backfill {

class WriteTurn {
 public:
  // `path`: of a file that is there; other names of the same file are the same file.
  explicit WriteTurn(const std::string& path);
  // Gives the turn back.
  ~WriteTurn();
  WriteTurn(const WriteTurn&) = delete;
  WriteTurn& operator=(const WriteTurn&) = delete;

  // Waits as long as it takes. Throws Error(cancelled) when cancel() came meanwhile.
  void take();
  // Harmless without a turn.
  void give_back() noexcept;

  // Whoever has the turn found the file locked all the same: by another process.
  void meet_others() noexcept;
  // When any writer of ours last did; none: never.
  std::optional<std::chrono::steady_clock::time_point> met_others_at() const;

  // Makes a wait for the turn fail soon; nothing happens when nobody waits. From any thread.
  void cancel() noexcept;

 private:
  struct File;  // what the writers of a file share
  static std::shared_ptr<File> file_at(const std::string& path);

  const std::shared_ptr<File> file_;
  bool cancelled_ = false;  // guarded by the file's mutex
  bool is_held_ = false;
  std::chrono::steady_clock::time_point taken_at_;
};

}  // namespace backfill
