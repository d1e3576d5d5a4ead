#include "sqlite/runner_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace backfill {
namespace {

// SQLite locks 512 bytes from 2^30 on; no database reaches 2^62.
constexpr std::uint64_t kFirstOffset = std::uint64_t{1} << 62;
constexpr std::uint64_t kOffsets = std::uint64_t{1} << 61;

std::uint64_t fnv1a(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

struct flock byte_of(const std::string& job) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(kFirstOffset + fnv1a(job) % kOffsets);
  lock.l_len = 1;
  return lock;
}

std::string reason() { return std::strerror(errno); }

}  // namespace

SqliteRunnerLock::SqliteRunnerLock(std::string path, std::string job)
    : path_(std::move(path)), job_(std::move(job)) {}

SqliteRunnerLock::~SqliteRunnerLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

void SqliteRunnerLock::acquire() {
  if (descriptor_ < 0) descriptor_ = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor_ < 0)
    throw Error(ErrorKind::stop, "lock job " + job_ + " on " + path_ + ": " + reason() +
                                     "; check that it is there and may be written");
  struct flock lock = byte_of(job_);
  if (fcntl(descriptor_, F_OFD_SETLK, &lock) == 0) return;
  if (errno == EAGAIN || errno == EACCES)
    throw Error(ExitCode::other_runner, "lock job " + job_ + " on " + path_ +
                                            ": another runner holds it; wait for it to end");
  throw Error(ErrorKind::stop, "lock job " + job_ + " on " + path_ + ": " + reason() +
                                   "; does its file system know locks?");
}

void SqliteRunnerLock::confirm() {
  // The kernel takes the lock from nobody, but somebody may have put another file in place.
  acquire();
  struct stat held {
  }, there{};
  if (fstat(descriptor_, &held) != 0 || stat(path_.c_str(), &there) != 0)
    throw Error(ErrorKind::retry,
                "confirm the lock of job " + job_ + " on " + path_ + ": " + reason());
  if (held.st_dev != there.st_dev || held.st_ino != there.st_ino)
    throw Error(ErrorKind::stop, "confirm the lock of job " + job_ + " on " + path_ +
                                     ": the file was replaced while in use; resume on the new one");
}

bool SqliteRunnerLock::is_held(const std::string& path, const std::string& job) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  struct flock lock = byte_of(job);
  const bool known = fcntl(descriptor, F_OFD_GETLK, &lock) == 0;
  const std::string why = known ? "" : reason();
  close(descriptor);
  if (!known)
    throw Error(ErrorKind::stop, "look for a runner of job " + job + " on " + path + ": " + why);
  return lock.l_type != F_UNLCK;
}

}  // namespace backfill
