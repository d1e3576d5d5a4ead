// backfill/binding.hpp
//
// What the constructor of a transform sees: the columns it can read and fill, and the job's
// options. Part of transform.hpp, which authors include.
//
// A wrong wish throws std::invalid_argument with a sentence for the job's owner, who reads it
// before the first row. Lives until the constructor returns.

#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "backfill/column_types.hpp"
#include "backfill/transform.h"

namespace backfill::plugin {

// A column to read, made by Binding::input.
template <class T>
struct Input {
  std::uint32_t place;
};

// A column to fill, made by Binding::output.
template <class T>
struct Output {
  std::uint32_t place;
  std::uint32_t type;  // of the bytes sent
};

// The names of what an instance reads and fills, for messages.
struct ColumnNames {
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

// The columns and options of one job.
class Binding {
 public:
  explicit Binding(backfill_binding& raw)
      : raw_(raw),
        inputs_(raw.source_count, unbound),
        is_filled_(raw.target_count, false),
        is_known_option_(raw.option_count, false) {}
  Binding(const Binding&) = delete;
  Binding& operator=(const Binding&) = delete;

  std::string_view job() const { return raw_.job; }
  bool has_input(std::string_view name) const { return find_source(name) != unbound; }
  bool has_output(std::string_view name) const { return find_target(name) != unbound; }

  // The source column of that name, read as T. Asking again gives the same one.
  template <class T>
  Input<T> input(std::string_view name) {
    const std::uint32_t index = find_source(name);
    if (index == unbound) throw unknown("source", name, raw_.source, raw_.source_count);
    const backfill_column& column = raw_.source[index];
    const bool is_readable =
        column.is_dynamic != 0
            ? T::reads_dynamic != 0 && (!detail::contains(detail::dynamic_types, column.type) ||
                                        detail::contains(T::reads_dynamic, column.type))
            : detail::contains(T::reads, column.type);
    if (!is_readable) throw wrong_type("source", column, "be read", T::word);
    if (inputs_[index] == unbound) {
      inputs_[index] = static_cast<std::uint32_t>(names_.inputs.size());
      names_.inputs.emplace_back(name);
      raw_.want_input(&raw_, index);
    }
    return {inputs_[index]};
  }

  // The target column of that name, filled from T. Once for each column.
  template <class T>
  Output<T> output(std::string_view name) {
    const std::uint32_t index = find_target(name);
    if (index == unbound) throw unknown("target", name, raw_.target, raw_.target_count);
    const backfill_column& column = raw_.target[index];
    const bool is_dynamic = column.is_dynamic != 0;
    if (!is_dynamic && !detail::contains(T::writes, column.type))
      throw wrong_type("target", column, "be filled", T::word);
    if (is_filled_[index])
      throw std::invalid_argument("target column " + std::string(name) + " is filled twice");
    is_filled_[index] = true;
    const std::uint32_t type = T::sent_as(column.type, is_dynamic);
    const auto place = static_cast<std::uint32_t>(names_.outputs.size());
    names_.outputs.emplace_back(name);
    raw_.want_output(&raw_, index, type);
    return {place, type};
  }

  // An option below [transform.options]; without a fallback it is required.
  std::string option(std::string_view name) { return required(name); }
  std::string option(std::string_view name, std::string_view fallback) {
    return std::string(find_option(name).value_or(fallback));
  }
  std::int64_t option_integer(std::string_view name) { return to_integer(name, required(name)); }
  std::int64_t option_integer(std::string_view name, std::int64_t fallback) {
    const auto text = find_option(name);
    return text ? to_integer(name, *text) : fallback;
  }
  double option_real(std::string_view name) { return to_real(name, required(name)); }
  double option_real(std::string_view name, double fallback) {
    const auto text = find_option(name);
    return text ? to_real(name, *text) : fallback;
  }
  bool option_boolean(std::string_view name) { return to_boolean(name, required(name)); }
  bool option_boolean(std::string_view name, bool fallback) {
    const auto text = find_option(name);
    return text ? to_boolean(name, *text) : fallback;
  }

  // Every option, by name; none of them is refused after this.
  std::vector<std::pair<std::string, std::string>> all_options() {
    std::vector<std::pair<std::string, std::string>> all;
    for (std::uint32_t i = 0; i < raw_.option_count; ++i)
      all.emplace_back(raw_.options[i].name, raw_.options[i].value);
    is_known_option_.assign(is_known_option_.size(), true);
    return all;
  }

  // Called for you after the constructor: refuses options that nobody asked for.
  void reject_unknown_options() const {
    for (std::uint32_t i = 0; i < raw_.option_count; ++i) {
      if (is_known_option_[i]) continue;
      const std::string name = raw_.options[i].name;
      std::string message = "unknown option transform.options." + name;
      const std::string near = nearest(name, asked_options_);
      throw std::invalid_argument(
          near.empty()
              ? message + "; known are: " + (asked_options_.empty() ? "none" : list(asked_options_))
              : message + "; did you mean " + near + "?");
    }
  }

  ColumnNames take_names() { return std::move(names_); }

 private:
  static constexpr std::uint32_t unbound = std::numeric_limits<std::uint32_t>::max();

  static std::uint32_t find(const backfill_column* columns, std::uint32_t count,
                            std::string_view name) {
    for (std::uint32_t i = 0; i < count; ++i)
      if (name == columns[i].name) return i;
    return unbound;
  }
  std::uint32_t find_source(std::string_view name) const {
    return find(raw_.source, raw_.source_count, name);
  }
  std::uint32_t find_target(std::string_view name) const {
    return find(raw_.target, raw_.target_count, name);
  }

  static std::string list(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
  }

  // The name within a third of its letters, by insertions, deletions and changes; else empty.
  static std::string nearest(std::string_view wish, const std::vector<std::string>& names) {
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(1, wish.size() / 3) + 1;
    for (const std::string& name : names) {
      std::vector<std::size_t> row(name.size() + 1);
      for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
      for (std::size_t i = 1; i <= wish.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j < row.size(); ++j) {
          const std::size_t change = diagonal + (wish[i - 1] == name[j - 1] ? 0 : 1);
          diagonal = row[j];
          row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
        }
      }
      if (row.back() < best_distance) {
        best = name;
        best_distance = row.back();
      }
    }
    return best;
  }

  static std::invalid_argument unknown(const char* side, std::string_view name,
                                       const backfill_column* columns, std::uint32_t count) {
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < count; ++i) names.emplace_back(columns[i].name);
    const std::string message = std::string("no ") + side + " column " + std::string(name);
    const std::string near = nearest(name, names);
    if (!near.empty()) return std::invalid_argument(message + "; did you mean " + near + "?");
    return std::invalid_argument(message + "; there are: " + list(names));
  }

  static std::invalid_argument wrong_type(const char* side, const backfill_column& column,
                                          const char* deed, const char* word) {
    return std::invalid_argument(std::string(side) + " column " + column.name + " is " +
                                 (column.type_name[0] != '\0' ? column.type_name : "untyped") +
                                 " and cannot " + deed + " as " + word);
  }

  std::optional<std::string_view> find_option(std::string_view name) {
    asked_options_.emplace_back(name);
    for (std::uint32_t i = 0; i < raw_.option_count; ++i) {
      if (name != raw_.options[i].name) continue;
      is_known_option_[i] = true;
      return raw_.options[i].value;
    }
    return std::nullopt;
  }
  std::string required(std::string_view name) {
    const auto text = find_option(name);
    if (!text)
      throw std::invalid_argument("option transform.options." + std::string(name) + " is required");
    return std::string(*text);
  }
  static std::invalid_argument wrong_option(std::string_view name, std::string_view text,
                                            const char* wanted) {
    return std::invalid_argument("option transform.options." + std::string(name) + " is " +
                                 std::string(text) + ", not " + wanted);
  }
  static std::int64_t to_integer(std::string_view name, std::string_view text) {
    std::int64_t value = 0;
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, value);
    if (error != std::errc{} || end != last) throw wrong_option(name, text, "an integer");
    return value;
  }
  static double to_real(std::string_view name, std::string_view text) {
    double value = 0;
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, value);
    if (error != std::errc{} || end != last) throw wrong_option(name, text, "a number");
    return value;
  }
  static bool to_boolean(std::string_view name, std::string_view text) {
    if (text != "true" && text != "false") throw wrong_option(name, text, "true or false");
    return text == "true";
  }

  backfill_binding& raw_;
  ColumnNames names_;
  std::vector<std::uint32_t> inputs_;  // by source column: its place among the inputs
  std::vector<bool> is_filled_;        // by target column
  std::vector<bool> is_known_option_;
  std::vector<std::string> asked_options_;
};

}  // namespace backfill::plugin
