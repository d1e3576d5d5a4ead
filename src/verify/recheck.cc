#include "verify/recheck.h"

#include <chrono>
#include <map>
#include <utility>

#include "support/failpoint.h"

namespace backfill {

Recheck::Recheck(const VerifyTerms& terms, Sides::Makers makers, const RecheckOptions& options,
                 const BackoffOptions& backoff, Clock& clock, Log& log)
    : terms_(terms),
      sides_(terms, std::move(makers)),
      options_(options),
      backoff_(backoff),
      patience_{sides_, backoff_, clock, log} {}

std::int64_t Recheck::settle_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(options_.settle).count();
}

// Most writes under way have ended a moment later.
void Recheck::begin(Suspect& suspect, std::int64_t now_ms) const {
  suspect.state = Suspect::State::waiting;
  suspect.since_ms = now_ms;
  suspect.look_at_ms = now_ms + settle_ms() / 20;
  if (is_skipped("verify.recheck")) suspect.state = Suspect::State::stands;
}

void Recheck::watch(Suspect& suspect, std::int64_t now_ms) const {
  suspect.since_ms = now_ms;
  suspect.look_at_ms = now_ms + settle_ms();
}

std::vector<Suspect> Recheck::look(std::vector<Suspect> suspects, std::int64_t now_ms,
                                   const std::stop_token& stop) {
  const std::vector<Seen> seen =
      patiently(patience_, "look again at rows that differ", stop, [&] { return see(suspects); });
  std::vector<Suspect> left;
  for (std::size_t i = 0; i < suspects.size(); ++i) {
    if (seen[i].equal) continue;
    Suspect& suspect = suspects[i];
    suspect.finding.kind = seen[i].kind;
    suspect.finding.columns = seen[i].columns;
    if (seen[i].state != suspect.source_state) {
      suspect.source_state = seen[i].state;
      watch(suspect, now_ms);
      ++suspect.rounds;
      if (suspect.rounds > options_.rounds_max) suspect.state = Suspect::State::unsettled;
    } else if (now_ms - suspect.since_ms >= settle_ms()) {
      suspect.state = Suspect::State::stands;
    } else {
      suspect.look_at_ms = suspect.since_ms + settle_ms();
    }
    left.push_back(std::move(suspect));
  }
  return left;
}

// The place of each suspect's row in what was read; none where the source has no such row.
std::vector<std::optional<std::size_t>> Recheck::read_source(const std::vector<Suspect>& suspects,
                                                             Expected& expected) {
  std::vector<Key> keys;
  for (const Suspect& suspect : suspects) keys.push_back(suspect.finding.source_key);
  sides_.read_source(keys, expected);
  std::map<std::vector<std::string>, std::size_t> places;
  for (std::size_t row = 0; row < expected.source.rows(); ++row)
    places.emplace(sides_.source_key(expected, row).values, row);
  std::vector<std::optional<std::size_t>> rows;
  for (const Key& key : keys) {
    const auto found = places.find(key.values);
    rows.push_back(found == places.end() ? std::nullopt : std::optional(found->second));
  }
  return rows;
}

std::vector<Recheck::Seen> Recheck::see(const std::vector<Suspect>& suspects) {
  std::vector<Seen> seen(suspects.size());
  const auto rows = read_source(suspects, expected_);
  std::map<std::size_t, std::size_t> suspect_of;  // by source row
  std::vector<std::size_t> absent;
  for (std::size_t i = 0; i < suspects.size(); ++i) {
    if (rows[i]) {
      seen[i].state = state_of(expected_.source, *rows[i]);
      suspect_of[*rows[i]] = i;
    } else {
      absent.push_back(i);
    }
  }
  std::vector<std::size_t> written(expected_.rows().rows());
  for (std::size_t row = 0; row < written.size(); ++row) written[row] = row;
  for (const RowDifference& difference : sides_.judge(expected_, written)) {
    const auto found = suspect_of.find(expected_.source_of(difference.row));
    if (found == suspect_of.end() || (difference.is_missing && !terms_.finds_missing)) continue;
    Seen& one = seen[found->second];
    one.equal = false;
    one.kind = difference.is_missing ? FindingKind::missing : FindingKind::different;
    for (const int column : difference.columns) one.columns.push_back(terms_.column_name(column));
  }
  see_absent(suspects, absent, seen);

  const auto rows_again = read_source(suspects, again_);
  for (std::size_t i = 0; i < suspects.size(); ++i) {
    const std::string state = rows_again[i] ? state_of(again_.source, *rows_again[i]) : "";
    // It changed under the look, which says nothing then.
    if (state != seen[i].state) seen[i].state = state + "?";
  }
  return seen;
}

// Rows that the source has not: the target should not have them either, unless they are none of
// the job's because of its `where`.
void Recheck::see_absent(const std::vector<Suspect>& suspects,
                         const std::vector<std::size_t>& absent, std::vector<Seen>& seen) {
  if (absent.empty() || !terms_.finds_extra) return;
  std::vector<Key> source_keys;
  std::vector<Key> target_keys;
  for (const std::size_t i : absent) {
    source_keys.push_back(suspects[i].finding.source_key);
    target_keys.push_back(suspects[i].finding.target_key);
  }
  const std::vector<bool> in_source = sides_.are_in_source(source_keys);
  const std::vector<bool> in_target = sides_.are_in_target(target_keys);
  for (std::size_t n = 0; n < absent.size(); ++n) {
    Seen& one = seen[absent[n]];
    one.equal = in_source[n] || !in_target[n];
    one.kind = FindingKind::extra;
  }
}

std::int64_t wall_clock_ms() {
  using std::chrono::milliseconds;
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace backfill
