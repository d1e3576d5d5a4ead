#include "job/job_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <tuple>

#include "core/error.h"

namespace backfill {
namespace {

// A job file is written by a person; what is larger is another file given by mistake.
constexpr std::size_t file_bytes_max = 1 << 20;
// The parser goes as deep as names go, and each level beyond its own limit costs a dot. A stack of
// 8 MiB ends somewhere above 20,000.
constexpr std::ptrdiff_t dots_max = 5'000;

[[noreturn]] void refuse(const std::string& message) { throw Error(ExitCode::usage, message); }

bool is_too_deep(std::string_view text) {
  return std::count(text.begin(), text.end(), '.') > dots_max;
}

std::string place_of(const std::string& file, const toml::source_region& region) {
  return file + ":" + std::to_string(region.begin.line) + ":" + std::to_string(region.begin.column);
}

bool is_variable_name(std::string_view name) {
  const auto belongs = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
         std::all_of(name.begin(), name.end(), belongs);
}

// What stands between the braces of ${…}, resolved; or a reason in `unresolved`.
std::string resolved(const std::string& inside, std::string& unresolved) {
  const std::size_t mark = inside.find(":-");
  const std::string name = inside.substr(0, mark);
  if (!is_variable_name(name)) {
    // What it is instead may be part of a password.
    unresolved =
        "${ is not followed by the name of an environment variable and }; for a plain $ write $$";
    return "";
  }
  const char* value = std::getenv(name.c_str());
  // As in a shell, an empty variable takes its default too.
  if (mark != inside.npos && (value == nullptr || *value == '\0')) return inside.substr(mark + 2);
  if (value == nullptr) {
    unresolved =
        "environment variable " + name + " is not set; set it, or write ${" + name + ":-default}";
    return "";
  }
  return value;
}

std::string with_environment(const std::string& text, std::string& unresolved) {
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    if (text[at] != '$' || (next != '$' && next != '{')) {
      result += text[at];
    } else if (next == '$') {
      result += '$';
      ++at;
    } else {
      const std::size_t end = text.find('}', at);
      if (end == text.npos) {
        unresolved = "${ has no closing }; for a plain $ write $$";
        return result;
      }
      result += resolved(text.substr(at + 2, end - at - 2), unresolved);
      at = end;
    }
  }
  return result;
}

void expand(toml::node& node, std::string& unresolved) {
  if (auto* text = node.as_string()) {
    *text = with_environment(text->get(), unresolved);
  } else if (auto* list = node.as_array()) {
    for (auto& element : *list) expand(element, unresolved);
  } else if (auto* table = node.as_table()) {
    for (auto&& [key, element] : *table) expand(element, unresolved);
  }
}

// In quotes when it would break the line.
std::string quoted_if_broken(const std::string& text) {
  const auto breaks = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return std::any_of(text.begin(), text.end(), breaks) ? toml_text(text) : text;
}

std::string shortened(const std::string& text) {
  constexpr std::size_t length_max = 120;
  if (text.size() <= length_max) return text;
  std::size_t length = length_max;
  // Not within a UTF-8 character.
  while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) --length;
  return text.substr(0, length) + "...";
}

// toml++'s words, less excited; they may quote what stands in the file.
std::string parse_failure(const toml::parse_error& error) {
  constexpr std::string_view start = "Error while parsing ";
  std::string text(error.description());
  if (text.substr(0, start.size()) == start) text.replace(0, start.size(), "cannot parse ");
  if (!text.empty()) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return quoted_if_broken(without_password(text));
}

std::string spelled(double real) {
  if (std::isnan(real)) return "nan";
  if (std::isinf(real)) return real < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, real).ptr;
  std::string text(buffer, end);
  return text.find_first_of(".e") == text.npos ? text + ".0" : text;
}

// One line, as a person would write it in the file.
std::string spelled(const toml::node& node) {
  std::string result;
  if (const auto* list = node.as_array()) {
    for (const auto& element : *list) result += (result.empty() ? "" : ", ") + spelled(element);
    return "[" + result + "]";
  }
  if (const auto* table = node.as_table()) {
    for (const auto& [key, element] : *table) {
      result += result.empty() ? "" : ", ";
      result += std::string(key.str()) + " = " + spelled(element);
    }
    return "{" + result + "}";
  }
  if (const auto* text = node.as_string()) return toml_text(text->get());
  if (const auto* integer = node.as_integer()) return std::to_string(integer->get());
  if (const auto* real = node.as_floating_point()) return spelled(real->get());
  if (const auto* boolean = node.as_boolean()) return boolean->get() ? "true" : "false";
  std::ostringstream stream;
  if (const auto* date = node.as_date()) stream << date->get();
  if (const auto* time = node.as_time()) stream << time->get();
  if (const auto* moment = node.as_date_time()) stream << moment->get();
  return stream.str();
}

Value value_of(const toml::node& node) {
  Value value;
  value.form = Value::Form::other;
  value.text = spelled(node);
  if (const auto* text = node.as_string()) {
    value.form = Value::Form::text;
    value.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.form = Value::Form::integer;
    value.integer = integer->get();
    value.real = static_cast<double>(integer->get());
  } else if (const auto* real = node.as_floating_point()) {
    value.form = Value::Form::real;
    value.real = real->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.form = Value::Form::boolean;
    value.boolean = boolean->get();
  } else if (const auto* list = node.as_array()) {
    value.form = Value::Form::list;
    for (const auto& element : *list) value.elements.push_back(value_of(element));
  } else if (node.is_table()) {
    value.form = Value::Form::table;
  }
  return value;
}

// A leaf of the file's tree: its dotted name, and where the name stands.
struct Leaf {
  std::string name;
  toml::source_region name_region;
  toml::node* node;
};

void collect(toml::table& table, const std::string& prefix, const IsTable& is_table,
             std::vector<Leaf>& leaves, std::vector<Leaf>& tables) {
  for (auto&& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    auto* inner = node.as_table();
    if (inner != nullptr && is_table(name)) {
      tables.push_back({name, key.source(), inner});
      collect(*inner, name + ".", is_table, leaves, tables);
    } else {
      leaves.push_back({name, key.source(), &node});
    }
  }
}

// The first value of `key = text`; none when that is not TOML, or is more than that.
std::optional<toml::table> parse_alone(std::string_view text) {
  if (text.find_first_of("\r\n") != text.npos || is_too_deep(text)) return std::nullopt;
  try {
    toml::table table = toml::parse("value = " + std::string(text));
    if (table.size() == 1) return table;
  } catch (const toml::parse_error&) {
    // Then it is plain text.
  }
  return std::nullopt;
}

}  // namespace

std::string describe_name(const Given& given) {
  if (given.origin == "flag" || given.origin == "control")
    return given.name_place + " " + quoted_if_broken(given.name);
  if (given.origin == "environment") return quoted_if_broken(given.name_place);
  return given.name_place + ": " + quoted_if_broken(given.name);
}

std::string describe(const Given& given) {
  const std::string value = shortened(shown(given.value));
  if (given.origin != "job file") return describe_name(given) + "=" + quoted_if_broken(value);
  return given.place + ": " + quoted_if_broken(given.name) + " = " +
         (given.value.is_text() ? toml_text(value) : value);
}

std::string read_job_text(const std::filesystem::path& file) {
  const std::string tried = "read job file " + file.string() + ": ";
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) {
    refuse(tried + "it is a folder; name the .toml file in it");
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    refuse(tried + std::strerror(errno) + "; name a file that can be read");
  }
  std::string text(file_bytes_max + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) refuse(tried + "the file could not be read to its end");
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > file_bytes_max) refuse(tried + "it is larger than 1 MiB, so hardly a job file");
  if (is_too_deep(text)) {
    refuse(tried + "it has more than " + std::to_string(dots_max) +
           " dots, so its names may be too deep; put fewer into it");
  }
  return text;
}

JobFile parse_job_file(const std::filesystem::path& file, const std::string& text,
                       const IsTable& is_table) {
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    refuse(place_of(file.string(), error.source()) + ": " + parse_failure(error));
  }
  std::vector<Leaf> leaves;
  std::vector<Leaf> tables;
  collect(root, "", is_table, leaves, tables);
  std::sort(leaves.begin(), leaves.end(), [](const Leaf& a, const Leaf& b) {
    const auto& first = a.name_region.begin;
    const auto& second = b.name_region.begin;
    return std::tie(first.line, first.column) < std::tie(second.line, second.column);
  });

  JobFile result;
  for (const Leaf& leaf : leaves) {
    Given given;
    given.name = leaf.name;
    given.origin = "job file";
    given.name_place = place_of(file.string(), leaf.name_region);
    given.place = place_of(file.string(), leaf.node->source());
    expand(*leaf.node, given.unresolved);
    given.value = value_of(*leaf.node);
    result.given.push_back(std::move(given));
  }
  for (const Leaf& table : tables) {
    result.table_places[table.name] = place_of(file.string(), table.name_region);
  }
  return result;
}

std::vector<Given> read_override(const Override& override, const std::string& variable,
                                 bool stays_text, const IsTable& is_table) {
  Given given;
  given.name = override.name;
  given.origin = override.origin;
  given.place = override.origin == "environment" ? variable
                : override.origin == "control"   ? "backfill set"
                                                 : "--set";
  given.name_place = given.place;
  auto parsed = parse_alone(override.value);
  toml::node* node = parsed ? parsed->get("value") : nullptr;
  if (node == nullptr || !node->is_table() || !is_table(override.name)) {
    given.value = read_default(override.value, stays_text);
    return {given};
  }
  std::vector<Leaf> leaves;
  std::vector<Leaf> tables;
  collect(*node->as_table(), override.name + ".", is_table, leaves, tables);
  std::vector<Given> result;
  for (const Leaf& leaf : leaves) {
    given.name = leaf.name;
    given.value = value_of(*leaf.node);
    result.push_back(given);
  }
  return result;
}

Value read_default(std::string_view text, bool stays_text) {
  const auto parsed = parse_alone(text);
  if (!parsed) return text_value(text);
  Value value = value_of(*parsed->get("value"));
  return stays_text && !value.is_text() ? text_value(text) : value;
}

}  // namespace backfill
