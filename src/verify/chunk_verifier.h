// verify/chunk_verifier.h
//
// Compares the rows of one chunk, on both sides, and says which are suspect: in doubt after the
// comparison of what was read, and different by the target's own word. Decides what an error means:
// wait and try again, cut the chunk in two, or give up.
//
// Owned by one worker; only cancel() may be called from another thread.

#pragma once

#include <stop_token>
#include <vector>

#include "core/log.h"
#include "engine/backoff.h"
#include "verify/finding.h"
#include "verify/patience.h"
#include "verify/sides.h"

namespace backfill {

// Whose keys cut the chunk, and what is looked at in it.
enum class ChunkSide {
  source,  // the source's rows, and the target's between them where the order is the same
  target,  // rows of the target alone: whether the source has them
};

// Of a chunk at this place.
ChunkSide side_of(std::int64_t place, const VerifyTerms& terms);

struct ChunkFindings {
  Chunk chunk;
  ChunkSide side = ChunkSide::source;
  CompareCounts counts;
  std::vector<Suspect> suspects;
  std::size_t bytes = 0;
  Duration work{0};
  int splits = 0;
};

class ChunkVerifier {
 public:
  ChunkVerifier(const VerifyTerms& terms, Sides::Makers makers, const BackoffOptions& backoff,
                Clock& clock, Log& log);

  // Throws Error(cancelled) when a stop came before the end, any other Error when the pass cannot
  // go on.
  ChunkFindings verify(const Chunk& chunk, ChunkSide side, std::stop_token stop);

  void cancel() noexcept { sides_.cancel(); }

 private:
  enum class Reading { both, target_only };

  void verify_part(const Chunk& chunk, ChunkFindings& findings, const std::stop_token& stop);
  void attempt(const Chunk& chunk, Reading reading, ChunkFindings& findings);
  void compare_range(const Chunk& chunk, ChunkFindings& part);
  void look_up(const Chunk& chunk, ChunkFindings& part);
  void look_for_extra(const Chunk& chunk, ChunkFindings& part);
  void count(const Expected& expected, CompareCounts& counts) const;
  void add_different(const std::vector<std::size_t>& rows, ChunkFindings& part);
  void add_extra(const std::vector<std::size_t>& rows, ChunkFindings& part);
  void leave_out_what_is_not_written(std::vector<std::size_t>& unmatched);
  std::optional<Source::Cut> find_middle(const Chunk& chunk, ChunkSide side);

  const VerifyTerms& terms_;
  Sides sides_;
  Comparison comparison_;
  const BackoffOptions backoff_;
  Clock& clock_;
  const Patience patience_;
  Expected expected_;
  Batch actual_;
  std::vector<Cell> cells_;
};

}  // namespace backfill
