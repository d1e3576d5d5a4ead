#include "postgres_server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

#include "program.h"

namespace backfill {
namespace {

constexpr const char* settings =
    "listen_addresses = ''\n"
    "unix_socket_permissions = 0777\n"
    "fsync = off\n"
    "synchronous_commit = off\n"
    "shared_buffers = 16MB\n"
    "max_connections = 40\n"
    "autovacuum = off\n";

// As tests/support/with_postgres looks for it.
std::string bin_folder() {
  if (const char* given = std::getenv("PGBIN")) return given;
  std::vector<std::pair<int, std::string>> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
    const std::filesystem::path bin = entry.path() / "bin";
    if (!std::filesystem::exists(bin / "initdb")) continue;
    found.emplace_back(std::atoi(entry.path().filename().c_str()), bin.string());
  }
  if (found.empty()) throw std::runtime_error("no PostgreSQL server here; set PGBIN");
  return std::max_element(found.begin(), found.end())->second;
}

// The server refuses to run as root.
std::vector<std::string> as_server(std::vector<std::string> words) {
  if (geteuid() != 0) return words;
  std::vector<std::string> line{"runuser", "-u", "postgres", "--"};
  line.insert(line.end(), words.begin(), words.end());
  return line;
}

void must(const std::vector<std::string>& words) {
  const ProgramEnd end = run_program(words);
  if (end.exit_code != 0) throw std::runtime_error(words.back() + ": " + end.out + end.err);
}

}  // namespace

PostgresServer::PostgresServer(const std::string& auth_method) : bin_(bin_folder()) {
  write_file(folder_ / "password", "secret\n");
  own_folder();
  must(as_server({bin_ + "/initdb", "-D", folder() + "/data", "-U", "postgres", "--no-sync",
                  "--locale=C.UTF-8", "-E", "UTF8", "--auth=" + auth_method,
                  "--pwfile=" + folder() + "/password"}));
  const std::string configuration = folder() + "/data/postgresql.conf";
  write_file(configuration, read_file(configuration) + settings + "unix_socket_directories = '" +
                                folder() + "'\n");
  superuser_ = auth_method == "trust" ? "postgres" : "postgres:secret";
  start();
}

PostgresServer::PostgresServer(StandbyOf standby_of)
    : bin_(bin_folder()), superuser_(standby_of.primary.superuser_) {
  own_folder();
  must(as_server({bin_ + "/pg_basebackup", "--no-sync", "--checkpoint=fast", "-R", "-D",
                  folder() + "/data", "-d", standby_of.primary.url(superuser_)}));
  const std::string configuration = folder() + "/data/postgresql.conf";
  write_file(configuration,
             read_file(configuration) + "unix_socket_directories = '" + folder() + "'\n");
  start();
}

std::unique_ptr<PostgresServer> PostgresServer::start_standby() {
  return std::unique_ptr<PostgresServer>(new PostgresServer(StandbyOf{*this}));
}

// The server's user must get at it.
void PostgresServer::own_folder() {
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0755));
  if (geteuid() == 0) must({"chown", "-R", "postgres", folder()});
}

PostgresServer::~PostgresServer() {
  connection_.reset();
  try {
    if (std::filesystem::exists(folder_ / "data/postmaster.pid")) control("-m immediate -w stop");
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

std::string PostgresServer::url(const std::string& userinfo) const {
  std::string host;
  for (const char c : folder()) host += c == '/' ? std::string("%2F") : std::string(1, c);
  return "postgresql://" + userinfo + "@" + host + "/postgres";
}

void PostgresServer::control(const std::string& words) {
  must(as_server(
      {"sh", "-c",
       bin_ + "/pg_ctl -D " + folder() + "/data -l " + folder() + "/server.log " + words}));
}

// After a kill it is refused as long as a session of the old one lives.
void PostgresServer::start() {
  const auto has_started = [this] {
    try {
      control("-w start");
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  };
  if (!wait_until(has_started)) throw std::runtime_error(read_file(folder_ / "server.log"));
}

pid_t PostgresServer::postmaster() const {
  const pid_t pid = std::atoi(read_file(folder_ / "data/postmaster.pid").c_str());
  if (pid <= 1) throw std::runtime_error("no postmaster.pid in " + folder());
  return pid;
}

void PostgresServer::kill() {
  connection_.reset();
  ::kill(postmaster(), SIGKILL);
}

void PostgresServer::kill_all() {
  connection_.reset();
  const pid_t server = postmaster();
  const std::string of_server =
      "/proc/" + std::to_string(server) + "/task/" + std::to_string(server) + "/children";
  // Stopped, so that it starts no other while they are counted. It goes last: a session that sees
  // it die may still commit what it does at its end, and flush what others committed.
  ::kill(server, SIGSTOP);
  std::istringstream children(read_file(of_server));
  for (pid_t child = 0; children >> child;) ::kill(child, SIGKILL);
  ::kill(server, SIGKILL);
}

void PostgresServer::stop(const std::string& mode) {
  connection_.reset();
  control("-m " + mode + " -w stop");
}

PgConnection& PostgresServer::connection() {
  if (!connection_)
    connection_ = std::make_unique<PgConnection>(url(superuser_), "fixture", "test server");
  return *connection_;
}

void PostgresServer::execute(const std::string& sql) { connection().command(sql); }

std::string PostgresServer::value(const std::string& sql) {
  const PgResult result = connection().query(sql);
  return result.rows() == 0 ? "" : result.text(0, 0);
}

std::vector<std::string> PostgresServer::rows(const std::string& sql) {
  const PgResult result = connection().query(sql);
  std::vector<std::string> lines;
  for (int row = 0; row < result.rows(); ++row) {
    std::string line;
    for (int column = 0; column < result.columns(); ++column) {
      line += (column == 0 ? "" : "|") + result.text(row, column);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace backfill
