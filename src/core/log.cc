#include "core/log.h"

#include <fmt/format.h>

#include "core/chunk.h"
#include "core/quantity_text.h"

namespace backfill {
namespace {

template <class Known>
std::string text_of(const Known& known) {
  return fmt::format("{}", known);
}
std::string text_of(const LogTime& time) { return duration_text(time.count()); }

}  // namespace

std::string log_text(const LogValue& value) {
  return std::visit([](const auto& known) { return text_of(known); }, value);
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
