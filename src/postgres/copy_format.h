// postgres/copy_format.h
//
// PostgreSQL's binary COPY stream around the tuples of a batch: a header, the tuples, a
// trailer (https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format"). Pure.

#pragma once

#include <string>
#include <string_view>

#include "core/batch.h"

namespace backfill {

// What stands before and after Batch::tuples() in a stream to the server.
extern const std::string_view copy_header;
extern const std::string_view copy_trailer;

// Takes a stream apart, in whatever pieces it comes, into tuples of `fields` fields at the
// end of `batch`. A stream that does not have the form is Error(stop). One thread; the batch
// must outlive it.
class CopyReader {
 public:
  CopyReader(Batch& batch, std::size_t fields) : batch_(batch), fields_(fields) {}

  void feed(std::string_view bytes);

  // Throws Error(retry) unless the trailer was seen: without it rows may be missing.
  void finish() const;

 private:
  enum class Part { header, tuples, done };

  std::size_t take(std::string_view bytes);
  std::size_t take_header(std::string_view bytes);
  std::size_t take_tuple(std::string_view bytes);

  Batch& batch_;
  const std::size_t fields_;
  Part part_ = Part::header;
  std::string pending_;  // the beginning of a part whose end has not come yet
};

}  // namespace backfill
