#include "observe/metrics_server.h"

#include <httplib.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <future>
#include <optional>
#include <vector>

#include "core/error.h"
#include "support/bounded_queue.h"

namespace backfill {
namespace {

constexpr int kThreads = 2;
constexpr std::size_t kWaitingMax = 8;        // connections; what comes beyond is not accepted yet
constexpr std::chrono::seconds kPatience(5);  // with one that asks
constexpr std::chrono::seconds kLastPatience(1);  // at the end
constexpr std::chrono::milliseconds kMoment(1);   // until a thread that was started listens
constexpr std::size_t kRequestBytesMax = 4096;

struct Address {
  std::string host;
  int port = 0;
};

std::optional<Address> parse(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  Address address{text.substr(0, colon), -1};
  const char* end = text.data() + text.size();
  const auto [stopped_at, error] = std::from_chars(text.data() + colon + 1, end, address.port);
  if (error != std::errc() || stopped_at != end || address.port < 0 || address.port > 65535)
    return std::nullopt;
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  } else if (address.host.find(':') != std::string::npos) {
    return std::nullopt;
  }
  if (address.host.empty()) address.host = "0.0.0.0";
  return address;
}

// Not SO_REUSEPORT, as httplib has it: with that, two processes could listen on one port.
void allow_after_restart(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

// httplib's own queue takes every connection there is, and with them all descriptors.
class FewConnections : public httplib::TaskQueue {
 public:
  FewConnections() : tasks_(kWaitingMax) {
    for (int i = 0; i < kThreads; ++i) {
      threads_.emplace_back([this] {
        while (auto task = tasks_.pop(std::stop_token())) (*task)();
      });
    }
  }

  void enqueue(std::function<void()> task) override {
    tasks_.push(std::move(task), std::stop_token());
  }

  void shutdown() override {
    tasks_.close();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  BoundedQueue<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
};

}  // namespace

struct MetricsServer::Listener {
  httplib::Server server;
  std::promise<void> ended;
};

MetricsServer::MetricsServer(const std::string& address, Text text, Log& log)
    : log_(log), listener_(std::make_shared<Listener>()) {
  const auto wanted = parse(address);
  if (!wanted) {
    throw Error(ExitCode::usage, "--metrics-listen: \"" + address +
                                     "\" is not ADDR:PORT, such as 127.0.0.1:9187 or :9187");
  }
  httplib::Server& server = listener_->server;
  server.set_socket_options(allow_after_restart);
  server.new_task_queue = [] { return new FewConnections; };
  server.set_keep_alive_max_count(1);  // one that stays connected would hold a thread
  server.set_read_timeout(kPatience);
  server.set_write_timeout(kPatience);
  server.set_payload_max_length(kRequestBytesMax);
  server.Get("/metrics",
             [text = std::move(text)](const httplib::Request&, httplib::Response& response) {
               response.set_content(text(), "text/plain; version=0.0.4; charset=utf-8");
             });
  server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
    response.set_content("metrics are at /metrics\n", "text/plain");
  });

  errno = 0;
  int port = wanted->port;
  if (port == 0) {
    port = server.bind_to_any_port(wanted->host);
  } else if (!server.bind_to_port(wanted->host, port)) {
    port = -1;
  }
  if (port < 0) {
    throw Error(ExitCode::usage,
                "listen for metrics on " + address + ": " +
                    (errno != 0 ? std::strerror(errno) : "no such address") +
                    "; choose another with --metrics-listen, or port 0 for any that is free");
  }
  const bool is_v6 = wanted->host.find(':') != std::string::npos;
  address_ = (is_v6 ? "[" + wanted->host + "]" : wanted->host) + ":" + std::to_string(port);

  thread_ = std::thread([listener = listener_] {
    listener->server.listen_after_bind();
    listener->ended.set_value();
  });
}

MetricsServer::~MetricsServer() {
  std::future<void> ended = listener_->ended.get_future();
  // One that does not listen yet cannot be told to stop.
  while (!listener_->server.is_running() &&
         ended.wait_for(kMoment) == std::future_status::timeout) {
  }
  listener_->server.stop();
  if (ended.wait_for(kLastPatience) == std::future_status::ready) {
    thread_.join();
    return;
  }
  // httplib cannot hang up on it. The listener lives as long as its thread.
  log_.write(LogLevel::debug, "one that asks for metrics is left behind", {{"address", address_}});
  thread_.detach();
}

}  // namespace backfill
