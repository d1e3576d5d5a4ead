// postgres/straight_copies.h
//
// Whether the next batch is worth copying straight into the table in the hope that none of its
// keys is there. Hope costs a savepoint; a hope that fails costs the copy of up to a whole
// batch. So after a failure batches are staged: one, then twice as many each time it fails again.
//
// Owned by one target; one thread. Pure.

#pragma once

#include <algorithm>

namespace backfill {

class StraightCopies {
 public:
  // Asked once a batch.
  bool is_worth_trying() {
    if (staged_left_ == 0) return true;
    --staged_left_;
    return false;
  }

  void succeeded() { next_pause_ = 1; }

  void failed() {
    staged_left_ = next_pause_;
    next_pause_ = std::min(2 * next_pause_, pause_max);
  }

 private:
  static constexpr int pause_max = 256;  // batches

  int staged_left_ = 0;
  int next_pause_ = 1;
};

}  // namespace backfill
