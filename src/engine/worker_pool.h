// engine/worker_pool.h
//
// N threads, each with a ChunkRunner of its own, that take chunks from the queue until it is
// closed and empty or a stop is asked for. The first failure is kept and told at once.

#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/chunk_runner.h"
#include "support/bounded_queue.h"
#include "throttle/throttle.h"

namespace backfill {

class WorkerPool {
 public:
  struct Wiring {
    // Called once in each worker's thread, when its first turn has come; connects.
    std::function<std::unique_ptr<ChunkRunner>()> make_runner;
    BoundedQueue<Chunk>& chunks;
    Throttle& throttle;
    const Clock& clock;
    std::function<void(ChunkReport)> on_done;            // from any worker's thread
    std::function<void(std::exception_ptr)> on_failure;  // likewise
    std::function<void()> on_exit;                       // once a worker, as its last act
    // One that was added could not connect; the others go on.
    std::function<void(std::exception_ptr)> on_left_out = nullptr;
  };

  WorkerPool(int workers, Wiring wiring, std::stop_token stop);

  // More workers, in all; on_exit comes for each of the new ones too. From one thread.
  int size() const { return static_cast<int>(threads_.size()); }
  void grow_to(int workers);

  // Attempts of a chunk from now on. From any thread.
  void set_retries(int retries) noexcept;

  // Makes database calls in progress fail soon. From any thread.
  void cancel() noexcept;

 private:
  void work(std::size_t worker, bool is_added);
  std::unique_ptr<ChunkRunner> make_runner(bool is_added);
  void work_through_queue(ChunkRunner& runner, int worker);
  void tell_before_it_is_done(const Chunk& chunk);
  std::optional<Chunk> chunk_to_read_ahead(int worker);

  Wiring wiring_;
  const std::stop_token stop_;
  std::mutex mutex_;
  std::vector<ChunkRunner*> runners_;  // guarded by mutex_; null until connected and after the end
  std::vector<std::jthread> threads_;  // last: joined before the rest goes
};

}  // namespace backfill
