#include "engine/chunk_writer.h"

#include "core/row_key.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

constexpr int kRoundsBeforeLock = 3;  // of rows that keep changing under us
constexpr std::int64_t kRoundsMax = 100;
constexpr Duration kShortWait = std::chrono::milliseconds(2);  // for others' transactions
constexpr Duration kLongWait = std::chrono::seconds(2);
constexpr int kReadsInTurn = 8;  // after one that had to be done twice

class Stopwatch {
 public:
  Stopwatch(const Clock& clock, std::chrono::nanoseconds& total)
      : clock_(clock), total_(total), began_(clock.now()) {}
  ~Stopwatch() { total_ += clock_.now() - began_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  const Clock& clock_;
  std::chrono::nanoseconds& total_;
  const TimePoint began_;
};

}  // namespace

ChunkWriter::ChunkWriter(Parts parts, const Layout& layout, Clock& clock, Log& log,
                         KeepDeadLetters keep_dead_letters, Validator::NoteDoubt note_doubt)
    : source_(std::move(parts.source), parts.consistency == Consistency::validate),
      transform_(std::move(parts.transform)),
      target_(std::move(parts.target)),
      pushes_down_(parts.pushes_down),
      consistency_(parts.consistency),
      validator_(parts.consistency, source_, *target_, std::move(note_doubt)),
      layout_(layout),
      read_columns_(layout.read_columns()),
      clock_(clock),
      log_(log),
      keep_dead_letters_(std::move(keep_dead_letters)) {}

void ChunkWriter::cancel() noexcept {
  source_.cancel();
  target_->cancel();
}

void ChunkWriter::abandon() {
  target_->rollback();
  if (consistency_ == Consistency::lock) source_.source().release();
}

void ChunkWriter::reconnect() {
  side_ = ExitCode::source_unreachable;
  source_.reconnect();
  side_ = ExitCode::target_unreachable;
  target_->reconnect();
}

std::optional<Source::Cut> ChunkWriter::cut(const Chunk& chunk, std::int64_t keys) {
  side_ = ExitCode::source_unreachable;
  return source_.source().cut(chunk.after, chunk.upto, keys);
}

std::optional<RowCounts> ChunkWriter::recorded(const Chunk& chunk) {
  side_ = ExitCode::target_unreachable;
  return target_->recorded(chunk);
}

Fate ChunkWriter::fate() {
  side_ = ExitCode::target_unreachable;
  return target_->fate(sent_.mark);
}

// No part of the work: the target does nothing of ours meanwhile.
void ChunkWriter::wait_until_durable() {
  side_ = ExitCode::target_unreachable;
  target_->wait_until_durable();
}

// Which rows are bad is found by rows that travel.
ChunkReport ChunkWriter::write(const Chunk& chunk, const std::optional<Chunk>& next,
                               Rejects rejects) {
  if (pushes_down_ && rejects == Rejects::fail) return push_down(chunk);
  return read_and_write(chunk, next, rejects);
}

ChunkReport ChunkWriter::push_down(const Chunk& chunk) {
  ChunkReport part;
  begin(chunk, part);
  // One statement reads, changes and writes.
  failpoint("chunk.after_read");
  failpoint("chunk.after_transform");
  PushdownReport written;
  {
    const Stopwatch watch(clock_, part.times.write);
    written = target_->write_from_source(chunk);
  }
  part.rows = written.rows;
  commit(chunk, written.moment, written.wrote_all ? std::optional(part.rows.read) : std::nullopt,
         part);
  was_locked_ = consistency_ == Consistency::lock;
  return part;
}

void ChunkWriter::read(const Chunk& chunk, ChunkReport& part) {
  side_ = ExitCode::source_unreachable;
  const Stopwatch watch(clock_, part.times.read);
  source_.read(chunk, batch_);
  part.rows.read = static_cast<std::int64_t>(batch_.rows());
  part.bytes = batch_.bytes();
}

// Where applications write all the time to a target that is ours alone meanwhile, a chunk is read
// after its transaction has begun: what was read before would have to be read again.
ChunkReport ChunkWriter::read_and_write(const Chunk& chunk, const std::optional<Chunk>& next,
                                        Rejects rejects) {
  ChunkReport part;
  const bool in_turn = reads_in_turn_ > 0;
  if (in_turn) {
    --reads_in_turn_;
    begin(chunk, part);
  }
  read(chunk, part);
  const bool may_read_ahead = !pushes_down_ && consistency_ != Consistency::lock && !in_turn;
  if (next && next->mark.empty() && may_read_ahead) source_.begin(*next);
  failpoint("chunk.after_read");
  if (!batch_.empty()) write_batch(chunk, rejects, in_turn, part);
  if (in_turn) target_->rollback();
  was_locked_ = consistency_ == Consistency::lock && source_.source().release();
  return part;
}

void ChunkWriter::begin(const Chunk& chunk, ChunkReport& part) {
  side_ = ExitCode::target_unreachable;
  const Stopwatch watch(clock_, part.times.commit);
  target_->begin(chunk);
  validator_.note(chunk);
}

// Nothing to write needs no transaction; doing it again after a crash gives the same answer.
void ChunkWriter::write_batch(const Chunk& chunk, Rejects rejects, bool has_begun,
                              ChunkReport& part) {
  const Batch* rows = &transform(batch_, part);
  if (rows->empty()) return;
  if (!has_begun) {
    begin(chunk, part);
    if (validator_.must_read_again(chunk, source_.moment(), part.rows.read)) {
      reads_in_turn_ = kReadsInTurn;
      part = ChunkReport();
      read(chunk, part);
      rows = &transform(batch_, part);
      if (rows->empty()) return target_->rollback();
    }
  }
  side_ = ExitCode::target_unreachable;
  const WriteReport written = write_rows(batch_, *rows, rejects, part);
  if (!written.conflicts.empty()) redo_conflicts(written.conflicts, rejects, part);
  if (keep_dead_letters_ && !part.dead_letters.empty()) keep_dead_letters_(part.dead_letters);
  commit(chunk, source_.moment(), part.rows.read, part);
}

void ChunkWriter::commit(const Chunk& chunk, const std::string& moment,
                         std::optional<std::int64_t> rows, ChunkReport& part) {
  const Stopwatch watch(clock_, part.times.commit);
  validator_.note(chunk);
  sent_ = {validator_.noted(), part, moment, rows};
  target_->commit(chunk, part.rows);
  failpoint("validate.before");
}

bool ChunkWriter::must_level(const Chunk& chunk, ChunkReport& part) {
  if (sent_.mark.empty()) return false;
  if (consistency_ != Consistency::validate) return !was_locked_;
  side_ = ExitCode::source_unreachable;
  const Stopwatch watch(clock_, part.times.validate);
  try {
    return validator_.must_level(chunk, sent_.moment, sent_.rows);
  } catch (const Error& error) {
    // What the source has now cannot be looked at as a whole; levelling does it part by part.
    if (error.kind() != ErrorKind::reject && error.kind() != ErrorKind::too_large) throw;
    return true;
  }
}

// The source is read when nothing of the transaction can come any more, nor of an application's
// that wrote to the target before it. Rows that are now refused have been taken out of the target.
ChunkReport ChunkWriter::level(const Chunk& chunk, std::stop_token stop) {
  side_ = ExitCode::target_unreachable;
  ChunkReport part;
  if (target_->fate(chunk.mark) == Fate::aborted) return part;
  wait_for_writers(chunk, std::move(stop));
  read(chunk, part);
  part.rows = RowCounts();
  const Batch& rows = transform(batch_, part);
  side_ = ExitCode::target_unreachable;
  {
    const Stopwatch watch(clock_, part.times.validate);
    const LevelReport levelled = target_->level(chunk, chunk.mark, rows);
    part.rows.conflicts = levelled.updated + levelled.deleted;
    add_refused(batch_, levelled.rejects, part);
  }
  if (consistency_ == Consistency::lock) source_.source().release();
  part.rows.skipped = 0;
  part.rows.written = -part.rows.rejected;
  return part;
}

void ChunkWriter::take_out(const Chunk& chunk) {
  side_ = ExitCode::target_unreachable;
  batch_.clear();
  target_->level(chunk, chunk.mark, batch_);
}

// Rows that changed since they were read are read again and written again, in the same
// transaction: a chunk is in the target as a whole or not at all.
void ChunkWriter::redo_conflicts(std::vector<Key> conflicts, Rejects rejects, ChunkReport& part) {
  for (int round = 1; !conflicts.empty(); ++round) {
    if (round > kRoundsMax)
      throw Error(ErrorKind::retry, "rows keep changing between their read and their write");
    part.rows.conflicts += static_cast<std::int64_t>(conflicts.size());
    if (round > kRoundsBeforeLock) target_->lock(conflicts);

    side_ = ExitCode::source_unreachable;
    source_.source().read_keys(conflicts, redo_batch_);
    side_ = ExitCode::target_unreachable;
    // Gone, or no longer matching `where`: nothing is left to do for them.
    part.rows.unchanged += static_cast<std::int64_t>(conflicts.size() - redo_batch_.rows());
    const Batch& rows = transform(redo_batch_, part);
    conflicts.clear();
    if (!rows.empty()) conflicts = write_rows(redo_batch_, rows, rejects, part).conflicts;
  }
}

// A transaction that writes to both tables writes to the target before it commits to the source.
// One that has left a row of ours alone because it could not see it yet has to end before the
// source tells what it did.
void ChunkWriter::wait_for_writers(const Chunk& chunk, std::stop_token stop) {
  side_ = ExitCode::source_unreachable;
  const std::string writers = source_.source().writers();
  const TimePoint began = clock_.now();
  bool has_told = false;
  while (!writers.empty() && !source_.source().have_ended(writers)) {
    if (!has_told && clock_.now() - began > kLongWait) {
      has_told = true;
      log_.write(LogLevel::warning, "waits for transactions that write to the source",
                 {{"chunk", chunk.display()}, {"transactions", writers}});
    }
    if (!clock_.wait(has_told ? kLongWait / 10 : kShortWait, stop))
      throw Error(ErrorKind::cancelled, chunk.display() + ": stopped");
  }
}

// The rows to write: valid until the next transform, and while `input` is.
const Batch& ChunkWriter::transform(const Batch& input, ChunkReport& part) {
  if (!layout_.forwards) {
    const Stopwatch watch(clock_, part.times.transform);
    transformed_.clear();
    transform_->apply(input, transformed_);
    part.rows.skipped += transformed_.skipped;
    for (const Transformed::Reject& reject : transformed_.rejects) {
      add_dead_letter(input, reject.input_row, "transform", reject.reason, part);
    }
  }
  failpoint("chunk.after_transform");
  return layout_.forwards ? input : transformed_.rows;
}

// `rows` is what became of `input`.
WriteReport ChunkWriter::write_rows(const Batch& input, const Batch& rows, Rejects rejects,
                                    ChunkReport& part) {
  const Stopwatch watch(clock_, part.times.write);
  std::vector<RowReject> refused;
  WriteReport written = rejects == Rejects::fail ? target_->write(rows)
                                                 : target_->write_around_rejects(rows, refused);
  part.rows.written += written.written;
  part.rows.unchanged += written.unchanged;
  add_refused(input, refused, part);
  return written;
}

void ChunkWriter::add_refused(const Batch& input, const std::vector<RowReject>& refused,
                              ChunkReport& part) const {
  for (const RowReject& reject : refused) {
    const std::size_t row = layout_.forwards ? reject.row : transformed_.input_rows[reject.row];
    add_dead_letter(input, row, reject.code, reject.message, part);
  }
}

void ChunkWriter::add_dead_letter(const Batch& input, std::size_t row, const std::string& code,
                                  const std::string& message, ChunkReport& part) const {
  const std::string_view tuple = input.tuple(row);
  part.dead_letters.push_back({row_key(read_columns_, layout_.read_key, tuple).to_json(), code,
                               message, row_to_json(read_columns_, tuple)});
  ++part.rows.rejected;
}

}  // namespace backfill
