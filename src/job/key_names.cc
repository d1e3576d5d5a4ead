#include "job/key_names.h"

#include <algorithm>
#include <vector>

#include "job/nearest_name.h"
#include "job/settings.h"

namespace backfill {
namespace {

constexpr std::string_view options_table = "transform.options";

std::vector<std::string_view> job_tables() {
  std::vector<std::string_view> tables;
  for (const auto& key : job_keys()) {
    const std::string_view table = key.name.substr(0, key.name.find('.'));
    if (table == key.name) continue;
    if (tables.empty() || tables.back() != table) tables.push_back(table);
    if (key.name == "transform.plugin") tables.push_back(options_table);
  }
  return tables;
}

}  // namespace

bool is_job_table(std::string_view name) {
  const auto tables = job_tables();
  return std::find(tables.begin(), tables.end(), name) != tables.end() || is_plugin_option(name);
}

bool is_plugin_option(std::string_view name) {
  return name.size() > options_table.size() + 1 &&
         name.substr(0, options_table.size()) == options_table && name[options_table.size()] == '.';
}

std::string suggestion_for_key(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& key : job_keys()) names.push_back(key.name);
  if (const std::string near = nearest_name(name, names); !near.empty()) {
    return "; did you mean " + near + "?";
  }
  const std::string_view table = name.substr(0, name.find('.'));
  if (table == name || !is_job_table(table)) return suggestion_for_table(table);
  std::string there;
  for (const auto& key : job_keys()) {
    if (key.name.substr(0, key.name.find('.')) != table) continue;
    there += (there.empty() ? "" : ", ") + std::string(key.name.substr(table.size() + 1));
  }
  return "; keys of [" + std::string(table) + "] are " + there;
}

std::string suggestion_for_table(std::string_view name) {
  const auto tables = job_tables();
  if (const std::string near = nearest_name(name, tables); !near.empty()) {
    return "; did you mean " + near + "?";
  }
  std::string there;
  for (const auto table : tables) there += (there.empty() ? "" : ", ") + std::string(table);
  return "; tables are " + there;
}

}  // namespace backfill
