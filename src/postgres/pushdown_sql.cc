#include "postgres/pushdown_sql.h"

#include <fmt/format.h>

#include "core/sql.h"

namespace backfill {

PushdownSql::PushdownSql(const WriteSpec& spec, const WriteSql& write)
    : spec_(spec), write_(write), read_(*spec_.from) {}

std::vector<std::string> PushdownSql::items() const {
  std::vector<std::string> found;
  for (const WriteColumn& column : spec_.columns) {
    found.push_back(read_.item(static_cast<std::size_t>(column.read)));
  }
  return found;
}

// As a tuple's fields: c0, c1, …
std::string PushdownSql::rows(const std::string& after, const std::string& upto) const {
  std::vector<std::string> fields = items();
  for (std::size_t i = 0; i < fields.size(); ++i) fields[i] += fmt::format(" AS c{}", i);
  return fmt::format("SELECT {}{} {}{}", join(fields, ", "), read_.from_range(after, upto),
                     read_.key().order_by(), spec_.from->locks ? " FOR SHARE" : "");
}

// In place the new values come from the row that is updated: the server waits for whoever
// changes it and looks again, so no guard is needed and nothing stale is written.
std::string PushdownSql::write(const std::string& after, const std::string& upto) const {
  if (write_.is_guarded()) return write_.update_by(items(), read_.in_range(after, upto));
  return write_.write_from(rows(after, upto));
}

std::string PushdownSql::insert(const std::string& after, const std::string& upto) const {
  return write_.insert_from(rows(after, upto));
}

std::string PushdownSql::compare(const std::string& after, const std::string& upto,
                                 const Chunk& chunk) const {
  return write_.count_differing(rows(after, upto), chunk);
}

std::string PushdownSql::count(const std::string& after, const std::string& upto) const {
  return "SELECT count(*)" + read_.from_range(after, upto);
}

}  // namespace backfill
