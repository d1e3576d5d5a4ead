// Tables at the edges of what a table can be: empty, of one row, of one batch, full of gaps,
// oddly named, growing and changing under the run.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "job_on_disk.h"
#include "people.h"
#include "sqlite/connection.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

using Keys = std::map<std::string, std::string>;

class EdgeTest : public ::testing::TestWithParam<Engine> {
 protected:
  EdgeTest() : playground_(make_playground(GetParam())) {}

  Playground& playground() { return *playground_; }

  Keys in_place() const {
    return {{"source.url", toml_string(playground_->url())},
            {"source.table", toml_string(playground_->table("users"))},
            {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
  }

  Keys copy() const {
    return {{"source.url", toml_string(playground_->url())},
            {"source.table", toml_string(playground_->table("users"))},
            {"target.table", toml_string(playground_->table("copies"))}};
  }

  void create_copies() {
    playground_->execute(
        "CREATE TABLE copies (id bigint NOT NULL PRIMARY KEY, full_name text, first_name text, "
        "last_name text)");
  }

  std::vector<std::string> all(const std::string& table) {
    return playground_->rows("SELECT * FROM " + table + " ORDER BY id");
  }

 private:
  std::unique_ptr<Playground> playground_;
};

TEST_P(EdgeTest, ATableOfAnyCountAroundABatchIsCopiedWhole) {
  create_people(playground(), "users", {});
  create_copies();
  int there = 0;
  for (const int count : {0, 1, 19, 20, 21, 40, 41}) {
    SCOPED_TRACE(count);
    for (; there < count; ++there) {
      playground().execute("INSERT INTO users (id, full_name) VALUES (" + std::to_string(there) +
                           ", 'Ann Lee')");
    }
    playground().execute("DELETE FROM copies");
    const JobOnDisk job(copy());

    const ProgramEnd end = job.run();

    ASSERT_EQ(end.exit_code, 0) << end;
    EXPECT_EQ(all("copies"), all("users"));
    const nlohmann::json status = job.status();
    EXPECT_EQ(status["state"], "complete");
    EXPECT_EQ(status["progress"], 1.0);
    EXPECT_EQ(status["rows"]["written"], count);
    EXPECT_EQ(status["batches"]["done"], (count + 19) / 20);
    EXPECT_EQ(status["end_key"].is_null(), count == 0);
  }
}

TEST_P(EdgeTest, AGapOfBillionsCostsNothing) {
  create_people(playground(), "users",
                {{-9'000'000'000'000'000'000, "First One"},
                 {0, "Middle One"},
                 {9'223'372'036'854'775'807, "Last One"}});
  create_copies();
  const JobOnDisk job(copy());

  const ProgramEnd end = job.run({"--batch-size=1"});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(all("copies"), all("users"));
  EXPECT_EQ(job.status()["batches"]["done"], 3);
}

TEST_P(EdgeTest, AWhereThatMatchesNothingIsComplete) {
  create_people(playground(), "users", make_people(50));
  create_copies();
  Keys keys = copy();
  keys["source.where"] = "\"id = 5 and id = 6 -- never\"";
  const JobOnDisk job(keys);

  const ProgramEnd end = job.run();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(job.status()["rows"]["read"], 0);
  EXPECT_EQ(job.state(), "complete");
  EXPECT_TRUE(all("copies").empty());
}

TEST_P(EdgeTest, RowsAboveTheEndKeyAreTheApplications) {
  create_people(playground(), "users", make_people(100));
  create_copies();
  const JobOnDisk job(copy());
  const auto before = all("users");
  const std::string go = (job.folder() / "go").string();
  Program run = job.start({"--workers=1"}, "chunk.planned=wait(" + go + ")@1");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); }));

  playground().execute("INSERT INTO users (id, full_name) VALUES (1000000, 'New One')");
  write_file(go, "");
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(all("copies"), before);
}

TEST_P(EdgeTest, AKeyMayBeInAnotherOrderThanItsColumns) {
  for (const char* table : {"pairs", "copies"}) {
    playground().execute("CREATE TABLE " + std::string(table) +
                         " (a bigint NOT NULL, b bigint NOT NULL, v text, PRIMARY KEY (b, a))");
  }
  playground().execute("INSERT INTO pairs VALUES (1, 30, 'x'), (2, 20, 'y'), (3, 10, 'z')");
  for (const char* mode : {"insert_missing", "upsert", "update"}) {
    if (mode == std::string("update")) playground().execute("UPDATE copies SET v = 'old'");
    const JobOnDisk job({{"source.url", toml_string(playground().url())},
                         {"source.table", toml_string(playground().table("pairs"))},
                         {"target.table", toml_string(playground().table("copies"))},
                         {"target.write", toml_string(mode)},
                         {"batch.size", "1"}});

    const ProgramEnd end = job.run();

    EXPECT_EQ(end.exit_code, 0) << mode << end;
    EXPECT_EQ(playground().rows("SELECT a, b, v FROM copies ORDER BY a"),
              (std::vector<std::string>{"1|30|x", "2|20|y", "3|10|z"}))
        << mode;
  }
}

TEST_P(EdgeTest, NamesMayHoldQuotesAndSql) {
  const std::string table = R"("a""; drop table b; --")";
  const std::string key = R"("k""ey; --")";
  const std::string value = R"("SELECT '")";
  for (const std::string& name : {table, std::string("\"copy of \"\"a\"")}) {
    playground().execute("CREATE TABLE " + name + " (" + key + " bigint NOT NULL PRIMARY KEY, " +
                         value + " text)");
  }
  playground().execute("CREATE TABLE b (id int); INSERT INTO " + table +
                       " VALUES (1, 'x'), (2, NULL), (3, 'it''s')");
  const JobOnDisk job({{"source.url", toml_string(playground().url())},
                       {"source.table", toml_string(playground().table(table))},
                       {"source.where", toml_string(key + " < 3")},
                       {"target.table", toml_string(playground().table("\"copy of \"\"a\""))},
                       {"target.ledger", "\"on\""},
                       {"batch.size", "1"}});

  const ProgramEnd crashed = job.run({"--workers=1"}, "target.after_commit=crash@1");
  const ProgramEnd end = job.run({"--resume"});

  EXPECT_NE(crashed.signal, 0) << crashed;
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(playground().rows("SELECT * FROM \"copy of \"\"a\" ORDER BY 1"),
            (std::vector<std::string>{"1|x", "2|NULL"}));
  EXPECT_TRUE(playground().has_table("b"));
}

// One connection of the application's own, that changes a name and its parts together.
class Application {
 public:
  explicit Application(const std::string& url, std::string table) : table_(std::move(table)) {
    if (url.starts_with("sqlite:")) {
      sqlite_ =
          std::make_unique<SqliteConnection>(url.substr(7), SqliteConnection::Mode::read_write);
    } else {
      postgres_ = std::make_unique<PgConnection>(url, "application", "application");
    }
  }

  void rename(long long id, int version) {
    const std::string n = std::to_string(version);
    const std::string sql = "UPDATE " + table_ + " SET full_name = 'New" + n + " Name" + n +
                            "', first_name = 'New" + n + "', last_name = 'Name" + n +
                            "' WHERE id = " + std::to_string(id);
    sqlite_ ? sqlite_->execute(sql) : postgres_->command(sql);
  }

 private:
  std::string table_;
  std::unique_ptr<SqliteConnection> sqlite_;
  std::unique_ptr<PgConnection> postgres_;
};

TEST_P(EdgeTest, NoNewerValueOfALiveTableIsOverwritten) {
  const std::vector<Person> people = make_people(400);
  create_people(playground(), "users", people);
  const JobOnDisk job(in_place());
  Program run = job.start({"--workers=2"}, "chunk.after_transform=delay(5ms)");
  Application application(playground().url(), playground().table("users"));

  int version = 0;
  while (run.is_running()) {
    application.rename(people[static_cast<std::size_t>(version * 7) % people.size()].id, version);
    ++version;
  }

  EXPECT_EQ(run.wait().exit_code, 0);
  EXPECT_GT(version, 20);
  for (const std::string& row :
       playground().rows("SELECT full_name, first_name, last_name FROM users WHERE full_name IS "
                         "NOT NULL ORDER BY id")) {
    const std::string full_name = row.substr(0, row.find('|'));
    const SplitName name = split_name_of(full_name);
    EXPECT_EQ(row, full_name + "|" + name.first + "|" + name.last);
  }
}

// The row changes at the worst moment: after it was read, before it is written.
TEST_P(EdgeTest, ARowThatChangesBetweenItsReadAndItsWriteIsReadAgain) {
  create_people(playground(), "users", {{1, "Ann Lee"}, {2, "Bob Ray"}, {3, "Cy Fox"}});
  const JobOnDisk job(in_place());
  const std::string go = (job.folder() / "go").string();
  Program run = job.start({"--workers=1"}, "chunk.after_read=wait(" + go + ")@1");
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); }));

  playground().execute(
      "UPDATE users SET full_name = 'Zoe Zed' WHERE id = 2; "
      "DELETE FROM users WHERE id = 3");
  write_file(go, "");
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(all("users"), (std::vector<std::string>{"1|Ann Lee|Ann|Lee", "2|Zoe Zed|Zoe|Zed"}));
  EXPECT_GE(job.status()["rows"]["conflicts"], 1);
}

INSTANTIATE_TEST_SUITE_P(On, EdgeTest, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

}  // namespace
}  // namespace backfill
