#include "torture/traffic.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace backfill {
namespace {

constexpr auto server_absence_max = std::chrono::seconds(60);
constexpr int keys_around_frontier = 120;
constexpr int hot_keys = 12;

void pause(std::chrono::microseconds time) { std::this_thread::sleep_for(time); }

// Every thread writes twice in a way of its own. Between two databases no transaction holds both.
DualWrite form_of(std::size_t thread, Place place) {
  const bool is_even = thread % 2 == 0;
  if (place == Place::two_databases) return {false, !is_even};
  return {!is_even, thread % 4 >= 2};
}

std::string isolation_of(const DualWrite& form) {
  return form.is_serializable ? "serializable" : "read committed";
}

}  // namespace

RowBook::RowBook(std::int64_t rows) : entries_(static_cast<std::size_t>(rows) + 1) {
  for (std::int64_t id = 1; id <= rows; ++id) entry(id).is_there = Tables::is_there_at_first(id);
}

void RowBook::note_dual_write(std::chrono::nanoseconds took) {
  const std::int64_t ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
  std::int64_t so_far = longest_dual_write_ms;
  while (so_far < ms && !longest_dual_write_ms.compare_exchange_weak(so_far, ms)) {
  }
}

Writer::Writer(const Tables& tables, RowBook& book, DualWrite form, std::uint64_t seed)
    : tables_(tables),
      book_(book),
      form_(form),
      source_(tables.source_url(), isolation_of(form)),
      target_(tables.target_url(), isolation_of(form)),
      random_(seed) {}

std::int64_t Writer::between(std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
}

// An application is slow now and then, and its half-done writes stay open meanwhile.
void Writer::dawdle(int percent, int milliseconds_max) {
  if (chance(percent)) pause(std::chrono::microseconds(between(0, 1000 * milliseconds_max)));
}

void Writer::write_until(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const std::int64_t id = pick_id();
    RowBook::Entry& entry = book_.entry(id);
    {
      const std::lock_guard lock(entry.mutex);
      const std::optional<RowWrite> write = pick_write(id, entry.is_there);
      if (!write) continue;
      try {
        carry_out(*write);
        entry.is_there = write->kind != RowWrite::Kind::remove;
        ++report_.writes;
      } catch (const SessionLost&) {
        repair(id, entry);
      }
    }
    pause(std::chrono::microseconds(between(0, 1500)));
  }
}

std::int64_t Writer::pick_id() {
  const std::int64_t frontier = book_.frontier;
  if (chance(50)) {
    const std::int64_t id = frontier + between(-keys_around_frontier / 2, 2 * keys_around_frontier);
    return std::clamp<std::int64_t>(id, 1, book_.rows());
  }
  if (chance(30)) return 1 + between(0, hot_keys - 1) * (book_.rows() - 1) / hot_keys;
  return between(1, book_.rows());
}

// In REPEATABLE READ and above a transaction that deletes a row whose copy it cannot see leaves
// that copy behind: the limit that README.md states. So such a transaction deletes nothing here.
std::optional<RowWrite> Writer::pick_write(std::int64_t id, bool is_there) {
  const bool comes_back = tables_.tested().habit == Habit::everything;
  if (!is_there && !comes_back) return std::nullopt;
  const bool may_delete =
      (tables_.is_in_place() || !form_.in_one_transaction || !form_.is_serializable) &&
      (comes_back || Tables::may_go_for_good(id));
  RowWrite write{RowWrite::Kind::update, id, book_.next_version()};
  if (!is_there) {
    write.kind = RowWrite::Kind::insert;
  } else if (may_delete && chance(40)) {
    write.kind = RowWrite::Kind::remove;
  }
  return write;
}

void Writer::carry_out(const RowWrite& write) {
  if (form_.in_one_transaction && !tables_.is_in_place()) return write_together(write);
  const auto began = std::chrono::steady_clock::now();
  write_source(write);
  if (tables_.is_in_place()) return;
  dawdle(20, 4);
  write_target(write);
  book_.note_dual_write(std::chrono::steady_clock::now() - began);
}

void Writer::write_together(const RowWrite& write) {
  while (true) {
    try {
      source_.query("BEGIN");
      source_.query(tables_.source_sql(write));
      dawdle(15, 3);
      source_.query(tables_.target_sql(write));
      dawdle(30, 10);
      source_.query("COMMIT");
      return;
    } catch (const SerializationFailure&) {
      source_.rollback();
      ++report_.retries;
    }
  }
}

void Writer::write_source(const RowWrite& write) {
  while (true) {
    try {
      source_.query("BEGIN");
      source_.query(tables_.source_sql(write));
      dawdle(10, 8);
      source_.query("COMMIT");
      return;
    } catch (const SerializationFailure&) {
      source_.rollback();
      ++report_.retries;
    }
  }
}

void Writer::write_target(const RowWrite& write) {
  while (true) {
    try {
      target_.query(tables_.target_sql(write));
      return;
    } catch (const SerializationFailure&) {
      ++report_.retries;
    }
  }
}

void Writer::repair(std::int64_t id, RowBook::Entry& entry) {
  ++report_.repairs;
  const auto deadline = std::chrono::steady_clock::now() + server_absence_max;
  while (true) {
    try {
      // A session that came through may still be in the transaction that was cut off elsewhere.
      source_.disconnect();
      target_.disconnect();
      const std::string version = source_.value(tables_.version_sql(id));
      entry.is_there = !version.empty();
      if (tables_.is_in_place()) return;
      const auto kind = entry.is_there ? RowWrite::Kind::update : RowWrite::Kind::remove;
      write_target({kind, id, entry.is_there ? std::stoll(version) : 0});
      return;
    } catch (const SessionLost&) {
      if (std::chrono::steady_clock::now() > deadline) throw;
      pause(std::chrono::milliseconds(10));
    }
  }
}

Traffic::Traffic(const Tables& tables, int threads, std::uint64_t seed)
    : tables_(tables), book_(tables.rows()) {
  writers_.reserve(static_cast<std::size_t>(threads));
  for (std::size_t thread = 0; thread < static_cast<std::size_t>(threads); ++thread) {
    const DualWrite form = form_of(thread, tables.tested().place);
    Writer& writer = writers_.emplace_back(tables, book_, form, seed * 64 + thread);
    threads_.emplace_back([this, &writer](const std::stop_token& stop) {
      try {
        writer.write_until(stop);
      } catch (...) {
        keep(std::current_exception());
      }
    });
  }
  threads_.emplace_back([this](const std::stop_token& stop) { follow_frontier(stop); });
}

void Traffic::keep(std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(failure);
}

void Traffic::follow_frontier(const std::stop_token& stop) {
  Session target(tables_.target_url());
  while (!stop.stop_requested()) {
    try {
      book_.frontier = std::stoll(target.value(tables_.frontier_sql()));
    } catch (const SessionLost&) {
      // The writers see to it that a server that stays away is told.
    } catch (const std::exception&) {
      return keep(std::current_exception());
    }
    pause(std::chrono::milliseconds(10));
  }
}

std::chrono::milliseconds Traffic::take_longest_dual_write() {
  // Whose row nobody writes to has none under way.
  for (std::int64_t id = 1; id <= book_.rows(); ++id) {
    const std::lock_guard lock(book_.entry(id).mutex);
  }
  return std::chrono::milliseconds(book_.longest_dual_write_ms.exchange(0));
}

TrafficReport Traffic::stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
  const std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
  TrafficReport sum;
  for (const Writer& writer : writers_) {
    sum.writes += writer.report().writes;
    sum.retries += writer.report().retries;
    sum.repairs += writer.report().repairs;
  }
  return sum;
}

}  // namespace backfill
