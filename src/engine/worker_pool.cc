#include "engine/worker_pool.h"

#include <utility>

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
      work_through_queue(*runner);
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

void WorkerPool::work_through_queue(ChunkRunner& runner) {
  while (auto chunk = wiring_.chunks.pop(stop_)) {
    ChunkReport report = runner.run(*chunk, stop_);
    const Duration work = report.times.total();
    wiring_.on_done(std::move(report));
    if (wiring_.chunks.is_finished()) return;
    if (!wiring_.throttle.rest_after(work, stop_)) return;
  }
}

}  // namespace backfill
