// support/postgres_fixture.h
//
// A fresh database for each test, on the server that tests/support/with_postgres started, and
// dropped at its end. A test fails, with a line that says how to run it, where there is none.

#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "postgres/connection.h"

namespace backfill {

// One database, dropped with the object.
class TestDatabase {
 public:
  TestDatabase();
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  const std::string& name() const { return name_; }
  // As the superuser, or as another role.
  std::string url(const std::string& user = "postgres") const;

  void execute(const std::string& sql);
  // The first value of the first row; `NULL` for NULL, empty when there is no row.
  std::string value(const std::string& sql);
  // Every row as its values joined by `|`, in the order of the query.
  std::vector<std::string> rows(const std::string& sql);

 private:
  std::string name_;
  std::unique_ptr<PgConnection> connection_;
};

class PostgresTest : public ::testing::Test {
 protected:
  void SetUp() override;

  TestDatabase& database() { return *database_; }
  std::string url(const std::string& user = "postgres") const { return database_->url(user); }
  void execute(const std::string& sql) { database_->execute(sql); }
  std::string value(const std::string& sql) { return database_->value(sql); }
  std::vector<std::string> rows(const std::string& sql) { return database_->rows(sql); }

 private:
  std::unique_ptr<TestDatabase> database_;
};

}  // namespace backfill
