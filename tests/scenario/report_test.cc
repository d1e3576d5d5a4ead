// A run that was paused, killed and resumed, as its report shows it in a real browser: on a desk,
// on a phone, in the dark and on paper.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>

#include "job_on_disk.h"
#include "playground.h"
#include "sqlite/connection.h"
#include "support/browser.h"

namespace backfill {
namespace {

using testing::AllOf;
using testing::Each;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Le;
using testing::Not;
using testing::StartsWith;

using Json = nlohmann::json;

// As somebody would name a row who wants to be seen.
constexpr const char* kEvilKey = "<img src=x onerror=alert(1)><script>alert(2)</script>";

class ReportTest : public ::testing::Test {
 protected:
  ReportTest() : playground_(make_playground(Engine::sqlite)) {
    playground_->execute(
        "CREATE TABLE users (id text PRIMARY KEY, full_name text); "
        "CREATE TABLE people (id text PRIMARY KEY, first_name text); "
        "INSERT INTO users WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
        "< 3000) SELECT 'k' || i, 'name ' || i FROM n;");
    playground_->execute("INSERT INTO users VALUES ('" + std::string(kEvilKey) + "', 'bad')");
  }

  std::map<std::string, std::string> keys() const {
    return {{"source.url", toml_string(playground_->url())},
            {"source.table", "\"users\""},
            {"target.table", "\"people\""},
            {"target.write", "\"upsert\""},
            {"limits.max_rejected", "5"},
            {"run.workers", "1"},
            {"transform.plugin", toml_string(plugin_path("picky_copy"))}};
  }

  static std::string value(const JobOnDisk& job, const std::string& sql) {
    SqliteConnection connection(job.checkpoint(), SqliteConnection::Mode::read_only);
    SqliteStatement statement = connection.prepare(sql);
    statement.step();
    return std::string(statement.bytes(0));
  }

  static bool has_sample(const JobOnDisk& job, const std::string& condition) {
    return wait_until([&] {
      return value(job, "SELECT (count(*) > 0) || '' FROM sample WHERE " + condition) == "1";
    });
  }

  static std::string report(const JobOnDisk& job) {
    const std::string page = (job.folder() / "report.html").string();
    const ProgramEnd end = job.call("report", {"-o", page});
    EXPECT_EQ(end.exit_code, 0) << end;
    EXPECT_THAT(end.out, HasSubstr("the report is in " + page));
    return page;
  }

  // Works, is paused and killed, and left alone for more than a second.
  static void play_first_part(const JobOnDisk& job) {
    Program run = job.start({}, "chunk.after_read=delay(10ms)");
    ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(job.checkpoint()); }));
    ASSERT_TRUE(wait_until([&] { return job.state() == "running"; })) << run.err();
    ASSERT_TRUE(has_sample(job, "share > 0")) << run.err();
    ASSERT_EQ(job.call("pause").exit_code, 0);
    ASSERT_TRUE(has_sample(job, "share = 0")) << run.err();
    run.send(SIGKILL);
    run.wait();
  }

  static void play_second_part(const JobOnDisk& job) {
    ASSERT_EQ(job.call("resume").exit_code, 0);
    const ProgramEnd end = job.run({"--resume"});
    ASSERT_EQ(end.exit_code, 0) << end;
    ASSERT_EQ(job.call("verify", {"--settle=0s"}).exit_code, 0);
  }

  const std::unique_ptr<Playground> playground_;
};

constexpr const char* kCharts = R"js(
[...document.querySelectorAll('.chart')].map(chart => {
  const plot = chart.querySelector('.plot').getBoundingClientRect();
  const texts = [...chart.querySelectorAll('.plot text.x:not(.day)')]
      .map(text => text.getBoundingClientRect());
  const drawn = [...chart.querySelectorAll('.lines path')].map(path => path.getBBox());
  return {
    id: chart.id,
    title: chart.querySelector('h3').textContent,
    name: chart.querySelector('svg[role=img]').getAttribute('aria-label'),
    marks: chart.querySelectorAll('.plot text.y').length,
    times: texts.length,
    apart: Math.min(...texts.slice(1).map((box, i) => box.left - texts[i].right)),
    letters: Math.min(...texts.map(box => box.height)),
    drawn: Math.max(...drawn.map(box => box.width)),
    pauses: [...chart.querySelectorAll('.pause')]
        .map(pause => pause.querySelector('title').textContent),
    shade: Math.max(...[...chart.querySelectorAll('.pause rect')]
        .map(rect => rect.getBoundingClientRect().width)),
    absences: chart.querySelectorAll('.plot .absence').length,
    inside: plot.left >= 0 && plot.right <= innerWidth,
  };
}))js";

constexpr const char* kColors = R"js(
(() => {
  const style = getComputedStyle(document.body);
  const luminance = color => {
    const [r, g, b] = color.match(/\d+/g).map(c => (c /= 255) <= .03928 ? c / 12.92
        : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const [page, ink] = [luminance(style.backgroundColor), luminance(style.color)];
  return {page, contrast: (Math.max(page, ink) + .05) / (Math.min(page, ink) + .05)};
})())js";

TEST_F(ReportTest, ShowsWhatHappenedToOneWhoOpensItInABrowser) {
  const JobOnDisk job(keys());
  play_first_part(job);
  if (HasFatalFailure()) return;
  const auto killed_at = std::chrono::steady_clock::now();
  Browser browser;

  browser.open(report(job));
  const std::string state_of_killed =
      browser.evaluate("document.getElementById('state').textContent");
  EXPECT_THAT(state_of_killed, HasSubstr("stopped"));
  EXPECT_THAT(browser.evaluate("document.body.textContent").get<std::string>(),
              HasSubstr("its process is gone; run again with --resume"));

  // Only what lasts for a second is told of.
  wait_until([&] {
    return std::chrono::steady_clock::now() - killed_at > std::chrono::milliseconds(1500);
  });
  play_second_part(job);
  if (HasFatalFailure()) return;
  browser.open(report(job));

  const Json charts = browser.evaluate(kCharts);
  ASSERT_GE(charts.size(), 7U) << charts;
  for (const Json& chart : charts) {
    EXPECT_FALSE(chart["title"].get<std::string>().empty());
    EXPECT_THAT(chart["name"].get<std::string>(), StartsWith(chart["title"].get<std::string>()));
    EXPECT_GE(chart["marks"], 2) << chart;
    EXPECT_GE(chart["times"], 1) << chart;
    EXPECT_GT(chart["drawn"], 100) << chart;
    ASSERT_FALSE(chart["pauses"].empty()) << chart;
    EXPECT_THAT(chart["pauses"][0].get<std::string>(), HasSubstr("paused by `backfill pause` at"));
    EXPECT_GT(chart["shade"], 5) << chart;
    EXPECT_EQ(chart["absences"], 1) << chart;
  }
  const std::string text = browser.evaluate("document.querySelector('main').innerText");
  EXPECT_THAT(text, AllOf(HasSubstr("✓ complete"), HasSubstr("3,001 read"),
                          HasSubstr("no process was at work"), HasSubstr("a bad name"),
                          HasSubstr(kEvilKey), HasSubstr("equal")));
  EXPECT_EQ(browser.evaluate("document.querySelectorAll('img').length"), 0);
  EXPECT_THAT(browser.complaints(), IsEmpty());
  EXPECT_THAT(browser.requests(), Each(AnyOf(StartsWith("file://" + job.folder().path().string()),
                                             StartsWith("data:"))));
}

class ReportOfARun : public ReportTest {
 protected:
  ReportOfARun() : job_(keys()) {
    EXPECT_EQ(job_.call("pause").exit_code, 0);
    Program run = job_.start();
    EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(job_.checkpoint()); }));
    EXPECT_TRUE(wait_until([&] { return job_.state() == "paused"; })) << run.err();
    EXPECT_TRUE(has_sample(job_, "share = 0")) << run.err();
    EXPECT_EQ(job_.call("resume").exit_code, 0);
    EXPECT_EQ(run.wait().exit_code, 0);
    browser_.open(report(job_));
  }

  const JobOnDisk job_;
  Browser browser_;
};

TEST_F(ReportOfARun, FitsOnAPhone) {
  browser_.resize(360, 740, true);

  EXPECT_THAT(browser_.evaluate("document.documentElement.scrollWidth").get<int>(), Le(360));
  for (const Json& chart : browser_.evaluate(kCharts)) {
    EXPECT_TRUE(chart["inside"]) << chart;
    EXPECT_GE(chart["letters"], 9) << chart;
    EXPECT_TRUE(chart["times"] < 2 || chart["apart"] > 0) << chart;
  }
}

TEST_F(ReportOfARun, IsDarkWhereTheReaderWantsItSoAndLightOnPaper) {
  browser_.show_as("screen", "light");
  const Json light = browser_.evaluate(kColors);
  browser_.show_as("screen", "dark");
  const Json dark = browser_.evaluate(kColors);
  browser_.show_as("print", "dark");
  const Json paper = browser_.evaluate(kColors);

  EXPECT_GT(light["page"], 0.8);
  EXPECT_LT(dark["page"], 0.1);
  EXPECT_GT(paper["page"], 0.99);
  for (const Json& colors : {light, dark, paper}) EXPECT_GT(colors["contrast"], 10);
}

TEST_F(ReportOfARun, SaysWhatIsPointedAtInEveryChart) {
  browser_.resize(1200, 900, false);
  browser_.evaluate("document.querySelector('#rate').scrollIntoView({block: 'center'})");
  const Json box = browser_.evaluate(
      "(b => [b.left + b.width / 2, b.top + 40])(document.querySelector('#rate "
      ".plot').getBoundingClientRect())");

  // What is told goes when the page scrolls, which may come after the first move.
  double nudge = 0;
  ASSERT_TRUE(wait_until([&] {
    browser_.move_mouse(box[0], box[1].get<double>() + (nudge = 1 - nudge));
    return browser_.evaluate("getComputedStyle(document.getElementById('tip')).display") == "block";
  }));
  EXPECT_THAT(browser_.evaluate("document.getElementById('tip').textContent").get<std::string>(),
              AllOf(HasSubstr(" UTC"), HasSubstr("\nread: "), HasSubstr("\nwritten: ")));
  const Json places = browser_.evaluate(
      "[...new Set([...document.querySelectorAll('.hair')].map(h => h.getAttribute('x')))]");
  EXPECT_EQ(places.size(), 1U) << places;
}

TEST_F(ReportTest, IsItsOwnersFileAndReplacedAsAWhole) {
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run().exit_code, 0);
  const std::string page = report(job);
  struct stat first {};
  ASSERT_EQ(stat(page.c_str(), &first), 0);

  report(job);

  struct stat second {};
  ASSERT_EQ(stat(page.c_str(), &second), 0);
  EXPECT_EQ(second.st_mode & 0777U, 0600U);
  EXPECT_NE(first.st_ino, second.st_ino);
  for (const auto& entry : std::filesystem::directory_iterator(job.folder().path()))
    EXPECT_THAT(entry.path().filename().string(), Not(StartsWith("report.html.")));
}

TEST_F(ReportTest, ShowsWhatVerifyFoundAndThatAPassWasKilled) {
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run().exit_code, 0);
  playground_->execute("DELETE FROM people WHERE id = 'k17'");
  ASSERT_EQ(job.call("verify", {"--settle=0s"}).exit_code, 5);

  const std::string found = job.call("report", {"-o", "-"}).out;
  SqliteConnection(job.checkpoint(), SqliteConnection::Mode::read_write)
      .execute("UPDATE verify_pass SET state = 'running'");
  const std::string killed = job.call("report", {"-o", "-"}).out;

  EXPECT_THAT(
      found, AllOf(HasSubstr("<dd>1 difference</dd>"), HasSubstr("1 missing, 0 extra, 0 different"),
                   HasSubstr("<td>&#39;k17&#39;</td><td>missing</td>")));
  EXPECT_THAT(killed, HasSubstr("stopped: its process is gone; go on with backfill verify"));
}

TEST_F(ReportTest, GoesToStdoutWhereAskedTo) {
  const JobOnDisk job(keys());
  ASSERT_EQ(job.run().exit_code, 0);

  const ProgramEnd end = job.call("report", {"-o", "-"});

  EXPECT_EQ(end.exit_code, 0) << end.err;
  EXPECT_THAT(end.out, AllOf(StartsWith("<!DOCTYPE html>"), HasSubstr("</html>\n")));
}

TEST_F(ReportTest, IsRefusedWhereThereIsNothingToReportOnOrNoPlaceForIt) {
  const JobOnDisk job(keys());

  const ProgramEnd none = job.call("report", {"-o", "-"});
  const bool made_a_checkpoint = std::filesystem::exists(job.checkpoint());
  job.call("pause");  // a checkpoint without a run
  const ProgramEnd unstarted = job.call("report", {"-o", "-"});
  job.call("resume");
  ASSERT_EQ(job.run().exit_code, 0);
  const ProgramEnd folder = job.call("report", {"-o", job.folder().path().string()});
  const ProgramEnd nowhere = job.call("report", {"-o", (job.folder() / "no/where.html").string()});

  for (const ProgramEnd& end : {none, unstarted, folder, nowhere}) {
    EXPECT_EQ(end.exit_code, 2) << end;
    EXPECT_EQ(end.out, "");
  }
  EXPECT_FALSE(made_a_checkpoint);
  EXPECT_THAT(none.err, HasSubstr("no run is in the checkpoint " + job.checkpoint()));
  EXPECT_THAT(unstarted.err, HasSubstr("start one with backfill run"));
  EXPECT_THAT(folder.err, HasSubstr("it is not a file; name a file"));
  EXPECT_THAT(nowhere.err, HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace backfill
