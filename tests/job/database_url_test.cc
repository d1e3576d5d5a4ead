#include "job/database_url.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "job/job.h"

namespace backfill {
namespace {

TEST(WithoutPassword, RemovesPasswordsFromWhatLibpqReads) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"postgresql://u:p@h/db?password=x", "postgresql://u@h/db"},
      {"postgresql://u:p@h:5432/db?sslmode=require&password=x&application_name=a",
       "postgresql://u@h:5432/db?sslmode=require&application_name=a"},
      {"postgres://u:p%40w:x@h1:1,h2:2/db", "postgres://u@h1:1,h2:2/db"},
      {"postgresql://:p@h/db", "postgresql://h/db"},
      {"postgresql://u:p@[::1]:5432/db", "postgresql://u@[::1]:5432/db"},
      {"postgresql:///db?sslpassword=x&host=/tmp", "postgresql:///db?host=/tmp"},
      {"postgresql:///db?p%61ssword=x", "postgresql:///db"},
      {"host=h password=p dbname=d", "host=h dbname=d"},
      {"host=h password = 'a \\' b' dbname=d", "host=h dbname=d"},
      {"host=h dbname=d password=a\\ b", "host=h dbname=d"},
      {"host=h sslpassword=p", "host=h"},
      {"password=p", ""},
  };

  for (const auto& [url, expected] : cases) EXPECT_EQ(without_password(url), expected);
}

TEST(WithoutPassword, LeavesOtherTextUntouched) {
  for (const std::string text :
       {"", "sqlite:/var/lib/a.db", "sqlite:a@b.db", "email::text = 'a@b'", "postgresql:///shop",
        "postgresql://u@h:5432/db?sslmode=prefer",
        "postgresql://[::1]:5432/db?application_name=a@b", "host=h  dbname=d user='a b'",
        "select 1 where a = 'b'", "https://example.com/reset-password", "https://a.com:8080/x?q=1",
        "see http://a.com for more", "en", "a=b"}) {
    EXPECT_EQ(without_password(text), text);
  }
}

TEST(WithoutPassword, IsCautiousWithWhatIsMalformed) {
  for (const std::string text :
       {"postgresql://u:s3@cr3t@h/db", "postgresql://u:s3/cr3t@h/db", "postgresql://u:s3?cr3t@h/db",
        "postgresql://u:cr3t%@h/db", "postgresql://u:cr3t", "postgresql://u:cr3t/db",
        "postgresql://u:1/cr3t@h", "postgresql://u:p@h/db?password=a&cr3t",
        "postgresql://u:p@h/db?password=a&x=cr3t", "postgresql://u:p@h/db?bogus=1&password=x@cr3t",
        "postgresql://u:p@h/db?PASSWORD=cr3t", "postgresql:///db?p%61ssword=cr3t&a=%zz",
        "postgresql://u:p?password=x@cr3t", "postgresql://u@h/db password=cr3t",
        "mysql://u:cr3t@h/db", "jdbc:postgresql://h/db?user=u&password=cr3t",
        "host=h password=a cr3t dbname=d", "host=h password='a cr3t", "host=h password=a x=cr3t",
        "host=h PassWord=cr3t", "host=h\tpassword =\tcr3t", "password=a://cr3t/b",
        "host=h dbname=postgresql://u:cr3t@h/db",
        // Once shown: a keyword's value that has a scheme.
        "application_name=http://x password=cr3t", "application_name=http://x password=cr3t?",
        "application_name=http://x p%61ssword=cr3t", "password='x' cr3t://b",
        "[\"postgresql://u:cr3t@h/db\", \"postgresql://u:cr3t@h2/db\"]", "postgres:cr3t@h/db",
        "u:cr3t@h", "cannot connect to postgresql://u:cr3t@h/db"}) {
    EXPECT_EQ(without_password(text).find("cr3t"), std::string::npos)
        << text << " became " << without_password(text);
  }
}

// Characters that make trouble when they are not written %XX, and some that do not.
std::string random_password(std::mt19937& random) {
  const std::string alphabet = "ab1@:/?#&=%' \\+,[];$!~\"\t";
  std::uniform_int_distribution<std::size_t> length(0, 8);
  std::uniform_int_distribution<std::size_t> letter(0, alphabet.size() - 1);
  std::string password;
  for (std::size_t i = length(random); i > 0; --i) password += alphabet[letter(random)];
  password += "QZXJ";
  for (std::size_t i = length(random); i > 0; --i) password += alphabet[letter(random)];
  return password;
}

std::string percent_encoded(const std::string& text) {
  const std::string digits = "0123456789ABCDEF";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    (((result += '%') += digits[byte >> 4]) += digits[byte & 15]);
  }
  return result;
}

std::string keyword_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

TEST(WithoutPassword, ShowsNoPartOfARandomPassword) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);

  for (int i = 0; i < 20'000; ++i) {
    const std::string password = random_password(random);
    const std::string encoded = percent_encoded(password);
    // Whatever is in front of and behind the letters, they are part of the password.
    for (const std::string& url :
         {"postgresql://u:" + password + "@h/db",
          "postgres://u:" + password + "@h:1,h2:2/db?host=x", "postgresql://:" + password + "@/db",
          "host=h password=" + keyword_quoted(password) + " dbname=d",
          "password=" + keyword_quoted(password), "host=h password=" + password + " dbname=d",
          "user=u sslpassword = " + keyword_quoted(password)}) {
      const std::string shown = without_password(url);
      ASSERT_EQ(shown.find("QZXJ"), std::string::npos) << url << " became " << shown;
    }
    ASSERT_EQ(without_password("postgresql://u:" + encoded + "@h/db"), "postgresql://u@h/db");
    ASSERT_EQ(without_password("postgresql://h/db?password=" + encoded), "postgresql://h/db");
  }
}

TEST(DatabaseIdentity, IsTheSameForEverySpellingOfOneDatabase) {
  const std::string expected = "postgresql: host=h port=5432 dbname=d b";

  for (const std::string url :
       {"postgresql://h:5432/d%20b", "postgres://u:p@h:5432/d%20b?sslmode=require",
        "host=h port=5432 dbname='d b'", "user=u password=p dbname=d\\ b port=5432 host=h",
        "postgresql:///d%20b?host=h&port=5432"}) {
    EXPECT_EQ(database_identity(url), expected) << url;
  }
}

TEST(DatabaseIdentity, KeepsWhatTellsDatabasesApart) {
  EXPECT_EQ(database_identity("postgresql://a:1,b:2/d"), "postgresql: host=a,b port=1,2 dbname=d");
  EXPECT_EQ(database_identity("postgresql://[::1]/d"), "postgresql: host=::1 dbname=d");
  EXPECT_EQ(database_identity("postgresql://%2Ftmp/d"), "postgresql: host=/tmp dbname=d");
  EXPECT_EQ(database_identity("postgresql://ann@h"), "postgresql: host=h dbname=ann");
  EXPECT_EQ(database_identity("service=prod hostaddr=10.0.0.1"),
            "postgresql: hostaddr=10.0.0.1 service=prod");
  EXPECT_EQ(database_identity("sqlite:/a/b.db"), "sqlite:/a/b.db");
}

TEST(DatabaseUrl, KnowsWhichDatabaseReadsIt) {
  for (const std::string url : {"postgresql://", "postgres://h/d", "dbname=shop",
                                "host=h password=a://b", "postgresql://?host=/tmp"}) {
    EXPECT_TRUE(is_postgres_url(url)) << url;
  }
  for (const std::string url : {"", "shop", "mysql://h/d", "sqlite:a=b", "postgresql://u:a@b@h/d",
                                "postgresql://h:port/d", "host=h x"}) {
    EXPECT_FALSE(is_postgres_url(url)) << url;
  }
  EXPECT_TRUE(names_sqlite_file("sqlite:a.db"));
  EXPECT_FALSE(names_sqlite_file("sqlite::memory:"));
  EXPECT_FALSE(names_sqlite_file("sqlite:///a.db"));
}

}  // namespace
}  // namespace backfill
