#include "postgres/gauges.h"

#include <gtest/gtest.h>

#include "support/postgres_fixture.h"

namespace backfill {
namespace {

class GaugesTest : public PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    watching_ = std::make_unique<PgConnection>(url(), "copy", "target", PgSession{});
    watching_->attempt("look");
    other_ = std::make_unique<PgConnection>(url(), "app", "target", PgSession{});
    other_->attempt("work");
    // Sessions called as ours are would be no others.
    other_->command("SET application_name = 'app'");
  }

  std::unique_ptr<PgConnection> watching_;
  std::unique_ptr<PgConnection> other_;
};

TEST_F(GaugesTest, TellHowLongATransactionIsOpenThatKeepsDeadRowsAlive) {
  const auto gauge = make_oldest_transaction_gauge();
  other_->command("BEGIN ISOLATION LEVEL REPEATABLE READ");
  other_->query("SELECT 1");

  const std::vector<Reading> while_open = gauge->read(*watching_);
  const double open_s = std::stod(
      value("SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity "
            "WHERE application_name = 'app'"));
  other_->command("COMMIT");

  ASSERT_EQ(while_open.size(), 1U);
  EXPECT_EQ(while_open[0].signal, "oldest_transaction");
  EXPECT_GT(while_open[0].level, 0);
  EXPECT_LE(while_open[0].level, open_s / (30 * 60)) << "the limit is half an hour";
  EXPECT_GT(while_open[0].share_min, 0) << "its end may never come";
  EXPECT_NE(while_open[0].reason.find("of 30 min"), std::string::npos) << while_open[0].reason;
}

TEST_F(GaugesTest, CountNoTransactionOfOurOwn) {
  const auto gauge = make_oldest_transaction_gauge();
  other_->command("SET application_name = 'backfill:copy'");
  other_->command("BEGIN ISOLATION LEVEL REPEATABLE READ");
  other_->query("SELECT 1");

  EXPECT_TRUE(gauge->read(*watching_).empty());
}

TEST_F(GaugesTest, TellThatConnectionsRunOut) {
  const auto gauge = make_connection_gauge();

  const std::vector<Reading> readings = gauge->read(*watching_);

  ASSERT_EQ(readings.size(), 1U);
  EXPECT_EQ(readings[0].level, 0) << readings[0].reason;
}

}  // namespace
}  // namespace backfill
