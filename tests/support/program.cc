#include "program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace backfill {
namespace {

std::vector<std::string> environment_of(const Program::Environment& added) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    const std::string name(text.substr(0, text.find('=')));
    const bool is_ours = name.starts_with("BACKFILL_") || name.starts_with("PG");
    if (!is_ours && !added.contains(name)) variables.emplace_back(text);
  }
  for (const auto& [name, value] : added) {
    std::string variable = name;
    variable += '=';
    variable += value;
    variables.push_back(std::move(variable));
  }
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

class SpawnFiles {
 public:
  explicit SpawnFiles(const TempFolder& folder)
      : out_((folder / "out").string()), err_((folder / "err").string()) {
    constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, 1, out_.c_str(), flags, 0600);
    posix_spawn_file_actions_addopen(&actions_, 2, err_.c_str(), flags, 0600);
  }
  ~SpawnFiles() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnFiles(const SpawnFiles&) = delete;
  SpawnFiles& operator=(const SpawnFiles&) = delete;

  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  std::string out_;
  std::string err_;
  posix_spawn_file_actions_t actions_;
};

}  // namespace

std::ostream& operator<<(std::ostream& stream, const ProgramEnd& end) {
  if (end.signal != 0) {
    stream << "killed by signal " << end.signal;
  } else {
    stream << "exit " << end.exit_code;
  }
  return stream << "\n--- stdout\n" << end.out << "--- stderr\n" << end.err;
}

Program::Program(const std::vector<std::string>& arguments, const Environment& environment) {
  std::vector<std::string> words = arguments;
  std::vector<std::string> variables = environment_of(environment);
  const SpawnFiles files(folder_);
  const int failure = posix_spawnp(&pid_, words.front().c_str(), files.get(), nullptr,
                                   pointers(words).data(), pointers(variables).data());
  if (failure != 0) throw std::runtime_error("start " + words.front() + ": " + strerror(failure));
  descriptor_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (descriptor_ < 0) throw std::runtime_error("pidfd_open of " + words.front());
}

Program::~Program() {
  if (!is_reaped_) {
    ::kill(pid_, SIGKILL);
    reap(std::chrono::seconds(10));
  }
  if (descriptor_ >= 0) close(descriptor_);
}

bool Program::is_running() { return !reap(std::chrono::milliseconds(0)); }

void Program::send(int signal) {
  if (!is_reaped_) ::kill(pid_, signal);
}

bool Program::reap(std::chrono::milliseconds limit) {
  if (is_reaped_) return true;
  pollfd ended{descriptor_, POLLIN, 0};
  if (poll(&ended, 1, static_cast<int>(limit.count())) != 1) return false;
  is_reaped_ = waitpid(pid_, &status_, 0) == pid_;
  return is_reaped_;
}

ProgramEnd Program::wait(std::chrono::milliseconds limit) {
  if (!reap(limit)) {
    ADD_FAILURE() << "did not end within " << limit.count() << " ms: " << err();
    ::kill(pid_, SIGKILL);
    reap(std::chrono::seconds(10));
  }
  ProgramEnd end;
  if (WIFEXITED(status_)) end.exit_code = WEXITSTATUS(status_);
  if (WIFSIGNALED(status_)) end.signal = WTERMSIG(status_);
  end.out = out();
  end.err = err();
  return end;
}

ProgramEnd run_program(const std::vector<std::string>& arguments,
                       const Program::Environment& environment) {
  return Program(arguments, environment).wait();
}

bool wait_until(const std::function<bool()>& is_true, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!is_true()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  return true;
}

}  // namespace backfill
