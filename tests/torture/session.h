// torture/session.h
//
// A session of the application: libpq as any application would use it, with none of the
// program's own care. One thread.

#pragma once

#include <libpq-fe.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace backfill {

// The server went away, or is not there yet. What the last statement did is unknown.
class SessionLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The transaction lost against another one and is to be done again: 40001, 40P01.
class SerializationFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Session {
 public:
  using Row = std::vector<std::string>;  // NULL is empty

  // Connects with the first query.
  explicit Session(std::string url, std::string isolation = "read committed");

  // One or more statements; the rows of the last one. All other failures are runtime_error.
  std::vector<Row> query(const std::string& sql);
  // The first value of the first row; empty when there is none.
  std::string value(const std::string& sql);

  void rollback();
  // The next query connects anew.
  void disconnect() { connection_.reset(); }

 private:
  void connect();

  std::string url_;
  std::string isolation_;
  std::unique_ptr<PGconn, void (*)(PGconn*)> connection_{nullptr, &PQfinish};
};

}  // namespace backfill
