// What a worker does between read and write: a batch through the example plugin and into
// output tuples, against the same without a plugin.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/batch.h"
#include "core/layout.h"
#include "core/transform.h"
#include "plugin/plugin.h"
#include "plugin/plugin_transform.h"

namespace backfill {
namespace {

Column column(const std::string& name, const std::string& type, Kind kind) {
  Column made;
  made.name = name;
  made.type = type;
  made.kind = kind;
  return made;
}

// The table of the example job: names to be split, in place.
TableFacts users() {
  TableFacts facts;
  facts.name = "public.users";
  facts.identity = "bench/users";
  facts.database_identity = "bench";
  facts.columns = {column("id", "bigint", Kind::int64), column("full_name", "text", Kind::text),
                   column("first_name", "text", Kind::text),
                   column("last_name", "text", Kind::text)};
  facts.key = {"id"};
  facts.key_index = "users_pkey";
  return facts;
}

LayoutRequest split_in_place() {
  LayoutRequest request;
  request.source = users();
  request.target = users();
  request.target_key = {"id"};
  request.columns = {{users().columns[0], "", true}, {users().columns[1], "", true}};
  request.mode = WriteMode::update;
  return request;
}

// Rows as `layout` reads them: eight bytes of key, then a name.
Batch names(const Layout& layout, std::int64_t rows) {
  const std::string id(8, '\1');
  Batch batch;
  for (std::int64_t row = 0; row < rows; ++row) {
    batch.begin_tuple(static_cast<std::int16_t>(layout.read.size()));
    for (const ReadColumn& read : layout.read) {
      batch.append_field(read.column.kind == Kind::text ? "Grace Brewster Murray Hopper" : id);
    }
  }
  return batch;
}

void apply(benchmark::State& state, Transform& transform, const Batch& input) {
  Transformed output;
  for (auto _ : state) {
    output.clear();
    transform.apply(input, output);
    benchmark::DoNotOptimize(output.rows.bytes());
  }
  if (output.rows.rows() != input.rows()) state.SkipWithError("not every row came out");
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(input.rows()));
}

void split_full_name(benchmark::State& state) {
  const std::shared_ptr<const Plugin> plugin =
      Plugin::open(BACKFILL_BENCH_PLUGINS "/split_full_name.so", ".");
  LayoutRequest request = split_in_place();
  const PluginOffer offer{"bench", request.columns, request.target.columns, {}};
  request.plugin = bind_columns(*plugin, offer);
  const Layout layout = make_layout(request);
  PluginTransform transform(plugin, offer, layout);
  apply(state, transform, names(layout, state.range(0)));
}
BENCHMARK(split_full_name)->Arg(1000)->Arg(20'000);

void projection_only(benchmark::State& state) {
  LayoutRequest request = split_in_place();
  request.columns.push_back({users().columns[2], "split_part(full_name, ' ', 1)", true});
  const Layout layout = make_layout(request);
  Projection projection(layout);
  apply(state, projection, names(layout, state.range(0)));
}
BENCHMARK(projection_only)->Arg(1000)->Arg(20'000);

}  // namespace
}  // namespace backfill

BENCHMARK_MAIN();
