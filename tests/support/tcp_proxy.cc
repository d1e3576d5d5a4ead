#include "tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace backfill {
namespace {

constexpr std::size_t kTrapBytesMax = 16;

int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error(path + " is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(made, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return made;
  close(made);
  return -1;
}

bool send_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

TcpProxy::TcpProxy(std::string server_socket) : server_socket_(std::move(server_socket)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* plain = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, plain, size) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, plain, &size) != 0) {
    throw std::runtime_error(std::string("listen on a port: ") + std::strerror(errno));
  }
  port_ = ntohs(address.sin_port);
  accepting_ = std::jthread([this](const std::stop_token& stop) { accept_clients(stop); });
}

TcpProxy::~TcpProxy() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
    changed_.notify_all();
  }
  accepting_.request_stop();
  accepting_.join();
  cut();
  for (const auto& link : links_) {
    link->threads.clear();
    close(link->client);
    close(link->server);
  }
  close(listener_);
}

void TcpProxy::trap_client(std::string bytes, Fate fate, int occurrence) {
  const std::lock_guard lock(mutex_);
  has_sprung_ = false;
  trap_ = Trap{true, std::move(bytes), fate, occurrence};
}

void TcpProxy::trap_server(std::string bytes, Fate fate, int occurrence) {
  const std::lock_guard lock(mutex_);
  has_sprung_ = false;
  trap_ = Trap{false, std::move(bytes), fate, occurrence};
}

void TcpProxy::cut() {
  const std::lock_guard lock(mutex_);
  for (const auto& link : links_) end(*link);
}

void TcpProxy::swallow() {
  const std::lock_guard lock(mutex_);
  swallows_ = true;
}

void TcpProxy::forward() {
  const std::lock_guard lock(mutex_);
  for (const auto& link : links_) end(*link);
  swallows_ = false;
  changed_.notify_all();
}

void TcpProxy::end(const Link& link) {
  shutdown(link.client, SHUT_RDWR);
  shutdown(link.server, SHUT_RDWR);
}

void TcpProxy::accept_clients(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd waiting{listener_, POLLIN, 0};
    if (poll(&waiting, 1, 20) != 1) continue;
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    auto link = std::make_unique<Link>();
    link->client = client;
    link->server = connect_to(server_socket_);
    if (link->server < 0) {
      close(client);
      continue;
    }
    const std::lock_guard lock(mutex_);
    Link& kept = *links_.emplace_back(std::move(link));
    for (const bool from_client : {true, false}) {
      kept.threads.emplace_back([this, &kept, from_client] { carry(kept, from_client); });
    }
  }
}

void TcpProxy::carry(Link& link, bool from_client) {
  const int from = from_client ? link.client : link.server;
  const int to = from_client ? link.server : link.client;
  std::array<char, 1 << 16> buffer;
  std::string seen;  // what passed last, for a trap whose bytes come in two pieces
  while (true) {
    const ssize_t length = recv(from, buffer.data(), buffer.size(), 0);
    if (length <= 0 || !wait_while_swallowing()) break;
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(length));
    seen.append(bytes);
    const std::optional<Fate> fate = spring(from_client, seen);
    if (fate == Fate::cut_before) break;
    if (fate == Fate::cut_within) {
      send_all(to, bytes.substr(0, bytes.size() / 2));
      break;
    }
    {
      const std::lock_guard lock(mutex_);
      if (!from_client && link.ends_with_answer) break;
      if (fate) link.ends_with_answer = true;
    }
    if (!send_all(to, bytes)) break;
    if (seen.size() > kTrapBytesMax) seen.erase(0, seen.size() - kTrapBytesMax);
  }
  end(link);
}

std::optional<TcpProxy::Fate> TcpProxy::spring(bool from_client, std::string& seen) {
  const std::lock_guard lock(mutex_);
  if (!trap_ || trap_->of_client != from_client) return std::nullopt;
  if (seen.find(trap_->bytes) == std::string::npos) return std::nullopt;
  seen.clear();
  if (--trap_->left > 0) return std::nullopt;
  const Fate fate = trap_->fate;
  trap_.reset();
  has_sprung_ = true;
  return fate;
}

// False when the bytes are lost for good.
bool TcpProxy::wait_while_swallowing() {
  std::unique_lock lock(mutex_);
  if (!swallows_) return true;
  changed_.wait(lock, [this] { return !swallows_ || is_closing_; });
  return false;
}

}  // namespace backfill
