#include "job_on_disk.h"

#include <gtest/gtest.h>

namespace backfill {

std::string toml_string(const std::string& text) {
  return nlohmann::json(text).dump();  // the escapes of JSON are those of TOML
}

std::string plugin_path(const std::string& name) {
  const std::string here = BACKFILL_PLUGINS "/" + name + ".so";
  if (std::filesystem::exists(here)) return here;
  return (std::filesystem::path(BACKFILL_PROGRAM).parent_path().parent_path() / "lib/backfill" /
          (name + ".so"))
      .string();
}

JobOnDisk::JobOnDisk(const std::map<std::string, std::string>& keys)
    : keys_{{"name", toml_string("job")},
            {"batch.size", "20"},
            {"batch.min_size", "1"},
            {"batch.adaptive", "false"}} {
  change(keys);
}

void JobOnDisk::change(const std::map<std::string, std::string>& keys) {
  for (const auto& [name, value] : keys) {
    if (value.empty()) {
      keys_.erase(name);
    } else {
      keys_[name] = value;
    }
  }
  write();
}

void JobOnDisk::write() const {
  std::string text;
  for (const auto& [name, value] : keys_) text += name + " = " + value + "\n";
  write_file(folder_ / "job.toml", text);
}

JobOnDisk::Words JobOnDisk::command_line(const std::string& command, const Words& words) const {
  Words line{BACKFILL_PROGRAM, command, file()};
  line.insert(line.end(), words.begin(), words.end());
  return line;
}

ProgramEnd JobOnDisk::call(const std::string& command, const Words& words,
                           const Program::Environment& environment) const {
  return run_program(command_line(command, words), environment);
}

Program JobOnDisk::start(const Words& words, const std::string& failpoints) const {
  return Program(command_line("run", words), {{"BACKFILL_FAILPOINTS", failpoints}});
}

ProgramEnd JobOnDisk::run(const Words& words, const std::string& failpoints) const {
  return start(words, failpoints).wait();
}

nlohmann::json JobOnDisk::status(const Words& words) const {
  Words all{"--json"};
  all.insert(all.end(), words.begin(), words.end());
  const ProgramEnd end = call("status", all);
  EXPECT_EQ(end.exit_code, 0) << end;
  nlohmann::json json = nlohmann::json::parse(end.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_TRUE(json.is_object()) << end;
  return json;
}

std::string JobOnDisk::state() const {
  const nlohmann::json json = status();
  return json.value("state", nlohmann::json()).is_string() ? json["state"].get<std::string>()
                                                           : "unknown";
}

}  // namespace backfill
