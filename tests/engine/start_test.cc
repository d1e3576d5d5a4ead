#include "engine/start.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "support/batch_builder.h"

namespace backfill {
namespace {

const FingerprintFields kFields = {{"source.table", "public.users"}, {"source.where", ""}};

SavedRun unfinished_run() {
  SavedRun run;
  run.state = RunState::stopped;
  run.reason = "stopped by SIGTERM";
  run.rows.read = 8000;
  run.rows.written = 7990;
  run.rows.rejected = 10;
  run.watermark = key_of(8123);
  return run;
}

SavedRun finished_run() {
  SavedRun run = unfinished_run();
  run.state = RunState::complete;
  run.reason = "";
  run.all_visited = true;
  return run;
}

constexpr StartFlags kNone{false, false, false};
constexpr StartFlags kResume{true, false, false};
constexpr StartFlags kRestart{false, true, false};
constexpr StartFlags kForced{true, false, true};

// Why the start is refused.
std::string refusal(const std::optional<SavedRun>& saved, const FingerprintFields& fields,
                    StartFlags flags) {
  try {
    decide_start(saved, kFields, fields, flags);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::usage);
    return error.what();
  }
  return "not refused";
}

TEST(Start, IsFreshWithoutACheckpointWhateverTheFlags) {
  for (const StartFlags& flags : {kNone, kResume, kRestart, kForced}) {
    const StartDecision decision = decide_start(std::nullopt, {}, kFields, flags);

    EXPECT_EQ(decision.kind, StartKind::fresh);
    EXPECT_EQ(decision.forgotten, "");
    EXPECT_EQ(decision.forced, "");
  }
}

TEST(Start, RefusesToGuessWhatToDoWithAnUnfinishedRun) {
  const std::string why = refusal(unfinished_run(), kFields, kNone);

  EXPECT_EQ(
      why,
      "the checkpoint holds an unfinished run: stopped (stopped by SIGTERM), 8000 rows read, 7990 "
      "written, 10 rejected, up to key 8123; --resume goes on from there, --restart forgets it and "
      "starts over");
}

TEST(Start, RefusesToRepeatAFinishedRunUnasked) {
  const std::string why = refusal(finished_run(), kFields, kNone);

  EXPECT_NE(why.find("finished run: complete, 8000 rows read"), std::string::npos) << why;
  EXPECT_NE(why.find("--restart"), std::string::npos);
}

TEST(Start, ResumesAnUnfinishedRunAndLeavesAFinishedOne) {
  EXPECT_EQ(decide_start(unfinished_run(), kFields, kFields, kResume).kind, StartKind::resumed);
  EXPECT_EQ(decide_start(finished_run(), kFields, kFields, kResume).kind, StartKind::finished);
}

TEST(Start, RestartSaysWhatIsForgotten) {
  for (const SavedRun& run : {unfinished_run(), finished_run()}) {
    const StartDecision decision =
        decide_start(run, {{"source.table", "other"}}, kFields, kRestart);

    EXPECT_EQ(decision.kind, StartKind::fresh);
    EXPECT_EQ(decision.forgotten, describe_run(run));
  }
}

TEST(Start, RefusesResumeAndRestartTogether) {
  StartFlags both = kResume;
  both.restart = true;

  EXPECT_NE(refusal(unfinished_run(), kFields, both).find("exclude each other"), std::string::npos);
  EXPECT_NE(refusal(std::nullopt, kFields, both).find("exclude each other"), std::string::npos);
}

TEST(Start, RefusesToResumeAnotherJobNamingEachFieldWithBothValues) {
  const FingerprintFields changed = {
      {"source.table", "public.users"}, {"source.where", "id > 5"}, {"transform.plugin", "split"}};

  const std::string why = refusal(unfinished_run(), changed, kResume);

  EXPECT_EQ(why,
            "cannot resume, the job has changed: source.where: the checkpoint has not set, the job "
            "has \"id > "
            "5\"; transform.plugin: the checkpoint has not set, the job has \"split\"; change it "
            "back, start "
            "over with --restart, or insist with --force");
  EXPECT_NE(refusal(finished_run(), changed, kResume).find("the job has changed"),
            std::string::npos);
}

TEST(Start, TakesAFieldThatIsEmptyAndOneThatIsNotThereAsTheSame) {
  EXPECT_EQ(
      decide_start(unfinished_run(), kFields, {{"source.table", "public.users"}}, kResume).kind,
      StartKind::resumed);
}

TEST(Start, GoesOnByForceAndSaysWhatWasOverridden) {
  const StartDecision decision =
      decide_start(unfinished_run(), kFields,
                   {{"source.table", "public.people"}, {"source.where", ""}}, kForced);

  EXPECT_EQ(decision.kind, StartKind::resumed);
  EXPECT_EQ(decision.forced,
            "source.table: the checkpoint has \"public.users\", the job has \"public.people\"");
}

TEST(Start, ForceAloneDoesNotResume) {
  StartFlags force = kNone;
  force.force = true;

  EXPECT_NE(refusal(unfinished_run(), kFields, force).find("unfinished run"), std::string::npos);
}

TEST(Start, NothingIsForcedWhereNothingDiffers) {
  EXPECT_EQ(decide_start(unfinished_run(), kFields, kFields, kForced).forced, "");
}

}  // namespace
}  // namespace backfill
