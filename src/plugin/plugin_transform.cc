#include "plugin/plugin_transform.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"

namespace backfill {
namespace {

// What an instance asks for while it is opened. A wrong wish is kept until it has returned: no
// exception may pass through a plugin.
struct Wishes {
  PluginColumns columns;
  std::string mistake;
};

void want_input(backfill_binding* binding, std::uint32_t index) noexcept {
  auto& wishes = *static_cast<Wishes*>(binding->engine);
  if (index >= binding->source_count) {
    wishes.mistake = fmt::format("wants source column {} of {}", index, binding->source_count);
    return;
  }
  wishes.columns.inputs.push_back(static_cast<int>(index));
}

void want_output(backfill_binding* binding, std::uint32_t index, std::uint32_t type) noexcept {
  auto& wishes = *static_cast<Wishes*>(binding->engine);
  if (index >= binding->target_count) {
    wishes.mistake = fmt::format("fills target column {} of {}", index, binding->target_count);
    return;
  }
  if (type == BACKFILL_OTHER || type > BACKFILL_NUMERIC) {
    wishes.mistake =
        fmt::format("fills {} with the unknown type {}", binding->target[index].name, type);
    return;
  }
  const int target = static_cast<int>(index);
  for (const PluginColumns::Output& output : wishes.columns.outputs) {
    if (output.target == target)
      wishes.mistake = fmt::format("fills {} twice", binding->target[index].name);
  }
  wishes.columns.outputs.push_back({target, static_cast<Kind>(type)});
}

backfill_column describe(const Column& column) {
  return {column.name.c_str(), column.type.c_str(), static_cast<std::uint32_t>(column.kind),
          column.dynamic ? 1U : 0U};
}

// The plugin's words, on one line.
std::string reason_of(backfill_error& error) {
  error.message[sizeof error.message - 1] = '\0';
  std::string reason = error.message;
  std::replace_if(
      reason.begin(), reason.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return reason.empty() ? "it gave no reason" : reason;
}

}  // namespace

PluginColumns bind_columns(const Plugin& plugin, const PluginOffer& offer) {
  return PluginInstance(plugin, offer).columns();
}

PluginInstance::PluginInstance(const Plugin& plugin, const PluginOffer& offer) : plugin_(plugin) {
  std::vector<backfill_column> source;
  for (const ReadColumn& column : offer.columns) source.push_back(describe(column.column));
  std::vector<backfill_column> target;
  for (const Column& column : offer.target) target.push_back(describe(column));
  std::vector<backfill_option> options;
  for (const auto& [name, value] : offer.options) options.push_back({name.c_str(), value.c_str()});

  Wishes wishes;
  backfill_binding binding{};
  binding.struct_size = sizeof binding;
  binding.job = offer.job.c_str();
  binding.source = source.data();
  binding.source_count = static_cast<std::uint32_t>(source.size());
  binding.target = target.data();
  binding.target_count = static_cast<std::uint32_t>(target.size());
  binding.options = options.data();
  binding.option_count = static_cast<std::uint32_t>(options.size());
  binding.want_input = want_input;
  binding.want_output = want_output;
  binding.engine = &wishes;

  backfill_error error{};
  instance_ = plugin_.transform().open(&binding, &error);
  if (instance_ == nullptr)
    throw Error(ExitCode::unsafe, fmt::format("plugin {} refuses job {}: {}", plugin_.name(),
                                              offer.job, reason_of(error)));
  if (!wishes.mistake.empty()) {
    plugin_.transform().close(instance_);
    throw Error(ExitCode::unsafe,
                fmt::format("plugin {} {}; mend the plugin", plugin_.name(), wishes.mistake));
  }
  columns_ = std::move(wishes.columns);
}

PluginInstance::~PluginInstance() { plugin_.transform().close(instance_); }

void PluginInstance::apply(backfill_batch& batch) {
  backfill_error error{};
  if (plugin_.transform().apply(instance_, &batch, &error) == 0) return;
  throw Error(ExitCode::failed, fmt::format("plugin {} gave up on a batch of {} rows: {}",
                                            plugin_.name(), batch.row_count, reason_of(error)));
}

PluginTransform::PluginTransform(std::shared_ptr<const Plugin> plugin, const PluginOffer& offer,
                                 const Layout& layout, std::size_t arena_bytes_max)
    : plugin_(std::move(plugin)),
      instance_(*plugin_, offer),
      projection_(layout),
      fields_(layout.read.size()),
      arena_(arena_bytes_max) {
  check_layout(offer, layout);
  for (const int input : layout.plugin_inputs) {
    const auto read = static_cast<std::size_t>(input);
    // What arrives may be the text of what was offered.
    const Column& column = layout.read[read].column;
    places_.push_back({read, column.kind, column.dynamic});
  }
  output_cells_.resize(instance_.columns().outputs.size());
}

// The layout was made from what another instance wanted; this one must want the same.
void PluginTransform::check_layout(const PluginOffer& offer, const Layout& layout) const {
  const auto& inputs = instance_.columns().inputs;
  const auto& outputs = instance_.columns().outputs;
  bool fits = inputs.size() == layout.plugin_inputs.size();
  for (std::size_t i = 0; fits && i < inputs.size(); ++i) {
    const auto read = static_cast<std::size_t>(layout.plugin_inputs[i]);
    fits = layout.read[read].column.name ==
           offer.columns[static_cast<std::size_t>(inputs[i])].column.name;
  }
  for (const WriteColumn& column : layout.write) {
    if (!fits || column.read >= 0) continue;
    const auto at = static_cast<std::size_t>(column.output);
    fits = at < outputs.size() && outputs[at].kind == column.column.kind &&
           offer.target[static_cast<std::size_t>(outputs[at].target)].name == column.target.name;
  }
  if (!fits) fail("asks for other columns each time it is opened; mend the plugin");
}

void PluginTransform::apply(const Batch& input, Transformed& output) {
  output.clear();
  if (input.empty()) return;
  gather_inputs(input);
  call_plugin(input.rows());
  for (std::size_t row = 0; row < input.rows(); ++row) answer_row(input, row, output);
}

void PluginTransform::gather_inputs(const Batch& input) {
  inputs_.resize(input.rows() * places_.size());
  backfill_cell* next = inputs_.data();
  for (std::size_t row = 0; row < input.rows(); ++row) {
    read_cells(input.tuple(row), fields_, cells_);
    for (const ReadPlace& place : places_) {
      Kind kind = place.kind;
      Cell cell = cells_[place.read];
      if (place.dynamic && !cell.is_null()) {
        const DynamicCell value = read_dynamic(cell);
        kind = value.kind;
        cell = value.value;
      }
      *next++ = {cell.is_null() ? nullptr : cell.bytes, cell.length,
                 static_cast<std::uint32_t>(kind)};
    }
  }
}

void PluginTransform::call_plugin(std::size_t rows) {
  arena_.reset();
  outputs_.assign(rows * output_cells_.size(), backfill_cell{nullptr, -1, BACKFILL_OTHER});
  verdicts_.assign(rows, BACKFILL_WRITE);
  reasons_.assign(rows, nullptr);

  backfill_batch batch{};
  batch.struct_size = sizeof batch;
  batch.row_count = static_cast<std::uint32_t>(rows);
  batch.input_count = static_cast<std::uint32_t>(places_.size());
  batch.output_count = static_cast<std::uint32_t>(output_cells_.size());
  batch.inputs = inputs_.data();
  batch.outputs = outputs_.data();
  batch.verdicts = verdicts_.data();
  batch.reasons = reasons_.data();
  batch.allocate = [](backfill_batch* asking, std::size_t size) {
    return static_cast<Arena*>(asking->engine)->allocate(size);
  };
  batch.engine = &arena_;
  try {
    instance_.apply(batch);
  } catch (const Error& error) {
    if (!arena_.is_exhausted() || rows == 1) throw;
    throw Error(ErrorKind::too_large, error.what());
  }
}

void PluginTransform::answer_row(const Batch& input, std::size_t row, Transformed& output) {
  switch (verdicts_[row]) {
    case BACKFILL_WRITE:
      take_outputs(row);
      read_cells(input.tuple(row), fields_, cells_);
      projection_.append_row(cells_, output_cells_, output.rows);
      output.input_rows.push_back(static_cast<std::uint32_t>(row));
      return;
    case BACKFILL_SKIP:
      ++output.skipped;
      return;
    case BACKFILL_REJECT: {
      const char* reason = reasons_[row];
      output.rejects.push_back({static_cast<std::uint32_t>(row),
                                reason == nullptr ? "the plugin gave no reason" : reason});
      return;
    }
    default:
      fail(fmt::format("answered a row with the unknown verdict {}", verdicts_[row]));
  }
}

void PluginTransform::take_outputs(std::size_t row) {
  const auto& columns = instance_.columns().outputs;
  const backfill_cell* cell = outputs_.data() + row * columns.size();
  for (std::size_t i = 0; i < columns.size(); ++i, ++cell) {
    const std::int32_t fixed = facts_of(columns[i].kind).size;
    const bool is_whole =
        cell->length == -1 || (cell->length >= 0 && (cell->bytes != nullptr || cell->length == 0) &&
                               (fixed == 0 || cell->length == fixed));
    if (!is_whole)
      fail(fmt::format("filled output {} with {} bytes, which is no {}", i, cell->length,
                       facts_of(columns[i].kind).name));
    output_cells_[i] = {cell->length > 0 ? static_cast<const char*>(cell->bytes) : "",
                        cell->length};
  }
}

void PluginTransform::fail(const std::string& what) const {
  throw Error(ExitCode::failed, fmt::format("plugin {} {}", plugin_->name(), what));
}

}  // namespace backfill
