// job/job_file.h
//
// The values that somebody gave for a job, in the job file or from outside, before anything
// is known of their meaning: a name, a value, and a place for messages. The only file that
// knows toml++. Plain values. Throws Error(ExitCode::usage); errors in the file say
// file:line:column.

#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "job/job.h"
#include "job/value.h"

namespace backfill {

struct Given {
  std::string name;  // dotted
  Value value;
  std::string origin;      // `flag`, `environment`, `job file`
  std::string name_place;  // where the name stands: `job.toml:3:1`, `--set`, `BACKFILL_WORKERS`
  std::string place;       // where the value stands
  std::string unresolved;  // why a ${VARIABLE} in the value could not be resolved; else empty
};

// For the start of a message about the value: `job.toml:3:8: batch.size = 0`, `--set batch.size=0`,
// `BACKFILL_WORKERS=99`. One line, without passwords.
std::string describe(const Given& given);

// For the start of a message about the name, without the value.
std::string describe_name(const Given& given);

struct JobFile {
  std::vector<Given> given;                         // in the order of the file
  std::map<std::string, std::string> table_places;  // of the tables that the file spells out
};

// Tells which dotted names are tables to look into; another table is a value.
using IsTable = std::function<bool(const std::string& name)>;

std::string read_job_text(const std::filesystem::path& file);

// Reads what is in the file and resolves ${VARIABLE}, ${VARIABLE:-default} and $$ in its texts.
JobFile parse_job_file(const std::filesystem::path& file, const std::string& text,
                       const IsTable& is_table);

// What one --set or variable gives: one value, or several when it names a table. With
// `stays_text` the value is a text, quoted or not; without, it is what TOML reads in it, or a
// text where TOML reads nothing. `variable` is the environment's name for it.
std::vector<Given> read_override(const Override& override, const std::string& variable,
                                 bool stays_text, const IsTable& is_table);

// A default, written like the value of a --set.
Value read_default(std::string_view text, bool stays_text);

}  // namespace backfill
