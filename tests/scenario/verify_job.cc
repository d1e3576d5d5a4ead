#include "verify_job.h"

#include <gtest/gtest.h>

#include <sstream>

#include "support/temp_folder.h"

namespace backfill {

std::string ends_name(const Ends& ends) {
  return engine_name(ends.source) + std::string("To") + engine_name(ends.target);
}

std::vector<Ends> all_ends() {
  return {{Engine::sqlite, Engine::sqlite},
          {Engine::sqlite, Engine::postgres},
          {Engine::postgres, Engine::sqlite},
          {Engine::postgres, Engine::postgres}};
}

VerifyJob::VerifyJob(const Ends& ends, int people, const Keys& keys)
    : source_(make_playground(ends.source)), target_(make_playground(ends.target)) {
  create_people(*source_, "people", make_people(people));
  create_people(*target_, "copies", {});
  Keys all = {{"source.url", toml_string(source_->url())},
              {"source.table", toml_string(source_->table("people"))},
              {"source.columns", R"(["id", "full_name"])"},
              {"target.url", toml_string(target_->url())},
              {"target.table", toml_string(target_->table("copies"))}};
  for (const auto& [name, value] : keys) all[name] = value;
  job_ = std::make_unique<JobOnDisk>(all);
}

void VerifyJob::copy() {
  const ProgramEnd end = job_->run();
  ASSERT_EQ(end.exit_code, 0) << end;
}

ProgramEnd VerifyJob::verify(const std::vector<std::string>& words, const std::string& failpoints) {
  std::vector<std::string> all{"--settle=0s", "--list", list_file()};
  all.insert(all.end(), words.begin(), words.end());
  return job_->call("verify", all, {{"BACKFILL_FAILPOINTS", failpoints}});
}

ProgramEnd VerifyJob::reconcile(const std::vector<std::string>& words,
                                const std::string& failpoints) {
  std::vector<std::string> all{"--settle=0s"};
  all.insert(all.end(), words.begin(), words.end());
  return job_->call("reconcile", all, {{"BACKFILL_FAILPOINTS", failpoints}});
}

VerifyJob::Findings VerifyJob::find(const std::vector<std::string>& words) {
  const ProgramEnd end = verify(words);
  Findings found = listed();
  EXPECT_EQ(end.exit_code, found.empty() ? 0 : 5) << end;
  return found;
}

VerifyJob::Findings VerifyJob::listed() const { return read_findings(list_file()); }

VerifyJob::Findings read_findings(const std::string& list_file) {
  VerifyJob::Findings findings;
  std::istringstream lines(read_file(list_file));
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(json.is_object()) << line;
    if (!json.is_object()) continue;
    std::string finding = json["kind"].get<std::string>();
    for (const auto& value : json["key"]) finding += " " + value.get<std::string>();
    for (const auto& column : json["columns"]) finding += "," + column.get<std::string>();
    EXPECT_TRUE(findings.insert(finding).second) << "twice: " << finding;
  }
  return findings;
}

nlohmann::json json_of(const ProgramEnd& end) {
  auto json = nlohmann::json::parse(end.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_TRUE(json.is_object()) << end;
  return json.is_object() ? json : nlohmann::json::object();
}

}  // namespace backfill
