#include "engine/validator.h"

#include <utility>

#include "core/error.h"

namespace backfill {

Validator::Validator(Consistency consistency, ReadAhead& source, Target& target, NoteDoubt note)
    : consistency_(consistency), source_(source), target_(target), note_(std::move(note)) {}

// While the rows are on their way the checkpoint is written, so nobody waits for it.
void Validator::note(const Chunk& chunk) {
  if (consistency_ == Consistency::none) return;
  std::string mark = target_.mark();
  if (mark == mark_) return;
  mark_ = std::move(mark);
  if (note_ && !mark_.empty()) durable_ = note_(chunk, mark_);
}

std::string Validator::noted() {
  try {
    if (durable_.valid()) durable_.get();
  } catch (const std::future_error&) {
    throw Error(ErrorKind::stop, "note a batch in doubt: the checkpoint cannot be written");
  }
  return std::exchange(mark_, "");
}

bool Validator::must_read_again(const Chunk& chunk, const std::string& moment, std::int64_t rows) {
  return consistency_ == Consistency::validate && mark_.empty() &&
         source_.source().may_have_changed(chunk, moment, rows);
}

bool Validator::must_level(const Chunk& chunk, const std::string& moment,
                           std::optional<std::int64_t> rows) {
  return consistency_ == Consistency::validate &&
         source_.source().may_have_changed(chunk, moment, rows);
}

}  // namespace backfill
