// support/bounded_queue.h
//
// A first-in-first-out queue with a fixed capacity between threads. Every wait ends when the
// queue is closed or a stop is requested. Safe from any thread.

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace backfill {

template <class Item>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  // Waits for room. False when a stop was requested or the queue is closed: the item is dropped.
  bool push(Item item, std::stop_token stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return closed_ || items_.size() < capacity_; });
    if (closed_ || stop.stop_requested()) return false;
    items_.push_back(std::move(item));
    changed_.notify_all();
    return true;
  }

  // Waits for an item. None when a stop was requested, or the queue is closed and empty.
  std::optional<Item> pop(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return closed_ || !items_.empty(); });
    if (stop.stop_requested()) return std::nullopt;
    return take();
  }

  // As pop, but waits no longer than `duration` and heeds no stop: what is in the queue counts.
  template <class Duration>
  std::optional<Item> pop_for(Duration duration) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, duration, [this] { return closed_ || !items_.empty(); });
    return take();
  }

  // An item at once, unless there are no more than `kept` for others.
  std::optional<Item> pop_spare(std::size_t kept) {
    const std::lock_guard lock(mutex_);
    if (items_.size() <= kept) return std::nullopt;
    return take();
  }

  void set_capacity(std::size_t capacity) {
    const std::lock_guard lock(mutex_);
    capacity_ = capacity;
    changed_.notify_all();
  }

  // No more items: push fails from now on, pop gives what is left.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

  bool is_finished() const {
    const std::lock_guard lock(mutex_);
    return closed_ && items_.empty();
  }

 private:
  std::optional<Item> take() {
    if (items_.empty()) return std::nullopt;
    std::optional<Item> item(std::move(items_.front()));
    items_.pop_front();
    changed_.notify_all();
    return item;
  }

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t capacity_;    // guarded by mutex_
  std::deque<Item> items_;  // guarded by mutex_
  bool closed_ = false;     // guarded by mutex_
};

}  // namespace backfill
