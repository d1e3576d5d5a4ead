// tests/job/job_fixture.h
//
// A folder of its own for each test, with job files in it, and the errors of loading them.

#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "job/job.h"

namespace backfill {

class JobFixture : public testing::Test {
 protected:
  JobFixture() {
    std::string pattern = (std::filesystem::temp_directory_path() / "backfill-job-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~JobFixture() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& text) const {
    const auto file = folder_ / "job.toml";
    std::ofstream(file, std::ios::binary) << text;
    return file;
  }

  Job load(const std::string& text, const std::vector<Override>& overrides = {}) const {
    return load_job(write(text), overrides);
  }

  // What is wrong with a file, without the folder; empty when it loads.
  std::string error_of(const std::string& text, const std::vector<Override>& overrides = {}) const {
    return error_of_file(write(text), overrides);
  }

  std::string error_of_file(const std::filesystem::path& file,
                            const std::vector<Override>& overrides = {}) const {
    try {
      load_job(file, overrides);
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::usage);
      std::string message = error.what();
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      const std::string start = folder_.string() + "/";
      const std::size_t at = message.find(start);
      if (at != std::string::npos) message.erase(at, start.size());
      return message;
    }
    return "";
  }

  static const Setting* setting(const Job& job, const std::string& name) {
    for (const auto& one : job.settings) {
      if (one.name == name) return &one;
    }
    ADD_FAILURE() << "no setting " << name;
    return nullptr;
  }

  std::filesystem::path folder_;
};

// The least that a job file can say, on its first four lines.
inline const std::string smallest = R"(name = "j"
[source]
url = "postgresql:///shop"
table = "users"
)";

}  // namespace backfill
