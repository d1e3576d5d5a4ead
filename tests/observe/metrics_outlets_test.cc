// Where metrics go: a server that is asked, a file, a gateway.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <sys/stat.h>

#include "core/error.h"
#include "observe/metrics_file.h"
#include "observe/metrics_server.h"
#include "observe/pushgateway.h"
#include "observe/run_metrics.h"
#include "support/collecting_log.h"
#include "support/manual_clock.h"
#include "support/temp_folder.h"

namespace backfill {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

template <class Work>
std::string refusal(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "not refused";
}

class MetricsServerTest : public testing::Test {
 protected:
  static std::string text() { return "backfill_share{job=\"shop\"} 1\n"; }

  CollectingLog log_;
};

TEST_F(MetricsServerTest, AnswersOnAFreePortAndSaysWhich) {
  const MetricsServer server("127.0.0.1:0", text, log_);

  const auto answer = httplib::Client("http://" + server.address()).Get("/metrics");

  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, text());
  EXPECT_THAT(answer->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
}

TEST_F(MetricsServerTest, SaysWhereMetricsAreToOneThatAsksElsewhere) {
  const MetricsServer server(":0", text, log_);
  const std::string port = server.address().substr(server.address().rfind(':'));

  const auto answer = httplib::Client("http://127.0.0.1" + port).Get("/");

  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  EXPECT_EQ(answer->body, "metrics are at /metrics\n");
}

TEST_F(MetricsServerTest, RefusesAPortThatIsTaken) {
  const MetricsServer server("127.0.0.1:0", text, log_);

  EXPECT_THAT(refusal([&] { MetricsServer(server.address(), text, log_); }),
              AllOf(HasSubstr("listen for metrics on " + server.address()),
                    HasSubstr("Address already in use"), HasSubstr("--metrics-listen")));
}

TEST_F(MetricsServerTest, RefusesWhatIsNoAddress) {
  for (const char* address : {"", "9187", "host", "host:", "host:99999", "host:-1", "host:80x",
                              "::1:80", "no-such-host.invalid:0"}) {
    EXPECT_NE(refusal([&] { MetricsServer(address, text, log_); }), "not refused") << address;
  }
}

TEST_F(MetricsServerTest, HasItsPortAgainAfterItsEnd) {
  std::string address;
  {
    const MetricsServer first("127.0.0.1:0", text, log_);
    address = first.address();
    ASSERT_TRUE(httplib::Client("http://" + address).Get("/metrics"));
  }
  const MetricsServer second(address, text, log_);
  EXPECT_TRUE(httplib::Client("http://" + address).Get("/metrics"));
}

// httplib waits for those that it answers when it ends.
TEST_F(MetricsServerTest, IsNotHeldUpByThoseThatNeverFinishTheirQuestion) {
  std::vector<int> silent;
  const auto began = std::chrono::steady_clock::now();
  {
    const MetricsServer server("127.0.0.1:0", text, log_);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(
        std::stoi(server.address().substr(server.address().rfind(':') + 1))));
    for (int i = 0; i < 4; ++i) {
      const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      ASSERT_EQ(connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
      ASSERT_EQ(write(connection, "GET /met", 8), 8);
      silent.push_back(connection);
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(4));
  for (const int connection : silent) close(connection);
}

TEST(MetricsFile, IsReplacedAsAWhole) {
  const TempFolder folder;
  const MetricsFile file(folder / "shop.prom", "shop");
  EXPECT_FALSE(std::filesystem::exists(folder / "shop.prom"));

  file.write("one 1\n");
  struct stat first {};
  ASSERT_EQ(stat((folder / "shop.prom").c_str(), &first), 0);
  file.write("one 2\n");
  struct stat second {};
  ASSERT_EQ(stat((folder / "shop.prom").c_str(), &second), 0);

  EXPECT_EQ(read_file(folder / "shop.prom"), "one 2\n");
  EXPECT_NE(first.st_ino, second.st_ino);
  const auto files = std::filesystem::directory_iterator(folder.path());
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

TEST(MetricsFile, KeepsWhenTheLastSuccessWas) {
  const TempFolder folder;
  const std::string success =
      "# HELP backfill_last_success_timestamp_seconds When.\n"
      "# TYPE backfill_last_success_timestamp_seconds gauge\n"
      "backfill_last_success_timestamp_seconds{job=\"shop\"} 17.5\n";
  write_file(folder / "shop.prom", "old 1\n" + success);

  const MetricsFile file(folder / "shop.prom", "shop");
  file.write("new 1\n");
  EXPECT_EQ(read_file(folder / "shop.prom"), "new 1\n" + success);

  const std::string newer = "new 2\nbackfill_last_success_timestamp_seconds{job=\"shop\"} 18\n";
  file.write(newer);
  EXPECT_EQ(read_file(folder / "shop.prom"), newer);

  const MetricsFile of_another(folder / "shop.prom", "another");
  of_another.write("new 3\n");
  EXPECT_EQ(read_file(folder / "shop.prom"), "new 3\n");
}

TEST(MetricsFile, IsRefusedWhereNoneCanBeWritten) {
  const TempFolder folder;

  EXPECT_THAT(refusal([&] { MetricsFile(folder / "missing/shop.prom", "shop"); }),
              AllOf(HasSubstr("missing/shop.prom"), HasSubstr("No such file or directory")));
  EXPECT_THAT(refusal([&] { MetricsFile(folder.path(), "shop"); }), HasSubstr("is not a file"));
  EXPECT_THAT(refusal([&] { MetricsFile("/dev/null", "shop"); }), HasSubstr("is not a file"));
}

TEST(Pushgateway, IsRefusedWhenItIsNoUrlWithoutRepeatingIt) {
  for (const char* url :
       {"host:9091", "ftp://me:secret@host", "http://", "http://:9091", "http://me:secret@",
        "http://me:secret@host?x=1", "http://me:secret@ho st", "http://me:secret@host:x"}) {
    const std::string said = refusal([&] { Pushgateway(url, "shop"); });
    EXPECT_THAT(said, AllOf(HasSubstr("--pushgateway: not a URL"), Not(HasSubstr("secret"))))
        << url;
  }
}

TEST(Pushgateway, SaysWhatCameBackAndNoPassword) {
  httplib::Server server;
  httplib::Request seen;
  server.Post(".*", [&](const httplib::Request& request, httplib::Response& response) {
    seen = request;
    response.status = 400;
    response.set_content("text format parsing error\nin line 1", "text/plain");
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&] { server.listen_after_bind(); });
  while (!server.is_running()) std::this_thread::yield();
  const std::string host = "127.0.0.1:" + std::to_string(port);

  const std::string said = refusal(
      [&] { Pushgateway("http://me:s%40cret@" + host + "/some/path/", "shop").push("a 1\n"); });
  server.stop();
  thread.join();

  EXPECT_EQ(said, "push metrics to http://" + host +
                      "/some/path/metrics/job/shop: 400 text format parsing error");
  EXPECT_EQ(seen.body, "a 1\n");
  EXPECT_EQ(seen.get_header_value("Authorization"), "Basic bWU6c0BjcmV0");  // me:s@cret
}

SavedRun running() {
  SavedRun run;
  run.rows.read = 5;
  return run;
}

TEST(RunMetrics, WarnOnceWhenTheFileCannotBeWrittenAnyMore) {
  CollectingLog log;
  ManualClock clock(std::chrono::seconds(1));
  TempFolder folder;
  std::filesystem::create_directory(folder / "gone");
  {
    RunMetrics metrics({.listen = "", .file = folder / "gone" / "a.prom", .pushgateway = ""},
                       "shop", clock, log);
    std::filesystem::remove(folder / "gone");
    metrics.metrics().show(running());
    clock.advance(std::chrono::seconds(6));
    clock.advance(std::chrono::seconds(6));
  }
  EXPECT_EQ(log.count("warning the file of metrics is not kept up to date"), 1);
  EXPECT_EQ(log.lines().size(), 1U);
}

TEST(RunMetrics, LeaveAnEarlierFileAloneWhenARunNeverBegan) {
  CollectingLog log;
  ManualClock clock(std::chrono::seconds(1));
  TempFolder folder;
  write_file(folder / "a.prom", "earlier 1\n");
  { RunMetrics({.listen = "", .file = folder / "a.prom", .pushgateway = ""}, "shop", clock, log); }

  EXPECT_EQ(read_file(folder / "a.prom"), "earlier 1\n");
}

TEST(RunMetrics, WarnWhenTheGatewayIsNotThere) {
  CollectingLog log;
  ManualClock clock;
  {
    RunMetrics metrics({.listen = "", .file = "", .pushgateway = "http://me:secret@127.0.0.1:1"},
                       "shop", clock, log);
    metrics.metrics().show(running());
  }
  ASSERT_EQ(log.lines().size(), 1U);
  EXPECT_THAT(log.lines()[0],
              AllOf(HasSubstr("warning metrics were not pushed"),
                    HasSubstr("http://127.0.0.1:1/metrics/job/shop"), Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace backfill
