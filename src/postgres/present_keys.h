// postgres/present_keys.h
//
// The keys of a chunk that are in the target, as a look found them, and which tuples of a batch
// have one of them. Keys are compared byte by byte: two forms of one key, such as 1.0 and 1.00,
// are not told here but by the table's unique index.
//
// Memory is reused look after look; nothing is allocated per row. One thread.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/batch.h"

namespace backfill {

// The tuples of a batch, as runs of neighbours.
struct PartedBatch {
  std::vector<std::string_view> present;
  std::vector<std::string_view> missing;
  std::size_t present_rows = 0;
};

class PresentKeys {
 public:
  // `key_at`: the key's positions in the tuples of a batch, of `fields` fields each.
  PresentKeys(std::vector<std::size_t> key_at, std::size_t fields);

  // Where a look puts its tuples, the key's columns alone; call index() afterwards.
  Batch& batch() { return keys_; }
  void index();
  std::size_t size() const { return keys_.rows(); }

  // Views into `rows`.
  void part(const Batch& rows, PartedBatch& parted);

 private:
  static constexpr std::uint32_t free = UINT32_MAX;

  bool contains(std::string_view key) const;
  std::size_t first_slot(std::string_view key) const;

  const std::vector<std::size_t> key_at_;
  const std::size_t fields_;
  const std::size_t fields_to_key_;  // so many fields hold the whole key
  Batch keys_;
  std::vector<std::uint32_t> slots_;  // rows of keys_ by hash, or `free`; a power of two of them
  std::vector<Cell> cells_;
  Batch key_;  // of one row, in the form of keys_
};

}  // namespace backfill
