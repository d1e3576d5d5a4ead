// engine/validator.h
//
// What keeps a copy from being stale while applications go on writing. They write the source
// first and the target second, so a change of the source that is there when a batch has committed
// can be seen by then, and one that comes later writes to the target later, and wins. So each
// batch is validated after its commit: where rows may have changed since they were read, what the
// batch wrote, and nobody has touched since, is levelled with the source.
//
// A crash between the commit and that leaves the batch in doubt. Its range and the mark of its
// transaction are noted before the commit, and a later process levels it.
//
// Where nobody else can write to the target until the transaction ends (no mark), it is enough to
// validate before the commit, and nothing is ever in doubt.
//
// Owned by a ChunkWriter; one thread.

#pragma once

#include <functional>
#include <future>
#include <optional>
#include <string>

#include "checkpoint/watermark.h"
#include "core/target.h"
#include "engine/read_ahead.h"

namespace backfill {

class Validator {
 public:
  // Makes a batch's doubt durable; the future is ready when it is, and broken when it never will
  // be.
  using NoteDoubt = std::function<std::future<void>(const Chunk& chunk, const std::string& mark)>;

  // `note` may be empty: nothing is noted.
  Validator(Consistency consistency, ReadAhead& source, Target& target, NoteDoubt note);

  // The target's transaction for the chunk has begun; call it again when a write may have begun it
  // anew.
  void note(const Chunk& chunk);

  // Waits until the doubt is noted; to be called before the commit. The transaction's mark, or
  // nothing when the batch will not be in doubt.
  std::string noted();

  // Whether a write must be preceded by another read: the target is ours alone, and what was read
  // after `moment` may have changed.
  bool must_read_again(const Chunk& chunk, const std::string& moment, std::int64_t rows);

  // Whether what was committed must be levelled. `rows` were read after `moment`; none: unknown.
  bool must_level(const Chunk& chunk, const std::string& moment, std::optional<std::int64_t> rows);

 private:
  const Consistency consistency_;
  ReadAhead& source_;
  Target& target_;
  const NoteDoubt note_;
  std::string mark_;
  std::future<void> durable_;
};

}  // namespace backfill
