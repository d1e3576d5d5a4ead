// job/value.h
//
// A value as somebody wrote it, in the job file, on the command line or in the environment,
// and the readers that turn it into what a job key takes. Plain values; pure, except that
// is_timezone looks at the machine's zone files. A reader answers none, or false, when the
// value is not what it reads; the caller knows the key and says so.

#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace backfill {

struct Value {
  enum class Form { text, integer, real, boolean, list, table, other };
  Form form = Form::text;
  std::string text;  // of a text, its content; of all else, as TOML spells it
  std::int64_t integer = 0;
  double real = 0;  // of an integer too
  bool boolean = false;
  std::vector<Value> elements;  // of a list

  bool is_text() const { return form == Form::text; }
};

Value text_value(std::string_view text);

// `"text"` as TOML quotes it, on one line.
std::string toml_text(std::string_view text);

// `["a", "b"]`
std::string toml_list(const std::vector<std::string>& texts);

// For people: texts as they are, lists as TOML spells them, URLs without passwords.
std::string shown(const Value& value);

std::optional<std::int64_t> integer_in(const Value& value, std::int64_t least, std::int64_t most);
std::optional<double> number_in(const Value& value, double least, double most);
std::optional<bool> boolean_of(const Value& value);

// Text that is not blank.
std::optional<std::string> filled_text(const Value& value);

// Different texts, none of them blank, at least one.
std::optional<std::vector<std::string>> names_of(const Value& value);

// `250ms`, `5s`, `1m`, `0.5h`, `1d`.
std::optional<std::chrono::milliseconds> duration_in(const Value& value,
                                                     std::chrono::milliseconds least,
                                                     std::chrono::milliseconds most);

// `16MiB`, `1.5GB`, `64kB`, or a number of bytes.
std::optional<std::int64_t> size_in(const Value& value, std::int64_t least, std::int64_t most);

// `1%` is 0.01; never above 1.
std::optional<double> percentage_of(const Value& value);

template <class Word>
std::optional<Word> word_of(const Value& value,
                            std::initializer_list<std::pair<const char*, Word>> words) {
  for (const auto& [spelling, word] : words) {
    if (value.is_text() && value.text == spelling) return word;
  }
  return std::nullopt;
}

// `[a-z0-9][a-z0-9-]*`
bool is_job_name(std::string_view text);

// A zone of the IANA database; where the machine has none, anything spelled like one.
bool is_timezone(const std::string& text);

}  // namespace backfill
