// Rows that the target or the plugin refuses: found one by one, kept with their reason, and the
// rest goes on.

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <set>

#include "job_on_disk.h"
#include "people.h"
#include "sqlite/connection.h"

namespace backfill {
namespace {

using nlohmann::json;
using Keys = std::map<std::string, std::string>;
using Ids = std::set<long long>;

constexpr int kPeople = 100;

enum class By { database, plugin };

class RejectTest : public ::testing::TestWithParam<std::tuple<Engine, By>> {
 protected:
  RejectTest() : playground_(make_playground(std::get<0>(GetParam()))) {}

  bool by_plugin() const { return std::get<1>(GetParam()) == By::plugin; }

  // Ids from 1; those of `bad` have a name that is refused.
  JobOnDisk job_with(const Ids& bad) {
    std::vector<Person> people;
    for (long long id = 1; id <= kPeople; ++id) {
      people.push_back({id, bad.contains(id) ? "bad" : "Ann" + std::to_string(id)});
    }
    create_people(*playground_, "users", people);
    const std::string check = by_plugin() ? "" : " CHECK (first_name <> 'bad')";
    playground_->execute("CREATE TABLE people (id bigint NOT NULL PRIMARY KEY, first_name text" +
                         check + ")");
    const char* plugin = by_plugin() ? "picky_copy" : "split_full_name";
    Keys keys = {{"source.url", toml_string(playground_->url())},
                 {"source.table", toml_string(playground_->table("users"))},
                 {"source.columns", R"(["id", "full_name"])"},
                 {"target.table", toml_string(playground_->table("people"))},
                 {"target.write", "\"upsert\""},
                 {"transform.plugin", toml_string(plugin_path(plugin))}};
    if (!by_plugin()) playground_->execute("ALTER TABLE people ADD COLUMN last_name text");
    return JobOnDisk(keys);
  }

  Ids written() {
    Ids ids;
    for (const std::string& id : playground_->rows("SELECT id FROM people")) {
      ids.insert(std::stoll(id));
    }
    return ids;
  }

  static Ids without(const Ids& bad) {
    Ids ids;
    for (long long id = 1; id <= kPeople; ++id) {
      if (!bad.contains(id)) ids.insert(id);
    }
    return ids;
  }

  void expect_dead(const JobOnDisk& job, const Ids& bad) {
    const json letters = job.status({"--dead-letters"})["dead_letters"];
    Ids ids;
    for (const json& letter : letters) {
      ids.insert(std::stoll(letter["key"][0].get<std::string>()));
      expect_reason(letter);
    }
    EXPECT_EQ(letters.size(), bad.size());
    EXPECT_EQ(ids, bad);
    SqliteConnection file(job.checkpoint(), SqliteConnection::Mode::read_only);
    SqliteStatement count = file.prepare("SELECT count(*), min(\"values\") FROM dead_letter");
    count.step();
    EXPECT_EQ(count.integer(0), static_cast<std::int64_t>(bad.size()));
    EXPECT_NE(count.bytes(1).find("bad"), std::string_view::npos);
  }

  void expect_reason(const json& letter) const {
    EXPECT_EQ(letter["values"]["full_name"], "bad");
    const std::string code = letter["code"];
    if (by_plugin()) {
      EXPECT_EQ(code, "transform");
      EXPECT_EQ(letter["message"], "a bad name");
    } else if (std::get<0>(GetParam()) == Engine::postgres) {
      EXPECT_EQ(code, "23514");
    } else {
      EXPECT_NE(letter["message"].get<std::string>().find("CHECK"), std::string::npos) << letter;
    }
  }

  std::unique_ptr<Playground> playground_;
};

TEST_P(RejectTest, LeavesOutJustTheBadRowsAndEndsWith4) {
  Ids whole_batch;
  for (long long id = 41; id <= 60; ++id) whole_batch.insert(id);
  for (const Ids& bad : {Ids{1}, Ids{50}, Ids{100}, Ids{20, 21}, whole_batch}) {
    SCOPED_TRACE(*bad.begin());
    playground_->execute("DROP TABLE IF EXISTS users; DROP TABLE IF EXISTS people");
    const JobOnDisk job = job_with(bad);

    const ProgramEnd end = job.run();

    EXPECT_EQ(end.exit_code, 4) << end;
    EXPECT_EQ(written(), without(bad));
    EXPECT_EQ(job.state(), "failed");
    EXPECT_EQ(job.status()["rows"]["rejected"], bad.size());
    EXPECT_EQ(job.status()["rows"]["read"], kPeople);
    expect_dead(job, bad);
  }
}

TEST_P(RejectTest, AllowsAsManyAsTheLimitSays) {
  const JobOnDisk job = job_with({3, 33});
  struct Limit {
    const char* value;
    int exit_code;
  };

  for (const Limit& limit : {Limit{"2", 0}, Limit{"1", 4}, Limit{"2%", 0}, Limit{"1.9%", 4}}) {
    const ProgramEnd end =
        job.run({"--restart", "--set", std::string("limits.max_rejected=") + limit.value});
    EXPECT_EQ(end.exit_code, limit.exit_code) << limit.value << "\n" << end;
  }
}

TEST_P(RejectTest, KeepsEachDeadLetterOnceAcrossCrashes) {
  for (const char* failpoint :
       {"target.after_commit", "checkpoint.before_commit", "checkpoint.after_commit"}) {
    for (const char* ledger : {"on", "off"}) {
      SCOPED_TRACE(std::string(failpoint) + " with ledger " + ledger);
      playground_->execute(
          "DROP TABLE IF EXISTS users; DROP TABLE IF EXISTS people; "
          "DROP TABLE IF EXISTS backfill_ledger");
      const Ids bad{2, 30, 31, 99};
      JobOnDisk job = job_with(bad);
      job.change({{"target.ledger", toml_string(ledger)}});

      const ProgramEnd crashed = job.run({"--workers=2"}, std::string(failpoint) + "=crash@2");
      const ProgramEnd end = job.run({"--resume"});

      EXPECT_EQ(crashed.signal, SIGKILL) << crashed;
      EXPECT_EQ(end.exit_code, 4) << end;
      EXPECT_EQ(written(), without(bad));
      EXPECT_EQ(job.status()["rows"]["rejected"], bad.size());
      expect_dead(job, bad);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(By, RejectTest,
                         ::testing::Combine(::testing::Values(Engine::sqlite, Engine::postgres),
                                            ::testing::Values(By::database, By::plugin)),
                         [](const auto& tested) {
                           return std::string(engine_name(std::get<0>(tested.param))) +
                                  (std::get<1>(tested.param) == By::plugin ? "ThePlugin"
                                                                           : "TheDatabase");
                         });

}  // namespace
}  // namespace backfill
