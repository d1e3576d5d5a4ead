#include "postgres/copy_format.h"

#include <gtest/gtest.h>

#include <random>

#include "core/error.h"

namespace backfill {
namespace {

Batch three_rows() {
  Batch batch;
  for (const char* text : {"", "one", "a longer value of the third row"}) {
    batch.begin_tuple(2);
    batch.append_field(text);
    batch.append_null();
  }
  return batch;
}

std::string stream_of(const Batch& batch) {
  return std::string(copy_header) + std::string(batch.tuples()) + std::string(copy_trailer);
}

ErrorKind kind_of_failure(const std::string& stream) {
  Batch batch;
  CopyReader reader(batch, 2);
  try {
    reader.feed(stream);
    reader.finish();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "taken without an error";
  return ErrorKind::cancelled;
}

TEST(CopyReader, GivesBackTheTuplesHoweverTheStreamIsCut) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const Batch sent = three_rows();
  const std::string stream = stream_of(sent);
  for (int round = 0; round < 200; ++round) {
    Batch received;
    CopyReader reader(received, 2);

    for (std::size_t at = 0; at < stream.size();) {
      const std::size_t length = 1 + random() % 20;
      reader.feed(std::string_view(stream).substr(at, length));
      at += length;
    }
    reader.finish();

    ASSERT_EQ(received.rows(), 3u);
    ASSERT_EQ(received.tuples(), sent.tuples());
  }
}

TEST(CopyReader, TakesAnEmptyTable) {
  Batch batch;
  CopyReader reader(batch, 5);

  reader.feed(stream_of(Batch()));

  EXPECT_NO_THROW(reader.finish());
  EXPECT_EQ(batch.rows(), 0u);
}

TEST(CopyReader, NeverTakesAStreamWithoutItsTrailerForTheWhole) {
  const std::string stream = stream_of(three_rows());
  for (std::size_t length = 0; length < stream.size(); ++length) {
    EXPECT_EQ(kind_of_failure(stream.substr(0, length)), ErrorKind::retry) << length;
  }
}

TEST(CopyReader, RefusesWhatIsNotItsForm) {
  std::string foreign = stream_of(three_rows());
  foreign[0] = 'X';
  std::string flagged = stream_of(three_rows());
  flagged[12] = 1;
  Batch wide;
  wide.begin_tuple(3);
  for (int i = 0; i < 3; ++i) wide.append_null();

  EXPECT_EQ(kind_of_failure(foreign), ErrorKind::stop);
  EXPECT_EQ(kind_of_failure(flagged), ErrorKind::stop);
  EXPECT_EQ(kind_of_failure(stream_of(wide)), ErrorKind::stop);
  EXPECT_EQ(kind_of_failure(stream_of(three_rows()) + "x"), ErrorKind::stop);
}

}  // namespace
}  // namespace backfill
