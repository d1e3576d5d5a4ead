// A pooler between the program and its server: one that keeps a session for each client will do,
// one that changes sessions between transactions is refused.

#include <gtest/gtest.h>
#include <unistd.h>

#include "job_on_disk.h"
#include "support/postgres_fixture.h"

namespace backfill {
namespace {

// A PgBouncer of one test, in front of its database.
class Pooler {
 public:
  Pooler(const std::string& server_host, const std::string& database, const std::string& pool_mode)
      : database_(database) {
    std::filesystem::permissions(folder_.path(), std::filesystem::perms(0777));
    write_file(folder_ / "users", "\"postgres\" \"\"\n");
    write_file(folder_ / "pooler.ini",
               "[databases]\n" + database + " = host=" + server_host +
                   "\n[pgbouncer]\nauth_type = trust\nauth_file = " + path("users") +
                   "\nlisten_addr =\nunix_socket_dir = " + folder_.path().string() +
                   "\npool_mode = " + pool_mode + "\n");
    std::vector<std::string> words{"pgbouncer", path("pooler.ini")};
    if (geteuid() == 0) words.insert(words.begin() + 1, {"-u", "postgres"});
    program_.reset(new Program(words));
    const bool listens = wait_until([&] {
      return std::filesystem::exists(folder_ / ".s.PGSQL.6432") || !program_->is_running();
    });
    EXPECT_TRUE(listens && program_->is_running()) << program_->err();
  }

  std::string url() const {
    return "postgresql:///" + database_ + "?host=" + folder_.path().string() +
           "&port=6432&user=postgres";
  }

 private:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  const std::string database_;
  TempFolder folder_;
  std::unique_ptr<Program> program_;
};

class PoolerTest : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    execute(
        "CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE people (id int PRIMARY KEY); "
        "INSERT INTO users SELECT generate_series(1, 100)");
  }

  std::string server_host() {
    const std::string folders = value("SHOW unix_socket_directories");
    return folders.substr(0, folders.find(','));
  }

  JobOnDisk job(const std::string& source_url, const std::string& target_url) const {
    return JobOnDisk({{"source.url", toml_string(source_url)},
                      {"source.table", "\"public.users\""},
                      {"target.url", toml_string(target_url)},
                      {"target.table", "\"public.people\""}});
  }
};

TEST_F(PoolerTest, IsRefusedWhenItChangesSessionsBetweenTransactions) {
  const Pooler pooler(server_host(), database().name(), "transaction");

  for (const char* command : {"plan", "run"}) {
    const ProgramEnd target = job(url(), pooler.url()).call(command);
    EXPECT_EQ(target.exit_code, 3) << target;
    EXPECT_NE(target.err.find("the target is behind a pooler that changes sessions"),
              std::string::npos)
        << target;
    const ProgramEnd source = job(pooler.url(), url()).call(command);
    EXPECT_EQ(source.exit_code, 3) << source;
  }
  EXPECT_EQ(value("SELECT count(*) FROM people"), "0");
}

TEST_F(PoolerTest, IsWelcomeWhenItKeepsASessionForEachClient) {
  const Pooler pooler(server_host(), database().name(), "session");

  const ProgramEnd end = job(pooler.url(), pooler.url()).call("run");

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_EQ(value("SELECT count(*) FROM people"), "100");
}

}  // namespace
}  // namespace backfill
