#include "sqlite/foreground_probe.h"

#include <future>
#include <thread>

#include "sqlite_file.h"

namespace backfill {
namespace {

using std::chrono::milliseconds;

class SqliteForegroundProbeTest : public testing::Test {
 protected:
  SqliteForegroundProbeTest() { probe_.reconnect(); }

  // Samples while another connection, of which we know nothing, has the file locked.
  ForegroundSample sample_while_locked() {
    SqliteConnection other = file_.connect();
    other.execute("BEGIN IMMEDIATE");
    std::promise<void> begun;
    std::future<ForegroundSample> sampled = std::async(std::launch::async, [&] {
      begun.set_value();
      return probe_.sample();
    });
    begun.get_future().wait();
    EXPECT_EQ(sampled.wait_for(kLocked), std::future_status::timeout);
    other.execute("COMMIT");
    return sampled.get();
  }

  static constexpr milliseconds kLocked{30};

  const SqliteFile file_{"CREATE TABLE t (id INTEGER PRIMARY KEY)"};
  SqliteForegroundProbe probe_{file_.path()};
};

TEST_F(SqliteForegroundProbeTest, SeesNobodyInAFileThatIsOursAlone) {
  WriteTurn ours(file_.path());
  SqliteConnection connection = file_.connect();
  ours.take();
  connection.execute("BEGIN IMMEDIATE");
  std::future<ForegroundSample> sampled =
      std::async(std::launch::async, [&] { return probe_.sample(); });
  EXPECT_EQ(sampled.wait_for(kLocked), std::future_status::timeout) << "it takes its turn";
  connection.execute("COMMIT");
  ours.give_back();

  const ForegroundSample sample = sampled.get();

  EXPECT_FALSE(sample.is_somebody_there);
  EXPECT_FALSE(sample.commit_seconds);
}

TEST_F(SqliteForegroundProbeTest, TellsHowLongAWriterWaitsOnceOthersWereMet) {
  const ForegroundSample sample = sample_while_locked();

  EXPECT_TRUE(sample.is_somebody_there);
  ASSERT_TRUE(sample.commit_seconds);
  // It began when it said so, or a moment later.
  EXPECT_GE(*sample.commit_seconds, std::chrono::duration<double>(kLocked).count() / 2);
  EXPECT_FALSE(sample.active) << "SQLite does not tell";
}

TEST_F(SqliteForegroundProbeTest, RemembersOthersAWhile) {
  sample_while_locked();

  const ForegroundSample later = probe_.sample();

  EXPECT_TRUE(later.is_somebody_there);
  EXPECT_TRUE(later.commit_seconds);
}

TEST_F(SqliteForegroundProbeTest, KnowsOfOthersThatAWriterOfOursHasMet) {
  EXPECT_FALSE(probe_.sample().is_somebody_there);
  WriteTurn ours(file_.path());
  ours.take();
  ours.meet_others();
  ours.give_back();

  EXPECT_TRUE(probe_.sample().is_somebody_there);
}

TEST_F(SqliteForegroundProbeTest, WritesNothing) {
  SqliteConnection reader = file_.connect(SqliteConnection::Mode::read_only);
  const auto version = [&] {
    SqliteStatement statement = reader.prepare("PRAGMA data_version");
    statement.step();
    return statement.integer(0);
  };
  const std::int64_t before = version();

  for (int i = 0; i < 5; ++i) probe_.sample();

  EXPECT_EQ(version(), before);
}

}  // namespace
}  // namespace backfill
