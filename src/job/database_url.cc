#include "job/database_url.h"

#include <map>
#include <optional>
#include <vector>

#include "job/connection_text.h"
#include "job/job.h"

namespace backfill {
namespace {

constexpr std::string_view sqlite_prefix = "sqlite:";

using Identity = std::map<std::string, std::string>;

Identity uri_identity(const Uri& uri) {
  Identity identity;
  std::string hosts;
  std::string ports;
  bool first = true;
  for (const auto& [host, port] : split_hosts(uri.hosts).value_or(std::vector<HostPort>{})) {
    if (!first) (hosts += ',', ports += ',');
    first = false;
    const bool bracketed = !host.empty() && host.front() == '[';
    hosts += bracketed ? std::string(host.substr(1, host.size() - 2))
                       : percent_decoded(host).value_or(std::string(host));
    ports += port;
  }
  identity["host"] = hosts;
  identity["port"] = ports.find_first_not_of(',') == ports.npos ? "" : ports;
  identity["user"] = percent_decoded(uri.user).value_or("");
  if (uri.path.size() > 1) identity["dbname"] = percent_decoded(uri.path.substr(1)).value_or("");
  for (const auto& parameter : uri.parameters) identity[parameter.name] = parameter.value;
  return identity;
}

}  // namespace

bool is_sqlite_url(std::string_view url) {
  return url.substr(0, sqlite_prefix.size()) == sqlite_prefix;
}

std::string sqlite_path(std::string_view url) {
  return std::string(url.substr(sqlite_prefix.size()));
}

bool names_sqlite_file(std::string_view url) {
  if (!is_sqlite_url(url)) return false;
  const std::string path = sqlite_path(url);
  return !path.empty() && path.substr(0, 2) != "//" && path != ":memory:";
}

bool is_postgres_url(const std::string& url) {
  if (is_sqlite_url(url)) return false;
  if (scheme_begin(url) != 0) {
    const auto parameters = parse_keywords(url);
    return parameters && !parameters->empty();
  }
  const auto uri = parse_uri(url);
  return uri && (uri->scheme == "postgresql" || uri->scheme == "postgres");
}

std::string database_identity(const std::string& url) {
  if (is_sqlite_url(url)) return url;
  Identity identity;
  if (const auto uri = parse_uri(url)) {
    identity = uri_identity(*uri);
  } else if (const auto keywords = parse_keywords(url); keywords && scheme_begin(url) != 0) {
    for (const auto& parameter : *keywords) identity[parameter.name] = parameter.value;
  } else {
    return without_password(url);
  }
  // libpq's own default: the database named like the user.
  if (identity["dbname"].empty() && identity["service"].empty()) {
    identity["dbname"] = identity["user"];
  }
  std::string result = "postgresql:";
  for (const char* name : {"host", "hostaddr", "port", "dbname", "service"}) {
    if (!identity[name].empty()) result += std::string(" ") + name + "=" + identity[name];
  }
  return result;
}

}  // namespace backfill
