#include "postgres/present_keys.h"

#include <gtest/gtest.h>

#include <string>

namespace backfill {
namespace {

// Tuples of three fields; the key is the third and the first.
void append(Batch& batch, const std::vector<std::string>& fields) {
  batch.begin_tuple(static_cast<std::int16_t>(fields.size()));
  for (const std::string& field : fields) batch.append_field(field);
}

std::string joined(const std::vector<std::string_view>& runs) {
  std::string text;
  for (const std::string_view run : runs) text += run;
  return text;
}

class PresentKeysTest : public testing::Test {
 protected:
  void find(const std::vector<std::vector<std::string>>& keys) {
    keys_.batch().clear();
    for (const auto& key : keys) append(keys_.batch(), key);
    keys_.index();
    keys_.part(rows_, parted_);
  }

  PresentKeys keys_{{2, 0}, 3};
  Batch rows_;
  PartedBatch parted_;
};

TEST_F(PresentKeysTest, PartsABatchIntoRuns) {
  for (int i = 0; i < 6; ++i) append(rows_, {std::to_string(i), "x", "k"});

  find({{"k", "1"}, {"k", "2"}, {"k", "5"}, {"k", "99"}, {"3", "k"}});

  EXPECT_EQ(parted_.present_rows, 3);
  ASSERT_EQ(parted_.missing.size(), 2);
  ASSERT_EQ(parted_.present.size(), 2);
  EXPECT_EQ(parted_.missing[0], rows_.tuple(0));
  EXPECT_EQ(parted_.missing[1], rows_.tuples(3, 5));
  EXPECT_EQ(parted_.present[0], rows_.tuples(1, 3));
  EXPECT_EQ(parted_.present[1], rows_.tuple(5));
}

TEST_F(PresentKeysTest, FindsNothingInNothing) {
  for (int i = 0; i < 3; ++i) append(rows_, {std::to_string(i), "x", "k"});
  find({});
  EXPECT_EQ(parted_.present_rows, 0);
  EXPECT_EQ(joined(parted_.missing), rows_.tuples());
}

TEST_F(PresentKeysTest, FindsAllOfManyAndForgetsThem) {
  std::vector<std::vector<std::string>> keys;
  for (int i = 0; i < 5000; ++i) {
    append(rows_, {std::to_string(i), "x", "k"});
    keys.push_back({"k", std::to_string(i)});
  }
  find(keys);
  EXPECT_EQ(parted_.present_rows, 5000);
  EXPECT_EQ(joined(parted_.present), rows_.tuples());

  find({{"k", "7"}});
  EXPECT_EQ(parted_.present_rows, 1);
  EXPECT_EQ(parted_.missing.size(), 2);
}

}  // namespace
}  // namespace backfill
