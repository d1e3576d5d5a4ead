#include "support/failpoint.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <thread>

#include "core/error.h"

namespace backfill {
namespace {

enum class Action { crash, error, delay, wait, skip };

struct Rule {
  std::string name;
  Action action;
  std::string argument;
  std::chrono::milliseconds duration{0};
  int only_at = 0;  // 0: every time
  int reached = 0;
};

std::atomic<bool> any_on{false};
std::mutex mutex;  // guards `rules`
std::vector<Rule> rules;

[[noreturn]] void refuse(const std::string& rule, const std::string& why) {
  throw Error(ExitCode::usage, "BACKFILL_FAILPOINTS: " + rule + ": " + why);
}

std::optional<int> parse_number(std::string_view text) {
  int number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::chrono::milliseconds parse_delay(const std::string& rule, std::string_view text) {
  const bool milliseconds = text.ends_with("ms");
  if (!milliseconds && !text.ends_with("s"))
    refuse(rule, "a delay looks like delay(50ms) or delay(2s)");
  const auto number = parse_number(text.substr(0, text.size() - (milliseconds ? 2 : 1)));
  if (!number) refuse(rule, "a delay looks like delay(50ms) or delay(2s)");
  return std::chrono::milliseconds(milliseconds ? *number : *number * 1000);
}

bool is_known(const std::string& name, bool is_mechanism) {
  const auto is_in = [&](const std::vector<std::string_view>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (is_mechanism) return is_in(mechanism_names());
  return is_in(failpoint_names()) || is_in(ledger_failpoint_names()) ||
         is_in(verify_failpoint_names());
}

Rule parse_rule(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) refuse(text, "write name=action");
  Rule rule;
  rule.name = text.substr(0, equals);

  std::string action = text.substr(equals + 1);
  if (const std::size_t at = action.rfind('@');
      at != std::string::npos && action.find(')', at) == std::string::npos) {
    const auto number = parse_number(std::string_view(action).substr(at + 1));
    if (!number || *number < 1) refuse(text, "@N needs a number from 1");
    rule.only_at = *number;
    action.resize(at);
  }
  if (const std::size_t open = action.find('('); open != std::string::npos) {
    if (action.back() != ')') refuse(text, "a parenthesis is not closed");
    rule.argument = action.substr(open + 1, action.size() - open - 2);
    action.resize(open);
  }
  if (action == "crash") {
    rule.action = Action::crash;
  } else if (action == "error") {
    rule.action = Action::error;
  } else if (action == "delay") {
    rule.action = Action::delay;
    rule.duration = parse_delay(text, rule.argument);
  } else if (action == "wait") {
    rule.action = Action::wait;
    if (rule.argument.empty()) refuse(text, "wait needs a file: wait(FILE)");
  } else if (action == "skip") {
    rule.action = Action::skip;
  } else {
    refuse(text, "the actions are crash, error, delay, wait and skip");
  }
  if (!is_known(rule.name, rule.action == Action::skip))
    refuse(text, "nothing of this name to " + (action == "skip" ? action : "inject a fault at"));
  return rule;
}

ErrorKind kind_of(std::string_view code) {
  if (code == "57014") return ErrorKind::too_large;
  if (code.starts_with("22") || code.starts_with("23")) return ErrorKind::reject;
  const bool retry = code.empty() || code.starts_with("08") || code.starts_with("40") ||
                     code.starts_with("53") || code == "55P03" || code.starts_with("57P");
  return retry ? ErrorKind::retry : ErrorKind::stop;
}

void wait_for_file(const std::string& file) {
  std::ofstream(file + ".reached").put('\n');
  while (!std::filesystem::exists(file)) std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

std::optional<Rule> rule_for(std::string_view name) {
  const std::lock_guard lock(mutex);
  for (Rule& rule : rules) {
    if (rule.name != name) continue;
    ++rule.reached;
    if (rule.only_at == 0 || rule.only_at == rule.reached) return rule;
  }
  return std::nullopt;
}

}  // namespace

const std::vector<std::string_view>& failpoint_names() {
  static const std::vector<std::string_view> names = {
      "chunk.planned",
      "chunk.after_read",
      "chunk.after_transform",
      "target.before_commit",
      "target.after_commit",
      "validate.before",
      "checkpoint.before_commit",
      "checkpoint.after_commit",
  };
  return names;
}

const std::vector<std::string_view>& ledger_failpoint_names() {
  static const std::vector<std::string_view> names = {"ledger.before_clear"};
  return names;
}

const std::vector<std::string_view>& verify_failpoint_names() {
  static const std::vector<std::string_view> names = {
      "verify.after_compare", "verify.before_save",   "verify.after_save",
      "reconcile.after_read", "reconcile.after_lock", "reconcile.after_repair",
  };
  return names;
}

const std::vector<std::string_view>& mechanism_names() {
  static const std::vector<std::string_view> names = {
      "commit.first", "commit.flush", "resume.level", "verify.column", "verify.recheck"};
  return names;
}

void set_failpoints(const std::string& specification) {
  std::vector<Rule> parsed;
  for (std::size_t begin = 0; begin < specification.size();) {
    std::size_t end = specification.find(',', begin);
    if (end == std::string::npos) end = specification.size();
    if (end > begin) parsed.push_back(parse_rule(specification.substr(begin, end - begin)));
    begin = end + 1;
  }
  const std::lock_guard lock(mutex);
  rules = std::move(parsed);
  any_on.store(!rules.empty(), std::memory_order_relaxed);
}

void failpoint(std::string_view name) {
  if (!any_on.load(std::memory_order_relaxed)) return;
  const std::optional<Rule> rule = rule_for(name);
  if (!rule) return;
  switch (rule->action) {
    case Action::crash:
      std::raise(SIGKILL);
      return;
    case Action::error:
      throw Error(kind_of(rule->argument), "failpoint " + rule->name, rule->argument);
    case Action::delay:
      std::this_thread::sleep_for(rule->duration);
      return;
    case Action::wait:
      wait_for_file(rule->argument);
      return;
    case Action::skip:
      return;
  }
}

bool is_skipped(std::string_view name) {
  return any_on.load(std::memory_order_relaxed) && rule_for(name).has_value();
}

}  // namespace backfill
