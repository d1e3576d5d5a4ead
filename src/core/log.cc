#include "core/log.h"

#include <fmt/format.h>

#include "core/chunk.h"

namespace backfill {

std::string log_text(const LogValue& value) {
  return std::visit([](const auto& known) { return fmt::format("{}", known); }, value);
}

void add_counts(const RowCounts& rows, Log::Fields& fields) {
  fields.insert(fields.end(), {{"rows_read", rows.read},
                               {"written", rows.written},
                               {"unchanged", rows.unchanged},
                               {"skipped", rows.skipped},
                               {"rejected", rows.rejected},
                               {"conflicts", rows.conflicts}});
}

}  // namespace backfill
