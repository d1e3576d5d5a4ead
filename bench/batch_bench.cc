// The form rows have in memory: built field by field as SQLite does, forwarded as COPY
// delivers it, and split into cells as a transform needs it.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/batch.h"

namespace backfill {
namespace {

// The row that throughput is measured with elsewhere: about 190 bytes in six columns.
constexpr std::int16_t fields = 6;

void append_row(Batch& batch, const std::string& number, const std::string& words) {
  batch.begin_tuple(fields);
  batch.append_field(number);
  batch.append_field(words);
  batch.append_null();
  batch.append_field(words);
  batch.append_field(number);
  batch.append_field(words);
}

Batch batch_of(std::int64_t rows) {
  const std::string number(8, '\1');
  const std::string words(48, 'x');
  Batch batch;
  for (std::int64_t row = 0; row < rows; ++row) append_row(batch, number, words);
  return batch;
}

void count_rows(benchmark::State& state, const Batch& batch) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch.rows()));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch.bytes()));
}

void build_field_by_field(benchmark::State& state) {
  const std::string number(8, '\1');
  const std::string words(48, 'x');
  Batch batch;
  for (auto _ : state) {
    batch.clear();
    for (std::int64_t row = 0; row < state.range(0); ++row) append_row(batch, number, words);
    benchmark::DoNotOptimize(batch.bytes());
  }
  count_rows(state, batch);
}
BENCHMARK(build_field_by_field)->Arg(1000)->Arg(20'000);

void forward_whole_tuples(benchmark::State& state) {
  const Batch source = batch_of(state.range(0));
  Batch batch;
  for (auto _ : state) {
    batch.clear();
    for (std::size_t row = 0; row < source.rows(); ++row) batch.append_tuple(source.tuple(row));
    benchmark::DoNotOptimize(batch.bytes());
  }
  count_rows(state, batch);
}
BENCHMARK(forward_whole_tuples)->Arg(1000)->Arg(20'000);

void split_into_cells(benchmark::State& state) {
  const Batch batch = batch_of(state.range(0));
  std::vector<Cell> cells;
  for (auto _ : state) {
    for (std::size_t row = 0; row < batch.rows(); ++row) {
      read_cells(batch.tuple(row), fields, cells);
      benchmark::DoNotOptimize(cells.data());
    }
  }
  count_rows(state, batch);
}
BENCHMARK(split_into_cells)->Arg(1000)->Arg(20'000);

}  // namespace
}  // namespace backfill

BENCHMARK_MAIN();
