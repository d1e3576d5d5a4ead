// scenario/playground.h
//
// A database for one test, PostgreSQL or SQLite behind one face, so that a scenario is told once
// and runs on both. PostgreSQL: a schema of its own in one database that the whole test program
// shares. SQLite: a file in a folder of its own. Gone with the object. One thread.

#pragma once

#include <memory>
#include <string>
#include <vector>

namespace backfill {

enum class Engine { sqlite, postgres };
const char* engine_name(Engine engine);

class Playground {
 public:
  virtual ~Playground() = default;

  virtual Engine engine() const = 0;
  virtual std::string url() const = 0;
  // As a job names the table, which is given as SQL spells it.
  virtual std::string table(const std::string& name) const = 0;
  // One or more statements; tables by their bare names.
  virtual void execute(const std::string& sql) = 0;
  // Every row as its values joined by `|`, NULL as NULL.
  virtual std::vector<std::string> rows(const std::string& sql) = 0;
  // The first value of the first row; empty when there is no row.
  std::string value(const std::string& sql);

  bool has_table(const std::string& name);
};

std::unique_ptr<Playground> make_playground(Engine engine);

}  // namespace backfill
