// The progress display on a real terminal: tmux shows what a person would see.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "job_on_disk.h"
#include "people.h"

namespace backfill {
namespace {

using testing::HasSubstr;
using testing::Not;

using Lines = std::vector<std::string>;

constexpr int kPeople = 4000;  // 200 batches

// A terminal of its own server, without anybody's settings.
class Terminal {
 public:
  // Runs `command` in a shell, which stays once it has ended.
  Terminal(const std::string& command, int columns, int lines)
      : socket_((folder_ / "tmux").string()) {
    write_file(folder_ / "command", command + "\nprintf 'ended with %s\\n' $?\nexec cat\n");
    tmux({"-f", "/dev/null", "new-session", "-d", "-x", std::to_string(columns), "-y",
          std::to_string(lines), "sh " + (folder_ / "command").string()});
  }
  ~Terminal() { run_program({"tmux", "-S", socket_, "kill-server"}); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void resize(int columns, int lines) {
    tmux({"resize-window", "-x", std::to_string(columns), "-y", std::to_string(lines)});
  }

  // What it shows, without empty lines at the end; with `styled`, colors and all.
  Lines screen(bool styled = false) {
    Lines words = {"capture-pane", "-p"};
    if (styled) words.push_back("-e");
    std::istringstream text(tmux(words));
    Lines lines;
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
    return lines;
  }

  // Waits for a line that holds the text.
  bool shows(const std::string& text) {
    return wait_until([&] { return count(text) > 0; });
  }

  Lines lines_with(const std::string& text) {
    Lines lines = screen();
    std::erase_if(lines,
                  [&](const std::string& line) { return line.find(text) == std::string::npos; });
    return lines;
  }

  std::size_t count(const std::string& text) { return lines_with(text).size(); }

 private:
  std::string tmux(const Lines& words) {
    Lines command = {"tmux", "-S", socket_};
    command.insert(command.end(), words.begin(), words.end());
    const ProgramEnd end = run_program(command, {{"TERM", "xterm-256color"}});
    EXPECT_EQ(end.exit_code, 0) << words.front() << ": " << end;
    return end.out;
  }

  TempFolder folder_;
  std::string socket_;
};

class TerminalTest : public ::testing::Test {
 protected:
  TerminalTest() : playground_(make_playground(Engine::sqlite)) {
    create_people(*playground_, "users", make_people(kPeople));
    job_ = std::make_unique<JobOnDisk>(std::map<std::string, std::string>{
        {"source.url", toml_string(playground_->url())},
        {"source.table", "\"users\""},
        {"transform.plugin", toml_string(plugin_path("split_full_name"))}});
  }

  std::string run(const std::string& words = "--workers=1",
                  const std::string& environment = "") const {
    return "BACKFILL_FAILPOINTS='chunk.after_read=delay(100ms)' " + environment + " " +
           BACKFILL_PROGRAM + " run " + job_->file() + " " + words;
  }

  std::unique_ptr<Playground> playground_;
  std::unique_ptr<JobOnDisk> job_;
};

TEST_F(TerminalTest, ShowsTwoLinesBelowTheLogAndTakesThemAwayAtTheEnd) {
  Terminal terminal(run("--workers=8"), 160, 12);
  ASSERT_TRUE(terminal.shows("[==="));
  const Lines during = terminal.screen();
  ASSERT_TRUE(terminal.shows("ended with 0"));
  const Lines after = terminal.screen();

  // The line that tells of the start wraps.
  ASSERT_GE(during.size(), 3U);
  EXPECT_THAT(during[0], HasSubstr("info start run_id="));
  EXPECT_THAT(during[during.size() - 2], HasSubstr("% "));
  EXPECT_THAT(during[during.size() - 2], HasSubstr("[="));
  EXPECT_THAT(during[during.size() - 1], HasSubstr("8 workers  share 1.00"));
  for (const std::string& line : after) {
    EXPECT_THAT(line, Not(HasSubstr("share 1.00"))) << testing::PrintToString(after);
  }
  EXPECT_EQ(terminal.count("info start "), 1U);
  EXPECT_EQ(terminal.count("info complete "), 1U);
}

TEST_F(TerminalTest, IsStillTwoLinesAfterTheWindowWasMadeSmallerAndLarger) {
  Terminal terminal(run(), 120, 20);
  ASSERT_TRUE(terminal.shows("share 1.00"));

  for (const int columns : {40, 100, 25, 160, 60}) {
    terminal.resize(columns, 20);
    // Drawn anew at this width.
    const Lines before = terminal.lines_with(" of about ");
    ASSERT_TRUE(wait_until([&] { return terminal.lines_with(" of about ") != before; }));
    ASSERT_TRUE(terminal.shows(" of about "));
    EXPECT_EQ(terminal.count("workers  share"), 0U);
    EXPECT_EQ(terminal.count("worker  share"), 1U)
        << columns << testing::PrintToString(terminal.screen());
    EXPECT_EQ(terminal.count(" of about "), 1U)
        << columns << testing::PrintToString(terminal.screen());
  }
}

TEST_F(TerminalTest, KeepsALogLineWhole) {
  // The third batch has to be tried again, which is logged while the lines are there.
  Terminal terminal(
      "BACKFILL_FAILPOINTS='chunk.after_read=delay(300ms),"
      "target.before_commit=error@3' " BACKFILL_PROGRAM " run " +
          job_->file() + " --workers=1",
      100, 20);
  ASSERT_TRUE(terminal.shows("warning will try again"));
  ASSERT_TRUE(terminal.shows("share 1.00"));

  const Lines lines = terminal.screen();
  const auto warning = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find("warning will try again") != std::string::npos;
  });
  ASSERT_NE(warning, lines.end());
  EXPECT_TRUE(warning->starts_with("20")) << *warning;
  EXPECT_EQ(terminal.count(" of about "), 1U) << testing::PrintToString(lines);
}

TEST_F(TerminalTest, HasNoColorWhereNoneIsWanted) {
  Terminal plain(run("--workers=1", "NO_COLOR=1"), 100, 10);
  ASSERT_TRUE(plain.shows("share 1.00"));
  for (const std::string& line : plain.screen(/*styled=*/true)) {
    EXPECT_THAT(line, Not(HasSubstr("\033["))) << line;
  }
}

TEST_F(TerminalTest, DimsTheSecondLine) {
  Terminal terminal(run(), 100, 10);
  ASSERT_TRUE(terminal.shows("share 1.00"));
  EXPECT_THAT(terminal.screen(/*styled=*/true), testing::Contains(HasSubstr("\033[2m1 worker")));
}

TEST_F(TerminalTest, IsCleanWhenPiped) {
  const ProgramEnd end = job_->run({"--workers=8"}, "chunk.after_read=delay(20ms)");

  EXPECT_EQ(end.exit_code, 0);
  EXPECT_THAT(end.err, Not(HasSubstr("\033")));
  EXPECT_THAT(end.err, Not(HasSubstr("\r")));
}

TEST_F(TerminalTest, IsALogOnATerminalThatCannotBeDrawnOn) {
  Terminal terminal(run("--workers=8", "TERM=dumb"), 100, 10);
  ASSERT_TRUE(terminal.shows("info start"));
  ASSERT_TRUE(terminal.shows("ended with 0"));
  EXPECT_EQ(terminal.count("share 1.00  batches"), 0U);
}

}  // namespace
}  // namespace backfill
