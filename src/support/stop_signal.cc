#include "support/stop_signal.h"

#include <csignal>
#include <utility>

namespace backfill {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

StopSignal::StopSignal(std::function<void(int)> on_first, std::function<void()> on_hangup)
    : on_first_(std::move(on_first)), on_hangup_(std::move(on_hangup)) {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { take(); });
}

StopSignal::~StopSignal() {
  closing_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

// The next request to stop.
int StopSignal::next() const {
  const sigset_t set = stop_signals();
  int signal = SIGHUP;
  while (signal == SIGHUP) {
    sigwait(&set, &signal);
    if (signal == SIGHUP && on_hangup_) on_hangup_();
  }
  return signal;
}

void StopSignal::take() {
  const int first = next();
  if (closing_) return;
  on_first_(first);

  const int second = next();
  if (closing_) return;
  const sigset_t set = stop_signals();
  std::signal(second, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  raise(second);
}

}  // namespace backfill
