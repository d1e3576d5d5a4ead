#include "core/chunk.h"

namespace backfill {

std::string Chunk::display() const {
  if (is_lone_row) return "row " + upto.display();
  const std::string from = after ? "(" + after->display() : "(start";
  return "chunk " + std::to_string(ordinal) + " " + from + ".." + upto.display() + "]";
}

RowCounts& RowCounts::operator+=(const RowCounts& other) {
  read += other.read;
  written += other.written;
  skipped += other.skipped;
  rejected += other.rejected;
  unchanged += other.unchanged;
  conflicts += other.conflicts;
  return *this;
}

PhaseTimes& PhaseTimes::operator+=(const PhaseTimes& other) {
  read += other.read;
  transform += other.transform;
  write += other.write;
  commit += other.commit;
  validate += other.validate;
  return *this;
}

}  // namespace backfill
