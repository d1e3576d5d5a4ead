// Random jobs on random tables with random faults, resumed until they are done, against a model
// that is one map and a loop. The seed is printed; BACKFILL_TEST_SEED runs one again.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>

#include "job_on_disk.h"
#include "people.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

using Keys = std::map<std::string, std::string>;
using Random = std::mt19937_64;

constexpr auto kTimeMax = std::chrono::seconds(20);
constexpr int kLaunchesMax = 5;  // with faults; then one without

template <class Item>
const Item& pick(Random& random, const std::vector<Item>& items) {
  return items[random() % items.size()];
}

int between(Random& random, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(random);
}

bool chance(Random& random, int percent) { return between(random, 1, 100) <= percent; }

// A kind of key: its columns, and the key of the i-th of many rows as SQL literals. Different
// rows have different keys, in no particular order.
struct KeyKind {
  const char* name;
  bool is_for_sqlite;
  std::vector<std::string> columns;  // `id bigint`
  std::vector<std::string> (*literals)(std::uint64_t mixed);
};

// One to one, so that keys stay apart.
std::uint64_t mixed(std::uint64_t i) { return (i * 0x9E3779B97F4A7C15ULL) >> 20 << 8 | i; }

std::string text_of(std::uint64_t number) {
  static const std::vector<std::string> letters = {"a", "B", "ä", " ", "_", "z", "''", "%"};
  std::string text = letters[number % letters.size()] + letters[number / 8 % letters.size()];
  return "'" + text + std::to_string(number) + "'";
}

const std::vector<KeyKind>& key_kinds() {
  static const std::vector<KeyKind> kinds = {
      {"bigint",
       true,
       {"k1 bigint NOT NULL"},
       [](std::uint64_t number) {
         const auto value = static_cast<std::int64_t>(number) - (std::int64_t{1} << 50);
         return std::vector<std::string>{std::to_string(value)};
       }},
      {"text",
       true,
       {"k1 text NOT NULL"},
       [](std::uint64_t number) { return std::vector<std::string>{text_of(number)}; }},
      {"composite",
       true,
       {"k1 text NOT NULL", "k2 integer NOT NULL"},
       [](std::uint64_t number) {
         return std::vector<std::string>{text_of(number >> 8 & 7),
                                         std::to_string(static_cast<int>(number & 0xFF) - 99)};
       }},
      {"uuid",
       false,
       {"k1 uuid NOT NULL"},
       [](std::uint64_t number) {
         return std::vector<std::string>{"md5('" + std::to_string(number) + "')::uuid"};
       }},
      {"timestamptz",
       false,
       {"k1 timestamptz NOT NULL"},
       [](std::uint64_t number) {
         return std::vector<std::string>{"'2020-01-01 00:00Z'::timestamptz + interval '" +
                                         std::to_string(number % 4'000'000'000'000) +
                                         " microseconds'"};
       }},
      {"numeric",
       false,
       {"k1 numeric NOT NULL"},
       [](std::uint64_t number) {
         return std::vector<std::string>{"-" + std::to_string(number) + ".50"};
       }},
  };
  return kinds;
}

struct SourceRow {
  bool is_wanted;
  std::optional<std::string> full_name;
};

struct TargetRow {
  std::string full_name;
  std::string first_name;
  std::string last_name;
};

// Everything that a round is about, from its seed.
struct Round {
  explicit Round(std::uint64_t seed) : random(seed) {
    source = pick(random, engines);
    target = pick(random, engines);
    mode = pick(random, std::vector<std::string>{"in place", "update", "insert_missing", "upsert",
                                                 "insert"});
    if (mode == "in place") target = source;
    do {
      key = &pick(random, key_kinds());
    } while (!key->is_for_sqlite && (source == Engine::sqlite || target == Engine::sqlite));
    has_plugin = mode == "in place" || chance(random, 60);
    has_where = chance(random, 30);
    has_ledger = chance(random, 20);
    rows = between(random, 0, 120);
  }

  std::string description() const {
    return std::string(engine_name(source)) + " to " + engine_name(target) + ", " + mode +
           ", key " + key->name + ", " + std::to_string(rows) + " rows" +
           (has_plugin ? ", plugin" : "") + (has_where ? ", where" : "") +
           (has_ledger ? ", ledger" : "");
  }

  const std::vector<Engine> engines = {Engine::sqlite, Engine::postgres, Engine::postgres};
  Random random;
  Engine source;
  Engine target;
  std::string mode;
  const KeyKind* key;
  bool has_plugin;
  bool has_where;
  bool has_ledger;
  int rows;
};

class Model {
 public:
  explicit Model(Round& round) : round_(round), source_(make_playground(round.source)) {
    if (round.source != round.target) other_ = make_playground(round.target);
    make_source();
    if (round.mode != "in place") make_target();
  }

  Playground& target() { return other_ ? *other_ : *source_; }

  Keys job_keys() {
    Keys keys = {{"source.url", toml_string(source_->url())},
                 {"source.table", toml_string(source_->table("users"))},
                 {"limits.retries", "4"}};
    std::string columns;
    for (const std::string& name : key_names()) columns += toml_string(name) + ", ";
    keys["source.columns"] =
        "[" + columns + toml_string("n") + ", " + toml_string("full_name") + "]";
    if (round_.has_where) keys["source.where"] = "\"keep = 1\"";
    if (round_.has_plugin) keys["transform.plugin"] = toml_string(plugin_path("split_full_name"));
    if (round_.has_ledger) keys["target.ledger"] = "\"on\"";
    if (round_.mode == "in place") return keys;
    keys["target.url"] = toml_string(target().url());
    keys["target.table"] = toml_string(target().table("people"));
    keys["target.write"] = toml_string(round_.mode);
    return keys;
  }

  // `n|full_name|first_name|last_name` of each row that must be in the target in the end.
  std::vector<std::string> expected() const {
    std::map<int, TargetRow> rows = target_rows_;
    for (std::size_t n = 0; n < source_rows_.size(); ++n) {
      apply(source_rows_[n], static_cast<int>(n), rows);
    }
    std::vector<std::string> lines;
    for (const auto& [n, row] : rows) {
      lines.push_back(std::to_string(n) + "|" + row.full_name + "|" + row.first_name + "|" +
                      row.last_name);
    }
    return lines;
  }

  std::vector<std::string> found() {
    const std::string table = round_.mode == "in place" ? "users" : "people";
    return target().rows("SELECT n, full_name, first_name, last_name FROM " + table +
                         " ORDER BY n");
  }

  int wanted() const {
    return static_cast<int>(
        std::count_if(source_rows_.begin(), source_rows_.end(),
                      [&](const SourceRow& row) { return !round_.has_where || row.is_wanted; }));
  }

 private:
  std::vector<std::string> key_names() const {
    std::vector<std::string> names;
    for (const std::string& column : round_.key->columns) {
      names.push_back(column.substr(0, column.find(' ')));
    }
    return names;
  }

  static std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
    return text;
  }

  void create(Playground& playground, const std::string& table, const std::string& more) {
    playground.execute("CREATE TABLE " + table + " (" + joined(round_.key->columns) +
                       ", n integer, full_name text, first_name text, last_name text" + more +
                       ", PRIMARY KEY (" + joined(key_names()) + "))");
  }

  std::string key_literals(int n) const {
    return joined(round_.key->literals(mixed(static_cast<std::uint64_t>(n))));
  }

  void make_source() {
    create(*source_, "users", ", keep integer");
    for (int n = 0; n < round_.rows; ++n) {
      SourceRow row{chance(round_.random, 70), std::nullopt};
      const std::string number = std::to_string(n);
      if (chance(round_.random, 80)) row.full_name = "Ann" + number + " Lee" + number;
      source_->execute("INSERT INTO users VALUES (" + key_literals(n) + ", " + number + ", " +
                       sql_text(row.full_name) + ", NULL, NULL, " + (row.is_wanted ? "1)" : "0)"));
      source_rows_.push_back(row);
      if (round_.mode == "in place") {
        target_rows_[n] = {row.full_name.value_or("NULL"), "NULL", "NULL"};
      }
    }
  }

  void make_target() {
    create(target(), "people", "");
    if (round_.mode == "insert") return;
    for (int n = 0; n < round_.rows + 5; ++n) {
      if (!chance(round_.random, 50)) continue;
      target().execute("INSERT INTO people VALUES (" + key_literals(n) + ", " + std::to_string(n) +
                       ", 'old', 'old', NULL)");
      target_rows_[n] = {"old", "old", "NULL"};
    }
  }

  void apply(const SourceRow& row, int n, std::map<int, TargetRow>& rows) const {
    if (round_.has_where && !row.is_wanted) return;
    if (round_.has_plugin && !row.full_name) return;
    const auto there = rows.find(n);
    const bool is_there = there != rows.end();
    if (is_there && round_.mode == "insert_missing") return;
    if (!is_there && round_.mode == "update") return;
    TargetRow result = is_there ? there->second : TargetRow{"NULL", "NULL", "NULL"};
    result.full_name = row.full_name.value_or("NULL");
    if (round_.has_plugin) {
      const SplitName name = split_name_of(*row.full_name);
      result.first_name = name.first;
      result.last_name = name.last;
    }
    rows[n] = result;
  }

  Round& round_;
  std::unique_ptr<Playground> source_;
  std::unique_ptr<Playground> other_;
  std::vector<SourceRow> source_rows_;
  std::map<int, TargetRow> target_rows_;
};

std::string random_faults(Random& random) {
  std::string faults;
  const int count = between(random, 1, 2);
  for (int i = 0; i < count; ++i) {
    const std::string name(pick(random, failpoint_names()));
    const std::string hit = "@" + std::to_string(between(random, 1, 12));
    // What a database may answer there: after a commit only that the connection is gone. Nothing
    // that blames a row: in a chunk of one row that is a dead letter, and rightly so.
    const std::vector<std::string> codes =
        name == "target.after_commit" || name == "validate.before"
            ? std::vector<std::string>{"08006", "57P01"}
            : std::vector<std::string>{"40001", "08006", "53300", "55P03", "57014", "40P01"};
    const int kind = between(random, 1, 10);
    std::string action = "delay(" + std::to_string(between(random, 1, 15)) + "ms)";
    if (kind <= 5) action = "crash" + hit;
    if (kind >= 9) action = "error(" + pick(random, codes) + ")" + hit;
    faults += (i == 0 ? "" : ",") + name + "=" + action;
  }
  return faults;
}

JobOnDisk::Words random_words(Random& random) {
  return {"--resume", "--workers=" + std::to_string(between(random, 1, 8)),
          "--batch-size=" + std::to_string(between(random, 1, 40))};
}

void play(std::uint64_t seed) {
  Round round(seed);
  SCOPED_TRACE("BACKFILL_TEST_SEED=" + std::to_string(seed) + ": " + round.description());
  Model model(round);
  const JobOnDisk job(model.job_keys());

  ProgramEnd end;
  std::string story;
  for (int launch = 0; launch < kLaunchesMax; ++launch) {
    const std::string faults = random_faults(round.random);
    end = job.run(random_words(round.random), faults);
    story += faults + ": exit " + std::to_string(end.exit_code) + "\n";
    ASSERT_TRUE(end.signal == SIGKILL || end.exit_code == 0 || end.exit_code == 1) << story << end;
    if (end.exit_code == 0) break;
  }
  if (end.exit_code != 0) end = job.run(random_words(round.random));

  ASSERT_EQ(end.exit_code, 0) << story << end;
  ASSERT_EQ(model.found(), model.expected()) << story;
  const nlohmann::json status = job.status();
  ASSERT_EQ(status["state"], "complete") << story << status;
  ASSERT_EQ(status["rows"]["read"], model.wanted()) << story << status;
}

TEST(Model, AgreesWithEveryRunHoweverItWasDisturbed) {
  if (const char* seed = std::getenv("BACKFILL_TEST_SEED")) return play(std::stoull(seed));
  std::random_device random;
  const std::uint64_t first = random();
  std::cout << "seeds from " << first << "\n";
  const auto deadline = std::chrono::steady_clock::now() + kTimeMax;

  std::uint64_t seed = first;
  for (; std::chrono::steady_clock::now() < deadline && !HasFailure(); ++seed) play(seed);

  EXPECT_GT(seed, first + 5);
  std::cout << seed - first << " rounds\n";
}

}  // namespace
}  // namespace backfill
