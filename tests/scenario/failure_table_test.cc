// The table of failures in the README: each is caused with the real program, which says what the
// table says it does.

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>

#include "job_on_disk.h"
#include "people.h"
#include "sqlite/connection.h"
#include "support/postgres_fixture.h"
#include "support/postgres_server.h"

namespace backfill {
namespace {

using Keys = std::map<std::string, std::string>;

// A row of the table: what happened, what the program says, its exit code.
struct Row {
  std::string failure;
  std::string words;  // `…` stands for what differs from case to case
  int exit_code;
};

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" `");
  const std::size_t end = text.find_last_not_of(" `");
  return begin == std::string::npos ? "" : text.substr(begin, end - begin + 1);
}

// The lines below the heading of the README that has the table.
std::vector<Row> table() {
  std::istringstream readme(
      read_file(std::filesystem::path(BACKFILL_JOBS).parent_path() / "README.md"));
  std::vector<Row> rows;
  std::string line;
  while (std::getline(readme, line) && line != "| what happened | what it says | exit code |") {
  }
  std::getline(readme, line);
  while (std::getline(readme, line) && line.starts_with("|")) {
    std::istringstream cells(line.substr(1));
    std::string failure;
    std::string words;
    std::string exit_code;
    std::getline(cells, failure, '|');
    std::getline(cells, words, '|');
    std::getline(cells, exit_code, '|');
    rows.push_back({trimmed(failure), trimmed(words), std::stoi(exit_code)});
  }
  return rows;
}

// Whether the parts between the `…` of `words` are in `line`, in this order, and the first begins
// it.
bool says(const std::string& line, const std::string& words) {
  static const std::string gap = "…";
  std::size_t at = 0;
  for (std::size_t begin = 0; begin <= words.size();) {
    const std::size_t end = std::min(words.find(gap, begin), words.size());
    const std::size_t found = line.find(words.substr(begin, end - begin), at);
    if (found == std::string::npos || (begin == 0 && found != 0)) return false;
    at = found + end - begin;
    begin = end + gap.size();
  }
  return true;
}

// What the failures are made from.
class FailureTableTest : public ::testing::Test {
 protected:
  FailureTableTest() {
    create_people(*lite_, "users", make_people(60));
    lite_->execute(
        "CREATE TABLE keyless (full_name text, first_name text, last_name text); CREATE TABLE "
        "people (id bigint PRIMARY KEY, full_name text CHECK (full_name IS NULL))");
  }

  Keys keys(const Keys& changes = {}) const {
    Keys keys = {{"source.url", toml_string(lite_->url())},
                 {"source.table", "\"users\""},
                 {"source.columns", R"(["id", "full_name"])"},
                 {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
    for (const auto& [name, value] : changes) keys[name] = value;
    return keys;
  }

  Keys at(const std::string& url) const {
    return keys({{"source.url", toml_string(url)}, {"source.table", "\"public.users\""}});
  }

  static ProgramEnd run(const Keys& keys, const JobOnDisk::Words& words = {}) {
    return JobOnDisk(keys).run(words);
  }

  static void run_and_kill(const JobOnDisk& job) {
    EXPECT_EQ(job.run({"--workers=1"}, "target.after_commit=crash@2").signal, SIGKILL);
  }

  ProgramEnd unfinished() const {
    const JobOnDisk job(keys());
    run_and_kill(job);
    return job.run();
  }

  ProgramEnd with_checkpoint(const std::string& sql) const {
    const JobOnDisk job(keys());
    SqliteConnection(job.checkpoint(), SqliteConnection::Mode::create).execute(sql);
    return job.run({"--resume"});
  }

  ProgramEnd changed() const {
    JobOnDisk job(keys());
    run_and_kill(job);
    job.change({{"source.where", "\"id > 0\""}});
    return job.run({"--resume"});
  }

  // Beside one that holds the job.
  ProgramEnd second() const {
    const JobOnDisk job(keys());
    const std::string gate = (job.folder() / "gate").string();
    const Program first = job.start({}, "chunk.after_read=wait(" + gate + ")@1");
    EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(gate + ".reached"); }));
    return job.run({"--resume"});
  }

  // No file may grow past a few blocks of 512 bytes, as on a disk that is full.
  ProgramEnd on_a_full_disk() const {
    TestDatabase database;
    database.execute(
        "CREATE TABLE users AS SELECT id, 'Ann Lee' AS full_name, '' AS first_name, '' AS "
        "last_name FROM generate_series(1, 3000) AS id; ALTER TABLE users ADD PRIMARY KEY (id)");
    Keys keys = at(database.url());
    keys["batch.size"] = "1";
    const JobOnDisk job(keys);
    return run_program({"sh", "-c", "trap '' XFSZ; ulimit -f 300; exec \"$0\" \"$@\"",
                        BACKFILL_PROGRAM, "run", job.file(), "--workers=1"});
  }

  ProgramEnd with_rejects() const {
    return run({{"source.url", toml_string(lite_->url())},
                {"source.table", "\"users\""},
                {"source.columns", R"(["id", "full_name"])"},
                {"target.table", "\"people\""}});
  }

  ProgramEnd without_privilege() const {
    TestDatabase database;
    const std::string role = "nobody_" + database.name();
    database.execute("CREATE TABLE users (id int PRIMARY KEY, full_name text, first_name text, " +
                     std::string("last_name text); CREATE ROLE ") + role + " LOGIN");
    const ProgramEnd end = run(at(database.url(role)));
    database.execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
    return end;
  }

  ProgramEnd with_a_wrong_password() const {
    const PostgresServer server("scram-sha-256");
    return JobOnDisk(at(server.url("postgres"))).call("run", once_, {{"PGPASSWORD", "wrong"}});
  }

  ProgramEnd into_a_standby() const {
    PostgresServer primary;
    primary.execute(
        "CREATE TABLE users (id int PRIMARY KEY, full_name text, first_name text, last_name text); "
        "INSERT INTO users VALUES (1, 'Ann Lee')");
    const auto standby = primary.start_standby();
    EXPECT_TRUE(wait_until([&] { return standby->value("SELECT id FROM users") == "1"; }));
    return run(at(standby->url()), once_);
  }

  ProgramEnd without_its_checkpoint() const {
    lite_->execute("CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL)");
    lite_->execute("INSERT INTO accounts SELECT id + 1000, 1 FROM users");
    const JobOnDisk job({{"source.url", toml_string(lite_->url())},
                         {"source.table", "\"accounts\""},
                         {"transform.plugin", toml_string(plugin_path("double_balance"))}});
    run_and_kill(job);
    std::filesystem::remove(job.checkpoint());
    return job.run({"--resume"});
  }

  std::map<std::string, std::function<ProgramEnd()>> failures() {
    const std::string nowhere = toml_string("postgresql://%2Fno%2Fsuch/d");
    return {
        {"a key nobody knows",
         [this] {
           return run(keys({{"batch.sise", "7"}}));
         }},
        {"a variable that is not set",
         [this] {
           return run(keys({{"source.where", "\"${NOWHERE}\""}}));
         }},
        {"the source is down, or its URL is wrong",
         [=, this] {
           return run(keys({{"source.url", nowhere}}), once_);
         }},
        {"the target is down, or its URL is wrong",
         [=, this] {
           return run(keys({{"target.url", nowhere}}), once_);
         }},
        {"a wrong password", [this] { return with_a_wrong_password(); }},
        {"no such table",
         [this] {
           return run(keys({{"source.table", "\"nobody\""}}));
         }},
        {"no such column",
         [this] {
           return run(keys({{"source.columns", R"(["id", "nobody"])"}}));
         }},
        {"no unique key",
         [this] {
           return run(
               keys({{"source.table", "\"keyless\""}, {"source.columns", R"(["full_name"])"}}));
         }},
        {"a privilege is missing", [this] { return without_privilege(); }},
        {"the plugin is missing",
         [this] {
           return run(keys({{"transform.plugin", "\"nobodys\""}}));
         }},
        {"the target is a standby", [this] { return into_a_standby(); }},
        {"an unfinished run", [this] { return unfinished(); }},
        {"the job has changed since", [this] { return changed(); }},
        {"another program's checkpoint",
         [this] { return with_checkpoint("CREATE TABLE photos (id); PRAGMA application_id = 7"); }},
        {"a checkpoint of a newer version",
         [this] {
           return with_checkpoint(
               "CREATE TABLE job (id); PRAGMA application_id = 0x4246494C; PRAGMA user_version = "
               "99");
         }},
        {"the checkpoint is lost", [this] { return without_its_checkpoint(); }},
        {"no folder for the checkpoint",
         [this] { return run(keys(), {"--checkpoint=/no/such/folder/c.db"}); }},
        {"two runners", [this] { return second(); }},
        {"the checkpoint's disk is full", [this] { return on_a_full_disk(); }},
        {"more rows are rejected than allowed", [this] { return with_rejects(); }},
    };
  }

  const std::unique_ptr<Playground> lite_ = make_playground(Engine::sqlite);
  const JobOnDisk::Words once_ = {"--set", "limits.retries=1"};
};

TEST_F(FailureTableTest, OfTheReadmeIsWhatTheProgramSays) {
  std::map<std::string, std::function<ProgramEnd()>> failures = this->failures();

  for (const Row& row : table()) {
    SCOPED_TRACE(row.failure);
    const auto failure = failures.find(row.failure);
    ASSERT_NE(failure, failures.end()) << "nobody causes it here";
    const ProgramEnd end = failure->second();

    EXPECT_EQ(end.exit_code, row.exit_code) << end;
    const std::size_t begin = end.err.rfind("backfill: ");
    ASSERT_NE(begin, std::string::npos) << end;
    const std::string line = end.err.substr(begin);
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << end;
    EXPECT_TRUE(says(line, "backfill: " + row.words)) << "expected " << row.words << "\n" << end;
    failures.erase(failure);
  }

  for (const auto& [failure, cause] : failures)
    ADD_FAILURE() << "not in the table: " << failure << "\n" << cause();
}

}  // namespace
}  // namespace backfill
