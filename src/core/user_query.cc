#include "core/user_query.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "core/error.h"

namespace backfill {

Reading user_query_reading(const std::optional<std::string>& answer, double limit) {
  Reading reading;
  reading.signal = "query";
  if (!answer) return reading;
  if (*answer == "t" || *answer == "f") {
    reading.kind = SignalKind::stop;
    reading.frees_at_once = true;
    reading.level = *answer == "t" ? 1 : 0;
    reading.reason = "throttle.query is true";
    return reading;
  }
  char* end = nullptr;
  const double value = std::strtod(answer->c_str(), &end);
  if (answer->empty() || *end != '\0' || std::isnan(value)) {
    refuse_user_query(fmt::format("its answer is {}", *answer));
  }
  if (limit > 0) {
    reading.level = value / limit;
    reading.reason =
        fmt::format("throttle.query {} {} {}", *answer, value < limit ? "of" : ">=", limit);
  } else {
    reading.kind = SignalKind::stop;
    reading.frees_at_once = true;
    reading.level = value > 0 ? 1 : 0;
    reading.reason = fmt::format("throttle.query {} > 0", *answer);
  }
  return reading;
}

void refuse_user_query(const std::string& why) {
  throw Error(ExitCode::unsafe,
              "ask throttle.query: " + why + "; let it select one number, or a boolean");
}

}  // namespace backfill
