#include "verify/chunk_verifier.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "support/failpoint.h"

namespace backfill {
namespace {

// Rows asked for at once when a range has far more in the target than in the source.
constexpr std::int64_t kKeysOfUnknownRange = 1000;

// The end of the first `keys` keys of the chunk, or of fewer where those reach its own end.
std::optional<Source::Cut> middle(Source& side, const Chunk& chunk, std::int64_t keys) {
  while (keys >= 1) {
    const auto cut = side.cut(chunk.after, chunk.upto, keys);
    if (!cut) return std::nullopt;
    if (cut->upto != chunk.upto) return cut;
    if (cut->keys <= 1) return std::nullopt;
    keys = std::min(keys, cut->keys) / 2;
  }
  return std::nullopt;
}

}  // namespace

ChunkSide side_of(std::int64_t place, const VerifyTerms& terms) {
  return place < kFirstPlaceInTarget || terms.same_key_order ? ChunkSide::source
                                                             : ChunkSide::target;
}

ChunkVerifier::ChunkVerifier(const VerifyTerms& terms, Sides::Makers makers,
                             const BackoffOptions& backoff, Clock& clock, Log& log)
    : terms_(terms),
      sides_(terms, std::move(makers)),
      comparison_(terms.layout.write_columns(), terms.target_columns, terms.sent_key()),
      backoff_(backoff),
      clock_(clock),
      patience_{sides_, backoff_, clock_, log} {}

ChunkFindings ChunkVerifier::verify(const Chunk& chunk, ChunkSide side, std::stop_token stop) {
  ChunkFindings findings;
  findings.chunk = chunk;
  findings.side = side;
  findings.counts.chunks = 1;
  const TimePoint began = clock_.now();
  verify_part(chunk, findings, stop);
  findings.work = clock_.now() - began;
  return findings;
}

void ChunkVerifier::verify_part(const Chunk& chunk, ChunkFindings& findings,
                                const std::stop_token& stop) {
  std::optional<Error> why;
  try {
    return patiently(patience_, chunk.display(), stop,
                     [&] { attempt(chunk, Reading::both, findings); });
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::too_large && error.kind() != ErrorKind::reject) throw;
    why = error;
  }
  const auto cut = patiently(patience_, chunk.display(), stop,
                             [&] { return find_middle(chunk, findings.side); });
  if (cut) {
    ++findings.splits;
    Chunk left = chunk;
    left.upto = cut->upto;
    left.keys = cut->keys;
    Chunk right = chunk;
    right.after = cut->upto;
    right.keys = std::max<std::int64_t>(1, chunk.keys - cut->keys);
    verify_part(left, findings, stop);
    verify_part(right, findings, stop);
    return;
  }
  if (why->kind() == ErrorKind::too_large)
    throw Error(ErrorKind::stop, chunk.display() + ": cannot be made smaller: " + why->what());
  // One row that an expression or `where` fails on: the run rejects it as well.
  ++findings.counts.rejected;
  patiently(patience_, chunk.display(), stop,
            [&] { attempt(chunk, Reading::target_only, findings); });
}

void ChunkVerifier::attempt(const Chunk& chunk, Reading reading, ChunkFindings& findings) {
  ChunkFindings part;
  if (findings.side == ChunkSide::target || reading == Reading::target_only) {
    if (findings.side == ChunkSide::target || terms_.same_key_order) look_for_extra(chunk, part);
  } else if (terms_.same_key_order) {
    compare_range(chunk, part);
  } else {
    look_up(chunk, part);
  }
  failpoint("verify.after_compare");
  findings.counts += part.counts;
  findings.bytes += part.bytes;
  for (Suspect& suspect : part.suspects) findings.suspects.push_back(std::move(suspect));
}

void ChunkVerifier::count(const Expected& expected, CompareCounts& counts) const {
  counts.source_rows += static_cast<std::int64_t>(expected.source.rows());
  counts.compared += static_cast<std::int64_t>(expected.rows().rows());
  counts.skipped += expected.transformed.skipped;
  counts.rejected += static_cast<std::int64_t>(expected.transformed.rejects.size());
}

void ChunkVerifier::compare_range(const Chunk& chunk, ChunkFindings& part) {
  // Only a chunk in which something differs needs to travel.
  const auto there = sides_.compare_there(chunk);
  if (there && there->differing == 0) {
    part.counts.source_rows += there->source_rows;
    part.counts.target_rows += there->target_rows;
    part.counts.compared += there->source_rows;
    return;
  }
  sides_.read_range(chunk, expected_, actual_);
  count(expected_, part.counts);
  part.counts.target_rows += static_cast<std::int64_t>(actual_.rows());
  part.bytes += expected_.source.bytes() + actual_.bytes();
  Comparison::Result result = comparison_.compare(expected_.rows(), actual_);
  add_different(result.doubtful, part);
  if (!terms_.finds_extra) return;
  leave_out_what_is_not_written(result.unmatched);
  add_extra(result.unmatched, part);
}

void ChunkVerifier::look_up(const Chunk& chunk, ChunkFindings& part) {
  sides_.read_source(chunk, expected_);
  count(expected_, part.counts);
  part.bytes += expected_.source.bytes();
  std::vector<std::size_t> rows(expected_.rows().rows());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  add_different(rows, part);
}

void ChunkVerifier::look_for_extra(const Chunk& chunk, ChunkFindings& part) {
  sides_.read_target(chunk, actual_);
  part.counts.target_rows += static_cast<std::int64_t>(actual_.rows());
  part.bytes += actual_.bytes();
  if (!terms_.finds_extra) return;
  std::vector<std::size_t> rows(actual_.rows());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  add_extra(rows, part);
}

void ChunkVerifier::add_different(const std::vector<std::size_t>& rows, ChunkFindings& part) {
  for (const RowDifference& difference : sides_.judge(expected_, rows)) {
    if (difference.is_missing && !terms_.finds_missing) {
      ++part.counts.not_there;
      continue;
    }
    const std::size_t source_row = expected_.source_of(difference.row);
    Suspect suspect;
    suspect.finding.kind = difference.is_missing ? FindingKind::missing : FindingKind::different;
    suspect.finding.source_key = sides_.source_key(expected_, source_row);
    suspect.finding.target_key = sides_.target_key(expected_, source_row);
    for (const int column : difference.columns)
      suspect.finding.columns.push_back(terms_.column_name(column));
    suspect.source_state = state_of(expected_.source, source_row);
    part.suspects.push_back(std::move(suspect));
  }
}

void ChunkVerifier::add_extra(const std::vector<std::size_t>& rows, ChunkFindings& part) {
  if (rows.empty()) return;
  for (const std::size_t row : sides_.not_in_source(actual_, rows)) {
    Suspect suspect;
    suspect.finding.kind = FindingKind::extra;
    suspect.finding.source_key = sides_.source_key_of_target(actual_, row);
    suspect.finding.target_key = sides_.target_key_of_target(actual_, row);
    part.suspects.push_back(std::move(suspect));
  }
}

// Rows that the plugin skipped or rejected are the source's all the same.
void ChunkVerifier::leave_out_what_is_not_written(std::vector<std::size_t>& unmatched) {
  const std::size_t left_out = expected_.source.rows() - expected_.rows().rows();
  if (unmatched.empty() || left_out == 0) return;
  std::vector<bool> is_written(expected_.source.rows());
  for (std::size_t row = 0; row < expected_.rows().rows(); ++row)
    is_written[expected_.source_of(row)] = true;
  std::unordered_set<std::string> keys;
  for (std::size_t row = 0; row < is_written.size(); ++row) {
    if (is_written[row]) continue;
    read_cells(expected_.source.tuple(row), terms_.source_columns.size(), cells_);
    keys.insert(comparison_.key_of(terms_.source_columns, terms_.source_key.values, cells_));
  }
  std::erase_if(unmatched, [&](std::size_t row) {
    read_cells(actual_.tuple(row), terms_.target_columns.size(), cells_);
    return keys.contains(
        comparison_.key_of(terms_.target_columns, terms_.target_key.values, cells_));
  });
}

// By the keys of one side, or where that has no more than one, by those of the other. None when
// neither has more.
std::optional<Source::Cut> ChunkVerifier::find_middle(const Chunk& chunk, ChunkSide side) {
  const std::int64_t half = std::max<std::int64_t>(1, chunk.keys / 2);
  const bool by_source = side == ChunkSide::source || terms_.same_key_order;
  const bool by_target = side == ChunkSide::target || terms_.same_key_order;
  std::optional<Source::Cut> cut;
  if (by_source) cut = middle(sides_.source(), chunk, half);
  if (!cut && by_target)
    cut = middle(sides_.target(), chunk, by_source ? kKeysOfUnknownRange : half);
  return cut;
}

}  // namespace backfill
