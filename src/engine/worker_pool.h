// engine/worker_pool.h
//
// N workers that take chunks from the queue until it is closed and empty or a stop is asked
// for. The first failure is kept and told at once.
//
// A worker has two lanes, each a thread with a ChunkRunner and so with connections of its own.
// One lane writes at a time; meanwhile the other reads its next chunk or waits for its commit,
// so that the server always has the worker's next statement. The second lane works at full
// share only, and not on tables of a few chunks.

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
    // Called once in each lane's thread; connects. The runner takes turns at writing with its
    // worker's other one.
    std::function<std::unique_ptr<ChunkRunner>(std::mutex& turn)> make_runner;
    BoundedQueue<Chunk>& chunks;
    Throttle& throttle;
    std::function<void(ChunkReport)> on_done;            // from any lane's thread
    std::function<void(std::exception_ptr)> on_failure;  // likewise
    std::function<void()> on_exit;                       // once a worker, as its last act
  };

  WorkerPool(int workers, Wiring wiring, std::stop_token stop);

  // Makes database calls in progress fail soon. From any thread.
  void cancel() noexcept;

 private:
  // Puts a runner within reach of cancel() while it lives.
  class Published;

  void work();
  void work_in_first_lane(std::mutex& turn);
  void work_in_second_lane(std::mutex& turn, const std::stop_token& first_ended);
  bool do_chunk(ChunkRunner& runner);

  Wiring wiring_;
  const std::stop_token stop_;
  std::mutex mutex_;
  std::vector<ChunkRunner*> runners_;  // guarded by mutex_
  std::vector<std::jthread> threads_;  // last: joined before the rest goes
};

}  // namespace backfill
