// One step of the checkpoint: an SQLite transaction that is on the disk when it returns, so
// this measures the disk's sync as much as us.

#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "checkpoint/checkpoint_store.h"

namespace backfill {
namespace {

// A folder that goes with its owner. Beside the program, not in /tmp, which may be memory.
class Folder {
 public:
  Folder() {
    std::string name = "checkpoint_bench.XXXXXX";
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// state.range(0): ranges done above the watermark, as many as chunks can be in flight.
void save_step(benchmark::State& state) {
  const Folder folder;
  if (folder.path().empty()) {
    state.SkipWithError("cannot make a folder here");
    return;
  }
  CheckpointStore store = CheckpointStore::open(folder.path() / "bench.checkpoint.db");
  SavedRun run;
  run.run_id = "bench";
  run.end_key = Key{{"1000000000"}};
  store.start(run, "bench", {});

  std::int64_t upto = 0;
  for (auto _ : state) {
    upto += 1000;
    run.watermark = Key{{std::to_string(upto)}};
    run.rows.read += 1000;
    run.rows.written += 1000;
    ++run.batches.done;
    run.done_ahead.clear();
    for (std::int64_t ahead = 0; ahead < state.range(0); ++ahead) {
      const std::int64_t after = upto + 1000 * (2 * ahead + 1);
      run.done_ahead.push_back({Key{{std::to_string(after)}}, Key{{std::to_string(after + 1000)}}});
    }
    store.save(run, {}, std::nullopt);
  }
}
BENCHMARK(save_step)->ArgName("ranges_ahead")->Arg(0)->Arg(8)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace backfill

BENCHMARK_MAIN();
