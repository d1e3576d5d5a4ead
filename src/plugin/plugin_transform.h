// plugin/plugin_transform.h
//
// A plugin's instance as a Transform. First bind_columns() asks the plugin which columns it
// reads and fills; from that the Layout is made; then each worker owns a PluginTransform with
// an instance of its own.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/layout.h"
#include "core/transform.h"
#include "plugin/arena.h"
#include "plugin/plugin.h"

namespace backfill {

// What a plugin is shown when it is opened.
struct PluginOffer {
  std::string job;
  std::vector<ReadColumn> columns;  // the job's source columns: LayoutRequest::columns
  Columns target;                   // the target table's columns
  std::vector<std::pair<std::string, std::string>> options;  // dotted name, value
};

// What the plugin wants of the offer. Throws Error(ExitCode::unsafe) with the plugin's reason
// when it refuses: an unknown column, a wrong type, a bad option.
PluginColumns bind_columns(const Plugin& plugin, const PluginOffer& offer);

// An open instance of a plugin. One thread.
class PluginInstance {
 public:
  PluginInstance(const Plugin& plugin, const PluginOffer& offer);
  ~PluginInstance();
  PluginInstance(const PluginInstance&) = delete;
  PluginInstance& operator=(const PluginInstance&) = delete;

  const PluginColumns& columns() const { return columns_; }

  // Throws Error(ExitCode::failed) with the plugin's reason when it gives up.
  void apply(backfill_batch& batch);

 private:
  const Plugin& plugin_;
  PluginColumns columns_;
  void* instance_ = nullptr;
};

// Calls its instance once for each batch, then lays out the rows to be written. A reason to
// stop that the plugin gives is Error(ExitCode::failed); a batch whose output outgrows the
// arena is Error(too_large).
class PluginTransform : public Transform {
 public:
  PluginTransform(std::shared_ptr<const Plugin> plugin, const PluginOffer& offer,
                  const Layout& layout, std::size_t arena_bytes_max = Arena::default_bytes_max);

  void apply(const Batch& input, Transformed& output) override;

 private:
  // A wanted input: where its cell is in a tuple that was read.
  struct ReadPlace {
    std::size_t read;
    Kind kind;
    bool dynamic;
  };

  void check_layout(const PluginOffer& offer, const Layout& layout) const;
  void gather_inputs(const Batch& input);
  void call_plugin(std::size_t rows);
  void answer_row(const Batch& input, std::size_t row, Transformed& output);
  void take_outputs(std::size_t row);
  [[noreturn]] void fail(const std::string& what) const;

  std::shared_ptr<const Plugin> plugin_;
  PluginInstance instance_;
  Projection projection_;
  std::size_t fields_;             // of a tuple that was read
  std::vector<ReadPlace> places_;  // of the plugin's inputs, in its order
  Arena arena_;

  // Of the batch in hand; kept for their memory.
  std::vector<Cell> cells_;
  std::vector<Cell> output_cells_;
  std::vector<backfill_cell> inputs_;
  std::vector<backfill_cell> outputs_;
  std::vector<std::uint8_t> verdicts_;
  std::vector<const char*> reasons_;
};

}  // namespace backfill
