#include "sqlite/write_turn.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "core/error.h"

namespace backfill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTakenPerFree = 10;
// SQLite's own busy handler sleeps so long at most: whoever waits comes in.
constexpr std::chrono::milliseconds kFreeMax{100};

}  // namespace

struct WriteTurn::File {
  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by mutex.
  std::deque<const WriteTurn*> queue;  // the first has the turn, or is about to take it
  Clock::time_point free_until;
  std::optional<Clock::time_point> met_others_at;
};

std::shared_ptr<WriteTurn::File> WriteTurn::file_at(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0)
    throw Error(ErrorKind::stop, "look at SQLite database " + path + ": " + std::strerror(errno));
  static std::mutex mutex;
  static std::map<std::pair<dev_t, ino_t>, std::weak_ptr<File>> files;  // guarded by mutex
  const std::lock_guard lock(mutex);
  std::erase_if(files, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<File>& known = files[{found.st_dev, found.st_ino}];
  std::shared_ptr<File> file = known.lock();
  if (!file) known = file = std::make_shared<File>();
  return file;
}

WriteTurn::WriteTurn(const std::string& path) : file_(file_at(path)) {}

WriteTurn::~WriteTurn() { give_back(); }

// To let the last one go on for some turns, with the pages it has in memory, was tried: slower,
// because the others wait with a batch each instead of reading the next.
void WriteTurn::take() {
  File& file = *file_;
  std::unique_lock lock(file.mutex);
  cancelled_ = false;
  file.queue.push_back(this);
  file.changed.wait(lock, [&] { return cancelled_ || file.queue.front() == this; });
  file.changed.wait_until(lock, file.free_until, [&] { return cancelled_; });
  if (cancelled_) {
    std::erase(file.queue, this);
    file.changed.notify_all();
    throw Error(ErrorKind::cancelled, "stopped while it waited for its turn to write",
                "SQLITE_INTERRUPT");
  }
  is_held_ = true;
  taken_at_ = Clock::now();
}

void WriteTurn::give_back() noexcept {
  if (!is_held_) return;
  is_held_ = false;
  File& file = *file_;
  const std::lock_guard lock(file.mutex);
  const auto now = Clock::now();
  file.free_until = now + std::min<Clock::duration>((now - taken_at_) / kTakenPerFree, kFreeMax);
  file.queue.pop_front();
  file.changed.notify_all();
}

void WriteTurn::meet_others() noexcept {
  const std::lock_guard lock(file_->mutex);
  file_->met_others_at = Clock::now();
}

std::optional<Clock::time_point> WriteTurn::met_others_at() const {
  const std::lock_guard lock(file_->mutex);
  return file_->met_others_at;
}

void WriteTurn::cancel() noexcept {
  const std::lock_guard lock(file_->mutex);
  cancelled_ = true;
  file_->changed.notify_all();
}

}  // namespace backfill
