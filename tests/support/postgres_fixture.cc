#include "postgres_fixture.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace backfill {
namespace {

// `postgresql:///postgres?host=…&user=postgres`
std::string server_url() {
  const char* url = std::getenv("BACKFILL_TEST_POSTGRES");
  if (url) return url;
  throw std::runtime_error(
      "this test needs PostgreSQL: run it as `tests/support/with_postgres COMMAND`");
}

std::string with(std::string url, const std::string& from, const std::string& to) {
  const auto at = url.find(from);
  if (at == std::string::npos) throw std::runtime_error("BACKFILL_TEST_POSTGRES has no " + from);
  return url.replace(at, from.size(), to);
}

std::string new_name() {
  static std::atomic<int> count{0};
  return "test_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
}

std::string cell(const PgResult& result, int row, int column) {
  return result.is_null(row, column) ? "NULL" : result.text(row, column);
}

}  // namespace

TestDatabase::TestDatabase() : name_(new_name()) {
  PgConnection(server_url(), "fixture", "test server")
      .command("CREATE DATABASE " + name_ + " TEMPLATE template0");
  connection_ = std::make_unique<PgConnection>(url(), "fixture", "test database");
}

TestDatabase::~TestDatabase() {
  connection_.reset();
  try {
    PgConnection(server_url(), "fixture", "test server")
        .command("DROP DATABASE " + name_ + " WITH (FORCE)");
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

std::string TestDatabase::url(const std::string& user) const {
  return with(with(server_url(), ":///postgres?", ":///" + name_ + "?"), "user=postgres",
              "user=" + user);
}

void TestDatabase::execute(const std::string& sql) { connection_->command(sql); }

std::string TestDatabase::value(const std::string& sql) {
  const PgResult result = connection_->query(sql);
  return result.rows() == 0 ? "" : cell(result, 0, 0);
}

std::vector<std::string> TestDatabase::rows(const std::string& sql) {
  const PgResult result = connection_->query(sql);
  std::vector<std::string> lines;
  for (int row = 0; row < result.rows(); ++row) {
    std::string line;
    for (int column = 0; column < result.columns(); ++column) {
      line += (column == 0 ? "" : "|") + cell(result, row, column);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

void PostgresTest::SetUp() { database_ = std::make_unique<TestDatabase>(); }

}  // namespace backfill
