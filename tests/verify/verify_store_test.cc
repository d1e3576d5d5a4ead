// What the checkpoint file keeps of a pass.

#include "verify/verify_store.h"

#include <gtest/gtest.h>

#include "checkpoint/checkpoint_store.h"
#include "support/batch_builder.h"
#include "support/temp_folder.h"

namespace backfill {
namespace {

class VerifyStoreTest : public ::testing::Test {
 protected:
  VerifyStoreTest() {
    CheckpointStore::open(path());
    store_ = std::make_unique<VerifyStore>(path());
  }

  std::filesystem::path path() const { return folder_ / "checkpoint.db"; }
  VerifyStore& store() { return *store_; }

  static Suspect suspect(std::int64_t id, Suspect::State state, std::int64_t place) {
    Suspect made;
    made.finding.kind = FindingKind::different;
    made.finding.columns = {"a", "b"};
    made.finding.source_key = made.finding.target_key = key_of(id);
    made.state = state;
    made.place = place;
    made.after = key_of(place * 10);
    made.upto = key_of(place * 10 + 10);
    made.look_at_ms = id;
    return made;
  }

 private:
  TempFolder folder_;
  std::unique_ptr<VerifyStore> store_;
};

TEST_F(VerifyStoreTest, HasNoPassAtFirst) {
  EXPECT_FALSE(store().load());
  EXPECT_FALSE(store().first_unclean(100));
  EXPECT_EQ(store().count().standing(), 0);
}

TEST_F(VerifyStoreTest, IsOpenedForLookingOnlyWhereAPassWasBegun) {
  const TempFolder folder;
  CheckpointStore::open(folder / "other.db");

  EXPECT_EQ(VerifyStore::open_existing(folder / "other.db"), nullptr);
  const auto reader = VerifyStore::open_existing(path());
  ASSERT_NE(reader, nullptr);
  EXPECT_FALSE(reader->load());
  EXPECT_THROW(reader->start(SavedPass()), Error);
}

TEST_F(VerifyStoreTest, GivesBackThePassThatWasSaved) {
  SavedPass pass;
  pass.pass_id = "p";
  pass.sample = 0.25;
  pass.fingerprint = {{"source.table", "t"}};
  pass.source = {key_of(9), key_of(5), 3};
  pass.counts.compared = 7;
  pass.estimated_rows = 11;
  store().start(pass);
  pass.state = PassState::stopped;
  pass.target.watermark = key_of(2);

  store().save(pass, {});
  const auto loaded = VerifyStore(path()).load();

  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->pass_id, "p");
  EXPECT_EQ(loaded->state, PassState::stopped);
  EXPECT_EQ(loaded->sample, 0.25);
  EXPECT_EQ(loaded->fingerprint, pass.fingerprint);
  EXPECT_EQ(loaded->source.end, key_of(9));
  EXPECT_EQ(loaded->source.watermark, key_of(5));
  EXPECT_EQ(loaded->source.chunks, 3);
  EXPECT_EQ(loaded->target.watermark, key_of(2));
  EXPECT_FALSE(loaded->target.end);
  EXPECT_EQ(loaded->counts.compared, 7);
  EXPECT_EQ(loaded->estimated_rows, 11);
}

TEST_F(VerifyStoreTest, KeepsASuspectUntilItIsSettled) {
  using State = Suspect::State;
  store().put({{suspect(1, State::waiting, 4), suspect(2, State::stands, 2),
                suspect(3, State::unsettled, 7)},
               {}});

  EXPECT_EQ(store().count().waiting, 1);
  EXPECT_EQ(store().count().different, 1);
  EXPECT_EQ(store().count().unsettled, 1);
  EXPECT_EQ(store().first_unclean(100), std::optional(std::optional(key_of(20))));
  EXPECT_TRUE(store().due(0, 10).empty());
  ASSERT_EQ(store().due(1, 10).size(), 1U);
  EXPECT_EQ(store().due(1, 10)[0].finding.columns, (std::vector<std::string>{"a", "b"}));

  store().put({{}, {key_of(2)}});

  EXPECT_EQ(store().count().standing(), 0);
  EXPECT_EQ(store().first_unclean(100), std::optional(std::optional(key_of(40))));
  EXPECT_FALSE(store().first_unclean(4));
}

TEST_F(VerifyStoreTest, ListsDifferencesInTheOrderOfTheirChunksPageByPage) {
  std::vector<Suspect> all;
  for (const std::int64_t id : {5, 3, 9, 1, 7})
    all.push_back(suspect(id, Suspect::State::stands, 10 - id));
  store().put({all, {}});

  std::vector<std::int64_t> ids;
  std::optional<Suspect> last;
  while (true) {
    const auto some = store().standing(last ? &*last : nullptr, 2);
    if (some.empty()) break;
    for (const Suspect& one : some) ids.push_back(id_of(one.finding.target_key));
    last = some.back();
  }

  EXPECT_EQ(ids, (std::vector<std::int64_t>{9, 7, 5, 3, 1}));
}

TEST_F(VerifyStoreTest, KeepsChunksOfRepairsUntilTheyWereComparedAgain) {
  const Suspect one = suspect(1, Suspect::State::stands, 4);
  const Suspect beside = suspect(2, Suspect::State::stands, 4);
  const Suspect before = suspect(3, Suspect::State::stands, 2);
  store().put_repaired({{one, beside, before}, {}});

  const auto first = VerifyStore(path()).repaired_range();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->place, 2);
  EXPECT_EQ(first->after, key_of(20));
  EXPECT_EQ(first->upto, key_of(30));
  store().put_compared(*first, {});
  const auto second = store().repaired_range();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->place, 4);
  store().put_compared(*second, {});

  EXPECT_FALSE(store().repaired_range());
}

TEST_F(VerifyStoreTest, CountsADifferenceAsNewOnceOnly) {
  SavedPass pass;
  pass.pass_id = "one";
  store().start(pass);
  pass.state = PassState::complete;
  store().save(pass, {{suspect(1, Suspect::State::stands, 1)}, {}});
  EXPECT_EQ(store().count_new(), 1);

  pass.state = PassState::running;
  store().start(pass);
  store().save(pass, {{suspect(1, Suspect::State::stands, 1), suspect(2, Suspect::State::stands, 1),
                       suspect(3, Suspect::State::waiting, 1)},
                      {}});
  EXPECT_EQ(store().count_new(), 1);

  // That pass came to no end, and says nothing of what was there.
  store().start(pass);
  store().save(pass, {{suspect(1, Suspect::State::stands, 1)}, {}});
  EXPECT_EQ(store().count_new(), 0);
}

TEST_F(VerifyStoreTest, RemembersTheLastCleanPassOfTheSameRows) {
  SavedPass pass;
  pass.fingerprint = {{"source.table", "t"}};
  EXPECT_FALSE(store().clean_at(pass.fingerprint));
  store().note_clean(pass, 10.5);
  store().note_clean(pass, 20.5);
  store().start(pass);

  EXPECT_EQ(store().clean_at(pass.fingerprint), 20.5);
  EXPECT_FALSE(store().clean_at({{"source.table", "another"}}));
}

}  // namespace
}  // namespace backfill
