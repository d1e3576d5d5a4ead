#include "postgres/connect_words.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "postgres/sqlstate.h"

namespace backfill {
namespace {

using std::chrono::steady_clock;

void drop_notice(void*, const PGresult*) {}

struct ConninfoOptions {
  PQconninfoOption* list = nullptr;
  ~ConninfoOptions() { PQconninfoFree(list); }

  std::string value(const char* keyword) const {
    for (const PQconninfoOption* option = list; option && option->keyword; ++option) {
      if (std::strcmp(option->keyword, keyword) == 0) return option->val ? option->val : "";
    }
    return "";
  }
};

ConninfoOptions parse_url(const std::string& url) {
  char* message = nullptr;
  ConninfoOptions options{PQconninfoParse(url.c_str(), &message)};
  PQfreemem(message);
  // libpq's own words may repeat the part it stumbled over, and that may be the password.
  if (!options.list) {
    throw Error(ExitCode::usage,
                "the PostgreSQL URL cannot be read: percent-encode special characters in user and "
                "password, or give the password in PGPASSWORD or PGPASSFILE");
  }
  return options;
}

}  // namespace

// Takes what may be a password out of a message: an unencoded `/` or `@` in one makes libpq
// take a part of it for a host or a port, and name it.
std::string without_secrets(std::string message, const std::string& url) {
  std::vector<std::string> secrets{parse_url(url).value("password")};
  const auto scheme = url.find("://");
  const auto at = url.rfind('@');
  if (scheme != std::string::npos && at != std::string::npos && at > scheme) {
    const std::string user_part = url.substr(scheme + 3, at - scheme - 3);
    const auto colon = user_part.find(':');
    std::string word;
    for (std::size_t i = colon == std::string::npos ? user_part.size() : colon + 1;
         i < user_part.size(); ++i) {
      if (std::strchr("/:@?#,", user_part[i])) {
        secrets.push_back(std::exchange(word, ""));
      } else {
        word += user_part[i];
      }
    }
    secrets.push_back(word);
  }
  for (const std::string& secret : secrets) {
    if (secret.empty()) continue;
    for (auto at_secret = message.find(secret); at_secret != std::string::npos;
         at_secret = message.find(secret, at_secret + 3)) {
      message.replace(at_secret, secret.size(), "***");
    }
  }
  return message;
}

ConnectWords connect_words(const std::string& url, const std::string& application_name) {
  ConnectWords words;
  words.add("application_name", application_name.c_str());
  if (!std::getenv("PGCONNECT_TIMEOUT")) words.add("connect_timeout", "10");
  words.add("keepalives", "1");
  words.add("keepalives_idle", "30");
  words.add("keepalives_interval", "10");
  words.add("keepalives_count", "3");
  words.add("tcp_user_timeout", "60000");
  words.add("dbname", url.c_str());
  words.add("client_encoding", "UTF8");
  words.add(nullptr, nullptr);
  return words;
}

// libpq tells the SQLSTATE of a refused connection only in a verbose message, and verbosity
// can only be set on a connection that is made step by step: hence a second try, a short one.
std::string refusal_sqlstate(const ConnectWords& words) {
  PGconn* connection = PQconnectStartParams(words.keywords.data(), words.values.data(), 1);
  if (!connection) return "";
  PQsetErrorVerbosity(connection, PQERRORS_SQLSTATE);
  PQsetNoticeReceiver(connection, drop_notice, nullptr);
  const auto deadline = steady_clock::now() + std::chrono::seconds(3);
  auto state =
      PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
    const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    pollfd socket{PQsocket(connection), events, 0};
    if (steady_clock::now() > deadline || poll(&socket, 1, 1000) < 0) break;
    if (socket.revents != 0) state = PQconnectPoll(connection);
  }
  std::string message = state == PGRES_POLLING_FAILED ? PQerrorMessage(connection) : "";
  PQfinish(connection);
  message = one_line(message);
  const auto blank = message.rfind(' ');
  const std::string last = blank == std::string::npos ? message : message.substr(blank + 1);
  return last.size() == 5 &&
                 last.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos
             ? last
             : "";
}

std::string describe_url(const std::string& url) {
  const ConninfoOptions options = parse_url(url);
  std::string words;
  for (const char* keyword : {"service", "host", "hostaddr", "port", "dbname", "user"}) {
    const std::string value = options.value(keyword);
    if (value.empty()) continue;
    if (!words.empty()) words += ' ';
    words += fmt::format("{}={}", keyword, value);
  }
  return without_secrets(words.empty() ? "libpq's defaults" : words, url);
}

}  // namespace backfill
