// kill -9 at every failpoint, in every write mode, between every pair of databases: what
// `run --resume` makes of it is what an undisturbed run would have made.

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "job_on_disk.h"
#include "people.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

constexpr int kPeople = 300;

enum class Write { in_place, update, insert_missing, upsert, insert };

const char* write_name(Write write) {
  constexpr const char* names[] = {"InPlace", "Update", "InsertMissing", "Upsert", "Insert"};
  return names[static_cast<int>(write)];
}

const char* write_mode(Write write) {
  constexpr const char* names[] = {"update", "update", "insert_missing", "upsert", "insert"};
  return names[static_cast<int>(write)];
}

struct CrashCase {
  Engine source;
  Engine target;
  Write write;
  std::string failpoint;
};

// What GoogleTest prints of a case that failed.
void PrintTo(const CrashCase& crash, std::ostream* stream) {
  *stream << engine_name(crash.source) << " to " << engine_name(crash.target) << ", "
          << write_name(crash.write) << ", " << crash.failpoint;
}

// A source of people and a target in the state that its write mode is about: rows that are to
// be kept, replaced, filled or added.
class CrashTest : public ::testing::TestWithParam<CrashCase> {
 protected:
  void SetUp() override {
    source_ = make_playground(GetParam().source);
    const bool one_database = GetParam().source == GetParam().target;
    if (!one_database) other_ = make_playground(GetParam().target);
  }

  Playground& target() { return other_ ? *other_ : *source_; }

  JobOnDisk new_job() {
    people_ = make_people(kPeople);
    create_people(*source_, "users", people_);
    fill_target();
    std::map<std::string, std::string> keys = {
        {"source.url", toml_string(source_->url())},
        {"source.table", toml_string(source_->table("users"))},
        {"source.columns", R"(["id", "full_name"])"},
        {"transform.plugin", toml_string(plugin_path("split_full_name"))}};
    if (GetParam().write != Write::in_place) {
      keys["target.url"] = toml_string(target().url());
      keys["target.table"] = toml_string(target().table("people"));
      keys["target.write"] = toml_string(write_mode(GetParam().write));
    }
    return JobOnDisk(keys);
  }

  void fill_target() {
    if (GetParam().write == Write::in_place) return;
    target().execute(
        "CREATE TABLE people (id bigint NOT NULL PRIMARY KEY, first_name text, last_name text)");
    std::string values;
    for (std::size_t i = 0; i < people_.size(); ++i) {
      if (!is_there_before(i)) continue;
      values += values.empty() ? "" : ", ";
      values += "(" + std::to_string(people_[i].id) + ", 'old', NULL)";
    }
    if (!values.empty()) target().execute("INSERT INTO people VALUES " + values);
  }

  static bool is_there_before(std::size_t i) {
    switch (GetParam().write) {
      case Write::in_place:
      case Write::insert:
        return false;
      case Write::update:
        return i % 10 != 0;
      case Write::insert_missing:
      case Write::upsert:
        return i % 10 == 0;
    }
    return false;
  }

  // `id|first_name|last_name`, in order of id, as it must be in the end.
  std::vector<std::string> expected() const {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < people_.size(); ++i) {
      const std::string id = std::to_string(people_[i].id);
      const bool was_there = is_there_before(i);
      const bool stays = GetParam().write == Write::insert_missing && was_there;
      const bool is_absent = GetParam().write == Write::update && !was_there;
      if (is_absent) continue;
      if (stays || (was_there && !people_[i].full_name)) {
        lines.push_back(id + "|old|NULL");
      } else if (people_[i].full_name) {
        const SplitName name = split_name_of(*people_[i].full_name);
        lines.push_back(id + "|" + name.first + "|" + name.last);
      } else if (GetParam().write == Write::in_place) {
        lines.push_back(id + "|NULL|NULL");
      }
    }
    return lines;
  }

  std::vector<std::string> found() {
    const std::string table = GetParam().write == Write::in_place ? "users" : "people";
    return target().rows("SELECT id, first_name, last_name FROM " + table + " ORDER BY id");
  }

  // After a kill: `status` says that it is over and why, unless the last save was done.
  static void expect_stopped(const JobOnDisk& job) {
    const nlohmann::json status = job.status();
    if (status["state"] == "complete") return;
    EXPECT_EQ(status["state"], "stopped") << status;
    EXPECT_TRUE(status["reason"].is_string()) << status;
    EXPECT_LE(status["rows"]["read"].get<int>(), kPeople) << status;
  }

  void expect_done(const JobOnDisk& job, const ProgramEnd& last) {
    ASSERT_EQ(last.exit_code, 0) << last;
    EXPECT_EQ(found(), expected());
    const nlohmann::json status = job.status();
    const nlohmann::json& rows = status["rows"];
    EXPECT_EQ(status["state"], "complete") << status;
    EXPECT_EQ(status["progress"], 1.0) << status;
    EXPECT_EQ(rows["read"], kPeople) << status;
    EXPECT_EQ(rows["rejected"], 0) << status;
    EXPECT_EQ(
        rows["written"].get<int>() + rows["unchanged"].get<int>() + rows["skipped"].get<int>(),
        kPeople)
        << status;
    if (target().has_table("backfill_ledger")) {
      EXPECT_EQ(target().value("SELECT count(*) FROM backfill_ledger"), "0");
    }
  }

  std::string crash(int hit) const {
    return GetParam().failpoint + "=crash@" + std::to_string(hit);
  }

 private:
  std::unique_ptr<Playground> source_;
  std::unique_ptr<Playground> other_;
  std::vector<Person> people_;
};

// A place in the middle of the run; the checkpoint takes what waits together in one step.
int middle_hit(const std::string& failpoint) { return failpoint.starts_with("checkpoint") ? 2 : 5; }

// Another failpoint, so that two crashes in a row are at different places.
std::string other_crash(const std::string& failpoint) {
  const auto& names = failpoint_names();
  const auto at = std::find(names.begin(), names.end(), failpoint) - names.begin();
  return std::string(names[static_cast<std::size_t>(at + 3) % names.size()]) + "=crash@2";
}

TEST_P(CrashTest, ResumesAfterThreeInARow) {
  const JobOnDisk job = new_job();

  const ProgramEnd first = job.run({"--workers=1"}, crash(1));
  ASSERT_EQ(first.signal, SIGKILL) << first;
  expect_stopped(job);
  for (const std::string& failpoint :
       {crash(middle_hit(GetParam().failpoint)), other_crash(GetParam().failpoint)}) {
    // What is left may be done before the place is reached that often.
    const ProgramEnd end = job.run({"--resume", "--workers=3"}, failpoint);
    ASSERT_TRUE(end.signal == SIGKILL || end.exit_code == 0) << failpoint << ": " << end;
  }

  expect_done(job, job.run({"--resume"}));
}

class CrashInTheMiddleTest : public CrashTest {};

TEST_P(CrashInTheMiddleTest, Resumes) {
  const JobOnDisk job = new_job();

  const ProgramEnd crashed = job.run({"--workers=3"}, crash(middle_hit(GetParam().failpoint)));
  ASSERT_EQ(crashed.signal, SIGKILL) << crashed;
  expect_stopped(job);

  expect_done(job, job.run({"--resume"}));
}

enum class Pick { all, one_of_each_kind };

// One of each kind: within one database; with the ledger and without.
std::vector<CrashCase> cases(Pick pick) {
  std::vector<CrashCase> cases;
  for (const Engine source : {Engine::sqlite, Engine::postgres}) {
    for (const Engine target : {Engine::sqlite, Engine::postgres}) {
      for (const Write write :
           {Write::in_place, Write::update, Write::insert_missing, Write::upsert, Write::insert}) {
        if (write == Write::in_place && source != target) continue;
        const bool stands_for_others = write == Write::in_place || write == Write::insert;
        if (pick != Pick::all && (source != target || !stands_for_others)) continue;
        for (const std::string_view failpoint : failpoint_names()) {
          cases.push_back({source, target, write, std::string(failpoint)});
        }
      }
    }
  }
  return cases;
}

std::string case_name(const ::testing::TestParamInfo<CrashCase>& tested) {
  const CrashCase& crash = tested.param;
  std::string name = engine_name(crash.source);
  name += crash.source == crash.target ? "" : std::string("To") + engine_name(crash.target);
  name += write_name(crash.write);
  bool begins_word = true;
  for (const char c : crash.failpoint) {
    const bool is_letter = c >= 'a' && c <= 'z';
    if (is_letter) name += begins_word ? static_cast<char>(c - 'a' + 'A') : c;
    begins_word = !is_letter;
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Everywhere, CrashTest, ::testing::ValuesIn(cases(Pick::all)), case_name);
INSTANTIATE_TEST_SUITE_P(Within, CrashInTheMiddleTest,
                         ::testing::ValuesIn(cases(Pick::one_of_each_kind)), case_name);

}  // namespace
}  // namespace backfill
