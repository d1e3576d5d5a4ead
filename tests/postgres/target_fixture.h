// postgres/target_fixture.h
//
// Tables `a` to read and `b` to write, and jobs from one to the other or in place.

#pragma once

#include <string>

#include "copy_job.h"
#include "support/postgres_fixture.h"

namespace backfill {

class TargetTest : public PostgresTest {
 protected:
  void make_tables(int count, const std::string& extra = "") {
    execute(
        "CREATE TABLE a (id int PRIMARY KEY, name text, at int); CREATE TABLE b (id int PRIMARY "
        "KEY, "
        "name text, at int" +
        extra + ")");
    execute("INSERT INTO a SELECT i, 'n' || i, i FROM generate_series(1, " + std::to_string(count) +
            ") i");
  }

  CopyJob job(WriteMode mode) {
    CopyJob made{.source_url = url(), .target_url = url()};
    made.mode = mode;
    return made;
  }

  // An update in place that sets name to its upper case.
  CopyJob in_place() {
    CopyJob made = job(WriteMode::update);
    made.target_table = "a";
    made.columns = {"id", "upper(name) as name"};
    return made;
  }
};

}  // namespace backfill
