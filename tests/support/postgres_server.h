// support/postgres_server.h
//
// A throw-away PostgreSQL server of one test, for what would disturb others: killed, restarted,
// asked for passwords, set up in odd ways. Its folder goes with the object. One thread.

#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "postgres/connection.h"
#include "temp_folder.h"

namespace backfill {

class PostgresServer {
 public:
  // `auth_method` as in pg_hba.conf; the superuser's password is `secret`, where it is asked for.
  explicit PostgresServer(const std::string& auth_method = "trust");
  // Another server that streams from this one, with a folder of its own; started.
  std::unique_ptr<PostgresServer> start_standby();
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // `userinfo`: what stands in front of the `@`, such as `postgres:secret`.
  std::string url(const std::string& userinfo = "postgres") const;
  std::string folder() const { return folder_.path().string(); }

  // kill -9 of the postmaster; its sessions follow when they find out.
  void kill();
  // kill -9 of the postmaster and of every session and worker it has.
  void kill_all();
  // `fast` or `immediate`, as pg_ctl knows them.
  void stop(const std::string& mode);
  // Starts it again; waits until it answers.
  void start();

  void execute(const std::string& sql);
  std::string value(const std::string& sql);
  std::vector<std::string> rows(const std::string& sql);

 private:
  struct StandbyOf {
    const PostgresServer& primary;
  };
  explicit PostgresServer(StandbyOf standby_of);
  void own_folder();
  void control(const std::string& words);
  pid_t postmaster() const;
  PgConnection& connection();

  TempFolder folder_;
  std::string bin_;
  std::string superuser_;
  std::unique_ptr<PgConnection> connection_;
};

}  // namespace backfill
