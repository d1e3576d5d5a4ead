#include "postgres/present_keys.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace backfill {

PresentKeys::PresentKeys(std::vector<std::size_t> key_at, std::size_t fields)
    : key_at_(std::move(key_at)),
      fields_(fields),
      fields_to_key_(*std::max_element(key_at_.begin(), key_at_.end()) + 1) {}

std::size_t PresentKeys::first_slot(std::string_view key) const {
  return XXH3_64bits(key.data(), key.size()) & (slots_.size() - 1);
}

void PresentKeys::index() {
  slots_.assign(std::bit_ceil(2 * keys_.rows() + 1), free);
  for (std::size_t row = 0; row < keys_.rows(); ++row) {
    std::size_t slot = first_slot(keys_.tuple(row));
    while (slots_[slot] != free) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = static_cast<std::uint32_t>(row);
  }
}

bool PresentKeys::contains(std::string_view key) const {
  for (std::size_t slot = first_slot(key); slots_[slot] != free;
       slot = (slot + 1) & (slots_.size() - 1)) {
    if (keys_.tuple(slots_[slot]) == key) return true;
  }
  return false;
}

void PresentKeys::part(const Batch& rows, PartedBatch& parted) {
  parted.present.clear();
  parted.missing.clear();
  parted.present_rows = 0;
  if (keys_.empty()) {
    if (!rows.empty()) parted.missing.push_back(rows.tuples());
    return;
  }
  std::size_t run = 0;  // where the present run of tuples began
  bool is_present = false;
  const auto end_run = [&](std::size_t end) {
    if (end == run) return;
    (is_present ? parted.present : parted.missing).push_back(rows.tuples(run, end));
    run = end;
  };
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    read_first_cells(rows.tuple(row), fields_, fields_to_key_, cells_);
    key_.clear();
    key_.begin_tuple(static_cast<std::int16_t>(key_at_.size()));
    for (const std::size_t at : key_at_) key_.append_cell(cells_[at]);
    const bool found = contains(key_.tuples());
    if (found != is_present) {
      end_run(row);
      is_present = found;
    }
    if (found) ++parted.present_rows;
  }
  end_run(rows.rows());
}

}  // namespace backfill
