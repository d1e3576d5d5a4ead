// A ChunkRunner over fakes: a source and a target table, faults by script, time by hand.

#pragma once

#include "engine/chunk_runner.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "support/batch_builder.h"
#include "support/collecting_log.h"
#include "support/fake_source.h"
#include "support/fake_target.h"
#include "support/fake_transform.h"
#include "support/manual_clock.h"

namespace backfill {

using std::chrono::milliseconds;
using Values = std::map<std::int64_t, std::string>;

class ChunkRunnerTest : public testing::Test {
 protected:
  ChunkRunnerTest() { layout_ = transform_layout(); }

  // Rows 1 to n in the source, `v1` to `vn`.
  void put_rows(std::int64_t n) {
    for (std::int64_t id = 1; id <= n; ++id) source_.put(id, "v" + std::to_string(id));
  }

  void use_in_place() {
    layout_ = guarded_layout();
    source_options_.with_version = true;
    target_options_.mode = WriteMode::update;
    is_in_place_ = true;
  }

  ChunkReport run(const Chunk& chunk) {
    target_options_.layout = layout_;
    ChunkRunner::Parts parts;
    parts.source = std::make_unique<FakeSource>(source_, script_, source_options_);
    if (!layout_.forwards) parts.transform = std::make_unique<FakeTransform>(layout_);
    parts.target =
        std::make_unique<FakeTarget>(is_in_place_ ? source_ : target_, script_, target_options_);
    parts.pushes_down = target_options_.from != nullptr;
    parts.consistency = consistency_;
    ChunkRunner::KeepDeadLetters keep;
    if (target_options_.keeps_ledger) {
      keep = [this](const std::vector<DeadLetter>& letters) {
        if (!may_keep_) throw Error(ErrorKind::stop, "disk full");
        kept_.insert(kept_.end(), letters.begin(), letters.end());
      };
    }
    ChunkRunner runner(std::move(parts), layout_, {retries_, milliseconds(10), milliseconds(40)},
                       clock_, log_, keep, note_doubt_);
    return runner.run(chunk, std::nullopt, stop_.get_token());
  }

  // What run() throws.
  Error failure(const Chunk& chunk) {
    try {
      run(chunk);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(ErrorKind::stop, "");
  }

  Values transformed_source() const {
    Values values;
    for (const auto& [id, value] : source_.values()) values[id] = fake_transformed(value);
    return values;
  }

  FakeTable source_;
  FakeTable target_;
  FaultScript script_;
  ManualClock clock_;
  CollectingLog log_;
  std::stop_source stop_;
  Layout layout_;
  FakeSource::Options source_options_;
  FakeTarget::Options target_options_;
  Consistency consistency_ = Consistency::none;
  Validator::NoteDoubt note_doubt_;
  int retries_ = 4;
  bool is_in_place_ = false;
  std::vector<DeadLetter> kept_;  // before a commit
  bool may_keep_ = true;
};

}  // namespace backfill
