// core/transform.h
//
// What becomes of rows between source and target: an output tuple, nothing, or a reject.
// One instance a worker; a pure function of the row and the job's options.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/layout.h"

namespace backfill {

// The answer to one input batch. Reused; clear() keeps the memory.
struct Transformed {
  struct Reject {
    std::uint32_t input_row;
    std::string reason;
  };

  Batch rows;                             // tuples of Layout::write
  std::vector<std::uint32_t> input_rows;  // for each of `rows`, the input row it answers
  std::vector<Reject> rejects;
  std::int64_t skipped = 0;

  void clear();
};

class Transform {
 public:
  virtual ~Transform() = default;
  // Throws Error(stop) when the transform itself fails.
  virtual void apply(const Batch& input, Transformed& output) = 0;
};

// Moves columns from where they are read to where they are written; used alone when a job
// has no plugin.
class Projection : public Transform {
 public:
  explicit Projection(const Layout& layout) : layout_(layout) {}

  void apply(const Batch& input, Transformed& output) override;

  // One output tuple from the cells of an input row and the plugin's output cells.
  void append_row(const std::vector<Cell>& input, const std::vector<Cell>& outputs,
                  Batch& rows) const;

 private:
  const Layout layout_;
  std::vector<Cell> cells_;
};

}  // namespace backfill
