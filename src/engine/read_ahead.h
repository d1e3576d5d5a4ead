// engine/read_ahead.h
//
// A worker's Source with a thread of its own: while a batch is written, the next one is read.
// Both use the one connection, in turn. What changes between a read and its write is caught; so
// that little does, a batch that has waited for long, in a rest or a pause, is read again.
//
// One thread calls it; only cancel() may be called from another.

#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "core/source.h"

namespace backfill {

class ReadAhead {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::duration kFresh = std::chrono::seconds(1);

  // `notes_moments`: each read is preceded by a look at the source's moment. A batch older than
  // `fresh` is read again.
  ReadAhead(std::unique_ptr<Source> source, bool notes_moments, Clock::duration fresh = kFresh);
  // Cancels what is being read.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Begins to read `chunk`, to be asked for soon. Nothing when another is under way.
  void begin(const Chunk& chunk);

  // As Source::read. A chunk that was read ahead is handed over, or what went wrong with it thrown.
  void read(const Chunk& chunk, Batch& batch);

  // Just before what read() gave last was read.
  const std::string& moment() const { return moment_; }

  // For all other calls: the connection is free until the next begin().
  Source& source();

  // Drops what was read ahead, and connects anew.
  void reconnect();

  void cancel() noexcept { source_->cancel(); }

 private:
  void work(std::stop_token stop);
  void read_now(const Chunk& chunk, Batch& batch, std::string& moment);
  void wait_until_idle();

  const std::unique_ptr<Source> source_;
  const bool notes_moments_;
  const Clock::duration fresh_;
  std::string moment_;
  std::optional<Chunk> ahead_;  // what batch_ or failure_ is of, or will be

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool is_reading_ = false;  // guarded by mutex_; while true what follows and *source_ are the
                             // thread's, otherwise the caller's
  Batch batch_;
  std::string batch_moment_;
  Clock::time_point batch_read_at_;
  std::exception_ptr failure_;
  std::jthread thread_;  // last: joined before the rest goes
};

}  // namespace backfill
