#include "job_fixture.h"

namespace backfill {
namespace {

using BadJobTest = JobFixture;

struct BadJob {
  std::string text;  // after the four lines of the smallest job
  std::string message;
};

constexpr const char* a_url =
    "postgresql://…, libpq keywords such as \"host=… dbname=…\", or sqlite:PATH "
    "(in a postgresql:// password, special characters are written %XX)";

TEST_F(BadJobTest, SaysWhereAndWhatAndWhatIsAllowed) {
  const std::string rows = ": must be an integer from 1 to 1000000";
  const std::string duration =
      ": must be a duration from 1ms to 1h, such as \"100ms\" (units: ms s m h d)";
  const std::string size =
      ": must be a size from 1KiB to 1GiB, such as \"16MiB\" (units: KiB MiB GiB kB MB GB, "
      "or none for bytes)";
  const std::string rejected =
      ": must be a number of rows, 0 or more, or a percentage up to \"100%\"";
  const std::string window =
      ": must be times of day such as \"22:00-06:00\" or \"Mon-Fri 22:00-06:00\"";
  const std::string zone =
      ": must be an IANA time zone that this machine knows, such as \"Europe/Berlin\"";
  const std::vector<BadJob> cases{
      // Names that are not known.
      {"[batch]\nsise = 5", "job.toml:6:1: batch.sise: unknown key; did you mean batch.size?"},
      {"[batch]\nworkers = 5",
       "job.toml:6:1: batch.workers: unknown key; did you mean run.workers?"},
      {"[batch]\n  colour = 5",
       "job.toml:6:3: batch.colour: unknown key; keys of [batch] are size, min_size, max_size, "
       "max_bytes, target_time, adaptive"},
      {"[tagret]\nurl = ''", "job.toml:5:2: tagret: unknown table; did you mean target?"},
      {"[ponies]\nurl = ''",
       "job.toml:5:2: ponies: unknown table; tables are source, target, transform, "
       "transform.options, batch, run, limits, schedule, throttle, checkpoint"},
      {"[transform.option]\na = 1",
       "job.toml:5:12: transform.option: unknown table; did you mean transform.options?"},
      {"[batch]\n\"a\\nb\" = 1",
       "job.toml:6:1: \"batch.a\\nb\": unknown key; keys of [batch] are size, min_size, max_size, "
       "max_bytes, target_time, adaptive"},
      {"[[batch]]\nsize = 1", "job.toml:5:3: batch: must be a table, such as [batch]"},
      {"[limits.retries]\nn = 1",
       "job.toml:5:1: limits.retries = {n = 1}: must be an integer from 0 to 1000"},
      // Numbers.
      {"[batch]\nsize = 0", "job.toml:6:8: batch.size = 0" + rows},
      {"[batch]\nsize = 1.5", "job.toml:6:8: batch.size = 1.5" + rows},
      {"[batch]\nsize = \"9\"", "job.toml:6:8: batch.size = \"9\"" + rows},
      {"[batch]\nsize = 1_000_001", "job.toml:6:8: batch.size = 1000001" + rows},
      {"[batch]\nmax_size = 2024-01-01", "job.toml:6:12: batch.max_size = 2024-01-01" + rows},
      {"[run]\nworkers = 0", "job.toml:6:11: run.workers = 0: must be an integer from 1 to 64"},
      {"[run]\nworkers = 65", "job.toml:6:11: run.workers = 65: must be an integer from 1 to 64"},
      {"[limits]\nretries = -1",
       "job.toml:6:11: limits.retries = -1: must be an integer from 0 to 1000"},
      {"[limits]\nmax_rejected = -1", "job.toml:6:16: limits.max_rejected = -1" + rejected},
      {"[limits]\nmax_rejected = '101%'",
       "job.toml:6:16: limits.max_rejected = \"101%\"" + rejected},
      {"[limits]\nmax_rejected = '5'", "job.toml:6:16: limits.max_rejected = \"5\"" + rejected},
      {"[throttle]\nshare = 1.1",
       "job.toml:6:9: throttle.share = 1.1: must be a number from 0 to 1"},
      {"[throttle]\nshare = nan",
       "job.toml:6:9: throttle.share = nan: must be a number from 0 to 1"},
      {"[throttle]\nmax_latency_increase = -0.1",
       "job.toml:6:24: throttle.max_latency_increase = -0.1: must be a number from 0 to 100, "
       "such as 0.2 for 20 %"},
      {"[throttle]\nquery_limit = 'x'",
       "job.toml:6:15: throttle.query_limit = \"x\": must be a number, 0 or more"},
      // Booleans and words.
      {"[batch]\nadaptive = 1", "job.toml:6:12: batch.adaptive = 1: must be true or false"},
      {"[throttle]\nenabled = 'true'",
       "job.toml:6:11: throttle.enabled = \"true\": must be true or false"},
      {"[target]\nwrite = 'replace'",
       "job.toml:6:9: target.write = \"replace\": must be update, insert_missing, upsert or "
       "insert"},
      {"[target]\nledger = true", "job.toml:6:10: target.ledger = true: must be auto, on or off"},
      // Durations and sizes.
      {"[batch]\ntarget_time = '5'", "job.toml:6:15: batch.target_time = \"5\"" + duration},
      {"[batch]\ntarget_time = 5", "job.toml:6:15: batch.target_time = 5" + duration},
      {"[batch]\ntarget_time = '-5s'", "job.toml:6:15: batch.target_time = \"-5s\"" + duration},
      {"[batch]\ntarget_time = '5 s'", "job.toml:6:15: batch.target_time = \"5 s\"" + duration},
      {"[batch]\ntarget_time = '.5s'", "job.toml:6:15: batch.target_time = \".5s\"" + duration},
      {"[batch]\ntarget_time = '0ms'", "job.toml:6:15: batch.target_time = \"0ms\"" + duration},
      {"[batch]\ntarget_time = '2h'", "job.toml:6:15: batch.target_time = \"2h\"" + duration},
      {"[batch]\nmax_bytes = '16Mib'", "job.toml:6:13: batch.max_bytes = \"16Mib\"" + size},
      {"[batch]\nmax_bytes = 1023", "job.toml:6:13: batch.max_bytes = 1023" + size},
      {"[batch]\nmax_bytes = '99999999999999999999GiB'",
       "job.toml:6:13: batch.max_bytes = \"99999999999999999999GiB\"" + size},
      // Windows and zones.
      {"[schedule]\nwindow = '22:00'", "job.toml:6:10: schedule.window = \"22:00\"" + window},
      {"[schedule]\nwindow = '22:60-23:00'",
       "job.toml:6:10: schedule.window = \"22:60-23:00\"" + window},
      {"[schedule]\nwindow = '24:00-06:00'",
       "job.toml:6:10: schedule.window = \"24:00-06:00\"" + window},
      {"[schedule]\nwindow = '06:00-06:00'",
       "job.toml:6:10: schedule.window = \"06:00-06:00\"" + window},
      {"[schedule]\nwindow = 'Mon-Fry 22:00-06:00'",
       "job.toml:6:10: schedule.window = \"Mon-Fry 22:00-06:00\"" + window},
      {"[schedule]\ntimezone = 'Europe/../UTC'",
       "job.toml:6:12: schedule.timezone = \"Europe/../UTC\"" + zone},
      // Databases, tables, columns, plugins.
      {"[target]\nurl = 'mysql://ann:s3cr3t@db/shop'",
       std::string("job.toml:6:7: target.url = \"mysql://ann@db/shop\": must be ") + a_url},
      {"[target]\nurl = 'postgresql://ann:s3/cr3t@db/shop'",
       std::string("job.toml:6:7: target.url = \"postgresql://ann@db/shop\": must be ") + a_url},
      {"[target]\nurl = 'sqlite://a.db'",
       std::string("job.toml:6:7: target.url = \"sqlite://a.db\": must be ") + a_url},
      {"[target]\nurl = 'sqlite:'",
       std::string("job.toml:6:7: target.url = \"sqlite:\": must be ") + a_url},
      {"[target]\nurl = 'shop'",
       std::string("job.toml:6:7: target.url = \"shop\": must be ") + a_url},
      {"[target]\nkey = 'id'",
       "job.toml:6:7: target.key = \"id\": must be a list of different column names, such as "
       "[\"id\"]"},
      {"[target]\nkey = ['id', 'id']",
       "job.toml:6:7: target.key = [\"id\", \"id\"]: must be a list of different column names, "
       "such as [\"id\"]"},
      {"[target]\nkey = []",
       "job.toml:6:7: target.key = []: must be a list of different column names, such as [\"id\"]"},
      {"[throttle]\nreplicas = ['sqlite:a.db']",
       "job.toml:6:12: throttle.replicas = [\"sqlite:a.db\"]: must be a list of postgresql://… or "
       "libpq keywords such as [\"host=… dbname=…\"]"},
      {"[transform]\nplugin = 'a b'",
       "job.toml:6:10: transform.plugin = \"a b\": must be a plugin's name ([A-Za-z0-9_.-]+) or a "
       "path with a slash in it, such as ./mask.so"},
      {"[checkpoint]\npath = ''",
       "job.toml:6:8: checkpoint.path = \"\": must be the path of a file"},
      // Keys that do not go together.
      {"[batch]\nsize = 5\nmin_size = 6",
       "job.toml:6:8: batch.size = 5: must not be below batch.min_size, which is 6"},
      {"[batch]\nsize = 5\nmax_size = 4",
       "job.toml:6:8: batch.size = 5: must not be above batch.max_size, which is 4"},
      {"[batch]\nmin_size = 5\nmax_size = 4",
       "job.toml:6:12: batch.min_size = 5: must not be above batch.max_size, which is 4"},
      {"[target]\nwrite = 'insert'\nledger = 'off'",
       "job.toml:7:10: target.ledger = \"off\": must be auto or on with target.write = \"insert\": "
       "without the ledger a batch could not be done again after a crash"},
      // The environment.
      {"[transform]\nplugin = '${BACKFILL_TEST_UNSET}'",
       "job.toml:6:10: transform.plugin: environment variable BACKFILL_TEST_UNSET is not set; set "
       "it, or write ${BACKFILL_TEST_UNSET:-default}"},
      {"[transform.options]\na = ['x', '${BACKFILL_TEST_UNSET}']",
       "job.toml:6:5: transform.options.a: environment variable BACKFILL_TEST_UNSET is not set; "
       "set it, or write ${BACKFILL_TEST_UNSET:-default}"},
      {"[transform]\nplugin = '${OPEN'",
       "job.toml:6:10: transform.plugin: ${ has no closing }; for a plain $ write $$"},
      {"[transform]\nplugin = '${s3-cr3t}'",
       "job.toml:6:10: transform.plugin: ${ is not followed by the name of an environment variable "
       "and }; for a plain $ write $$"},
      // Not TOML.
      {"[batch\n", "job.toml:5:7: cannot parse table header: expected ']', saw '\\n'"},
      {"[source]\n",
       "job.toml:5:1: cannot parse table header: cannot redefine existing table "
       "'source'"},
      {"x = \xff", "job.toml:5:4: encountered invalid utf-8 sequence"},
  };
  unsetenv("BACKFILL_TEST_UNSET");

  for (const auto& bad : cases) {
    EXPECT_EQ(error_of(smallest + bad.text), bad.message);
  }
}

TEST_F(BadJobTest, NamesWhatIsMissing) {
  const std::string name =
      "name: is required and not set; it must be lower-case letters, digits and dashes "
      "([a-z0-9][a-z0-9-]*), such as \"split-full-name\"";
  const std::string table =
      "source.table: is required and not set; it must be a table name as SQL, such as "
      "\"public.users\"";

  EXPECT_EQ(error_of(""), "job.toml:1:1: " + name);
  EXPECT_EQ(error_of("name='a'"),
            std::string("job.toml:1:1: source.url: is required and not set; it must be ") + a_url);
  EXPECT_EQ(error_of("name='a'\n\n[source]\nurl='dbname=shop'"), "job.toml:3:2: " + table);
}

TEST_F(BadJobTest, RefusesNamesThatAreNotAJobs) {
  for (const std::string name : {"", "-a", "Abc", "a b", "a_b", "a/b", "ä"}) {
    EXPECT_EQ(error_of("name = '" + name + "'\nsource.url='dbname=a'\nsource.table='t'"),
              "job.toml:1:8: name = \"" + name +
                  "\": must be lower-case letters, digits and dashes ([a-z0-9][a-z0-9-]*), such as "
                  "\"split-full-name\"");
  }
}

TEST_F(BadJobTest, RefusesATableThatIsNotAName) {
  const std::string message = error_of("name='j'\nsource.url='dbname=a'\nsource.table='a..b'");

  EXPECT_EQ(message.rfind("job.toml:3:14: source.table = \"a..b\": ", 0), 0u) << message;
}

TEST_F(BadJobTest, RefusesWhatBreaksTheLineInOneLine) {
  const std::string message =
      error_of("name='j'\nsource.url='dbname=a'\nsource.table=\"\"\"a\nb\tc\"\"\"");

  EXPECT_EQ(message.find_first_of("\n\t"), message.npos) << message;
}

TEST_F(BadJobTest, SaysWhichOverrideIsWrong) {
  const std::vector<std::pair<Override, std::string>> cases{
      {{"batch.sise", "5", "flag"}, "--set batch.sise: unknown key; did you mean batch.size?"},
      {{"batch.size", "0", "flag"}, "--set batch.size=0: must be an integer from 1 to 1000000"},
      {{"run.workers", "99", "environment"},
       "BACKFILL_WORKERS=99: must be an integer from 1 to 64"},
      {{"batch.size", "many", "environment"},
       "BACKFILL_BATCH_SIZE=many: must be an integer from 1 to 1000000"},
      {{"batch.sise", "5", "environment"},
       "BACKFILL_SET batch.sise: unknown key; did you mean batch.size?"},
      {{"batch", "5", "flag"}, "--set batch: must be a table, such as [batch]"},
      {{"batch", "{sise = 5}", "flag"}, "--set batch.sise: unknown key; did you mean batch.size?"},
      {{"transform.options", "5", "flag"},
       "--set transform.options: must be a table, such as [transform.options]"},
      {{"target.url", "mysql://ann:s3cr3t@db/shop", "flag"},
       std::string("--set target.url=mysql://ann@db/shop: must be ") + a_url},
      {{"target.write", "a\nb", "flag"},
       "--set target.write=\"a\\nb\": must be update, insert_missing, upsert or insert"},
      {{"source.key", "id", "flag"},
       "--set source.key=id: must be a list of different column names, such as [\"id\"]"},
  };

  for (const auto& [override, message] : cases) {
    EXPECT_EQ(error_of(smallest, {override}), message);
  }
}

TEST_F(BadJobTest, ReportsTheFirstUnknownNameOfTheFile) {
  EXPECT_EQ(error_of("zzz = 1\naaa = 2\n" + smallest).substr(0, 17), "job.toml:1:1: zzz");
}

TEST_F(BadJobTest, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(error_of_file(folder_ / "none.toml"),
            "read job file none.toml: No such file or directory; name a file that can be read");
  EXPECT_EQ(error_of_file(folder_ / "."),
            "read job file .: it is a folder; name the .toml file in it");
  EXPECT_EQ(error_of(std::string((1 << 20) + 1, '#')),
            "read job file job.toml: it is larger than 1 MiB, so hardly a job file");
}

// `a.a.a…` of 50,000 names once overflowed the stack.
TEST_F(BadJobTest, RefusesNamesWithoutAnEnd) {
  const auto deep = [](int names) {
    std::string name = "a";
    for (int i = 1; i < names; ++i) name += ".a";
    return name + " = 1";
  };

  EXPECT_EQ(error_of(smallest + deep(100'000)),
            "read job file job.toml: it has more than 5000 dots, so its names may be too deep; put "
            "fewer into it");
  EXPECT_EQ(
      error_of(smallest, {{"transform.options", "{" + deep(100'000) + "}", "flag"}}).substr(0, 24),
      "--set transform.options:");
  EXPECT_EQ(error_of(smallest + "[transform.options]\n" + deep(5'000)), "");
}

TEST_F(BadJobTest, NeverShowsAPasswordInAnError) {
  const std::string url = "postgresql://ann:s3cr3t@db/shop";
  const std::vector<std::string> texts{
      "[target]\nurl = ['" + url + "']",
      "[target.url]\npassword = 's3cr3t'",
      "[target]\nulr = '" + url + "'",
      "[target]\nwrite = '" + url + "'",
      "[target]\nurl = 'host=db password=s3cr3t x'",
      "[throttle]\nreplicas = ['" + url + "', 5]",
      "[throttle]\nreplicas = '[\"" + url + "\"'",
      "[target]\nurl = '" + url + " \\u'",
      "[target]\nurl = " + url,
  };

  for (const auto& text : texts) {
    const std::string message = error_of(smallest + text);

    EXPECT_FALSE(message.empty()) << text;
    EXPECT_EQ(message.find("s3cr3t"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace backfill
