#include "job/job.h"

#include "job_fixture.h"

namespace backfill {
namespace {

using namespace std::chrono_literals;
using JobTest = JobFixture;

const std::string full = R"(
name = "split-full-name"

[source]
url     = "postgresql:///shop"
table   = "public.users"
key     = ["id"]
columns = ["id", "full_name", "lower(email) as email"]
where   = "full_name is not null"
consistency = "lock"

[target]
url   = "host=other dbname=shop"
table = "public.people"
key   = ["user_id"]
write = "upsert"
version_column = "updated_at"
ledger = "on"

[transform]
plugin = "split_full_name"
[transform.options]
locale = "en"
depth = 1_000
ratio = 0.5
names.short = true
list = ["a", 2]

[batch]
size = 2_000
min_size = 200
max_size = 20_000
max_bytes = "8MiB"
target_time = "0.5s"
adaptive = false

[run]
workers = 4
[limits]
max_rejected = "1%"
retries = 3
[schedule]
window = "22:00-06:00"
timezone = "Europe/Berlin"
max_runtime = "6h"

[throttle]
enabled = false
share = 1
max_latency_increase = 0.3
max_replica_lag = "1m"
max_replica_lag_bytes = "64MiB"
replicas = ["postgresql://standby/shop"]
query = "select count(*) from jobs where state = 'ready'"
query_limit = 1000
pause_file = "/run/backfill.pause"
[checkpoint]
path = "split-full-name.checkpoint.db"
)";

TEST_F(JobTest, ReadsEveryKeyOfTheContract) {
  const Job job = load(full);

  EXPECT_EQ(job.name, "split-full-name");
  EXPECT_EQ(job.file, folder_ / "job.toml");
  EXPECT_EQ(job.source.url, "postgresql:///shop");
  EXPECT_EQ(job.source.table, "public.users");
  EXPECT_EQ(job.source.key, std::vector<std::string>{"id"});
  EXPECT_EQ(job.source.columns,
            (std::vector<std::string>{"id", "full_name", "lower(email) as email"}));
  EXPECT_EQ(job.source.where, "full_name is not null");
  EXPECT_EQ(job.source.consistency, Consistency::lock);
  EXPECT_EQ(job.target.url, "host=other dbname=shop");
  EXPECT_EQ(job.target.table, "public.people");
  EXPECT_EQ(job.target.key, std::vector<std::string>{"user_id"});
  EXPECT_EQ(job.target.write, WriteMode::upsert);
  EXPECT_EQ(job.target.version_column, "updated_at");
  EXPECT_EQ(job.target.ledger, LedgerMode::on);
  EXPECT_EQ(job.transform.plugin, "split_full_name");
  EXPECT_EQ(job.batch.size, 2000);
  EXPECT_EQ(job.batch.min_size, 200);
  EXPECT_EQ(job.batch.max_size, 20'000);
  EXPECT_EQ(job.batch.max_bytes, 8 << 20);
  EXPECT_EQ(job.batch.target_time, 500ms);
  EXPECT_FALSE(job.batch.adaptive);
  EXPECT_EQ(job.workers, 4);
  EXPECT_EQ(job.limits.max_rejected_share, 0.01);
  EXPECT_EQ(job.limits.retries, 3);
  EXPECT_EQ(job.schedule.window, "22:00-06:00");
  EXPECT_EQ(job.schedule.timezone, "Europe/Berlin");
  EXPECT_EQ(job.schedule.max_runtime, 6h);
  EXPECT_FALSE(job.throttle.enabled);
  EXPECT_EQ(job.throttle.share, 1.0);
  EXPECT_EQ(job.throttle.max_latency_increase, 0.3);
  EXPECT_EQ(job.throttle.max_replica_lag, 1min);
  EXPECT_EQ(job.throttle.max_replica_lag_bytes, 64 << 20);
  EXPECT_EQ(job.throttle.replicas, std::vector<std::string>{"postgresql://standby/shop"});
  EXPECT_EQ(job.throttle.query, "select count(*) from jobs where state = 'ready'");
  EXPECT_EQ(job.throttle.query_limit, 1000);
  EXPECT_EQ(job.throttle.pause_file, "/run/backfill.pause");
  EXPECT_EQ(job.checkpoint, folder_ / "split-full-name.checkpoint.db");
}

TEST_F(JobTest, HandsOptionsToThePluginInOrderOfNameAsTomlSpellsThem) {
  const Job job = load(full);

  const std::vector<std::pair<std::string, std::string>> expected{{"depth", "1000"},
                                                                  {"list", "[\"a\", 2]"},
                                                                  {"locale", "en"},
                                                                  {"names.short", "true"},
                                                                  {"ratio", "0.5"}};
  EXPECT_EQ(job.transform.options, expected);
}

TEST_F(JobTest, NeedsNoMoreThanANameAndASource) {
  const Job job = load(smallest);

  EXPECT_EQ(job.target.url, "postgresql:///shop");
  EXPECT_EQ(job.target.table, "users");
  EXPECT_EQ(job.target.write, std::nullopt);
  EXPECT_TRUE(job.source.key.empty());
  EXPECT_EQ(job.source.consistency, Consistency::validate);
  EXPECT_EQ(job.target.ledger, LedgerMode::automatic);
  EXPECT_EQ(job.batch.size, 1000);
  EXPECT_EQ(job.batch.min_size, 100);
  EXPECT_EQ(job.batch.max_size, 20'000);
  EXPECT_EQ(job.batch.max_bytes, 16 << 20);
  EXPECT_EQ(job.batch.target_time, 100ms);
  EXPECT_TRUE(job.batch.adaptive);
  EXPECT_EQ(job.workers, 2);
  EXPECT_EQ(job.limits.max_rejected, 0);
  EXPECT_EQ(job.limits.max_rejected_share, std::nullopt);
  EXPECT_EQ(job.limits.retries, 10);
  EXPECT_EQ(job.schedule.timezone, "UTC");
  EXPECT_EQ(job.schedule.max_runtime, std::nullopt);
  EXPECT_TRUE(job.throttle.enabled);
  EXPECT_EQ(job.throttle.share, 1.0);
  EXPECT_EQ(job.throttle.max_latency_increase, 0.2);
  EXPECT_EQ(job.throttle.max_replica_lag, 10s);
  EXPECT_EQ(job.throttle.max_replica_lag_bytes, 1 << 30);
  EXPECT_EQ(job.checkpoint, folder_ / "j.checkpoint.db");
}

TEST_F(JobTest, FlagsWinOverTheEnvironmentThatOverTheFileThatOverDefaults) {
  const std::string text = smallest + "[batch]\nsize = 500\nmin_size = 50\nmax_size = 5000\n";

  // The order in which flags and variables are listed plays no part between the two.
  const Job job = load(text, {{"batch.size", "700", "flag"},
                              {"batch.size", "800", "flag"},
                              {"batch.size", "600", "environment"},
                              {"batch.min_size", "60", "environment"}});

  EXPECT_EQ(job.batch.size, 800);
  EXPECT_EQ(setting(job, "batch.size")->origin, "flag");
  EXPECT_EQ(setting(job, "batch.size")->value, "800");
  EXPECT_EQ(job.batch.min_size, 60);
  EXPECT_EQ(setting(job, "batch.min_size")->origin, "environment");
  EXPECT_EQ(job.batch.max_size, 5000);
  EXPECT_EQ(setting(job, "batch.max_size")->origin, "job file");
  EXPECT_EQ(setting(job, "run.workers")->origin, "default");
  EXPECT_EQ(setting(job, "run.workers")->value, "2");
}

TEST_F(JobTest, ListsEveryKeyInTheOrderOfTheReadmeWithOptionsBesideThePlugin) {
  const Job job = load(smallest + "[transform]\nplugin='p'\noptions.locale='en'\n");

  std::vector<std::string> names;
  for (const auto& one : job.settings) names.push_back(one.name);
  EXPECT_EQ(names, (std::vector<std::string>{"name",
                                             "source.url",
                                             "source.table",
                                             "source.key",
                                             "source.columns",
                                             "source.where",
                                             "source.consistency",
                                             "target.url",
                                             "target.table",
                                             "target.key",
                                             "target.write",
                                             "target.version_column",
                                             "target.ledger",
                                             "transform.plugin",
                                             "transform.options.locale",
                                             "batch.size",
                                             "batch.min_size",
                                             "batch.max_size",
                                             "batch.max_bytes",
                                             "batch.target_time",
                                             "batch.adaptive",
                                             "run.workers",
                                             "limits.max_rejected",
                                             "limits.retries",
                                             "schedule.window",
                                             "schedule.timezone",
                                             "schedule.max_runtime",
                                             "throttle.enabled",
                                             "throttle.share",
                                             "throttle.max_latency_increase",
                                             "throttle.max_replica_lag",
                                             "throttle.max_replica_lag_bytes",
                                             "throttle.replicas",
                                             "throttle.query",
                                             "throttle.query_limit",
                                             "throttle.pause_file",
                                             "checkpoint.path"}));
  EXPECT_EQ(setting(job, "source.key")->value, "the primary key");
  EXPECT_EQ(setting(job, "target.url")->value, "postgresql:///shop");
}

TEST_F(JobTest, TakesOverridesAsTomlOrElseAsText) {
  const Job job = load(smallest, {{"source.key", R"(["a", "b"])", "flag"},
                                  {"source.where", "1", "flag"},
                                  {"source.table", "users2", "flag"},
                                  {"target.table", R"('"Odd"')", "flag"},
                                  {"batch.adaptive", "false", "flag"},
                                  {"batch.max_bytes", "1_048_576", "flag"},
                                  {"throttle.max_replica_lag", "5s", "flag"},
                                  {"throttle.share", "0.5", "flag"},
                                  {"limits.max_rejected", "2%", "flag"},
                                  {"run", "{workers = 3}", "flag"},
                                  {"transform.options.phone", "+4930", "flag"},
                                  {"transform.options.quoted", "\"a b\"", "flag"}});

  EXPECT_EQ(job.source.key, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(job.source.where, "1");
  EXPECT_EQ(job.source.table, "users2");
  EXPECT_EQ(job.target.table, "\"Odd\"");
  EXPECT_FALSE(job.batch.adaptive);
  EXPECT_EQ(job.batch.max_bytes, 1 << 20);
  EXPECT_EQ(job.throttle.max_replica_lag, 5s);
  EXPECT_EQ(job.throttle.share, 0.5);
  EXPECT_EQ(job.limits.max_rejected_share, 0.02);
  EXPECT_EQ(job.workers, 3);
  const std::vector<std::pair<std::string, std::string>> options{{"phone", "+4930"},
                                                                 {"quoted", "a b"}};
  EXPECT_EQ(job.transform.options, options);
}

TEST_F(JobTest, TakesRelativePathsFromTheFilesFolderAndThoseOfOverridesFromTheWorkingFolder) {
  const std::string text = R"(name = "j"
source.url = "sqlite:data/../a.db"
source.table = "t"
target.url = "sqlite:b.db"
transform.plugin = "./mask.so"
checkpoint.path = "sub/c.db"
throttle.pause_file = "pause"
)";
  const auto here = std::filesystem::current_path();

  const Job job = load(text);
  const Job overridden = load(text, {{"source.url", "sqlite:a.db", "flag"},
                                     {"transform.plugin", "lib/mask.so", "environment"},
                                     {"checkpoint.path", "c.db", "flag"}});

  EXPECT_EQ(job.source.url, "sqlite:" + (folder_ / "a.db").string());
  EXPECT_EQ(job.target.url, "sqlite:" + (folder_ / "b.db").string());
  EXPECT_EQ(job.transform.plugin, (folder_ / "mask.so").string());
  EXPECT_EQ(job.checkpoint, folder_ / "sub/c.db");
  EXPECT_EQ(job.throttle.pause_file, (folder_ / "pause").string());
  EXPECT_EQ(overridden.source.url, "sqlite:" + (here / "a.db").string());
  EXPECT_EQ(overridden.target.url, "sqlite:" + (folder_ / "b.db").string());
  EXPECT_EQ(overridden.transform.plugin, (here / "lib/mask.so").string());
  EXPECT_EQ(overridden.checkpoint, here / "c.db");
}

TEST_F(JobTest, LeavesAPluginsNameAsItIs) {
  EXPECT_EQ(load(smallest + "[transform]\nplugin = 'mask.v2'").transform.plugin, "mask.v2");
}

TEST_F(JobTest, LetsTheDefaultsOfBatchSizesGiveWayToWhatWasGiven) {
  const auto sizes = [&](const std::string& batch) {
    const Job job = load(smallest + "[batch]\n" + batch);
    return std::vector<std::int64_t>{job.batch.min_size, job.batch.size, job.batch.max_size};
  };

  EXPECT_EQ(sizes("size = 5"), (std::vector<std::int64_t>{5, 5, 20'000}));
  EXPECT_EQ(sizes("size = 50_000"), (std::vector<std::int64_t>{100, 50'000, 50'000}));
  EXPECT_EQ(sizes("max_size = 50"), (std::vector<std::int64_t>{50, 50, 50}));
  EXPECT_EQ(sizes("min_size = 5000"), (std::vector<std::int64_t>{5000, 5000, 20'000}));
  EXPECT_EQ(sizes("min_size = 50_000"), (std::vector<std::int64_t>{50'000, 50'000, 50'000}));
}

TEST_F(JobTest, ReadsDurationsAndSizesInEveryUnit) {
  const std::vector<std::pair<std::string, std::chrono::milliseconds>> durations{
      {"250ms", 250ms}, {"5s", 5s}, {"0.5s", 500ms}, {"1m", 1min}, {"1.5h", 90min}, {"1d", 24h}};
  const std::vector<std::pair<std::string, std::int64_t>> sizes{
      {"'16MiB'", 16 << 20}, {"'2KiB'", 2048},         {"'0.5GiB'", 512 << 20}, {"'64kB'", 64'000},
      {"'2MB'", 2'000'000},  {"'1GB'", 1'000'000'000}, {"4096", 4096},          {"'1024'", 1024}};

  for (const auto& [text, expected] : durations) {
    EXPECT_EQ(load(smallest + "[schedule]\nmax_runtime='" + text + "'").schedule.max_runtime,
              expected);
  }
  for (const auto& [text, expected] : sizes) {
    EXPECT_EQ(load(smallest + "[batch]\nmax_bytes=" + text).batch.max_bytes, expected) << text;
  }
}

TEST_F(JobTest, ReadsWindowsWithAndWithoutDays) {
  for (const std::string window :
       {"22:00-06:00", "Mon-Fri 22:00-06:00", "Sat,Sun 00:00-24:00", "Mon,Wed-Fri 09:30-17:00",
        "Mon-Fri 22:00-06:00 share=0.5; Sat 00:00-24:00"}) {
    EXPECT_EQ(load(smallest + "[schedule]\nwindow='" + window + "'").schedule.window, window);
  }
}

TEST_F(JobTest, TakesTextsFromTheEnvironment) {
  setenv("BACKFILL_TEST_HOST", "db1", 1);
  setenv("BACKFILL_TEST_EMPTY", "", 1);
  unsetenv("BACKFILL_TEST_UNSET");

  const Job job = load(R"(name = "j"
[source]
url = "postgresql://${BACKFILL_TEST_HOST}/${BACKFILL_TEST_UNSET:-shop}"
table = "t${BACKFILL_TEST_EMPTY}"
key = ["${BACKFILL_TEST_EMPTY:-id}"]
where = "price > '$$1' and x ~ '^a$'"
[transform.options]
list = ["${BACKFILL_TEST_HOST}"]
)",
                       {{"transform.options.raw", "${BACKFILL_TEST_UNSET} $$", "flag"}});

  EXPECT_EQ(job.source.url, "postgresql://db1/shop");
  EXPECT_EQ(job.source.table, "t");
  EXPECT_EQ(job.source.key, std::vector<std::string>{"id"});
  EXPECT_EQ(job.source.where, "price > '$1' and x ~ '^a$'");
  const std::vector<std::pair<std::string, std::string>> options{
      {"list", "[\"db1\"]"}, {"raw", "${BACKFILL_TEST_UNSET} $$"}};
  EXPECT_EQ(job.transform.options, options);
}

TEST_F(JobTest, DoesNotAskForAVariableWhoseValueIsOverridden) {
  unsetenv("BACKFILL_TEST_UNSET");
  const std::string text = "name='j'\nsource.url='${BACKFILL_TEST_UNSET}'\nsource.table='t'\n";

  const Job job = load(text, {{"source.url", "postgresql:///shop", "flag"}});

  EXPECT_EQ(job.source.url, "postgresql:///shop");
}

TEST_F(JobTest, ShowsNoPasswordAmongItsSettings) {
  const Job job = load(R"(name = "j"
[source]
url = "postgresql://ann:s3cr3t@db/shop"
table = "t"
[target]
url = "host=db password='s3 s3cr3t' dbname=shop"
[transform.options]
mail = "smtp://ann:s3cr3t@mail/"
hash_salt = "s3cr3t"
[throttle]
replicas = ["postgresql://ann:s3cr3t@standby/shop"]
)");

  for (const auto& one : job.settings) {
    EXPECT_EQ(one.value.find("s3cr3t"), std::string::npos) << one.name;
  }
  for (const auto& [name, value] : fingerprint(job)) {
    EXPECT_EQ(value.find("s3cr3t"), std::string::npos) << name;
  }
  EXPECT_EQ(setting(job, "source.url")->value, "postgresql://ann@db/shop");
  EXPECT_EQ(setting(job, "target.url")->value, "host=db dbname=shop");
  EXPECT_EQ(setting(job, "throttle.replicas")->value, "[\"postgresql://ann@standby/shop\"]");
  EXPECT_EQ(job.source.url, "postgresql://ann:s3cr3t@db/shop");
}

}  // namespace
}  // namespace backfill
