// What a person may get wrong: each ends with the exit code that says whose turn it is, and one
// line that says what to do. The target stays as it was.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <functional>
#include <regex>

#include "job_on_disk.h"
#include "people.h"
#include "sqlite/connection.h"
#include "support/postgres_fixture.h"
#include "support/postgres_server.h"

namespace backfill {
namespace {

constexpr int kPeople = 60;
using Keys = std::map<std::string, std::string>;

// A wrong job: what is changed in a good one, and what comes of it.
struct BadJob {
  const char* name;
  Engine engine;
  Keys changes;
  int exit_code;
  const char* message;  // a regular expression found in the line on stderr
  std::vector<std::string> words = {};
};

void PrintTo(const BadJob& bad, std::ostream* stream) { *stream << bad.name; }

Keys good_keys(Playground& playground) {
  return {{"source.url", toml_string(playground.url())},
          {"source.table", toml_string(playground.table("users"))},
          {"source.columns", R"(["id", "full_name"])"},
          {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
}

void fill(Playground& playground) {
  create_people(playground, "users", make_people(kPeople));
  playground.execute(
      "CREATE TABLE keyless (full_name text, first_name text, last_name text);"
      "CREATE TABLE nullable (id integer UNIQUE, full_name text, first_name text, last_name text);"
      "CREATE TABLE narrow (id bigint NOT NULL PRIMARY KEY, full_name text);"
      "CREATE TABLE numbers (id bigint NOT NULL PRIMARY KEY, full_name bigint, "
      "first_name text, last_name text)");
}

std::string contents(Playground& playground) {
  std::string all;
  for (const std::string& row : playground.rows("SELECT * FROM users ORDER BY id"))
    all += row + "\n";
  all += playground.value("SELECT count(*) FROM narrow");
  all += playground.has_table("backfill_ledger") ? " with a ledger" : "";
  return all;
}

// A log line may come before; the error itself is one line, the last.
void expect_error(const ProgramEnd& end, int exit_code, const std::string& message) {
  EXPECT_EQ(end.exit_code, exit_code) << end;
  const std::size_t begin = end.err.rfind("backfill: ");
  ASSERT_NE(begin, std::string::npos) << end;
  const std::string line = end.err.substr(begin);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << end;
  EXPECT_TRUE(std::regex_search(line, std::regex(message))) << "expected " << message << "\n"
                                                            << end;
}

class BadJobTest : public ::testing::TestWithParam<BadJob> {};

TEST_P(BadJobTest, IsRefusedAndTheTargetStaysAsItWas) {
  const BadJob& bad = GetParam();
  const std::unique_ptr<Playground> playground = make_playground(bad.engine);
  fill(*playground);
  Keys keys = good_keys(*playground);
  for (const auto& [name, value] : bad.changes) {
    // `@name` stands for a table of the playground, `#name` for a plugin.
    if (value.starts_with("@")) {
      keys[name] = toml_string(playground->table(value.substr(1)));
    } else if (value.starts_with("#")) {
      keys[name] = toml_string(plugin_path(value.substr(1)));
    } else {
      keys[name] = value;
    }
  }
  const JobOnDisk job(keys);
  const std::string before = contents(*playground);

  const ProgramEnd end = job.run(bad.words);

  expect_error(end, bad.exit_code, bad.message);
  EXPECT_EQ(contents(*playground), before);
}

const std::vector<BadJob>& bad_jobs() {
  constexpr Engine pg = Engine::postgres;
  constexpr Engine lite = Engine::sqlite;
  const Keys to_narrow = {{"target.table", "@narrow"}, {"target.write", "\"upsert\""}};
  static const std::vector<BadJob> jobs = {
      {"UnknownKey",
       lite,
       {{"batch.sise", "7"}},
       2,
       R"(job\.toml:\d+:\d+: batch\.sise: unknown key; did you mean batch\.size\?)"},
      {"WrongType", lite, {{"run.workers", "\"many\""}}, 2, R"(job\.toml:\d+:\d+: run\.workers)"},
      {"NoToml", lite, {{"source.where", "= = ="}}, 2, R"(job\.toml:\d+:\d+)"},
      {"NoSuchVariable",
       lite,
       {{"source.where", "\"${NO_SUCH_VARIABLE}\""}},
       2,
       "NO_SUCH_VARIABLE"},
      {"NoSuchSourceTable", lite, {{"source.table", "@nobody"}}, 3, "nobody"},
      {"NoSuchSourceTableInPostgres", pg, {{"source.table", "@nobody"}}, 3, "nobody"},
      {"NoSuchTargetTable", lite, {{"target.table", "@nobody"}}, 3, "nobody"},
      {"NoSuchTargetTableInPostgres", pg, {{"target.table", "@nobody"}}, 3, "nobody"},
      {"NoKey",
       lite,
       {{"source.table", "@keyless"}, {"source.columns", "[\"full_name\"]"}},
       3,
       "keyless.*(key|index)"},
      {"NoKeyInPostgres",
       pg,
       {{"source.table", "@keyless"}, {"source.columns", "[\"full_name\"]"}},
       3,
       "keyless.*(key|index)"},
      {"NullableKey",
       lite,
       {{"source.table", "@nullable"}, {"source.key", "[\"id\"]"}},
       3,
       "NULL.*id|id.*NULL"},
      {"NullableKeyInPostgres",
       pg,
       {{"source.table", "@nullable"}, {"source.key", "[\"id\"]"}},
       3,
       "NULL.*id|id.*NULL"},
      {"NoSuchPlugin", lite, {{"transform.plugin", "\"nobodys_plugin\""}}, 3, "nobodys_plugin"},
      {"PluginOfANewerContract",
       lite,
       {{"transform.plugin", "#speaks_newer_contract"}},
       3,
       "speaks_newer_contract.*contract"},
      {"PluginThatIsNoLibrary", lite, {{"transform.plugin", "\"./job.toml\""}}, 3, "job\\.toml"},
      {"PluginThatThrows", lite, {{"transform.plugin", "#refuses_to_bind"}}, 3, "the moon is full"},
      {"PluginOptionNobodyKnows", lite, {{"transform.options.lokale", "\"en\""}}, 3, "lokale"},
      {"PluginColumnThatIsNotRead", lite, {{"source.columns", "[\"id\"]"}}, 3, "full_name"},
      {"PluginColumnOfAnotherType",
       pg,
       {{"source.table", "@numbers"}},
       3,
       "full_name.*(bigint|int64|Text|text)"},
      {"PluginColumnThatIsNotInTheTarget", lite, to_narrow, 3, "first_name"},
      {"PluginColumnThatIsNotInTheTargetInPostgres", pg, to_narrow, 3, "first_name"},
      {"ColumnThatWouldBeLost",
       lite,
       {{"transform.plugin", ""},
        {"target.table", "@narrow"},
        {"source.columns", "[\"id\", \"first_name\"]"}},
       3,
       "first_name.*would be lost"},
      {"BadWhere",
       lite,
       {{"source.where", "\"no_such_column = 1\""}},
       3,
       "source\\.where.*no_such_column"},
      {"BadWhereInPostgres",
       pg,
       {{"source.where", "\"no_such_column = 1\""}},
       3,
       "source\\.where.*no_such_column"},
      {"BadColumn", lite, {{"source.columns", "[\"id\", \"nobody\"]"}}, 3, "nobody"},
      {"BadColumnInPostgres",
       pg,
       {{"source.columns", "[\"id\", \"upper( as full_name\"]"}},
       3,
       "source\\.columns.*syntax"},
      {"NothingToWrite", lite, {{"transform.plugin", ""}}, 3, "nothing to write"},
      {"InsertIntoItself", lite, {{"target.write", "\"insert\""}}, 3, "same table"},
      {"UnknownFlag", lite, {}, 2, "--no-such-flag", {"--no-such-flag"}},
      {"ResumeWithRestart", lite, {}, 2, "--resume and --restart", {"--resume", "--restart"}},
      {"CheckpointInNoFolder",
       lite,
       {},
       2,
       "folder must exist",
       {"--checkpoint=/no/such/folder/c.db"}},
      {"SourceFileThatIsNotThere",
       lite,
       {{"source.url", "\"sqlite:/no/such/file.db\""}},
       6,
       "/no/such/file\\.db",
       {"--set", "limits.retries=1"}},
      {"SourceServerThatIsNotThere",
       pg,
       {{"source.url", "\"postgresql://u:hush@%2Fno%2Fsuch/d\""}},
       6,
       "/no/such",
       {"--set", "limits.retries=1"}},
      {"TargetServerThatIsNotThere",
       pg,
       {{"target.url", "\"postgresql://u:hush@%2Fno%2Fsuch/d\""}, {"target.table", "\"t\""}},
       7,
       "/no/such",
       {"--set", "limits.retries=1"}},
  };
  return jobs;
}

INSTANTIATE_TEST_SUITE_P(All, BadJobTest, ::testing::ValuesIn(bad_jobs()),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(BadCommandLine, SaysWhatIsMissing) {
  const TempFolder folder;

  expect_error(run_program({BACKFILL_PROGRAM, "run", (folder / "none.toml").string()}), 2,
               "none\\.toml");
  expect_error(run_program({BACKFILL_PROGRAM}), 2, "--help");
  expect_error(run_program({BACKFILL_PROGRAM, "run"}), 2, "JOB");
}

// A checkpoint that is not of this job or this program.
class BadCheckpointTest : public ::testing::Test {
 protected:
  BadCheckpointTest() : playground_(make_playground(Engine::sqlite)) {
    fill(*playground_);
    job_ = std::make_unique<JobOnDisk>(good_keys(*playground_));
  }

  void expect_left_as_it_is(const std::string& message) {
    const std::string bytes = read_file(job_->checkpoint());
    const std::string before = contents(*playground_);
    for (const char* how : {"--resume", "--restart", "--workers=1"}) {
      expect_error(job_->run({how}), 2, message);
    }
    expect_error(job_->call("status"), 2, message);
    EXPECT_EQ(read_file(job_->checkpoint()), bytes);
    EXPECT_EQ(contents(*playground_), before);
  }

  void make_checkpoint(const std::string& sql) {
    SqliteConnection(job_->checkpoint(), SqliteConnection::Mode::create).execute(sql);
  }

  std::unique_ptr<Playground> playground_;
  std::unique_ptr<JobOnDisk> job_;
};

TEST_F(BadCheckpointTest, OfGarbageIsLeftAsItIs) {
  write_file(job_->checkpoint(), std::string(5000, 'x'));

  expect_left_as_it_is("not a database.*--checkpoint");
}

TEST_F(BadCheckpointTest, OfAnotherProgramIsLeftAsItIs) {
  make_checkpoint("CREATE TABLE photos (id); PRAGMA application_id = 7");

  expect_left_as_it_is("another program");
}

TEST_F(BadCheckpointTest, OfANewerFormatIsLeftAsItIs) {
  make_checkpoint(
      "CREATE TABLE job (id); PRAGMA application_id = 0x4246494C; PRAGMA user_version = 99");

  expect_left_as_it_is("format 99 is newer");
}

TEST_F(BadCheckpointTest, OfAChangedJobNamesTheFieldAndBothValues) {
  job_->run({"--workers=1"}, "target.after_commit=crash@2");
  job_->change({{"source.where", "\"id > 0\""}});
  const std::string before = contents(*playground_);

  const ProgramEnd refused = job_->run({"--resume"});

  expect_error(refused, 2,
               R"re(source\.where: the checkpoint has not set, the job has "id > 0".*--force)re");
  EXPECT_EQ(contents(*playground_), before);
}

TEST_F(BadCheckpointTest, IsOverriddenByForceAndThatIsRecorded) {
  job_->run({"--workers=1"}, "target.after_commit=crash@2");
  job_->change({{"source.where", "\"id > 0\""}});

  const ProgramEnd forced = job_->run({"--resume", "--force"});

  EXPECT_EQ(forced.exit_code, 0) << forced;
  const ProgramEnd status = job_->call("status");
  EXPECT_NE(status.out.find("source.where"), std::string::npos) << status;
}

TEST_F(BadCheckpointTest, OfAnUnfinishedRunNeedsAWordAndARestartSaysWhatIsForgotten) {
  job_->run({"--workers=1"}, "checkpoint.after_commit=crash@1");
  const std::string before = contents(*playground_);

  expect_error(job_->run(), 2, "rows read.*--resume.*--restart");
  EXPECT_EQ(contents(*playground_), before);
  const ProgramEnd restarted = job_->run({"--restart"});

  EXPECT_EQ(restarted.exit_code, 0) << restarted;
  EXPECT_TRUE(std::regex_search(restarted.err, std::regex("forgotten.*rows read"))) << restarted;
  const ProgramEnd again = job_->run({"--resume"});
  EXPECT_EQ(again.exit_code, 0) << again;
  EXPECT_NE(again.out.find("nothing left to do"), std::string::npos) << again;
  expect_error(job_->run(), 2, "finished run.*--restart");
}

// The disk that holds the checkpoint is full: no file may grow past a few blocks.
TEST(FullDisk, EndsTheRunAndTheCheckpointStaysGood) {
  const auto playground = make_playground(Engine::postgres);
  create_people(*playground, "users", make_people(3000));
  Keys keys = good_keys(*playground);
  keys["batch.size"] = "1";
  const JobOnDisk job(keys);
  // 512-byte blocks; a write that would pass the limit fails, as on a full disk.
  const std::string limited = "trap '' XFSZ; ulimit -f 300; exec \"$0\" \"$@\"";

  const ProgramEnd full =
      run_program({"sh", "-c", limited, BACKFILL_PROGRAM, "run", job.file(), "--workers=1"});
  EXPECT_EQ(full.exit_code, 1) << full;
  EXPECT_TRUE(std::regex_search(full.err, std::regex("backfill: .*checkpoint"))) << full;
  EXPECT_EQ(job.state(), "stopped");

  const ProgramEnd resumed = job.run({"--resume", "--batch-size=500"});
  EXPECT_EQ(resumed.exit_code, 0) << resumed;
  EXPECT_EQ(playground->value("SELECT count(*) FROM users WHERE full_name IS NOT NULL AND "
                              "first_name IS NULL"),
            "0");
}

TEST(Privilege, MissingOnesAreNamedWithTheGrant) {
  TestDatabase database;
  const std::string role = "reader_" + database.name();
  database.execute("CREATE ROLE " + role +
                   " LOGIN; CREATE TABLE users (id int PRIMARY KEY, "
                   "full_name text, first_name text, last_name text); INSERT INTO users VALUES "
                   "(1, 'Ann Lee'); CREATE TABLE people (id int PRIMARY KEY, first_name text, "
                   "last_name text)");
  const JobOnDisk job({{"source.url", toml_string(database.url(role))},
                       {"source.table", "\"public.users\""},
                       {"source.columns", R"(["id", "full_name"])"},
                       {"target.table", "\"public.people\""},
                       {"target.write", "\"upsert\""},
                       {"transform.plugin", toml_string(plugin_path("split_full_name"))}});

  expect_error(job.run(), 3, "GRANT SELECT.*ON.*users");
  database.execute("GRANT SELECT ON users TO " + role);
  expect_error(job.run(), 3, "GRANT .*(INSERT|UPDATE).*ON.*people");
  expect_error(job.call("plan"), 3, "GRANT .*(INSERT|UPDATE).*ON.*people");
  EXPECT_EQ(database.value("SELECT count(*) FROM people"), "0");
  database.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON people TO " + role);
  const ProgramEnd end = job.run();
  EXPECT_EQ(end.exit_code, 0) << end;

  database.execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST(Password, IsNeverShownNorKept) {
  PostgresServer server("scram-sha-256");
  server.execute(
      "CREATE TABLE users (id int PRIMARY KEY, full_name text, first_name text, "
      "last_name text); INSERT INTO users VALUES (1, 'Ann Lee')");
  const auto keys = [&](const std::string& userinfo) {
    return Keys{{"source.url", toml_string(server.url(userinfo))},
                {"source.table", "\"public.users\""},
                {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
  };
  const auto expect_no_trace = [](const JobOnDisk& job, const ProgramEnd& end,
                                  const std::string& password) {
    EXPECT_EQ(end.out.find(password), std::string::npos) << end;
    EXPECT_EQ(end.err.find(password), std::string::npos) << end;
    for (const auto& entry : std::filesystem::directory_iterator(job.folder().path())) {
      if (entry.path().filename() == "job.toml") continue;
      EXPECT_EQ(read_file(entry.path()).find(password), std::string::npos) << entry.path();
    }
  };

  const JobOnDisk wrong(keys("postgres:swordfish"));
  const ProgramEnd refused = wrong.run({"--set", "limits.retries=1"});
  EXPECT_TRUE(refused.exit_code == 6 || refused.exit_code == 3) << refused;
  EXPECT_NE(refused.err.find("password authentication failed"), std::string::npos) << refused;
  expect_no_trace(wrong, refused, "swordfish");

  const JobOnDisk right(keys("postgres:secret"));
  expect_no_trace(right, right.call("plan"), "secret");
  const ProgramEnd crashed = right.run({"--log-level=debug"}, "target.after_commit=crash");
  EXPECT_EQ(crashed.signal, SIGKILL) << crashed;
  expect_no_trace(right, crashed, "secret");
  const ProgramEnd done = right.run({"--resume", "--log-level=debug"});
  EXPECT_EQ(done.exit_code, 0) << done;
  expect_no_trace(right, done, "secret");
  expect_no_trace(right, right.call("status", {"--json"}), "secret");
  EXPECT_EQ(server.value("SELECT last_name FROM users"), "Lee");
}

}  // namespace
}  // namespace backfill
