#include "postgres/sqlstate.h"

namespace backfill {
namespace {

bool has_class(std::string_view sqlstate, std::string_view first_two) {
  return sqlstate.substr(0, 2) == first_two;
}

bool heals_by_itself(std::string_view sqlstate) {
  for (const char* first_two : {"08", "40", "53"}) {
    if (has_class(sqlstate, first_two)) return true;
  }
  // 25006: the server became a standby; the next connection may reach the new primary.
  // 25P03, 25P04, 57P05: a session that a timeout ended.
  for (const char* code :
       {"55P03", "57P01", "57P02", "57P03", "57P05", "25006", "25P03", "25P04"}) {
    if (sqlstate == code) return true;
  }
  return false;
}

// What a row did, not what the server is: values, constraints, size limits of a row or an index
// entry, a view's check option, and whatever a trigger or a function raises.
bool is_about_rows(std::string_view sqlstate) {
  for (const char* first_two : {"22", "23", "27", "38", "39", "44", "54", "P0"}) {
    if (has_class(sqlstate, first_two)) return true;
  }
  return false;
}

}  // namespace

ErrorKind kind_of_sqlstate(std::string_view sqlstate) {
  if (heals_by_itself(sqlstate)) return ErrorKind::retry;
  if (sqlstate == "57014") return ErrorKind::too_large;
  if (is_about_rows(sqlstate)) return ErrorKind::reject;
  return ErrorKind::stop;
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool blank = c == '\n' || c == '\r' || c == '\t' || c == ' ';
    if (!blank) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace backfill
