#include "engine/read_ahead.h"

#include <utility>

namespace backfill {

ReadAhead::ReadAhead(std::unique_ptr<Source> source, bool notes_moments, Clock::duration fresh)
    : source_(std::move(source)),
      notes_moments_(notes_moments),
      fresh_(fresh),
      thread_([this](std::stop_token stop) { work(std::move(stop)); }) {}

ReadAhead::~ReadAhead() {
  {
    const std::lock_guard lock(mutex_);
    if (!is_reading_) return;
  }
  source_->cancel();
}

void ReadAhead::begin(const Chunk& chunk) {
  if (ahead_) return;
  ahead_ = chunk;
  failure_ = nullptr;
  const std::lock_guard lock(mutex_);
  is_reading_ = true;
  changed_.notify_all();
}

void ReadAhead::read(const Chunk& chunk, Batch& batch) {
  wait_until_idle();
  if (!ahead_ || ahead_->after != chunk.after || ahead_->upto != chunk.upto)
    return read_now(chunk, batch, moment_);
  ahead_.reset();
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  if (Clock::now() - batch_read_at_ > fresh_) return read_now(chunk, batch, moment_);
  std::swap(batch, batch_);
  std::swap(moment_, batch_moment_);
}

void ReadAhead::read_now(const Chunk& chunk, Batch& batch, std::string& moment) {
  if (notes_moments_) moment = source_->moment();
  source_->read(chunk, batch);
}

Source& ReadAhead::source() {
  wait_until_idle();
  return *source_;
}

void ReadAhead::reconnect() {
  wait_until_idle();
  ahead_.reset();
  failure_ = nullptr;
  source_->reconnect();
}

void ReadAhead::wait_until_idle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !is_reading_; });
}

void ReadAhead::work(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return is_reading_; })) {
    lock.unlock();
    try {
      batch_read_at_ = Clock::now();
      read_now(*ahead_, batch_, batch_moment_);
    } catch (...) {
      failure_ = std::current_exception();
    }
    lock.lock();
    is_reading_ = false;
    changed_.notify_all();
  }
}

}  // namespace backfill
