// postgres/looks.h
//
// Whether to look which keys of the next batch are in the target before it is copied straight
// in. A look costs an index scan, a key that was not looked for the copy of up to a whole batch.
// So a look that found nothing is trusted for what follows it, as in an empty target or its
// empty tail; a unique violation turns looking on again, for longer each time.
//
// Owned by one target; one thread. Pure.

#pragma once

#include <algorithm>

namespace backfill {

class Looks {
 public:
  bool is_wanted() const { return empty_wanted_ > 0; }

  // What a look found.
  void found(std::size_t keys) { empty_wanted_ = keys == 0 ? empty_wanted_ - 1 : patience_; }

  // A key was there that no look had found.
  void missed() {
    empty_wanted_ = patience_;
    patience_ = std::min(2 * patience_, patience_max);
  }

 private:
  static constexpr int patience_max = 256;  // batches

  int patience_ = 1;      // looks in a row that must find nothing
  int empty_wanted_ = 1;  // so many of them are still to come
};

}  // namespace backfill
