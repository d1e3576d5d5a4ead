#include "engine/worker_pool.h"

#include <utility>

#include "support/failpoint.h"

namespace backfill {

WorkerPool::WorkerPool(int workers, Wiring wiring, std::stop_token stop)
    : wiring_(std::move(wiring)),
      stop_(std::move(stop)),
      runners_(static_cast<std::size_t>(workers)) {
  for (std::size_t worker = 0; worker < runners_.size(); ++worker) {
    threads_.emplace_back([this, worker] { work(worker); });
  }
}

void WorkerPool::cancel() noexcept {
  const std::lock_guard lock(mutex_);
  for (ChunkRunner* runner : runners_) {
    if (runner != nullptr) runner->cancel();
  }
}

void WorkerPool::work(std::size_t worker) {
  try {
    const std::unique_ptr<ChunkRunner> runner = wiring_.make_runner();
    const auto publish = [&](ChunkRunner* published) {
      const std::lock_guard lock(mutex_);
      runners_[worker] = published;
    };
    publish(runner.get());
    try {
      work_through_queue(*runner, static_cast<int>(worker));
    } catch (...) {
      publish(nullptr);
      throw;
    }
    publish(nullptr);
  } catch (...) {
    wiring_.on_failure(std::current_exception());
  }
  wiring_.on_exit();
}

void WorkerPool::work_through_queue(ChunkRunner& runner, int worker) {
  std::optional<Chunk> next;
  // Who waits for its turn has no chunk in hand: the watermark would wait for it.
  while (next || wiring_.throttle.wait_for_turn(stop_, worker)) {
    auto chunk = next ? std::move(next) : wiring_.chunks.pop(stop_);
    if (!chunk) return wiring_.throttle.end_of_work();
    if (!wiring_.throttle.begin(stop_)) return;
    next = chunk_to_read_ahead();
    if (is_skipped("commit.first")) tell_before_it_is_done(*chunk);
    ChunkReport report = runner.run(*chunk, next, stop_);
    const Duration work = report.times.total();
    if (!is_skipped("commit.first")) wiring_.on_done(std::move(report));
    const bool is_last = !next && wiring_.chunks.is_finished();
    if (!wiring_.throttle.rest_after(is_last ? Duration::zero() : work, stop_, worker)) return;
  }
}

void WorkerPool::tell_before_it_is_done(const Chunk& chunk) {
  ChunkReport report;
  report.chunk = chunk;
  wiring_.on_done(std::move(report));
}

// At full share the server is to be kept busy; under throttle a chunk is read when its turn has
// come. Other workers that wait for a chunk come first.
std::optional<Chunk> WorkerPool::chunk_to_read_ahead() {
  if (wiring_.throttle.share() < 1) return std::nullopt;
  return wiring_.chunks.pop_spare(runners_.size() - 1);
}

}  // namespace backfill
