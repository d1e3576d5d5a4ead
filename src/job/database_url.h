// job/database_url.h
//
// Which database a job's URL names: `sqlite:PATH`, a libpq URI, or libpq keywords such as
// `host=db dbname=shop`. Pure functions.

#pragma once

#include <string>
#include <string_view>

namespace backfill {

// Which kind of URL it is, as far as its text tells; neither means that nothing takes it.
bool is_sqlite_url(std::string_view url);
bool is_postgres_url(const std::string& url);

// Whether a sqlite URL names a file; `sqlite://…` does not: it would be an absolute path to us
// and a relative one to others.
bool names_sqlite_file(std::string_view url);

// The file of a sqlite URL as it is written, maybe relative.
std::string sqlite_path(std::string_view url);

// What tells one database from another: host, hostaddr, port, dbname and service, in that
// order, or the path of a SQLite file. Two spellings of one database have one identity; user,
// password and connection parameters play no part.
std::string database_identity(const std::string& url);

}  // namespace backfill
