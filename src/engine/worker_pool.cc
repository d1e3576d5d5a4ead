#include "engine/worker_pool.h"

#include <utility>

#include "support/failpoint.h"

namespace backfill {

WorkerPool::WorkerPool(int workers, Wiring wiring, std::stop_token stop)
    : wiring_(std::move(wiring)),
      stop_(std::move(stop)),
      runners_(static_cast<std::size_t>(workers)) {
  for (std::size_t worker = 0; worker < runners_.size(); ++worker) {
    threads_.emplace_back([this, worker] { work(worker, /*is_added=*/false); });
  }
}

void WorkerPool::grow_to(int workers) {
  for (auto worker = threads_.size(); worker < static_cast<std::size_t>(workers); ++worker) {
    {
      const std::lock_guard lock(mutex_);
      runners_.push_back(nullptr);
    }
    threads_.emplace_back([this, worker] { work(worker, /*is_added=*/true); });
  }
}

void WorkerPool::set_retries(int retries) noexcept {
  const std::lock_guard lock(mutex_);
  for (ChunkRunner* runner : runners_) {
    if (runner != nullptr) runner->set_retries(retries);
  }
}

// Null when one that was added cannot connect.
std::unique_ptr<ChunkRunner> WorkerPool::make_runner(bool is_added) {
  try {
    return wiring_.make_runner();
  } catch (const Error&) {
    if (!is_added || !wiring_.on_left_out) throw;
    wiring_.on_left_out(std::current_exception());
    return nullptr;
  }
}

void WorkerPool::cancel() noexcept {
  const std::lock_guard lock(mutex_);
  for (ChunkRunner* runner : runners_) {
    if (runner != nullptr) runner->cancel();
  }
}

// The first connects at once, so that what is wrong shows; the others when there is work for them,
// as sessions that nobody needs cost a server that has others to serve.
void WorkerPool::work(std::size_t worker, bool is_added) {
  const bool is_first = worker == 0;
  if (!is_first && !wiring_.throttle.wait_for_turn(stop_, static_cast<int>(worker)))
    return wiring_.on_exit();
  try {
    const std::unique_ptr<ChunkRunner> runner = make_runner(is_added);
    if (!runner) return wiring_.on_exit();
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
  Throttle& throttle = wiring_.throttle;
  Duration rested{0};  // since the last batch
  const auto rests = [&](const auto& rest) {
    const TimePoint since = wiring_.clock.now();
    const bool goes_on = rest();
    rested += wiring_.clock.now() - since;
    return goes_on;
  };
  std::optional<Chunk> next;
  // Who waits for its turn has no chunk in hand: the watermark would wait for it.
  while (next || rests([&] { return throttle.wait_for_turn(stop_, worker); })) {
    auto chunk = next ? std::move(next) : wiring_.chunks.pop(stop_);
    if (!chunk) return throttle.end_of_work();
    if (!rests([&] { return throttle.begin(stop_); })) return;
    next = chunk_to_read_ahead(worker);
    if (is_skipped("commit.first")) tell_before_it_is_done(*chunk);
    runner.spare_others(throttle.is_small());
    ChunkReport report = runner.run(*chunk, next, stop_);
    report.worker = worker;
    report.rested = std::exchange(rested, Duration::zero());
    const Duration work = report.times.total();
    const Duration waited = report.waited;
    if (!is_skipped("commit.first")) wiring_.on_done(std::move(report));
    const bool is_last = !next && wiring_.chunks.is_finished();
    const Duration to_rest_for = is_last ? Duration::zero() : work;
    if (!rests([&] { return throttle.rest_after(to_rest_for, stop_, worker, waited); })) return;
  }
}

void WorkerPool::tell_before_it_is_done(const Chunk& chunk) {
  ChunkReport report;
  report.chunk = chunk;
  wiring_.on_done(std::move(report));
}

// At full share the server is to be kept busy; under throttle a chunk is read when its turn has
// come. Other workers that wait for a chunk come first. Who is one too many takes no more.
std::optional<Chunk> WorkerPool::chunk_to_read_ahead(int worker) {
  const int workers = wiring_.throttle.workers();
  if (wiring_.throttle.share() < 1 || worker >= workers) return std::nullopt;
  return wiring_.chunks.pop_spare(static_cast<std::size_t>(workers - 1));
}

}  // namespace backfill
