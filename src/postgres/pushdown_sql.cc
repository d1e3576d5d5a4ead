#include "postgres/pushdown_sql.h"

#include <fmt/format.h>

#include "core/sql.h"

namespace backfill {

PushdownSql::PushdownSql(const WriteSpec& spec, const WriteSql& write)
    : spec_(spec), write_(write), read_(*spec_.from) {}

// In place the new values come from the row that is updated: the server waits for whoever
// changes it and looks again, so no guard is needed and nothing stale is written.
std::string PushdownSql::write(const std::string& after, const std::string& upto) const {
  std::vector<std::string> items;
  for (const WriteColumn& column : spec_.columns) {
    items.push_back(read_.item(static_cast<std::size_t>(column.read)));
  }
  if (write_.is_guarded()) return write_.update_by(items, read_.in_range(after, upto));
  for (std::size_t i = 0; i < items.size(); ++i) items[i] += fmt::format(" AS c{}", i);
  return write_.write_from(fmt::format("SELECT {}{} {}", join(items, ", "),
                                       read_.from_range(after, upto), read_.key().order_by()));
}

std::string PushdownSql::count(const std::string& after, const std::string& upto) const {
  return "SELECT count(*)" + read_.from_range(after, upto);
}

}  // namespace backfill
