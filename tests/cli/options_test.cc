#include "cli/options.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "core/error.h"

namespace backfill {
namespace {

class OptionsTest : public testing::Test {
 protected:
  ~OptionsTest() override {
    for (const std::string& name : set_) unsetenv(name.c_str());
  }

  void set_environment(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    set_.push_back(name);
  }

  static ParsedCommandLine parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "backfill");
    return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
  }

  static std::string refusal(const std::vector<const char*>& arguments) {
    try {
      parse(arguments);
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::usage);
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      return error.what();
    }
    return "not refused";
  }

  // `batch.size=5 (flag)`, one a line, in their order.
  static std::string overrides(const std::vector<const char*>& arguments) {
    std::string text;
    for (const Override& one : parse(arguments).options.overrides) {
      text += (text.empty() ? "" : "\n") + one.name + "=" + one.value + " (" + one.origin + ")";
    }
    return text;
  }

 private:
  std::vector<std::string> set_;
};

TEST_F(OptionsTest, AreTheDefaultsWhenNothingIsSaid) {
  const Options options = parse({"run", "job.toml"}).options;

  EXPECT_EQ(options.command, "run");
  EXPECT_EQ(options.job_file, "job.toml");
  EXPECT_TRUE(options.overrides.empty());
  EXPECT_EQ(options.log_level, LogLevel::info);
  EXPECT_EQ(options.log_format, LogFormat::text);
  EXPECT_EQ(options.progress, ProgressStyle::automatic);
  EXPECT_EQ(options.grace, std::chrono::seconds(20));
  EXPECT_FALSE(options.start.resume || options.start.restart || options.start.force ||
               options.dry_run);
}

TEST_F(OptionsTest, TakeEveryFlagOfRun) {
  const Options options =
      parse({"run", "job.toml", "--resume", "--force", "--dry-run", "--grace", "5s", "--progress",
             "none", "--log-level", "debug", "--log-format", "json"})
          .options;

  EXPECT_TRUE(options.start.resume && options.start.force && options.dry_run);
  EXPECT_TRUE(parse({"run", "job.toml", "--restart"}).options.start.restart);
  EXPECT_EQ(options.grace, std::chrono::seconds(5));
  EXPECT_EQ(options.progress, ProgressStyle::none);
  EXPECT_EQ(options.log_level, LogLevel::debug);
  EXPECT_EQ(options.log_format, LogFormat::json);
}

TEST_F(OptionsTest, TakeTheFlagsOfStatus) {
  const Options options =
      parse({"status", "job.toml", "--json", "--watch", "--dead-letters"}).options;

  EXPECT_EQ(options.command, "status");
  EXPECT_TRUE(options.json && options.watch && options.dead_letters);
}

TEST_F(OptionsTest, TakeTheFlagsOfVerifyAndReconcile) {
  const Options verify =
      parse({"verify", "job.toml", "--resume", "--json", "--sample=0.5%", "--list", "l",
             "--settle=2s", "--every", "10m", "--metrics-file", "m"})
          .options;
  const Options reconcile =
      parse({"reconcile", "job.toml", "--dry-run", "--delete-extra", "--max-repairs=7"}).options;

  EXPECT_TRUE(verify.start.resume && verify.json);
  EXPECT_DOUBLE_EQ(verify.verify.sample.value_or(0), 0.005);
  EXPECT_EQ(verify.verify.list_file, "l");
  EXPECT_EQ(verify.verify.settle, std::chrono::seconds(2));
  EXPECT_EQ(verify.verify.every, std::chrono::minutes(10));
  EXPECT_EQ(verify.metrics.file, "m");
  EXPECT_TRUE(reconcile.dry_run && reconcile.verify.delete_extra);
  EXPECT_EQ(reconcile.verify.repairs_max, 7);
  EXPECT_EQ(reconcile.verify.settle, std::chrono::seconds(5));
  for (const char* sample : {"1", "0%", "100%", "x%", "1%%", "-1%"})
    EXPECT_NE(refusal({"verify", "job.toml", "--sample", sample}).find("such as 1%"),
              std::string::npos)
        << sample;
}

TEST_F(OptionsTest, TakeWhereAReportGoes) {
  EXPECT_EQ(parse({"report", "job.toml", "-o", "page.html"}).options.output, "page.html");
  EXPECT_EQ(parse({"report", "job.toml", "--output=-"}).options.output, "-");
  EXPECT_EQ(parse({"report", "job.toml"}).options.output, "");
}

TEST_F(OptionsTest, TurnRunFlagsIntoJobKeys) {
  EXPECT_EQ(overrides({"run", "job.toml", "--workers", "4", "--batch-size=500", "--max-runtime",
                       "2h", "--checkpoint", "c.db", "--no-throttle"}),
            "checkpoint.path=c.db (flag)\nrun.workers=4 (flag)\nbatch.size=500 (flag)\n"
            "schedule.max_runtime=2h (flag)\nthrottle.enabled=false (flag)");
}

TEST_F(OptionsTest, TakeAnyJobKeyAndKeepLaterEqualSigns) {
  EXPECT_EQ(
      overrides({"plan", "job.toml", "--set", "source.where=a = 'b'", "--set", "batch.size=5"}),
      "source.where=a = 'b' (flag)\nbatch.size=5 (flag)");
}

TEST_F(OptionsTest, LetASetWinOverTheFlagOfTheSameKey) {
  EXPECT_EQ(overrides({"run", "job.toml", "--set", "batch.size=5", "--batch-size", "7"}),
            "batch.size=7 (flag)\nbatch.size=5 (flag)");
}

TEST_F(OptionsTest, ComeFromTheEnvironmentToo) {
  set_environment("BACKFILL_WORKERS", "3");
  set_environment("BACKFILL_MAX_RUNTIME", "1h");
  set_environment("BACKFILL_NO_THROTTLE", "1");
  set_environment("BACKFILL_RESUME", "true");
  set_environment("BACKFILL_GRACE", "7s");
  set_environment("BACKFILL_PROGRESS", "log");
  set_environment("BACKFILL_LOG_FORMAT", "json");
  set_environment("BACKFILL_DRY_RUN", "0");

  const Options options = parse({"run", "job.toml"}).options;

  EXPECT_EQ(overrides({"run", "job.toml"}),
            "run.workers=3 (environment)\nschedule.max_runtime=1h (environment)\n"
            "throttle.enabled=false (environment)");
  EXPECT_TRUE(options.start.resume);
  EXPECT_FALSE(options.dry_run);
  EXPECT_EQ(options.grace, std::chrono::seconds(7));
  EXPECT_EQ(options.progress, ProgressStyle::log);
  EXPECT_EQ(options.log_format, LogFormat::json);
}

TEST_F(OptionsTest, LetAFlagWinOverTheEnvironment) {
  set_environment("BACKFILL_WORKERS", "3");
  set_environment("BACKFILL_BATCH_SIZE", "10");
  set_environment("BACKFILL_GRACE", "7s");

  EXPECT_EQ(overrides({"run", "job.toml", "--workers", "4"}),
            "batch.size=10 (environment)\nrun.workers=4 (flag)");
  EXPECT_EQ(parse({"run", "job.toml", "--grace", "1s"}).options.grace, std::chrono::seconds(1));
}

TEST_F(OptionsTest, ThatAreSettingsOfRunAreSettingsOfPlan) {
  set_environment("BACKFILL_WORKERS", "3");
  set_environment("BACKFILL_NO_THROTTLE", "1");

  EXPECT_EQ(overrides({"plan", "job.toml", "--batch-size", "7"}),
            "run.workers=3 (environment)\nthrottle.enabled=false (environment)\n"
            "batch.size=7 (flag)");
}

TEST_F(OptionsTest, OfRunInTheEnvironmentDoNotDisturbOtherCommands) {
  set_environment("BACKFILL_RESUME", "1");
  set_environment("BACKFILL_WORKERS", "nonsense");

  const Options options = parse({"status", "job.toml"}).options;

  EXPECT_FALSE(options.start.resume);
  EXPECT_TRUE(options.overrides.empty());
}

TEST_F(OptionsTest, RefuseAWrongCommandLine) {
  const std::vector<std::vector<const char*>> wrong = {
      {},
      {"run"},
      {"walk", "job.toml"},
      {"run", "job.toml", "--unknown"},
      {"run", "job.toml", "other.toml"},
      {"run", "job.toml", "--workers"},
      {"run", "job.toml", "--set"},
      {"plan", "job.toml", "--resume"},
      {"status", "job.toml", "--workers", "3"},
  };
  for (const auto& arguments : wrong) {
    EXPECT_NE(refusal(arguments), "not refused")
        << (arguments.empty() ? "nothing" : arguments.back());
  }
}

TEST_F(OptionsTest, NameTheOptionAndTheValueThatIsWrong) {
  EXPECT_EQ(refusal({"run", "job.toml", "--log-level", "loud"}),
            "--log-level: \"loud\" is none of debug, error, info, warning");
  EXPECT_EQ(refusal({"run", "job.toml", "--progress", "x"}),
            "--progress: \"x\" is none of auto, bar, log, none");
  EXPECT_EQ(refusal({"run", "job.toml", "--grace", "soon"}),
            "--grace: \"soon\" is not a time up to 1h, such as 20s");
  EXPECT_EQ(refusal({"run", "job.toml", "--set", "batch.size"}),
            "--set batch.size: write --set KEY=VALUE, such as --set batch.size=500");
  EXPECT_NE(refusal({"run", "job.toml", "--set", "=5"}), "not refused");
}

TEST_F(OptionsTest, NameTheWordThatIsNoCommand) {
  EXPECT_EQ(refusal({"walk", "job.toml"}),
            "there is no command \"walk\"; commands are run, plan, status, verify, reconcile, "
            "pause, resume, set and report");
}

TEST_F(OptionsTest, RefuseToGoOnAndToStartOverBeforeAnyFileIsTouched) {
  EXPECT_EQ(refusal({"run", "job.toml", "--resume", "--restart"}),
            "--resume and --restart exclude each other: go on, or start over");
}

TEST_F(OptionsTest, NameTheVariableThatIsWrong) {
  set_environment("BACKFILL_RESUME", "maybe");
  EXPECT_EQ(refusal({"run", "job.toml"}), "BACKFILL_RESUME: \"maybe\" is neither true nor false");

  set_environment("BACKFILL_RESUME", "");
  set_environment("BACKFILL_LOG_FORMAT", "xml");
  EXPECT_EQ(refusal({"run", "job.toml"}), "BACKFILL_LOG_FORMAT: \"xml\" is none of json, text");
}

TEST_F(OptionsTest, AnswerHelpAndVersion) {
  for (const std::vector<const char*>& arguments :
       {std::vector<const char*>{"--help"}, {"--version"}, {"run", "--help"}}) {
    testing::internal::CaptureStdout();

    const bool is_answered = parse(arguments).is_answered;

    const std::string answer = testing::internal::GetCapturedStdout();
    EXPECT_TRUE(is_answered);
    EXPECT_NE(answer.find("backfill"), std::string::npos) << answer;
  }
}

}  // namespace
}  // namespace backfill
