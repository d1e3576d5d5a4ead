// A Run over fakes: tables in memory, faults by script, time by hand, a real checkpoint file.

#pragma once

#include "engine/run.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "support/batch_builder.h"
#include "support/collecting_log.h"
#include "support/failpoint.h"
#include "support/fake_source.h"
#include "support/fake_target.h"
#include "support/fake_transform.h"
#include "support/manual_clock.h"
#include "support/temp_folder.h"

namespace backfill {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Values = std::map<std::int64_t, std::string>;

// A job over fakes: each call of start() or resume() is one process.
class RunTest : public testing::Test {
 protected:
  RunTest() {
    options_.workers = 2;
    options_.sizer.size = 10;
    options_.sizer.adaptive = false;
    options_.backoff = {5, milliseconds(1), milliseconds(4)};
    target_options_.layout = transform_layout();
  }
  ~RunTest() override { set_failpoints(""); }

  void put_rows(std::int64_t n) {
    for (std::int64_t id = 1; id <= n; ++id) source_.put(id, "v" + std::to_string(id));
  }

  RunOutcome start() {
    SavedRun run;
    run.run_id = "run-1";
    run.end_key = FakeSource(source_, script_, {}).last_key();
    run.estimated_total = static_cast<std::int64_t>(source_.rows().size());
    CheckpointStore store = CheckpointStore::open(file_);
    store.start(run, "users", {});
    return execute(run, store);
  }

  RunOutcome resume() {
    CheckpointStore store = CheckpointStore::open(file_);
    SavedRun run = *store.load();
    run.state = RunState::running;
    store.go_on(run, "users", {});
    return execute(run, store);
  }

  RunOutcome execute(const SavedRun& saved, CheckpointStore& store) {
    RunParts parts;
    parts.layout = target_options_.layout;
    parts.make_source = [this] {
      script_.reach("make_source");
      return std::make_unique<FakeSource>(source_, script_, source_options_);
    };
    parts.make_runner_parts = [this] {
      script_.reach("make_runner_parts");
      ChunkRunner::Parts made;
      made.source = std::make_unique<FakeSource>(source_, script_, source_options_);
      made.transform = std::make_unique<FakeTransform>(target_options_.layout);
      made.target = std::make_unique<FakeTarget>(target_, script_, target_options_);
      return made;
    };
    if (target_options_.keeps_ledger) parts.ledger = std::make_unique<FakeLedger>(target_, script_);
    parts.lock = std::make_unique<FakeRunnerLock>(script_);
    backfill::Run run(std::move(parts), options_, saved, store, clock_, log_,
                      {[this](const SavedRun& now) {
                        if (on_tick_) on_tick_(now);
                      }});
    running_ = &run;
    RunOutcome outcome = run.execute();
    running_ = nullptr;
    return outcome;
  }

  Values transformed_source() const {
    Values values;
    for (const auto& [id, value] : source_.values()) {
      const bool is_written = !value.starts_with("skip") && !value.starts_with("reject");
      if (is_written && !target_options_.refused.contains(id)) values[id] = fake_transformed(value);
    }
    return values;
  }

  SavedRun saved() const { return *CheckpointStore::open(file_).load(); }

  const TempFolder folder_;
  const std::filesystem::path file_ = folder_ / "checkpoint.db";
  FakeTable source_;
  FakeTable target_;
  FaultScript script_;
  // Waits between attempts pass at once; housekeeping waits until a test moves the time on.
  ManualClock clock_{/*holds_from=*/milliseconds(500)};
  CollectingLog log_;
  RunOptions options_;
  FakeSource::Options source_options_;
  FakeTarget::Options target_options_;
  std::function<void(const SavedRun&)> on_tick_;
  backfill::Run* running_ = nullptr;
};

}  // namespace backfill
