// tests/plugin/contract_engine.h
//
// The engine's side of the plugin contract, for rows that a test writes down: opens an instance
// of a transform linked into the test, hands it one batch, keeps the answers. One thread.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backfill/transform.h"
#include "backfill/wire.hpp"

namespace backfill {

struct OfferedColumn {
  std::string name;
  backfill_type type = BACKFILL_TEXT;
  bool is_dynamic = false;
  std::string type_name = "text";
};

// A value in its binary form; none is NULL.
struct GivenCell {
  std::optional<std::string> bytes;
  backfill_type type = BACKFILL_TEXT;
};

inline GivenCell null_cell(backfill_type type = BACKFILL_TEXT) { return {std::nullopt, type}; }
inline GivenCell text_cell(std::string text) { return {std::move(text), BACKFILL_TEXT}; }
inline GivenCell int64_cell(std::int64_t value) {
  std::string bytes(8, '\0');
  wire::write_int64(bytes.data(), value);
  return {bytes, BACKFILL_INT64};
}
inline GivenCell int32_cell(std::int32_t value) {
  std::string bytes(4, '\0');
  wire::write_int32(bytes.data(), value);
  return {bytes, BACKFILL_INT32};
}
inline GivenCell float64_cell(double value) {
  std::string bytes(8, '\0');
  wire::write_float64(bytes.data(), value);
  return {bytes, BACKFILL_FLOAT64};
}

struct GivenAnswer {
  int verdict = BACKFILL_WRITE;
  std::string reason;
  std::vector<std::optional<std::string>> outputs;
};

class ContractEngine {
 public:
  using Options = std::vector<std::pair<std::string, std::string>>;

  ContractEngine(const backfill_transform& transform, const std::vector<OfferedColumn>& source,
                 const std::vector<OfferedColumn>& target, const Options& options = {})
      : transform_(transform) {
    const auto source_columns = describe(source);
    const auto target_columns = describe(target);
    std::vector<backfill_option> given;
    for (const auto& [name, value] : options) given.push_back({name.c_str(), value.c_str()});

    backfill_binding binding{};
    binding.struct_size = sizeof binding;
    binding.job = "test";
    binding.source = source_columns.data();
    binding.source_count = static_cast<std::uint32_t>(source_columns.size());
    binding.target = target_columns.data();
    binding.target_count = static_cast<std::uint32_t>(target_columns.size());
    binding.options = given.data();
    binding.option_count = static_cast<std::uint32_t>(given.size());
    binding.want_input = [](backfill_binding* asking, std::uint32_t index) {
      static_cast<ContractEngine*>(asking->engine)->inputs_.push_back(index);
    };
    binding.want_output = [](backfill_binding* asking, std::uint32_t index, std::uint32_t type) {
      static_cast<ContractEngine*>(asking->engine)->outputs_.emplace_back(index, type);
    };
    binding.engine = this;
    backfill_error error{};
    instance_ = transform_.open(&binding, &error);
    message_ = error.message;
  }
  ~ContractEngine() {
    if (instance_ != nullptr) transform_.close(instance_);
    for (void* piece : pieces_) std::free(piece);
  }
  ContractEngine(const ContractEngine&) = delete;
  ContractEngine& operator=(const ContractEngine&) = delete;

  bool is_open() const { return instance_ != nullptr; }
  // Why it was not opened, or why the last batch failed.
  const std::string& message() const { return message_; }
  const std::vector<std::uint32_t>& inputs() const { return inputs_; }
  // Target column and type of each output.
  const std::vector<std::pair<std::uint32_t, std::uint32_t>>& outputs() const { return outputs_; }
  // The next allocations get nothing.
  void run_out_of_memory() { has_memory_ = false; }

  // Rows hold one cell an offered source column. Empty when the batch failed.
  std::vector<GivenAnswer> apply(const std::vector<std::vector<GivenCell>>& rows) {
    std::vector<backfill_cell> inputs;
    for (const auto& row : rows) {
      for (const std::uint32_t index : inputs_) inputs.push_back(lend(row[index]));
    }
    std::vector<backfill_cell> outputs(rows.size() * outputs_.size(), {nullptr, -1, 0});
    std::vector<std::uint8_t> verdicts(rows.size(), BACKFILL_WRITE);
    std::vector<const char*> reasons(rows.size(), nullptr);
    if (!call(inputs, outputs, verdicts, reasons)) return {};

    std::vector<GivenAnswer> answers;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      GivenAnswer answer{verdicts[row], reasons[row] == nullptr ? "" : reasons[row], {}};
      for (std::size_t i = 0; i < outputs_.size(); ++i)
        answer.outputs.push_back(copy(outputs[row * outputs_.size() + i]));
      answers.push_back(std::move(answer));
    }
    return answers;
  }

 private:
  static std::vector<backfill_column> describe(const std::vector<OfferedColumn>& columns) {
    std::vector<backfill_column> described;
    for (const OfferedColumn& column : columns)
      described.push_back({column.name.c_str(), column.type_name.c_str(),
                           static_cast<std::uint32_t>(column.type), column.is_dynamic ? 1U : 0U});
    return described;
  }

  static backfill_cell lend(const GivenCell& cell) {
    const auto type = static_cast<std::uint32_t>(cell.type);
    if (!cell.bytes) return {nullptr, -1, type};
    return {cell.bytes->data(), static_cast<std::int32_t>(cell.bytes->size()), type};
  }

  static std::optional<std::string> copy(const backfill_cell& cell) {
    if (cell.length < 0) return std::nullopt;
    return std::string(static_cast<const char*>(cell.bytes), static_cast<std::size_t>(cell.length));
  }

  bool call(const std::vector<backfill_cell>& inputs, std::vector<backfill_cell>& outputs,
            std::vector<std::uint8_t>& verdicts, std::vector<const char*>& reasons) {
    backfill_batch batch{};
    batch.struct_size = sizeof batch;
    batch.row_count = static_cast<std::uint32_t>(verdicts.size());
    batch.input_count = static_cast<std::uint32_t>(inputs_.size());
    batch.output_count = static_cast<std::uint32_t>(outputs_.size());
    batch.inputs = inputs.data();
    batch.outputs = outputs.data();
    batch.verdicts = verdicts.data();
    batch.reasons = reasons.data();
    batch.allocate = [](backfill_batch* asking, std::size_t size) -> void* {
      auto* engine = static_cast<ContractEngine*>(asking->engine);
      if (!engine->has_memory_) return nullptr;
      engine->pieces_.push_back(std::malloc(size));
      return engine->pieces_.back();
    };
    batch.engine = this;
    backfill_error error{};
    const int result = transform_.apply(instance_, &batch, &error);
    message_ = error.message;
    return result == 0;
  }

  const backfill_transform& transform_;
  void* instance_ = nullptr;
  std::string message_;
  std::vector<std::uint32_t> inputs_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> outputs_;
  std::vector<void*> pieces_;
  bool has_memory_ = true;
};

}  // namespace backfill
