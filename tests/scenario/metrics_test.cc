// What a run tells Prometheus, asked by the real promtool, Prometheus and Pushgateway.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <unistd.h>

#include <csignal>

#include "gate.h"
#include "job_on_disk.h"
#include "people.h"

namespace backfill {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr int kPeople = 400;
constexpr const char* kPromtool = "promtool";

// A port that was free a moment ago.
int free_port() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(listener);
  return ntohs(address.sin_port);
}

std::string get(const std::string& address, const std::string& path) {
  httplib::Client client("http://" + address);
  const auto answer = client.Get(path);
  return answer && answer->status == 200 ? answer->body : "";
}

// The address in the line that the run logs about its metrics; waits for it.
std::string metrics_address(const Program& run) {
  const std::string before = "url=http://";
  std::string address;
  EXPECT_TRUE(wait_until([&] {
    const std::string said = run.err();
    const std::size_t at = said.find(before);
    const std::size_t end = said.find("/metrics\n", at);
    if (at == std::string::npos || end == std::string::npos) return false;
    address = said.substr(at + before.size(), end - at - before.size());
    return true;
  })) << run.err();
  return address;
}

// What promtool has to say of it; empty: nothing.
std::string complaints(const TempFolder& folder, const std::string& metrics) {
  EXPECT_NE(metrics, "");
  write_file(folder / "metrics", metrics);
  const ProgramEnd end = run_program({"sh", "-c", std::string(kPromtool) + " check metrics <\"$0\"",
                                      (folder / "metrics").string()});
  return end.exit_code == 0 ? end.err : end.out + end.err + "promtool failed";
}

// The value of a sample; -1 when it is not there.
double value(const std::string& text, const std::string& sample) {
  const std::size_t at = ("\n" + text).find("\n" + sample + " ");
  if (at == std::string::npos) return -1;
  return std::stod(text.substr(at + sample.size() + 1));
}

class MetricsTest : public ::testing::Test {
 protected:
  MetricsTest() : playground_(make_playground(Engine::sqlite)) {
    create_people(*playground_, "users", make_people(kPeople));
  }

  std::map<std::string, std::string> keys() const {
    return {{"source.url", toml_string(playground_->url())},
            {"source.table", "\"users\""},
            {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
  }

  std::unique_ptr<Playground> playground_;
};

// One that runs until it is told to end.
class Server {
 public:
  Server(std::vector<std::string> arguments, int port)
      : address_("127.0.0.1:" + std::to_string(port)), program_(with_address(arguments, address_)) {
    EXPECT_TRUE(
        wait_until([&] { return !program_.is_running() || get(address_, "/-/ready") != ""; }));
    EXPECT_TRUE(program_.is_running()) << program_.err();
  }

  const std::string& address() const { return address_; }

 private:
  static std::vector<std::string> with_address(std::vector<std::string> arguments,
                                               const std::string& address) {
    arguments.push_back("--web.listen-address=" + address);
    return arguments;
  }

  const std::string address_;
  Program program_;
};

TEST_F(MetricsTest, AreWhatPromtoolAcceptsWhileARunGoesOnAndAfterIt) {
  const JobOnDisk job(keys());
  const std::string file = (job.folder() / "backfill.prom").string();
  const Gate gate(job);
  Program run = job.start({"--metrics-listen=127.0.0.1:0", "--metrics-file=" + file},
                          gate.at("chunk.after_read", 8));
  const std::string address = metrics_address(run);

  std::string during;
  EXPECT_TRUE(wait_until([&] {
    during = get(address, "/metrics");
    return value(during, R"(backfill_batches_total{job="job",outcome="done"})") > 0;
  })) << run.err();
  gate.open();
  EXPECT_EQ(run.wait().exit_code, 0);
  const std::string after = read_file(file);

  EXPECT_EQ(complaints(job.folder(), during), "");
  EXPECT_EQ(complaints(job.folder(), after), "");
  EXPECT_EQ(value(during, R"(backfill_running{job="job"})"), 1);
  EXPECT_THAT(during, Not(HasSubstr("last_success")));
  EXPECT_EQ(value(after, R"(backfill_running{job="job"})"), 0);
  EXPECT_EQ(value(after, R"(backfill_progress_ratio{job="job"})"), 1);
  EXPECT_EQ(value(after, R"(backfill_rows_total{job="job",result="read"})"), kPeople);
  EXPECT_EQ(value(after, R"(backfill_batches_total{job="job",outcome="done"})"), kPeople / 20);
  EXPECT_GT(value(after, R"(backfill_last_success_timestamp_seconds{job="job"})"), 1e9);
  for (const char* phase : {"read", "transform", "write", "checkpoint"}) {
    EXPECT_GT(value(after, R"(backfill_batch_duration_seconds_count{job="job",phase=")" +
                               std::string(phase) + "\"}"),
              0)
        << phase;
  }
}

TEST_F(MetricsTest, CountOnAfterAResumeAndKeepTheLastSuccess) {
  const JobOnDisk job(keys());
  const std::string file = (job.folder() / "backfill.prom").string();
  const Program::Environment environment = {{"BACKFILL_METRICS_FILE", file}};
  ASSERT_EQ(job.call("run", {}, environment).exit_code, 0);
  const double success =
      value(read_file(file), R"(backfill_last_success_timestamp_seconds{job="job"})");
  ASSERT_GT(success, 1e9);

  ProgramEnd end = job.call("run", {"--restart"},
                            {{"BACKFILL_METRICS_FILE", file},
                             {"BACKFILL_FAILPOINTS", "target.before_commit=error(XX000)@5"}});
  EXPECT_NE(end.exit_code, 0) << end;
  const std::string failed = read_file(file);
  EXPECT_EQ(value(failed, R"(backfill_last_success_timestamp_seconds{job="job"})"), success);
  EXPECT_EQ(value(failed, R"(backfill_running{job="job"})"), 0);
  EXPECT_LT(value(failed, R"(backfill_rows_total{job="job",result="read"})"), kPeople);

  end = job.call("run", {"--resume"}, environment);
  EXPECT_EQ(end.exit_code, 0) << end;
  const std::string resumed = read_file(file);
  EXPECT_EQ(value(resumed, R"(backfill_rows_total{job="job",result="read"})"), kPeople);
  EXPECT_GT(value(resumed, R"(backfill_last_success_timestamp_seconds{job="job"})"), success);
}

TEST_F(MetricsTest, AreScrapedByPrometheus) {
  const JobOnDisk job(keys());
  const int port = free_port();
  write_file(job.folder() / "prometheus.yml",
             "global: {scrape_interval: 100ms}\nscrape_configs:\n"
             "  - job_name: backfill\n    honor_labels: true\n    static_configs:\n"
             "      - targets: ['127.0.0.1:" +
                 std::to_string(port) + "']\n");
  const Server prometheus(
      {"prometheus", "--config.file=" + (job.folder() / "prometheus.yml").string(),
       "--storage.tsdb.path=" + (job.folder() / "tsdb").string()},
      free_port());
  const auto ask = [&](const std::string& query) {
    const std::string answer = get(
        prometheus.address(), httplib::append_query_params("/api/v1/query", {{"query", query}}));
    const json parsed = json::parse(answer, nullptr, false);
    if (parsed.is_discarded() || parsed["data"]["result"].empty()) return json();
    return parsed["data"]["result"][0];
  };

  // Prometheus takes some seconds until it begins to scrape.
  const std::string go_on = (job.folder() / "go_on").string();
  Program run = job.start({"--metrics-listen=127.0.0.1:" + std::to_string(port), "--workers=1"},
                          "chunk.after_read=wait(" + go_on + ")@9");
  json rows;
  EXPECT_TRUE(wait_until([&] {
    rows = ask(R"(backfill_rows_total{result="written"} > 0)");
    return !rows.is_null();
  })) << run.err();
  EXPECT_FALSE(ask(R"(backfill_batch_duration_seconds_bucket{phase="write",le="+Inf"})").is_null());
  EXPECT_FALSE(ask("time() - backfill_last_commit_timestamp_seconds < 60").is_null());
  write_file(go_on, "");
  EXPECT_EQ(run.wait().exit_code, 0);

  EXPECT_EQ(rows["metric"]["job"], "job");
  EXPECT_TRUE(wait_until([&] { return ask("up == 0").is_object(); }));
}

TEST_F(MetricsTest, ArePushedAtTheEndAndWipeNothing) {
  const JobOnDisk job(keys());
  const Server gateway({"prometheus-pushgateway"}, free_port());
  const Program::Environment environment = {
      {"BACKFILL_PUSHGATEWAY", "http://me:secret@" + gateway.address() + "/"}};
  const auto pushed = [&](const std::string& name, const std::string& labels = "") {
    return value(get(gateway.address(), "/metrics"),
                 "backfill_" + name + "{instance=\"\",job=\"job\"" + labels + "}");
  };

  ProgramEnd end = job.call("run", {}, environment);
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_THAT(end.err, Not(HasSubstr("warning")));
  const double success = pushed("last_success_timestamp_seconds");
  EXPECT_GT(success, 1e9) << get(gateway.address(), "/metrics");
  EXPECT_EQ(pushed("rows_total", ",result=\"read\""), kPeople);

  end = job.call("run", {"--restart", "--pushgateway=http://" + gateway.address()},
                 {{"BACKFILL_FAILPOINTS", "target.before_commit=error(XX000)@5"}});
  EXPECT_NE(end.exit_code, 0) << end;
  EXPECT_EQ(pushed("last_success_timestamp_seconds"), success);
  EXPECT_LT(pushed("rows_total", ",result=\"read\""), kPeople);
  EXPECT_EQ(pushed("running"), 0);

  end = job.call("run", {"--resume"}, environment);
  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_GT(pushed("last_success_timestamp_seconds"), success);
  EXPECT_EQ(complaints(job.folder(), get(gateway.address(), "/metrics")), "");
}

TEST_F(MetricsTest, RefuseAPortThatIsTakenBeforeAnythingIsTouched) {
  const JobOnDisk first(keys());
  const JobOnDisk second(keys());
  const Gate gate(first);
  Program run = first.start({"--metrics-listen=127.0.0.1:0"}, gate.at("chunk.after_read", 2));
  const std::string address = metrics_address(run);

  const ProgramEnd refused = second.run({"--metrics-listen=" + address});
  gate.open();

  EXPECT_EQ(refused.exit_code, 2) << refused;
  EXPECT_THAT(refused.err, AllOf(HasSubstr("listen for metrics on " + address),
                                 HasSubstr("Address already in use")));
  EXPECT_TRUE(second.status()["state"].is_null());
  EXPECT_EQ(run.wait().exit_code, 0);
}

TEST_F(MetricsTest, NeverShowThePasswordOfTheGateway) {
  const JobOnDisk job(keys());
  const Gate gate(job);
  Program run = job.start({"--metrics-listen=127.0.0.1:0",
                           "--pushgateway=http://me:hunter2@127.0.0.1:1", "--log-level=debug"},
                          gate.at("chunk.after_read", 2));
  const std::string address = metrics_address(run);
  const std::string words = read_file("/proc/" + std::to_string(run.pid()) + "/cmdline");
  const std::string metrics = get(address, "/metrics");
  gate.open();
  const ProgramEnd end = run.wait();

  EXPECT_EQ(end.exit_code, 0) << end;
  EXPECT_THAT(end.err, HasSubstr("metrics were not pushed"));
  for (const std::string& shown : {words, metrics, end.err, end.out}) {
    EXPECT_THAT(shown, Not(HasSubstr("hunter2")));
  }
}

TEST_F(MetricsTest, AreNotHeldBackByAStop) {
  const JobOnDisk job(keys());
  const std::string file = (job.folder() / "backfill.prom").string();
  const Gate gate(job);
  Program run = job.start({"--metrics-listen=127.0.0.1:0", "--metrics-file=" + file},
                          gate.at("chunk.after_read", 4));
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(file); }));
  run.send(SIGTERM);
  ASSERT_TRUE(wait_until([&] { return run.err().find("stop requested") != std::string::npos; }));
  gate.open();

  EXPECT_EQ(run.wait().exit_code, 75);
  EXPECT_EQ(value(read_file(file), R"(backfill_running{job="job"})"), 0);
  EXPECT_THAT(read_file(file), Not(HasSubstr("last_success")));
}

TEST_F(MetricsTest, OfAVerifyTellWhatDiffersWhatCameUpAndWhenAllWasWell) {
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run().exit_code, 0);
  const std::string file = (job.folder() / "verify.prom").string();
  Program verify({BACKFILL_PROGRAM, "verify", job.file(), "--settle=0s", "--every=20ms",
                  "--metrics-listen=127.0.0.1:0", "--metrics-file=" + file});
  const std::string address = metrics_address(verify);
  const auto now = [&](const std::string& sample) {
    return value(get(address, "/metrics"), sample);
  };
  const std::string different = R"(backfill_discrepancies{job="job",kind="different"})";
  const std::string drift = R"(backfill_verify_drift_per_hour{job="job"})";
  const std::string clean = R"(backfill_verify_last_clean_timestamp_seconds{job="job"})";
  ASSERT_TRUE(wait_until([&] { return now(different) == 0; })) << verify.err();
  EXPECT_GT(now(clean), 1.7e9);
  EXPECT_EQ(now(drift), 0);

  playground_->execute(
      "UPDATE users SET last_name = 'Else' WHERE id = (SELECT max(id) FROM users)");
  ASSERT_TRUE(wait_until([&] { return now(different) == 1; })) << verify.err();
  const double clean_at = now(clean);
  const std::size_t said = verify.out().size();
  ASSERT_TRUE(wait_until([&] { return verify.out().size() > said + 2000; })) << verify.err();

  EXPECT_EQ(now(different), 1);
  EXPECT_EQ(now(drift), 1) << "the same row, pass after pass";
  EXPECT_EQ(now(clean), clean_at);
  verify.send(SIGTERM);
  EXPECT_EQ(verify.wait().exit_code, 5);
  EXPECT_EQ(complaints(job.folder(), read_file(file)), "");
  EXPECT_EQ(value(read_file(file), drift), 1);

  // Another process knows when all was well, too.
  ASSERT_EQ(job.call("verify", {"--settle=0s", "--metrics-file=" + file}).exit_code, 5);
  EXPECT_EQ(value(read_file(file), clean), clean_at);
}

TEST_F(MetricsTest, OfAVerifyArePushedAfterEachPass) {
  const Server gateway({"prometheus-pushgateway"}, free_port());
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run().exit_code, 0);
  Program verify({BACKFILL_PROGRAM, "verify", job.file(), "--settle=0s", "--every=1h",
                  "--pushgateway=http://" + gateway.address()});

  EXPECT_TRUE(wait_until([&] {
    return get(gateway.address(), "/metrics")
               .find(R"(backfill_discrepancies{instance="",job="job",kind="missing"} 0)") !=
           std::string::npos;
  })) << get(gateway.address(), "/metrics")
      << verify.err();
  verify.send(SIGTERM);
  EXPECT_EQ(verify.wait().exit_code, 0);
}

}  // namespace
}  // namespace backfill
