// What `verify` finds, and that it finds nothing else: planted differences of every kind, on every
// pair of databases.

#include <gtest/gtest.h>

#include <csignal>
#include <random>

#include "verify_job.h"

namespace backfill {
namespace {

using Findings = VerifyJob::Findings;

constexpr int kPeople = 300;

std::string parameter_name(const ::testing::TestParamInfo<Ends>& tested) {
  return ends_name(tested.param);
}

class VerifyTest : public ::testing::TestWithParam<Ends> {};

// The id that is so many places behind the first.
std::string id_at(VerifyJob& job, int place) {
  return job.source().value("SELECT id FROM people ORDER BY id LIMIT 1 OFFSET " +
                            std::to_string(place));
}

TEST_P(VerifyTest, FindsNothingInACopyAndSaysWhatItProved) {
  VerifyJob job(GetParam(), kPeople);
  job.copy();

  const ProgramEnd end = job.verify({"--json"});

  EXPECT_EQ(end.exit_code, 0) << end;
  const nlohmann::json json = json_of(end);
  EXPECT_EQ(json["clean"], true);
  EXPECT_EQ(json["partial"], false);
  EXPECT_EQ(json["state"], "complete");
  EXPECT_EQ(json["rows"]["source"], kPeople);
  EXPECT_EQ(json["rows"]["compared"], kPeople);
  EXPECT_EQ(json["verified_through"], nlohmann::json::array({id_at(job, kPeople - 1)}));
  EXPECT_TRUE(job.listed().empty());
}

TEST_P(VerifyTest, FindsEveryRowOfACopyThatWasNeverMade) {
  VerifyJob job(GetParam(), 50);

  const Findings found = job.find();

  EXPECT_EQ(found.size(), 50U);
  EXPECT_TRUE(found.contains("missing " + id_at(job, 0)));
}

TEST_P(VerifyTest, FindsEachKindOfDifferenceAndNothingElse) {
  VerifyJob job(GetParam(), kPeople);
  job.copy();
  Playground& target = job.target();
  Findings planted;
  const auto plant = [&](const std::string& sql, const std::string& finding) {
    target.execute(sql);
    planted.insert(finding);
  };
  const std::string first = id_at(job, 0);
  const std::string last = id_at(job, kPeople - 1);

  // One bit; NULL against ''; a row that is gone at the head, in the middle and at the tail.
  plant("UPDATE copies SET full_name = 'Ann11 Leg11' WHERE id = " + id_at(job, 11),
        "different " + id_at(job, 11) + ",full_name");
  plant("UPDATE copies SET full_name = '' WHERE id = " + id_at(job, 7),
        "different " + id_at(job, 7) + ",full_name");
  for (const std::string& id : {first, id_at(job, 100), last})
    plant("DELETE FROM copies WHERE id = " + id, "missing " + id);
  // Rows before the first, between two and past the last.
  for (const std::string& id :
       {std::to_string(std::stoll(first) - 1000), std::to_string(std::stoll(first) + 1),
        std::to_string(std::stoll(last) + 1), std::to_string(std::stoll(last) + 5000)})
    plant("INSERT INTO copies (id, full_name) VALUES (" + id + ", 'Nobody')", "extra " + id);
  // Two rows that have swapped their values.
  const std::string a = id_at(job, 41);
  const std::string b = id_at(job, 42);
  const std::string name_a = sql_text(target.value("SELECT full_name FROM copies WHERE id = " + a));
  const std::string name_b = sql_text(target.value("SELECT full_name FROM copies WHERE id = " + b));
  plant("UPDATE copies SET full_name = " + name_b + " WHERE id = " + a,
        "different " + a + ",full_name");
  plant("UPDATE copies SET full_name = " + name_a + " WHERE id = " + b,
        "different " + b + ",full_name");

  EXPECT_EQ(job.find(), planted);
  EXPECT_EQ(job.find({"--workers=4", "--batch-size=7"}), planted);
}

TEST_P(VerifyTest, FindsWhateverIsPlantedAtRandom) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](int end) {
    return std::uniform_int_distribution<int>(0, end - 1)(random);
  };
  VerifyJob job(GetParam(), kPeople);
  job.copy();
  std::set<std::string> ids;
  for (int i = 0; i < kPeople; ++i) ids.insert(id_at(job, i));
  Findings planted;
  std::string sql;

  for (const std::string& id : ids) {
    if (below(3) != 0) continue;
    const std::string beside = std::to_string(std::stoll(id) + 1 + below(3));
    switch (below(3)) {
      case 0:
        sql += "DELETE FROM copies WHERE id = " + id + ";";
        planted.insert("missing " + id);
        break;
      case 1:
        sql +=
            "UPDATE copies SET full_name = coalesce(full_name, '') || '.' WHERE id = " + id + ";";
        planted.insert("different " + id + ",full_name");
        break;
      default:
        if (ids.contains(beside) || planted.contains("extra " + beside)) break;
        sql += "INSERT INTO copies (id, full_name) VALUES (" + beside + ", NULL);";
        planted.insert("extra " + beside);
    }
  }
  job.target().execute(sql);

  EXPECT_EQ(job.find(), planted);
}

TEST_P(VerifyTest, FindsAllOfATargetExtraWhereTheSourceIsEmpty) {
  VerifyJob job(GetParam(), 0);
  job.target().execute("INSERT INTO copies (id) VALUES (-5), (0), (7)");

  EXPECT_EQ(job.find(), (Findings{"extra -5", "extra 0", "extra 7"}));
}

TEST_P(VerifyTest, GoesOnAfterBeingKilledAndSaysTheSame) {
  VerifyJob job(GetParam(), kPeople);
  job.copy();
  for (const int place : {3, 120, 250})
    job.target().execute("DELETE FROM copies WHERE id = " + id_at(job, place));
  const Findings planted = job.find();
  ASSERT_EQ(planted.size(), 3U);

  for (const std::string place : {"verify.after_compare=crash@4", "verify.before_save=crash@1",
                                  "verify.after_save=crash@1", "verify.after_compare=crash@9"}) {
    const ProgramEnd killed = job.verify({"--workers=2"}, place);
    ASSERT_EQ(killed.signal, SIGKILL) << place << killed;
    EXPECT_EQ(job.find({"--resume"}), planted) << place;
  }
}

TEST_P(VerifyTest, ResumedTimeAndAgainCountsEachRowOnce) {
  VerifyJob job(GetParam(), kPeople);
  job.copy();
  job.target().execute("DELETE FROM copies WHERE id = " + id_at(job, 30));
  job.verify({}, "verify.after_compare=crash@3");
  for (int i = 0; i < 4; ++i) job.verify({"--resume"}, "verify.after_compare=crash@4");

  const ProgramEnd end = job.verify({"--resume", "--json"});

  EXPECT_EQ(end.exit_code, 5) << end;
  EXPECT_EQ(json_of(end)["rows"]["source"], kPeople) << end;
  EXPECT_EQ(job.listed(), (Findings{"missing " + id_at(job, 30)}));
}

TEST_P(VerifyTest, SaysUpToWhichKeyEverythingIsInOrder) {
  VerifyJob job(GetParam(), kPeople);
  job.copy();
  job.target().execute("DELETE FROM copies WHERE id = " + id_at(job, 130));

  const nlohmann::json json = json_of(job.verify({"--json"}));

  EXPECT_EQ(json["clean"], false);
  ASSERT_TRUE(json["verified_through"].is_array()) << json;
  const long long through = std::stoll(json["verified_through"][0].get<std::string>());
  EXPECT_LT(through, std::stoll(id_at(job, 130)));
  EXPECT_GE(through, std::stoll(id_at(job, 100)));
}

TEST_P(VerifyTest, OfASampleProvesNothingAndSaysSo) {
  VerifyJob job(GetParam(), kPeople);
  job.copy();

  const ProgramEnd end = job.verify({"--sample=50%"});
  const nlohmann::json json = json_of(job.verify({"--sample=50%", "--json"}));

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_NE(end.out.find("PARTIAL"), std::string::npos) << end;
  EXPECT_EQ(json["partial"], true);
  EXPECT_TRUE(json["verified_through"].is_null());
  const int compared = json["rows"]["compared"];
  EXPECT_LE(compared, kPeople);
  ASSERT_GT(compared, 0) << "1 in 32,000 samples is empty";
  EXPECT_DOUBLE_EQ(json["differing_at_most"], std::min(1.0, 3.0 / compared));
}

TEST_P(VerifyTest, PrintsDifferencesThatCanBePastedIntoSql) {
  VerifyJob job(GetParam(), kPeople);
  job.copy();
  const std::string id = id_at(job, 20);
  job.target().execute("DELETE FROM copies WHERE id = " + id);

  const ProgramEnd end = job.verify();

  const std::size_t at = end.out.find("  missing    ");
  ASSERT_NE(at, std::string::npos) << end;
  const std::string condition = end.out.substr(at + 13, end.out.find('\n', at) - at - 13);
  EXPECT_EQ(job.source().value("SELECT id FROM people WHERE " + condition), id) << condition;
}

TEST_P(VerifyTest, FailsWhenAColumnIsLeftOut) {
  VerifyJob job(GetParam(), kPeople);
  job.copy();
  job.target().execute("UPDATE copies SET full_name = 'x' WHERE id = " + id_at(job, 20));

  EXPECT_EQ(job.verify({}, "verify.column=skip").exit_code, 0);
  EXPECT_EQ(job.verify().exit_code, 5);
}

INSTANTIATE_TEST_SUITE_P(On, VerifyTest, ::testing::ValuesIn(all_ends()), parameter_name);

class VerifyInPlaceTest : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    playground_ = make_playground(GetParam());
    create_people(*playground_, "people", make_people(kPeople));
  }

  JobOnDisk make_job(const std::map<std::string, std::string>& keys = {}) {
    std::map<std::string, std::string> all = {
        {"source.url", toml_string(playground_->url())},
        {"source.table", toml_string(playground_->table("people"))},
        {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
    for (const auto& [name, value] : keys) all[name] = value;
    return JobOnDisk(all);
  }

  std::unique_ptr<Playground> playground_;
};

TEST_P(VerifyInPlaceTest, ComparesWhatAPluginFilledWithWhatItMakesOfTheRowNow) {
  const JobOnDisk job = make_job();
  ASSERT_EQ(job.run().exit_code, 0);
  EXPECT_EQ(job.call("verify", {"--settle=0s"}).exit_code, 0);
  const std::string id = playground_->value(
      "SELECT id FROM people WHERE last_name IS NOT NULL ORDER BY id LIMIT 1 OFFSET 33");
  playground_->execute("UPDATE people SET last_name = 'Else' WHERE id = " + id);

  const ProgramEnd end = job.call("verify", {"--settle=0s", "--json"});

  EXPECT_EQ(end.exit_code, 5) << end;
  const nlohmann::json json = json_of(end);
  ASSERT_EQ(json["first_differences"].size(), 1U) << end;
  EXPECT_EQ(json["first_differences"][0]["columns"], nlohmann::json::array({"last_name"}));

  const ProgramEnd mended = job.call("reconcile", {"--settle=0s"});

  EXPECT_EQ(mended.exit_code, 0) << mended;
  EXPECT_EQ(job.call("verify", {"--settle=0s"}).exit_code, 0);
}

TEST_P(VerifyInPlaceTest, RefusesATransformThatReadsWhatItWrites) {
  playground_->execute("ALTER TABLE people ADD COLUMN balance bigint");
  const JobOnDisk job =
      make_job({{"transform.plugin", toml_string(plugin_path("double_balance"))}});

  const ProgramEnd end = job.call("verify");

  EXPECT_EQ(end.exit_code, 3) << end;
  EXPECT_NE(end.err.find("nothing to compare"), std::string::npos) << end;
}

INSTANTIATE_TEST_SUITE_P(On, VerifyInPlaceTest, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

}  // namespace
}  // namespace backfill
