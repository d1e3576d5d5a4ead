#include "core/log.h"

#include <fmt/format.h>

namespace backfill {

std::string log_text(const LogValue& value) {
  return std::visit([](const auto& known) { return fmt::format("{}", known); }, value);
}

}  // namespace backfill
