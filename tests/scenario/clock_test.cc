// The wall clock is set forward and back under a run. Nothing is measured with it, so nothing
// happens: no rest is skipped or endless, no call times out, no planned stop comes early.

#include <gtest/gtest.h>

#include <chrono>

#include "job_on_disk.h"
#include "people.h"

namespace backfill {
namespace {

using namespace std::chrono_literals;

class ClockTest : public ::testing::TestWithParam<Engine> {};

TEST_P(ClockTest, SetByDaysForwardAndBackChangesNothing) {
  const auto playground = make_playground(GetParam());
  create_people(*playground, "users", make_people(400));
  const JobOnDisk job({{"source.url", toml_string(playground->url())},
                       {"source.table", toml_string(playground->table("users"))},
                       {"transform.plugin", toml_string(plugin_path("split_full_name"))},
                       {"throttle.share", "0.5"},
                       {"schedule.max_runtime", "\"1h\""}});
  const std::string clock = (job.folder() / "clock").string();
  write_file(clock, "0");
  const auto gate = [&](const char* name) { return (job.folder() / name).string(); };
  Program run(
      {BACKFILL_PROGRAM, "run", job.file(), "--workers=2"},
      {{"LD_PRELOAD", BACKFILL_STEPPING_CLOCK},
       {"STEPPING_CLOCK", clock},
       {"BACKFILL_FAILPOINTS", "chunk.after_read=wait(" + gate("first") +
                                   ")@5,chunk.after_transform=wait(" + gate("second") + ")@12"}});
  const auto day = [&] { return job.status()["updated_at"].get<std::string>().substr(0, 10); };
  const auto is_at = [&](const char* name) {
    return wait_until([&] { return std::filesystem::exists(gate(name) + ".reached"); });
  };
  ASSERT_TRUE(is_at("first")) << run.err();
  const std::string today = day();
  write_file(clock, "864000");
  EXPECT_TRUE(wait_until([&] { return day() > today; }));  // the program sees it
  write_file(gate("first"), "");
  ASSERT_TRUE(is_at("second")) << run.err();
  write_file(clock, "-864000");
  EXPECT_TRUE(wait_until([&] { return day() < today; }));
  write_file(gate("second"), "");
  const ProgramEnd end = run.wait(20s);

  EXPECT_EQ(end.exit_code, 0) << end;
  const nlohmann::json status = job.status();
  EXPECT_EQ(status["state"], "complete") << status;
  EXPECT_EQ(status["batches"]["retried"], 0) << status;
  EXPECT_GT(status["elapsed_s"], 0) << status;
  EXPECT_LT(status["elapsed_s"], 20) << status;
  EXPECT_LT(status["throttled_s"], 40) << status;
  EXPECT_EQ(playground->value("SELECT count(*) FROM users WHERE full_name IS NOT NULL AND "
                              "first_name IS NULL"),
            "0");
}

INSTANTIATE_TEST_SUITE_P(On, ClockTest, ::testing::Values(Engine::sqlite, Engine::postgres),
                         [](const auto& tested) { return engine_name(tested.param); });

}  // namespace
}  // namespace backfill
