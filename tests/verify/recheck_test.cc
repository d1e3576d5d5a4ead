// Looking again: a difference counts only when it has lasted and its source row has not changed.

#include "verify/recheck.h"

#include <gtest/gtest.h>

#include "support/batch_builder.h"
#include "support/collecting_log.h"
#include "support/fake_source.h"
#include "support/fake_target.h"
#include "support/fake_transform.h"

namespace backfill {
namespace {

constexpr std::int64_t kSettleMs = 5000;

class RecheckTest : public ::testing::Test {
 protected:
  RecheckTest() {
    terms_.layout = transform_layout();
    terms_.source_columns = terms_.layout.read_columns();
    terms_.source_key = {{0}, {-1}};
    terms_.target_columns = {int64_column("id"), text_column("value")};
    terms_.target_key = {{0}, {-1}};
    terms_.target_key_names = {"id"};
    terms_.same_key_order = true;
    Sides::Makers makers;
    makers.source = [this] {
      return std::make_unique<FakeSource>(source_, script_, source_options());
    };
    makers.source_keys = makers.source;
    makers.target = [this] {
      return std::make_unique<FakeSource>(target_, script_, source_options());
    };
    makers.judge = [this] {
      FakeTarget::Options options;
      options.layout = terms_.layout;
      return std::make_unique<FakeTarget>(target_, script_, options);
    };
    makers.transform = [this] { return std::make_unique<FakeTransform>(terms_.layout); };
    RecheckOptions options;
    options.settle = std::chrono::milliseconds(kSettleMs);
    options.rounds_max = 3;
    recheck_ = std::make_unique<Recheck>(
        terms_, makers, options, BackoffOptions{10, std::chrono::milliseconds(1)}, clock_, log_);
  }

  static FakeSource::Options source_options() { return {}; }

  // Of a row that was seen to differ at the time 0.
  Suspect suspect(std::int64_t id) {
    Suspect made;
    made.finding.source_key = made.finding.target_key = key_of(id);
    made.source_state = "as a chunk saw it";
    recheck_->begin(made, 0);
    return made;
  }

  std::vector<Suspect> look(const std::vector<Suspect>& suspects, std::int64_t now_ms) {
    return recheck_->look(suspects, now_ms, {});
  }

  FakeTable source_;
  FakeTable target_;
  FaultScript script_;
  SystemClock clock_;
  CollectingLog log_;
  VerifyTerms terms_;
  std::unique_ptr<Recheck> recheck_;
};

TEST_F(RecheckTest, ForgetsARowThatIsEqualByNow) {
  source_.put(1, "a");
  target_.put(1, fake_transformed("a"));

  EXPECT_TRUE(look({suspect(1)}, 100).empty());
}

TEST_F(RecheckTest, TakesARowThatIsAbsentOnBothSidesForEqual) {
  EXPECT_TRUE(look({suspect(1)}, 100).empty());
}

TEST_F(RecheckTest, LetsADifferenceStandOnceItHasLasted) {
  source_.put(1, "a");
  source_.put(2, "b");
  target_.put(2, "something else");
  target_.put(3, "nobody's");

  const auto first = look({suspect(1), suspect(2), suspect(3)}, 100);
  const auto early = look(first, 100 + kSettleMs - 1);
  const auto late = look(early, 100 + kSettleMs);

  ASSERT_EQ(late.size(), 3U);
  for (const Suspect& one : early) EXPECT_EQ(one.state, Suspect::State::waiting);
  for (const Suspect& one : late) EXPECT_EQ(one.state, Suspect::State::stands);
  EXPECT_EQ(late[0].finding.kind, FindingKind::missing);
  EXPECT_EQ(late[1].finding.kind, FindingKind::different);
  EXPECT_EQ(late[1].finding.columns, std::vector<std::string>{"value"});
  EXPECT_EQ(late[2].finding.kind, FindingKind::extra);
}

TEST_F(RecheckTest, BeginsAnewWhenTheSourceRowHasChanged) {
  source_.put(1, "a");
  const auto first = look({suspect(1)}, 100);
  source_.put(1, "b");

  const auto changed = look(first, 100 + kSettleMs);
  const auto late = look(changed, 100 + 2 * kSettleMs);

  ASSERT_EQ(changed.size(), 1U);
  EXPECT_EQ(changed[0].state, Suspect::State::waiting);
  EXPECT_EQ(changed[0].since_ms, 100 + kSettleMs);
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(late[0].state, Suspect::State::stands);
}

TEST_F(RecheckTest, TrustsNoLookDuringWhichTheSourceRowChanged) {
  source_.put(1, "a");
  const auto first = look({suspect(1)}, 100);
  script_.on("target.compare", 1, [this] { source_.put(1, "b"); });

  const auto looked = look(first, 100 + kSettleMs);

  ASSERT_EQ(looked.size(), 1U);
  EXPECT_EQ(looked[0].state, Suspect::State::waiting);
}

TEST_F(RecheckTest, GivesUpOnARowThatNeverStaysTheSame) {
  source_.put(1, "a");
  std::vector<Suspect> suspects{suspect(1)};
  for (int round = 0; round < 5; ++round) {
    source_.put(1, "a" + std::to_string(round));
    suspects = look(suspects, round * kSettleMs);
    ASSERT_EQ(suspects.size(), 1U);
  }

  EXPECT_EQ(suspects[0].state, Suspect::State::unsettled);
}

TEST_F(RecheckTest, LeavesARowAloneThatTheTransformSkips) {
  source_.put(1, "skip this");
  target_.put(1, "whatever");

  EXPECT_TRUE(look({suspect(1)}, 100).empty());
}

TEST_F(RecheckTest, ConnectsAnewAfterALostConnection) {
  source_.put(1, "a");
  target_.put(1, fake_transformed("a"));
  script_.fail("target.compare", 1, Error(ErrorKind::retry, "connection lost", "08006"));

  EXPECT_TRUE(look({suspect(1)}, 100).empty());
  EXPECT_EQ(log_.count("will try again"), 1);
}

}  // namespace
}  // namespace backfill
