#include "job_fixture.h"

namespace backfill {
namespace {

using FingerprintTest = JobFixture;

TEST_F(FingerprintTest, HoldsWhatDecidesWhichRowsBecomeWhat) {
  const Job job = load(R"(name = "j"
[source]
url = "postgresql://ann:pw@db:5432/shop?sslmode=require&connect_timeout=5"
table = "public.users"
key = ["a", "b"]
columns = ["a", "b", "lower(c) as c"]
where = "a > 1"
[target]
url = "host=db2 user=ann application_name=x dbname=shop"
write = "upsert"
version_column = "v"
[transform]
plugin = "split"
options.locale = "en"
)");

  const Fingerprint expected{
      {"source.url", "postgresql: host=db port=5432 dbname=shop"},
      {"source.table", "public.users"},
      {"source.key", "[\"a\", \"b\"]"},
      {"source.columns", "[\"a\", \"b\", \"lower(c) as c\"]"},
      {"source.where", "a > 1"},
      {"target.url", "postgresql: host=db2 dbname=shop"},
      {"target.table", "public.users"},
      {"target.key", ""},
      {"target.write", "upsert"},
      {"target.version_column", "v"},
      {"transform.plugin", "split"},
      {"transform.options.locale", "en"},
  };
  EXPECT_EQ(fingerprint(job), expected);
}

TEST_F(FingerprintTest, IsNotChangedByWhatMayChangeFreely) {
  const Job before = load(smallest);

  const Job after = load(smallest + R"([batch]
size = 7
[run]
workers = 9
[limits]
max_rejected = 5
[schedule]
max_runtime = "1h"
[throttle]
share = 0.1
[checkpoint]
path = "elsewhere.db"
)",
                         {{"source.url", "host='' dbname=shop user=u password=p", "flag"},
                          {"source.consistency", "none", "flag"},
                          {"target.ledger", "on", "flag"}});

  EXPECT_EQ(fingerprint(before), fingerprint(after));
}

TEST_F(FingerprintTest, IsChangedByEachKeyThatDecides) {
  const Fingerprint before = fingerprint(load(smallest));
  const std::vector<Override> changes{
      {"source.url", "postgresql:///shop2", "flag"},
      {"source.table", "users2", "flag"},
      {"source.key", "['id']", "flag"},
      {"source.columns", "['id']", "flag"},
      {"source.where", "id > 1", "flag"},
      {"target.url", "postgresql:///shop2", "flag"},
      {"target.table", "users2", "flag"},
      {"target.key", "['id']", "flag"},
      {"target.write", "upsert", "flag"},
      {"transform.plugin", "split", "flag"},
      {"transform.options.locale", "de", "flag"},
  };

  for (const auto& change : changes) {
    const Fingerprint after = fingerprint(load(smallest, {change}));
    EXPECT_NE(before, after) << change.name;
    EXPECT_EQ(after.count(change.name), 1u);
    EXPECT_TRUE(before.count(change.name) == 0 || before.at(change.name) != after.at(change.name));
  }
}

TEST_F(FingerprintTest, NoticesAChangedSecretWithoutKeepingIt) {
  const auto with_salt = [&](const std::string& salt) {
    return fingerprint(load(smallest, {{"transform.options.salt", salt, "flag"}}))
        .at("transform.options.salt");
  };

  EXPECT_EQ(with_salt("s3cr3t"), with_salt("s3cr3t"));
  EXPECT_NE(with_salt("s3cr3t"), with_salt("s3cr3u"));
  EXPECT_EQ(with_salt("s3cr3t").find("s3cr3t"), std::string::npos);
}

}  // namespace
}  // namespace backfill
