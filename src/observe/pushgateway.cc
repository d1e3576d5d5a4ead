#include "observe/pushgateway.h"

#include <httplib.h>

#include <chrono>
#include <csignal>

#include "core/error.h"

namespace backfill {
namespace {

constexpr std::chrono::seconds kPatience(5);  // to connect, to send, and to be answered
constexpr std::size_t kAnswerMax = 200;

Error bad_url() {
  // The word itself may hold a password.
  return {ExitCode::usage,
          "--pushgateway: not a URL such as http://pushgateway:9091 or "
          "https://user:password@metrics.example.com/path (special characters in a password are "
          "written %XX)"};
}

bool is_blank_or_control(char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; }

// The first line of an answer, without what a terminal would act on.
std::string first_line(const std::string& answer) {
  std::string line = answer.substr(0, std::min(answer.find_first_of("\r\n"), kAnswerMax));
  for (char& c : line) {
    if (is_blank_or_control(c)) c = ' ';
  }
  return line;
}

}  // namespace

Pushgateway::Pushgateway(const std::string& url, const std::string& job) {
  const std::size_t colon = url.find("://");
  const std::string scheme = url.substr(0, colon);
  const bool is_plain = std::none_of(url.begin(), url.end(), is_blank_or_control);
  if (colon == std::string::npos || (scheme != "http" && scheme != "https") || !is_plain ||
      url.find_first_of("?#") != std::string::npos)
    throw bad_url();

  std::string host = url.substr(colon + 3);
  if (const std::size_t slash = host.find('/'); slash != std::string::npos) {
    path_ = host.substr(slash);
    host.resize(slash);
  }
  if (const std::size_t at = host.rfind('@'); at != std::string::npos) {
    const std::string login = host.substr(0, at);
    const std::size_t divide = login.find(':');
    user_ = httplib::detail::decode_url(login.substr(0, divide), false);
    if (divide != std::string::npos)
      password_ = httplib::detail::decode_url(login.substr(divide + 1), false);
    host.erase(0, at + 1);
  }
  const std::size_t port = host.find(':', host.rfind(']') + 1);
  const bool has_port = port != std::string::npos;
  if (host.substr(0, port).empty() ||
      (has_port && host.find_first_not_of("0123456789", port + 1) != std::string::npos))
    throw bad_url();
  origin_ = scheme + "://" + host;
  while (path_.ends_with('/')) path_.pop_back();
  path_ += "/metrics/job/" + job;
  if (!httplib::Client(origin_).is_valid()) throw bad_url();
}

// POST and not PUT, which would take away what is not in `text`.
void Pushgateway::push(const std::string& text) const {
  // A gateway that hangs up must not end the program.
  std::signal(SIGPIPE, SIG_IGN);
  httplib::Client client(origin_);
  client.set_connection_timeout(kPatience);
  client.set_read_timeout(kPatience);
  client.set_write_timeout(kPatience);
  if (!user_.empty()) client.set_basic_auth(user_, password_);
  const std::string tried = "push metrics to " + origin_ + path_ + ": ";
  const httplib::Result result = client.Post(path_, text, "text/plain; version=0.0.4");
  if (!result) throw Error(ErrorKind::retry, tried + httplib::to_string(result.error()));
  if (result->status / 100 != 2) {
    throw Error(ErrorKind::retry,
                tried + std::to_string(result->status) + " " + first_line(result->body));
  }
}

}  // namespace backfill
