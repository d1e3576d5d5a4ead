#include "engine/done_ranges.h"

#include <algorithm>
#include <map>

namespace backfill {
namespace {

// A range as places in key order; -1 is before every key.
struct Span {
  int after;
  int upto;
};

class KeyPlaces {
 public:
  KeyPlaces(Source& source, const std::vector<Key>& keys) {
    std::vector<Key> distinct;
    for (const Key& key : keys) {
      if (std::find(distinct.begin(), distinct.end(), key) == distinct.end())
        distinct.push_back(key);
    }
    const std::vector<Key> ordered = source.in_key_order(std::move(distinct));
    for (std::size_t i = 0; i < ordered.size(); ++i)
      places_[ordered[i].values] = static_cast<int>(i);
  }

  int place(const std::optional<Key>& key) const { return key ? places_.at(key->values) : -1; }
  Span span(const std::optional<Key>& after, const Key& upto) const {
    return {place(after), place(upto)};
  }

 private:
  std::map<std::vector<std::string>, int> places_;
};

}  // namespace

DoneRanges merge_done_ranges(Source& source, const std::optional<Key>& watermark,
                             const std::vector<DoneRange>& checkpoint,
                             const std::vector<LedgerRange>& ledger) {
  std::vector<Key> keys;
  if (watermark) keys.push_back(*watermark);
  const auto add_bounds = [&](const auto& range) {
    if (range.after) keys.push_back(*range.after);
    keys.push_back(range.upto);
  };
  for (const DoneRange& range : checkpoint) add_bounds(range);
  for (const LedgerRange& range : ledger) add_bounds(range);
  if (keys.empty()) return {};

  const KeyPlaces places(source, keys);
  const int low = places.place(watermark);
  std::map<int, DoneRange> by_place;
  std::vector<Span> known;
  for (const DoneRange& range : checkpoint) {
    const Span span = places.span(range.after, range.upto);
    if (span.upto <= low) continue;
    known.push_back(span);
    by_place.emplace(span.upto, range);
  }

  DoneRanges done;
  for (const LedgerRange& range : ledger) {
    const Span span = places.span(range.after, range.upto);
    // The ledger forgets a little later than the checkpoint learns, so it may hold parts of what
    // the checkpoint has.
    const bool in_checkpoint = std::any_of(known.begin(), known.end(), [&](const Span& other) {
      return other.after <= span.after && span.upto <= other.upto;
    });
    if (span.upto <= low || in_checkpoint) continue;
    by_place.emplace(span.upto, DoneRange{range.after, range.upto});
    done.ledger_rows.emplace(range.upto.values, range.rows);
  }
  for (auto& [place, range] : by_place) done.ranges.push_back(std::move(range));
  return done;
}

}  // namespace backfill
