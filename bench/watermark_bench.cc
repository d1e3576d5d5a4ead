// The watermark when chunks finish in order, and when workers overtake each other.

#include "checkpoint/watermark.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/chunk.h"

namespace backfill {
namespace {

constexpr std::uint64_t chunk_count = 10'000;

std::vector<Chunk> chunks_in_key_order() {
  std::vector<Chunk> chunks(chunk_count);
  std::optional<Key> after;
  for (std::uint64_t ordinal = 0; ordinal < chunk_count; ++ordinal) {
    chunks[ordinal].ordinal = ordinal;
    chunks[ordinal].after = after;
    chunks[ordinal].upto = Key{{std::to_string((ordinal + 1) * 1000)}};
    after = chunks[ordinal].upto;
  }
  return chunks;
}

// state.range(0): how many chunks are in flight at most, finishing in any order.
void complete_chunks(benchmark::State& state) {
  std::vector<Chunk> chunks = chunks_in_key_order();
  const auto in_flight = static_cast<std::size_t>(state.range(0));
  std::mt19937 random(1);
  for (std::size_t first = 0; first < chunks.size(); first += in_flight) {
    const std::size_t last = std::min(first + in_flight, chunks.size());
    std::shuffle(chunks.begin() + static_cast<std::ptrdiff_t>(first),
                 chunks.begin() + static_cast<std::ptrdiff_t>(last), random);
  }

  for (auto _ : state) {
    Watermark watermark(std::nullopt);
    for (const Chunk& chunk : chunks) benchmark::DoNotOptimize(watermark.complete(chunk));
    if (watermark.next_ordinal() != chunk_count) state.SkipWithError("chunks are left over");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(chunk_count));
}
BENCHMARK(complete_chunks)->ArgName("in_flight")->Arg(1)->Arg(8)->Arg(64);

}  // namespace
}  // namespace backfill

BENCHMARK_MAIN();
