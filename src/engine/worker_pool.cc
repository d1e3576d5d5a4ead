#include "engine/worker_pool.h"

#include <algorithm>
#include <utility>

namespace backfill {
namespace {

constexpr int kChunksBeforeSecondLane = 8;

}  // namespace

class WorkerPool::Published {
 public:
  Published(WorkerPool& pool, ChunkRunner& runner) : pool_(pool), runner_(&runner) {
    const std::lock_guard lock(pool_.mutex_);
    pool_.runners_.push_back(runner_);
  }
  ~Published() {
    const std::lock_guard lock(pool_.mutex_);
    std::erase(pool_.runners_, runner_);
  }
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

 private:
  WorkerPool& pool_;
  ChunkRunner* const runner_;
};

WorkerPool::WorkerPool(int workers, Wiring wiring, std::stop_token stop)
    : wiring_(std::move(wiring)), stop_(std::move(stop)) {
  for (int worker = 0; worker < workers; ++worker) {
    threads_.emplace_back([this] { work(); });
  }
}

void WorkerPool::cancel() noexcept {
  const std::lock_guard lock(mutex_);
  for (ChunkRunner* runner : runners_) runner->cancel();
}

void WorkerPool::work() {
  std::mutex turn;
  try {
    work_in_first_lane(turn);
  } catch (...) {
    wiring_.on_failure(std::current_exception());
  }
  wiring_.on_exit();
}

void WorkerPool::work_in_first_lane(std::mutex& turn) {
  const std::unique_ptr<ChunkRunner> runner = wiring_.make_runner(turn);
  const Published published(*this, *runner);
  std::jthread second;
  for (int chunks = 1; do_chunk(*runner); ++chunks) {
    if (chunks < kChunksBeforeSecondLane || second.joinable() || wiring_.throttle.share() < 1)
      continue;
    second = std::jthread([&](const std::stop_token& first_ended) {
      try {
        work_in_second_lane(turn, first_ended);
      } catch (...) {
        wiring_.on_failure(std::current_exception());
      }
    });
  }
}

void WorkerPool::work_in_second_lane(std::mutex& turn, const std::stop_token& first_ended) {
  std::unique_ptr<ChunkRunner> runner;
  try {
    runner = wiring_.make_runner(turn);
  } catch (const Error&) {
    return;  // no connection to spare: the first lane does without
  }
  const Published published(*this, *runner);
  while (wiring_.throttle.wait_for_full_share(first_ended) && do_chunk(*runner)) {
  }
}

// False when there is nothing more to do.
bool WorkerPool::do_chunk(ChunkRunner& runner) {
  const auto chunk = wiring_.chunks.pop(stop_);
  if (!chunk) return false;
  ChunkReport report = runner.run(*chunk, stop_);
  const Duration work = report.times.total();
  wiring_.on_done(std::move(report));
  return !wiring_.chunks.is_finished() && wiring_.throttle.rest_after(work, stop_);
}

}  // namespace backfill
