#include "job/connection_text.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace backfill {
namespace {

// `host:5432` or `[::1]:5432`; none when the port is not one.
std::optional<HostPort> split_host(std::string_view text) {
  std::size_t colon = text.find(':');
  if (!text.empty() && text.front() == '[') {
    const std::size_t bracket = text.find(']');
    if (bracket == text.npos) return std::nullopt;
    if (bracket + 1 < text.size() && text[bracket + 1] != ':') return std::nullopt;
    colon = bracket + 1 < text.size() ? bracket + 1 : text.npos;
  }
  HostPort result{text.substr(0, colon), {}};
  if (colon != text.npos) result.port = text.substr(colon + 1);
  const bool number = result.port.find_first_not_of("0123456789") == result.port.npos;
  if (!number || result.port.size() > 5) return std::nullopt;
  return result;
}

// `a=1&b=2` from `begin` to the end of the text.
std::optional<std::vector<Parameter>> query_parameters(std::string_view text, std::size_t begin) {
  std::vector<Parameter> result;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('&', begin), text.size());
    const std::string_view pair = text.substr(begin, end - begin);
    const std::size_t equals = pair.find('=');
    if (equals == pair.npos || pair.find('=', equals + 1) != pair.npos) return std::nullopt;
    const auto name = percent_decoded(pair.substr(0, equals));
    const auto value = percent_decoded(pair.substr(equals + 1));
    if (!name || !value) return std::nullopt;
    result.push_back({*name, *value, begin, end});
    begin = end + 1;
  }
  return result;
}

// A keyword's value, from `at` on, which is moved behind it. None when a quote stays open.
std::optional<std::string> keyword_value(std::string_view text, std::size_t& at) {
  const bool in_quotes = at < text.size() && text[at] == '\'';
  if (in_quotes) ++at;
  std::string value;
  for (; at < text.size(); ++at) {
    if (in_quotes && text[at] == '\'') {
      ++at;
      return value;
    }
    if (!in_quotes && is_space(text[at])) return value;
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    value += text[at];
  }
  if (in_quotes) return std::nullopt;
  return value;
}

}  // namespace

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

std::optional<std::string> percent_decoded(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) {
      return std::nullopt;
    }
    const int byte = digit(text[i + 1]) * 16 + digit(text[i + 2]);
    if (byte == 0) return std::nullopt;
    result += static_cast<char>(byte);
    i += 2;
  }
  return result;
}

std::optional<std::vector<HostPort>> split_hosts(std::string_view text) {
  std::vector<HostPort> result;
  while (true) {
    const std::size_t comma = text.find(',');
    const auto host = split_host(text.substr(0, comma));
    if (!host) return std::nullopt;
    result.push_back(*host);
    if (comma == text.npos) return result;
    text.remove_prefix(comma + 1);
  }
}

std::size_t scheme_begin(std::string_view text) {
  const std::size_t mark = text.find("://");
  if (mark == text.npos) return text.npos;
  std::size_t begin = mark;
  const auto belongs = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '-' || c == '.';
  };
  while (begin > 0 && belongs(text[begin - 1])) --begin;
  return begin == mark ? text.npos : begin;
}

std::optional<Uri> parse_uri(std::string_view text) {
  if (scheme_begin(text) != 0 || std::any_of(text.begin(), text.end(), is_space)) {
    return std::nullopt;
  }
  const std::size_t scheme_end = text.find("://");
  Uri uri;
  uri.scheme = text.substr(0, scheme_end);
  std::size_t at = scheme_end + 3;

  // Credentials reach to the first @ before any slash, even over a question mark.
  const std::size_t mark = text.find_first_of("@/", at);
  if (mark != text.npos && text[mark] == '@') {
    const std::string_view credentials = text.substr(at, mark - at);
    uri.user = credentials.substr(0, credentials.find(':'));
    if (!percent_decoded(credentials) || credentials.find('?') != credentials.npos) {
      return std::nullopt;
    }
    at = mark + 1;
  }

  const std::size_t hosts_end = std::min(text.find_first_of("/?", at), text.size());
  uri.hosts = text.substr(at, hosts_end - at);
  const std::size_t path_end = std::min(text.find('?', hosts_end), text.size());
  uri.path = text.substr(hosts_end, path_end - hosts_end);
  if (uri.hosts.find('@') != uri.hosts.npos || uri.path.find('@') != uri.path.npos) {
    return std::nullopt;
  }
  if (!split_hosts(uri.hosts) || !percent_decoded(uri.hosts) || !percent_decoded(uri.path)) {
    return std::nullopt;
  }
  auto parameters = query_parameters(text, path_end + 1);
  if (!parameters) return std::nullopt;
  uri.parameters = std::move(*parameters);
  return uri;
}

std::optional<std::vector<Parameter>> parse_keywords(std::string_view text) {
  std::vector<Parameter> result;
  const auto skip_spaces = [&](std::size_t at) {
    while (at < text.size() && is_space(text[at])) ++at;
    return at;
  };
  std::size_t at = skip_spaces(0);
  while (at < text.size()) {
    const std::size_t begin = at;
    while (at < text.size() && text[at] != '=' && !is_space(text[at])) ++at;
    const std::string name(text.substr(begin, at - begin));
    at = skip_spaces(at);
    if (name.empty() || at >= text.size() || text[at] != '=') return std::nullopt;
    at = skip_spaces(at + 1);
    const auto value = keyword_value(text, at);
    if (!value) return std::nullopt;
    result.push_back({name, *value, begin, at});
    at = skip_spaces(at);
  }
  return result;
}

}  // namespace backfill
