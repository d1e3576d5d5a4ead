// engine/batch_line.h
//
// What a batch was, as a line of the log: which keys, what became of its rows, where its time
// went, and what held it back.

#pragma once

#include <string>

#include "core/chunk.h"
#include "core/log.h"

namespace backfill {

// At level debug: a long run has hundreds of thousands. `reason` is why the share is not higher;
// empty: it is as high as may be.
void log_batch(Log& log, const ChunkReport& report, const std::string& reason);

}  // namespace backfill
