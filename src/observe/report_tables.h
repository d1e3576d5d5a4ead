// observe/report_tables.h
//
// The parts of a report that are words and tables. Each is a <section>, or nothing. Pure.

#pragma once

#include <string>
#include <vector>

#include "observe/interruption.h"
#include "observe/report.h"

namespace backfill {

inline constexpr std::size_t kNumberedInterruptions = 12;

std::string facts_section(const Report& report);
std::string interruptions_section(const std::vector<Interruption>& interruptions);
// Work by phase, rests by cause.
std::string time_section(const Report& report);
std::string dead_letters_section(const Report& report);
std::string verify_section(const Report& report);
// What decides which rows become what.
std::string job_section(const Report& report);

// `equal`, `3 differences`, …
std::string verdict_of(const VerifyFacts& verify);

}  // namespace backfill
