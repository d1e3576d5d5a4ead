#include "core/key.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/sql.h"

namespace backfill {

std::string Key::display() const {
  if (values.size() == 1) return values.front();
  return "(" + join(values, ", ") + ")";
}

std::string Key::to_json() const {
  try {
    return nlohmann::json(values).dump();
  } catch (const nlohmann::json::type_error&) {
    // A key that is kept as something else would be looked for in vain.
    throw Error(ErrorKind::stop,
                "keep key " + display() +
                    ": it is not valid UTF-8; a database in SQL_ASCII needs a key of another type");
  }
}

Key Key::from_json(const std::string& json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  const bool is_key = parsed.is_array() && !parsed.empty() &&
                      std::all_of(parsed.begin(), parsed.end(),
                                  [](const nlohmann::json& value) { return value.is_string(); });
  if (!is_key) throw Error(ErrorKind::stop, "a stored key is not a JSON array of strings: " + json);
  return Key{parsed.get<std::vector<std::string>>()};
}

}  // namespace backfill
