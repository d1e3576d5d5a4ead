// tests/support/fake_source.h
//
// A Source over a FakeTable, with its faults scripted: source.cut, source.read,
// source.read_keys, source.validate and source.reconnect. Holds its callers to the contract: used
// after a lost connection without reconnect(), it fails for good.

#pragma once

#include <functional>
#include <string>

#include "core/source.h"
#include "support/fake_table.h"
#include "support/fault_script.h"

namespace backfill {

class FakeSource : public Source {
 public:
  struct Options {
    std::size_t bytes_max = 1 << 20;
    bool with_version = false;                              // a third column
    std::size_t cuts_of_a_look = 1;                         // at most
    bool keeps_locks = true;                                // false: its session was ended
    std::function<bool(const std::string& value)> matches;  // `where`; none: every row
  };

  FakeSource(FakeTable& table, FaultScript& script, Options options)
      : table_(table), script_(script), options_(std::move(options)) {}

  std::optional<Key> last_key() override;
  std::optional<Cut> cut(const std::optional<Key>& after, const Key& end,
                         std::int64_t keys) override;
  std::vector<Cut> cuts(const std::optional<Key>& after, const Key& end, std::int64_t keys,
                        std::size_t count) override;
  void read(const Chunk& chunk, Batch& batch) override;
  void read_keys(const std::vector<Key>& keys, Batch& batch) override;
  std::string moment() override;
  bool may_have_changed(const Chunk& chunk, const std::string& since,
                        std::optional<std::int64_t> rows) override;
  std::string writers() override { return ""; }
  bool have_ended(const std::string&) override { return true; }
  bool release() noexcept override { return options_.keeps_locks; }
  std::vector<Key> in_key_order(std::vector<Key> keys) override;
  std::vector<Statement> statements() const override { return {}; }
  void reconnect() override;
  void cancel() noexcept override { script_.cancel(); }

 private:
  void reach(const std::string& call);
  void append(std::int64_t id, const FakeTable::Row& row, Batch& batch) const;

  FakeTable& table_;
  FaultScript& script_;
  const Options options_;
  bool is_lost_ = false;
};

}  // namespace backfill
