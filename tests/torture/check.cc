#include "torture/check.h"

#include <map>
#include <optional>

#include "torture/session.h"

namespace backfill {
namespace {

constexpr std::size_t examples_max = 5;

struct Found {
  std::int64_t version;
  std::string label;
};

void note(Failures& failures, std::int64_t Failures::*kind, const std::string& example) {
  ++(failures.*kind);
  if (failures.examples.size() < examples_max) failures.examples.push_back(example);
}

std::string label_of(std::int64_t id, std::int64_t version) {
  return std::to_string(id) + ":" + std::to_string(version);
}

// The version in a label of this row; none in any other text.
std::optional<std::int64_t> version_in(const std::string& label, std::int64_t id) {
  const std::string start = std::to_string(id) + ":";
  if (!label.starts_with(start) || label.size() == start.size()) return std::nullopt;
  const std::string digits = label.substr(start.size());
  if (digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return std::stoll(digits);
}

void compare_label(Failures& failures, std::int64_t id, std::int64_t version,
                   const std::string& label) {
  const std::string facts = "id " + std::to_string(id) + ": source version " +
                            std::to_string(version) + ", target label '" + label + "'";
  if (label == label_of(id, version)) return;
  if (label.empty()) return note(failures, &Failures::missing, "never filled: " + facts);
  const std::optional<std::int64_t> found = version_in(label, id);
  const bool is_stale = found && *found < version;
  note(failures, is_stale ? &Failures::stale : &Failures::wrong,
       (is_stale ? "stale: " : "wrong: ") + facts);
}

Failures compare_copies(const Tables& tables) {
  std::map<std::int64_t, std::int64_t> source;
  for (const auto& row : Session(tables.source_url()).query("SELECT id, version FROM items")) {
    source[std::stoll(row[0])] = std::stoll(row[1]);
  }
  std::map<std::int64_t, Found> target;
  Session session(tables.target_url());
  for (const auto& row : session.query("SELECT id, version, label FROM copies")) {
    target[std::stoll(row[0])] = {std::stoll(row[1]), row[2]};
  }

  Failures failures;
  for (const auto& [id, version] : source) {
    const auto copy = target.find(id);
    if (copy == target.end()) {
      note(failures, &Failures::missing,
           "missing: id " + std::to_string(id) + ": source version " + std::to_string(version));
      continue;
    }
    compare_label(failures, id, version, copy->second.label);
    const bool is_torn =
        !copy->second.label.empty() && copy->second.label != label_of(id, copy->second.version);
    if (is_torn) {
      note(failures, &Failures::wrong,
           "torn: id " + std::to_string(id) + ": version " + std::to_string(copy->second.version) +
               ", label '" + copy->second.label + "'");
    }
  }
  for (const auto& [id, copy] : target) {
    if (source.contains(id)) continue;
    note(failures, &Failures::extra,
         "extra: id " + std::to_string(id) + ": gone from the source, target label '" + copy.label +
             "'");
  }
  return failures;
}

Failures compare_labels_in_place(const Tables& tables) {
  Failures failures;
  Session session(tables.source_url());
  for (const auto& row : session.query("SELECT id, version, label FROM items ORDER BY id")) {
    compare_label(failures, std::stoll(row[0]), std::stoll(row[1]), row[2]);
  }
  return failures;
}

Failures compare_balances(const Tables& tables) {
  Failures failures;
  Session session(tables.source_url());
  for (const auto& row : session.query("SELECT id, balance FROM items ORDER BY id")) {
    const std::int64_t before = std::stoll(row[0]) * 3 + 1;
    const std::int64_t after = std::stoll(row[1]);
    if (after == 2 * before) continue;
    const auto kind = after == before       ? &Failures::missing
                      : after % before == 0 ? &Failures::doubled
                                            : &Failures::wrong;
    note(failures, kind,
         "id " + row[0] + ": balance was " + std::to_string(before) + ", is " + row[1]);
  }
  return failures;
}

Failures compare_rows(const Tables& tables) {
  if (!tables.is_in_place()) return compare_copies(tables);
  return tables.tested().doubles ? compare_balances(tables) : compare_labels_in_place(tables);
}

std::int64_t rows_in_ledger(const Tables& tables) {
  Session target(tables.target_url());
  if (target.value("SELECT to_regclass('backfill_ledger')").empty()) return 0;
  return std::stoll(target.value("SELECT count(*) FROM backfill_ledger"));
}

}  // namespace

std::string Failures::display() const {
  std::string text;
  const auto add = [&](const char* name, std::int64_t count) {
    if (count == 0) return;
    text += (text.empty() ? "" : " ") + std::string(name) + "=" + std::to_string(count);
  };
  add("missing", missing);
  add("extra", extra);
  add("stale", stale);
  add("doubled", doubled);
  add("wrong", wrong);
  add("left", left);
  return text.empty() ? "none" : text;
}

Failures find_failures(const Tables& tables) {
  Failures failures = compare_rows(tables);
  failures.left = rows_in_ledger(tables);
  return failures;
}

std::int64_t count_rows(const Tables& tables) {
  return std::stoll(Session(tables.source_url()).value("SELECT count(*) FROM items"));
}

}  // namespace backfill
