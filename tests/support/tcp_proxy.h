// support/tcp_proxy.h
//
// A TCP port on this machine that leads to a server's Unix socket, and that loses what passes
// when a test says so: all connections at once, one at the moment when certain bytes pass, or
// everything in silence, with the connections left open.
//
// The calls may come from any thread. All connections end with the object.

#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace backfill {

class TcpProxy {
 public:
  // What becomes of the bytes that a trap waits for.
  enum class Fate {
    cut_before,  // they do not arrive, and both ends see the connection end
    cut_within,  // half of what came with them arrives
    cut_after,   // they arrive, but not the answer to them
  };

  explicit TcpProxy(std::string server_socket);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  int port() const { return port_; }

  // Lies in wait for the `occurrence`th time that a client, or the server, sends `bytes`, 16 at
  // most.
  void trap_client(std::string bytes, Fate fate, int occurrence = 1);
  void trap_server(std::string bytes, Fate fate, int occurrence = 1);
  bool has_sprung() const { return has_sprung_; }

  // Ends every connection that there is.
  void cut();
  // From now on nothing arrives any more, in either direction; new connections are taken in and
  // left without an answer.
  void swallow();
  // New connections work again. Those whose bytes were lost are cut.
  void forward();

 private:
  struct Trap {
    bool of_client;
    std::string bytes;
    Fate fate;
    int left;
  };
  // One client, its way to the server, and a thread a direction.
  struct Link {
    int client = -1;
    int server = -1;
    bool ends_with_answer = false;  // guarded by mutex_
    std::vector<std::jthread> threads;
  };

  void accept_clients(const std::stop_token& stop);
  void carry(Link& link, bool from_client);
  std::optional<Fate> spring(bool from_client, std::string& seen);
  bool wait_while_swallowing();
  static void end(const Link& link);

  const std::string server_socket_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> has_sprung_{false};

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::optional<Trap> trap_;
  std::vector<std::unique_ptr<Link>> links_;
  bool swallows_ = false;
  bool is_closing_ = false;

  std::jthread accepting_;  // last: joined before the rest goes
};

}  // namespace backfill
