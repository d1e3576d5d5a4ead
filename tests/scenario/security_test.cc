// Names and values that look like SQL; who may read what we write; roles with no more than the
// privileges that the README lists.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>

#include "job_on_disk.h"
#include "playground.h"
#include "support/postgres_fixture.h"
#include "support/postgres_server.h"

namespace backfill {
namespace {

using Keys = std::map<std::string, std::string>;
using Lines = std::vector<std::string>;

constexpr const char* kTable = R"("a""; drop table b; --")";
constexpr const char* kCopy = R"("c'); drop table b; --")";
constexpr const char* kKey = R"("k""; drop table b; --")";
constexpr const char* kValue = R"("v'; drop table b; --")";

class SqlInNamesTest : public ::testing::TestWithParam<std::tuple<Engine, Engine>> {
 protected:
  SqlInNamesTest() : source_(make_playground(std::get<0>(GetParam()))) {
    if (std::get<0>(GetParam()) != std::get<1>(GetParam())) {
      other_ = make_playground(std::get<1>(GetParam()));
    }
    for (Playground* playground : {source_.get(), &target()}) {
      playground->execute("CREATE TABLE IF NOT EXISTS b (id int)");
    }
    source_->execute(create(kTable));
    target().execute(create(kCopy));
    std::string values;
    for (const std::string& text : texts()) {
      values += (values.empty() ? "(" : ", (") + quoted(text) + ", " + quoted(text + text) + ")";
    }
    source_->execute("INSERT INTO " + std::string(kTable) + " VALUES " + values);
  }

  Playground& target() { return other_ ? *other_ : *source_; }

  static std::string create(const std::string& table) {
    return "CREATE TABLE " + table + " (" + kKey + " text NOT NULL PRIMARY KEY, " + kValue +
           " text)";
  }

  // Keys and values.
  static Lines texts() {
    return {"'; drop table b; --",
            "\"; drop table b; --",
            "$1",
            "$$",
            "\\'; drop table b; --",
            "%s{}",
            "?1 :a @b",
            "''",
            "",
            "E'\\x27'",
            "[\"a\",null]",
            "\\.",
            "\\N",
            "ä'"};
  }

  static std::string quoted(const std::string& text) {
    std::string literal = "'";
    for (const char c : text) literal += c == '\'' ? "''" : std::string(1, c);
    return literal + "'";
  }

  // In the order of their bytes.
  static Lines sorted(Playground& playground, const std::string& table) {
    Lines rows = playground.rows("SELECT * FROM " + table);
    std::sort(rows.begin(), rows.end());
    return rows;
  }

  // Two texts for one database, so that no statement does all the work within it.
  std::string target_url(bool pushes_down) {
    const bool same = !other_ && GetParam() == std::tuple(Engine::postgres, Engine::postgres);
    return target().url() + (same && !pushes_down ? "&connect_timeout=9" : "");
  }

  std::unique_ptr<Playground> source_;
  std::unique_ptr<Playground> other_;
};

TEST_P(SqlInNamesTest, AreCopiedLikeAnyOther) {
  for (const char* write : {"insert_missing", "upsert", "update", "insert"}) {
    for (const bool pushes_down : {true, false}) {
      SCOPED_TRACE(write);
      const std::string copy = kCopy;
      if (write == std::string("update")) {
        target().execute("UPDATE " + copy + " SET " + kValue + " = 'old'");
      } else {
        target().execute("DELETE FROM " + copy);
      }
      const JobOnDisk job({{"source.url", toml_string(source_->url())},
                           {"source.table", toml_string(source_->table(kTable))},
                           {"source.where", toml_string(std::string(kKey) + " <> 'no; --'")},
                           {"target.url", toml_string(target_url(pushes_down))},
                           {"target.table", toml_string(target().table(kCopy))},
                           {"target.write", toml_string(write)},
                           {"target.ledger", "\"on\""},
                           {"batch.size", "2"}});

      const ProgramEnd crashed = job.run({"--workers=1"}, "target.after_commit=crash@2");
      const ProgramEnd end = job.run({"--resume"});

      EXPECT_EQ(crashed.signal, SIGKILL) << crashed;
      EXPECT_EQ(end.exit_code, 0) << end;
      EXPECT_EQ(sorted(target(), kCopy), sorted(*source_, kTable));
      EXPECT_TRUE(source_->has_table("b"));
      EXPECT_TRUE(target().has_table("b"));
    }
  }
}

TEST_P(SqlInNamesTest, InDeadLettersAreFoundAgain) {
  const JobOnDisk job({{"source.url", toml_string(source_->url())},
                       {"source.table", toml_string(source_->table(kTable))},
                       {"target.url", toml_string(target().url())},
                       {"target.table", toml_string(target().table("refusing"))},
                       {"target.write", "\"upsert\""}});
  target().execute("CREATE TABLE refusing (" + std::string(kKey) + " text NOT NULL PRIMARY KEY, " +
                   kValue + " text, CHECK (length(" + kValue + ") > 10000))");
  ASSERT_EQ(job.run().exit_code, 4);
  target().execute("DROP TABLE refusing");
  target().execute(create("refusing"));

  const ProgramEnd end = job.run({"--retry-rejected"});

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(sorted(target(), "refusing"), sorted(*source_, kTable));
  EXPECT_EQ(job.status()["rows"]["rejected"], 0);
}

INSTANTIATE_TEST_SUITE_P(Between, SqlInNamesTest,
                         ::testing::Combine(::testing::Values(Engine::sqlite, Engine::postgres),
                                            ::testing::Values(Engine::sqlite, Engine::postgres)),
                         [](const auto& tested) {
                           return std::string(engine_name(std::get<0>(tested.param))) + "And" +
                                  engine_name(std::get<1>(tested.param));
                         });

TEST(CheckpointFile, MayBeReadByItsOwnerOnlyWhateverTheUmask) {
  const auto playground = make_playground(Engine::sqlite);
  playground->execute(
      "CREATE TABLE t (id int NOT NULL PRIMARY KEY, v); CREATE TABLE u (id int NOT "
      "NULL PRIMARY KEY, v); INSERT INTO t VALUES (1, 2)");
  const JobOnDisk job({{"source.url", toml_string(playground->url())},
                       {"source.table", "\"t\""},
                       {"target.table", "\"u\""}});
  const std::string go = (job.folder() / "go").string();
  Program run({"sh", "-c", "umask 0; exec \"$0\" \"$@\"", BACKFILL_PROGRAM, "run", job.file()},
              {{"BACKFILL_FAILPOINTS", "target.before_commit=wait(" + go + ")"}});
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); }));

  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(job.folder().path())) {
    if (entry.path().filename().string().find("checkpoint") == std::string::npos) continue;
    struct stat status {};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U) << entry.path();
    ++files;
  }
  write_file(go, "");

  EXPECT_EQ(files, 3);  // with its log and the log's index
  const ProgramEnd end = run.wait();
  EXPECT_EQ(end.exit_code, 0) << end;
}

// What everybody on the machine can see of a process.
TEST(ProcessTitle, HoldsNoPassword) {
  PostgresServer server("scram-sha-256");
  server.execute(
      "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY, "
      "v text); INSERT INTO t VALUES (1, 'x')");
  for (const std::string& url :
       {server.url("postgres:secret"),
        "host=" + server.folder() + " dbname=postgres user=postgres password=secret"}) {
    const JobOnDisk job({{"source.url", "\"postgresql:///elsewhere\""},
                         {"source.table", "\"public.t\""},
                         {"target.table", "\"public.u\""}});
    const std::string go = (job.folder() / "go").string();
    Program run =
        job.start({"--set", "source.url=" + url}, "target.before_commit=wait(" + go + ")");
    ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); })) << run.err();

    const std::string title = read_file("/proc/" + std::to_string(run.pid()) + "/cmdline");
    const Lines sessions = server.rows(
        "SELECT application_name || ' ' || query FROM "
        "pg_stat_activity WHERE application_name LIKE 'backfill%'");
    write_file(go, "");

    EXPECT_NE(title.find("source.url="), std::string::npos) << title;
    EXPECT_EQ(title.find("secret"), std::string::npos) << title;
    EXPECT_FALSE(sessions.empty());
    for (const std::string& session : sessions) {
      EXPECT_EQ(session.find("secret"), std::string::npos) << session;
    }
    const ProgramEnd end = run.wait();
    EXPECT_EQ(end.exit_code, 0) << end;
    server.execute("TRUNCATE u");
  }
}

// Roles that may do nothing but what README.md lists.
class LeastPrivilegeTest : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    reader_ = "reader_" + database().name();
    writer_ = "writer_" + database().name();
    // Nothing comes from PUBLIC.
    execute("REVOKE ALL ON DATABASE " + database().name() +
            " FROM PUBLIC; REVOKE ALL ON SCHEMA "
            "public FROM PUBLIC; CREATE SCHEMA shop");
    for (const std::string& role : {reader_, writer_}) {
      execute("CREATE ROLE " + role + " LOGIN; GRANT CONNECT ON DATABASE " + database().name() +
              " TO " + role + "; GRANT USAGE ON SCHEMA shop TO " + role);
    }
    execute(
        "CREATE TABLE shop.users (id int PRIMARY KEY, full_name text, secret text, first_name "
        "text, last_name text); INSERT INTO shop.users SELECT i, 'Ann' || i || ' Lee' || i, 'x' "
        "FROM generate_series(1, 100) AS i; CREATE TABLE shop.people (id int PRIMARY KEY, "
        "first_name text, last_name text, note text)");
  }
  void TearDown() override {
    for (const std::string& role : {reader_, writer_}) {
      execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
    }
  }

  Keys copy(const std::string& write) {
    return {{"source.url", toml_string(url(reader_))},
            {"source.table", "\"shop.users\""},
            {"source.columns", R"(["id", "full_name"])"},
            {"target.url", toml_string(url(writer_))},
            {"target.table", "\"shop.people\""},
            {"target.write", toml_string(write)},
            {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
  }

  Keys in_place() {
    return {{"source.url", toml_string(url(writer_))},
            {"source.table", "\"shop.users\""},
            {"source.columns", R"(["id", "full_name"])"},
            {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
  }

  void grant(const std::string& privileges, const std::string& on, const std::string& role) {
    execute("GRANT " + privileges + " ON " + on + " TO " + role);
  }

  // As somebody who owns the schema would, with the SQL that the program asks for.
  void make_ledger(const ProgramEnd& refused) {
    EXPECT_EQ(refused.exit_code, 3) << refused;
    const std::size_t at = refused.err.rfind("CREATE TABLE IF NOT EXISTS");
    ASSERT_NE(at, std::string::npos) << refused;
    execute(refused.err.substr(at));
  }

  void expect_done(const JobOnDisk& job, const std::string& table) {
    const ProgramEnd crashed = job.run({"--workers=2"}, "target.after_commit=crash@2");
    EXPECT_EQ(crashed.signal, SIGKILL) << crashed;
    const ProgramEnd end = job.run({"--resume"});
    EXPECT_EQ(end.exit_code, 0) << end;
    expect_names(table);
  }

  void expect_names(const std::string& table) {
    EXPECT_EQ(value("SELECT count(*) FROM " + table +
                    " WHERE first_name = 'Ann' || id AND last_name = 'Lee' || id"),
              "100");
  }

  std::string reader_;
  std::string writer_;
};

struct Mode {
  const char* write;
  const char* consistency;
  const char* privileges;
};

TEST_F(LeastPrivilegeTest, IsEnoughForACopyWithoutALedger) {
  grant("TEMPORARY", "DATABASE " + database().name(), writer_);
  for (const Mode& mode :
       {Mode{"insert_missing", "none", "SELECT (id), INSERT (id, first_name, last_name)"},
        Mode{"upsert", "none",
             "SELECT (id, first_name, last_name), INSERT (id, first_name, last_name), UPDATE "
             "(first_name, last_name)"},
        Mode{"update", "none",
             "SELECT (id, first_name, last_name), UPDATE (first_name, last_name)"},
        Mode{"insert_missing", "validate",
             "SELECT, INSERT (id, first_name, last_name), UPDATE, DELETE"},
        Mode{"upsert", "validate", "SELECT, INSERT (id, first_name, last_name), UPDATE, DELETE"},
        Mode{"update", "validate", "SELECT, UPDATE"}}) {
    SCOPED_TRACE(mode.write + std::string(" ") + mode.consistency);
    const bool validates = mode.consistency == std::string("validate");
    execute("REVOKE ALL ON shop.people FROM " + writer_ + "; REVOKE ALL ON shop.users FROM " +
            reader_ + "; TRUNCATE shop.people");
    if (mode.write == std::string("update")) {
      execute("INSERT INTO shop.people (id) SELECT id FROM shop.users");
    }
    Keys keys = copy(mode.write);
    keys["source.consistency"] = toml_string(mode.consistency);
    const JobOnDisk job(keys);
    EXPECT_EQ(job.run().exit_code, 3);
    grant("SELECT (id, full_name)", "shop.users", reader_);
    if (validates) {
      const ProgramEnd refused = job.run();
      EXPECT_EQ(refused.exit_code, 3) << refused;
      EXPECT_NE(refused.err.find("GRANT SELECT (\"xmax\", \"xmin\") ON shop.users"),
                std::string::npos)
          << refused;
      grant("SELECT (xmin, xmax)", "shop.users", reader_);
    }
    const ProgramEnd refused = job.run();
    EXPECT_EQ(refused.exit_code, 3) << refused;
    EXPECT_NE(refused.err.find("write shop.people: GRANT"), std::string::npos) << refused;
    grant(mode.privileges, "shop.people", writer_);

    // The source changes while a batch is on its way.
    const std::string go = (job.folder() / "go").string();
    Program run = job.start({"--workers=1"}, "target.before_commit=wait(" + go + ")@2");
    ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(go + ".reached"); })) << run.err();
    execute("UPDATE shop.users SET secret = 'y' WHERE id = 25");
    write_file(go, "");
    const ProgramEnd end = run.wait();

    EXPECT_EQ(end.exit_code, 0) << end;
    expect_names("shop.people");
  }
}

TEST_F(LeastPrivilegeTest, IsEnoughForACopyWithALedgerThatADbaMakes) {
  grant("SELECT (id, full_name, xmin, xmax)", "shop.users", reader_);
  grant("TEMPORARY", "DATABASE " + database().name(), writer_);
  grant("SELECT, INSERT (id, first_name, last_name), UPDATE, DELETE", "shop.people", writer_);
  const JobOnDisk job(copy("insert"));

  make_ledger(job.run());

  expect_done(job, "shop.people");
  EXPECT_EQ(value("SELECT count(*) FROM shop.backfill_ledger"), "0");
}

TEST_F(LeastPrivilegeTest, IsEnoughInPlaceWithALedgerAndWithout) {
  grant("TEMPORARY", "DATABASE " + database().name(), writer_);
  grant("SELECT (id, full_name, first_name, last_name), UPDATE (first_name, last_name)",
        "shop.users", writer_);
  const JobOnDisk without(in_place());
  const ProgramEnd refused = without.run();
  EXPECT_EQ(refused.exit_code, 3) << refused;
  EXPECT_NE(refused.err.find("GRANT SELECT (\"xmin\") ON"), std::string::npos) << refused;
  grant("SELECT (xmin)", "shop.users", writer_);
  expect_done(without, "shop.users");

  execute("UPDATE shop.users SET first_name = NULL, last_name = NULL");
  Keys keys = in_place();
  keys["target.ledger"] = "\"on\"";
  const JobOnDisk with(keys);
  make_ledger(with.run());
  expect_done(with, "shop.users");
}

// What it does not need is to write.
TEST_F(LeastPrivilegeTest, IsEnoughToVerify) {
  grant("SELECT (id, full_name)", "shop.users", reader_);
  grant("SELECT (id, first_name, last_name)", "shop.people", writer_);
  Keys keys = copy("upsert");
  keys["source.consistency"] = "\"none\"";
  const JobOnDisk job(keys);

  const ProgramEnd refused = job.call("verify", {"--settle=0s"});
  EXPECT_EQ(refused.exit_code, 3) << refused;
  EXPECT_NE(refused.err.find("GRANT TEMPORARY ON DATABASE " + database().name() + " TO "),
            std::string::npos)
      << refused;
  grant("TEMPORARY", "DATABASE " + database().name(), writer_);
  const ProgramEnd end = job.call("verify", {"--settle=0s"});

  EXPECT_EQ(end.exit_code, 5) << end;
  EXPECT_NE(end.out.find("100 missing, 0 extra, 0 different"), std::string::npos) << end;
}

}  // namespace
}  // namespace backfill
