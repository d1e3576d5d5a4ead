#include "core/sql.h"

#include <cctype>
#include <optional>

#include "core/error.h"

namespace backfill {
namespace {

std::string doubled(std::string_view text, char quote) {
  std::string quoted(1, quote);
  for (const char c : text) {
    if (c == quote) quoted += c;
    quoted += c;
  }
  quoted += quote;
  return quoted;
}

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
         (c & 0x80) != 0;
}
bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string folded(std::string_view word, bool fold_case) {
  std::string text(word);
  if (!fold_case) return text;
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// One identifier at the front of `text`, which is moved past it; none when there is none.
std::optional<std::string> take_identifier(std::string_view& text, bool fold_case) {
  if (text.empty()) return std::nullopt;
  if (text.front() != '"') {
    std::size_t length = 0;
    while (length < text.size() && is_word(text[length])) ++length;
    if (length == 0 || std::isdigit(static_cast<unsigned char>(text.front())) != 0)
      return std::nullopt;
    const std::string word = folded(text.substr(0, length), fold_case);
    text.remove_prefix(length);
    return word;
  }
  std::string name;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      if (i + 1 == text.size() || text[i + 1] != '"') {
        text.remove_prefix(i + 1);
        return name;
      }
      ++i;
    }
    name += text[i];
  }
  return std::nullopt;
}

// Where a quoted or bracketed run that begins at `at` ends; `at` + 1 when none begins there.
std::size_t skip_quoted(std::string_view text, std::size_t at) {
  const char quote = text[at];
  if (quote != '\'' && quote != '"') return at + 1;
  std::size_t end = at + 1;
  while (end < text.size() && text[end] != quote) ++end;
  return end < text.size() ? end + 1 : end;
}

// Position of the last ` as ` outside quotes and parentheses.
std::size_t find_alias(std::string_view text) {
  std::size_t found = std::string_view::npos;
  int depth = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '(' || c == '[') ++depth;
    if (c == ')' || c == ']') --depth;
    const bool is_as = depth == 0 && i > 0 && i + 2 < text.size() && (c == 'a' || c == 'A') &&
                       (text[i + 1] == 's' || text[i + 1] == 'S') && !is_word(text[i - 1]) &&
                       (is_space(text[i + 2]) || text[i + 2] == '"');
    if (is_as) found = i;
    i = skip_quoted(text, i);
  }
  return found;
}

}  // namespace

std::string quote_identifier(std::string_view name) { return doubled(name, '"'); }

std::string quote_literal(std::string_view text) { return doubled(text, '\''); }

std::vector<std::string> split_name(const std::string& name, bool fold_case) {
  std::string_view rest = trimmed(name);
  std::vector<std::string> parts;
  while (true) {
    const auto part = take_identifier(rest, fold_case);
    if (!part || part->empty()) break;
    parts.push_back(*part);
    if (rest.empty()) return parts;
    if (rest.front() != '.') break;
    rest.remove_prefix(1);
  }
  throw Error(ExitCode::usage, "not a table name: " + name +
                                   "; write schema.table and put odd names into double quotes");
}

SelectItem parse_select_item(const std::string& item, bool fold_case) {
  const std::string_view text = trimmed(item);
  std::string_view rest = text;
  const auto name = take_identifier(rest, fold_case);
  if (name && rest.empty()) return {std::string(text), *name, true};

  const std::size_t as = find_alias(text);
  if (as == std::string_view::npos) return {std::string(text), "", false};
  std::string_view after = trimmed(text.substr(as + 2));
  const auto alias = take_identifier(after, fold_case);
  if (!alias || !after.empty()) return {std::string(text), "", false};
  return {std::string(trimmed(text.substr(0, as))), *alias, false};
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (const std::string& part : parts) {
    if (!joined.empty() || &part != &parts.front()) joined += separator;
    joined += part;
  }
  return joined;
}

}  // namespace backfill
