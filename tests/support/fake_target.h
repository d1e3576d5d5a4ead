// tests/support/fake_target.h
//
// A Target over a FakeTable with real transactions: nothing is visible before the commit, an
// error undoes all of it. Its faults are scripted: target.begin, target.write, target.lock,
// target.commit (before it takes effect), target.committed (after), target.recorded, target.level,
// target.fate and target.reconnect. Calls in a wrong order, or on a lost connection, fail
// for good.

#pragma once

#include <set>
#include <string>

#include "core/target.h"
#include "support/fake_table.h"
#include "support/fault_script.h"

namespace backfill {

class FakeTarget : public Target {
 public:
  struct Options {
    Layout layout;
    WriteMode mode = WriteMode::upsert;
    bool keeps_ledger = false;
    std::set<std::int64_t> refused;  // keys of rows that break a constraint
    FakeTable* from = nullptr;       // for write_from_source
    bool forgets_fates = false;      // of transactions: it may have restarted
    bool is_shared = false;          // others write to it meanwhile: transactions have marks
  };

  FakeTarget(FakeTable& table, FaultScript& script, Options options)
      : table_(table), script_(script), options_(std::move(options)) {}
  ~FakeTarget() override { rollback(); }

  void begin(const Chunk& chunk) override;
  WriteReport write(const Batch& rows) override;
  WriteReport write_around_rejects(const Batch& rows, std::vector<RowReject>& rejects) override;
  PushdownReport write_from_source(const Chunk& chunk) override;
  void lock(const std::vector<Key>& keys) override;
  void commit(const Chunk& chunk, const RowCounts& rows) override;
  std::string mark() override { return mark_; }
  LevelReport level(const Chunk& chunk, const std::string& mark, const Batch& rows) override;
  std::vector<RowDifference> compare(const Batch& rows) override;
  std::int64_t remove(const std::vector<Key>& keys) override;
  Fate fate(const std::string& mark) override;
  void rollback() noexcept override;
  std::optional<RowCounts> recorded(const Chunk& chunk) override;
  std::vector<Statement> statements() const override { return {}; }
  void reconnect() override;
  void cancel() noexcept override { script_.cancel(); }

 private:
  void reach(const std::string& call, bool in_transaction);
  void write_range(const Batch& rows, std::size_t first, std::size_t last, WriteReport& report);

  FakeTable& table_;
  FaultScript& script_;
  const Options options_;
  bool is_open_ = false;
  bool is_lost_ = false;
  std::string mark_;
  std::map<std::int64_t, std::string> writes_;  // of the open transaction
  std::set<std::int64_t> removals_;             // likewise
  std::set<std::int64_t> locked_;               // likewise
};

class FakeLedger : public Ledger {
 public:
  FakeLedger(FakeTable& table, FaultScript& script) : table_(table), script_(script) {}

  void prepare() override {}
  std::vector<LedgerRange> ranges() override {
    script_.reach("ledger.ranges");
    return table_.ledger();
  }
  void prune(const std::vector<Key>& upto) override {
    script_.reach("ledger.prune");
    table_.forget(upto);
  }
  void clear() override {
    script_.reach("ledger.clear");
    table_.clear_ledger();
  }

 private:
  FakeTable& table_;
  FaultScript& script_;
};

class FakeRunnerLock : public RunnerLock {
 public:
  explicit FakeRunnerLock(FaultScript& script) : script_(script) {}

  void acquire() override { script_.reach("lock.acquire"); }
  void confirm() override { script_.reach("lock.confirm"); }

 private:
  FaultScript& script_;
};

}  // namespace backfill
