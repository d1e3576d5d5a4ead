// Keeps passwords out of everything that is shown. What libpq reads is taken apart as libpq
// does it; of all else only what can hold no part of a password is left.

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include "job/connection_text.h"
#include "job/job.h"

namespace backfill {
namespace {

// Every parameter that libpq knows (https://www.postgresql.org/docs/current/libpq-connect.html).
// A password that was not quoted may look like a further parameter; only these are believed.
constexpr auto known_parameters = std::to_array<std::string_view>({"application_name",
                                                                   "authtype",
                                                                   "channel_binding",
                                                                   "client_encoding",
                                                                   "connect_timeout",
                                                                   "dbname",
                                                                   "fallback_application_name",
                                                                   "gssdelegation",
                                                                   "gssencmode",
                                                                   "gsslib",
                                                                   "host",
                                                                   "hostaddr",
                                                                   "keepalives",
                                                                   "keepalives_count",
                                                                   "keepalives_idle",
                                                                   "keepalives_interval",
                                                                   "krbsrvname",
                                                                   "load_balance_hosts",
                                                                   "max_protocol_version",
                                                                   "min_protocol_version",
                                                                   "oauth_client_id",
                                                                   "oauth_client_secret",
                                                                   "oauth_issuer",
                                                                   "oauth_scope",
                                                                   "options",
                                                                   "passfile",
                                                                   "password",
                                                                   "port",
                                                                   "replication",
                                                                   "require_auth",
                                                                   "requirepeer",
                                                                   "requiressl",
                                                                   "scram_client_key",
                                                                   "scram_server_key",
                                                                   "service",
                                                                   "servicefile",
                                                                   "ssl_max_protocol_version",
                                                                   "ssl_min_protocol_version",
                                                                   "sslcert",
                                                                   "sslcertmode",
                                                                   "sslcompression",
                                                                   "sslcrl",
                                                                   "sslcrldir",
                                                                   "sslkey",
                                                                   "sslkeylogfile",
                                                                   "sslmode",
                                                                   "sslnegotiation",
                                                                   "sslpassword",
                                                                   "sslrootcert",
                                                                   "sslsni",
                                                                   "target_session_attrs",
                                                                   "tcp_user_timeout",
                                                                   "user"});

bool is_known(std::string_view name) {
  return std::find(known_parameters.begin(), known_parameters.end(), name) !=
         known_parameters.end();
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

constexpr std::array<std::string_view, 6> secret_words{"password", "passwd", "pwd",
                                                       "secret",   "scram_", "token"};

// Of a parameter, by its name.
bool is_secret(std::string_view name) {
  const std::string wanted = lower(name);
  return std::any_of(secret_words.begin(), secret_words.end(),
                     [&](std::string_view word) { return wanted.find(word) != std::string::npos; });
}

bool all_known(const std::vector<Parameter>& parameters) {
  return std::all_of(parameters.begin(), parameters.end(),
                     [](const Parameter& parameter) { return is_known(parameter.name); });
}

bool any_secret(const std::vector<Parameter>& parameters) {
  return std::any_of(parameters.begin(), parameters.end(),
                     [](const Parameter& parameter) { return is_secret(parameter.name); });
}

// Where `password =` or its like begins; npos when it is nowhere.
std::size_t find_secret_assignment(std::string_view text) {
  const std::string folded = lower(text);
  std::size_t first = std::string::npos;
  for (const auto word : secret_words) {
    for (std::size_t at = folded.find(word); at != folded.npos; at = folded.find(word, at + 1)) {
      std::size_t after = at;
      while (after < folded.size() &&
             (std::isalnum(static_cast<unsigned char>(folded[after])) || folded[after] == '_')) {
        ++after;
      }
      while (after < folded.size() && is_space(folded[after])) ++after;
      if (after < folded.size() && folded[after] == '=') first = std::min(first, at);
    }
  }
  return first;
}

// `user:secret@host`, a URL whose scheme or slashes were forgotten.
bool resembles_a_login(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == text.npos || colon == 0 || text.starts_with("sqlite:")) return false;
  const std::size_t at = text.rfind('@');
  return at != text.npos && at > colon + 1 && text.find_first_of(" \t\n\"'(") > at;
}

std::string keywords_without_password(const std::string& text) {
  const auto parameters = parse_keywords(text);
  if (!parameters || !all_known(*parameters)) {
    const std::size_t secret = find_secret_assignment(text);
    if (secret != text.npos) return text.substr(0, secret) + "...";
    return resembles_a_login(text) ? text.substr(0, text.find(':')) + "..." : text;
  }
  if (!any_secret(*parameters)) return text;
  std::string result;
  for (const auto& parameter : *parameters) {
    if (is_secret(parameter.name)) continue;
    if (!result.empty()) result += ' ';
    result += text.substr(parameter.begin, parameter.end - parameter.begin);
  }
  return result;
}

std::string uri_without_password(const Uri& uri, std::string_view text) {
  std::string result(uri.scheme);
  result += "://";
  if (!uri.user.empty()) (result += uri.user) += '@';
  (result += uri.hosts) += uri.path;
  char separator = '?';
  for (const auto& parameter : uri.parameters) {
    if (is_secret(parameter.name)) continue;
    result += separator;
    result += text.substr(parameter.begin, parameter.end - parameter.begin);
    separator = '&';
  }
  return result;
}

// Of text that only resembles a URI, what can hold no part of a password.
std::string broken_uri_without_password(const std::string& text) {
  const std::size_t begin = text.find("://") + 3;
  const std::size_t last_at = text.rfind('@');
  const bool has_at = last_at != text.npos && last_at >= begin;
  const std::string decoded = percent_decoded(text).value_or("%");
  if (is_secret(text) || is_secret(decoded) || decoded == "%") {
    const std::size_t end = text.find_first_of(":@/?&=;,'\"\\ \t\r\n\v\f", begin);
    return text.substr(0, end == text.npos ? begin : end) + "...";
  }
  if (has_at) {
    const std::string user = text.substr(begin, text.find_first_of(":@/?", begin) - begin);
    return text.substr(0, begin) + user + text.substr(last_at);
  }
  // Without an @, what stands where the port should be may be a password whose host was forgotten.
  const std::size_t end = std::min(text.find_first_of("/?", begin), text.size());
  if (split_hosts(std::string_view(text).substr(begin, end - begin))) return text;
  return text.substr(0, std::min(text.find(':', begin), text.size())) + "...";
}

}  // namespace

std::string without_password(const std::string& url) {
  const std::size_t begin = scheme_begin(url);
  if (begin == url.npos) return keywords_without_password(url);
  if (begin > 0) {
    // Nothing behind a secret keyword can be told from its value.
    const std::size_t secret = find_secret_assignment(std::string_view(url).substr(0, begin));
    if (secret != url.npos) return url.substr(0, secret) + "...";
    return url.substr(0, begin) + without_password(url.substr(begin));
  }
  const auto uri = parse_uri(url);
  if (uri && all_known(uri->parameters)) return uri_without_password(*uri, url);
  return broken_uri_without_password(url);
}

}  // namespace backfill
