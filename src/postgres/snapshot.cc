#include "postgres/snapshot.h"

#include <charconv>

#include "core/error.h"

namespace backfill {
namespace {

// Takes the number before the next colon off the text; false when there is none.
bool take_number(std::string_view& text, std::uint64_t& number) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  const auto result = std::from_chars(text.data(), text.data() + colon, number);
  const bool is_number = result.ec == std::errc() && result.ptr == text.data() + colon;
  text.remove_prefix(colon + 1);
  return is_number;
}

}  // namespace

PgSnapshot PgSnapshot::parse(const std::string& text) {
  PgSnapshot snapshot;
  std::string_view rest = text;
  if (!take_number(rest, snapshot.oldest) || !take_number(rest, snapshot.next) ||
      snapshot.next < snapshot.oldest) {
    throw Error(ErrorKind::stop, "the server gave a snapshot that is none: " + text);
  }
  return snapshot;
}

void OwnTransactions::add(const std::string& server, std::uint64_t transaction) {
  const std::lock_guard lock(mutex_);
  if (server != server_) {
    server_ = server;
    ring_.fill(0);
    known_.clear();
  }
  known_.erase(ring_[at_]);
  ring_[at_] = transaction;
  known_.insert(transaction);
  at_ = (at_ + 1) % kept;
}

bool OwnTransactions::were_all(const std::string& server, const PgSnapshot& since,
                               const PgSnapshot& now) const {
  if (now.next < since.oldest) return false;  // another server, after a failover
  if (now.next - since.oldest > kept) return false;
  const std::lock_guard lock(mutex_);
  for (std::uint64_t id = since.oldest; id < now.next; ++id) {
    if (server != server_ || !known_.contains(id)) return false;
  }
  return true;
}

}  // namespace backfill
