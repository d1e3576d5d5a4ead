#include "assemble_verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/sql.h"
#include "sqlite/connection.h"
#include "support/failpoint.h"

namespace backfill {
namespace {

using Role = WriteColumn::Role;

enum class Use {
  compare,  // of whole chunks
  recheck,  // with the row version, so that a row that changed and changed back is seen
  repair,   // with the guards of a write in place
};

KeyForm key_form(const std::string& url) {
  return is_sqlite_url(url) ? KeyForm::sqlite : KeyForm::postgres;
}

Column plain_text_column(const std::string& name) {
  Column column;
  column.name = name;
  column.kind = Kind::text;
  column.type = facts_of(Kind::text).type;
  column.oid = facts_of(Kind::text).oid;
  return column;
}

ReadColumn as_text(const Column& column) {
  return {plain_text_column(column.name), quote_identifier(column.name) + "::text", false};
}

// Of a type whose bytes are not a key's text the text is read as well.
bool needs_text(const Column& column) { return column.kind == Kind::other && !column.dynamic; }

KeyPlaces add_key_texts(std::vector<ReadColumn>& read, const std::vector<int>& key) {
  KeyPlaces places{key, {}};
  for (const int at : key) {
    const Column column = read[static_cast<std::size_t>(at)].column;
    places.texts.push_back(needs_text(column) ? static_cast<int>(read.size()) : -1);
    if (needs_text(column)) read.push_back(as_text(column));
  }
  return places;
}

bool forwards(const Layout& layout, bool has_plugin) {
  if (has_plugin || layout.write.size() != layout.read.size()) return false;
  for (std::size_t i = 0; i < layout.write.size(); ++i) {
    if (layout.write[i].read != static_cast<int>(i)) return false;
  }
  return true;
}

// As it compares best with what arrives: what travels as text is read as text.
ReadColumn target_column(const WriteColumn& column) {
  const bool travels_as_text = column.column.kind == Kind::text && !column.column.dynamic;
  if (travels_as_text && needs_text(column.target)) return as_text(column.target);
  return {column.target, "", true};
}

std::vector<ReadColumn> target_select(const VerifyTerms& terms, KeyPlaces& key) {
  std::vector<ReadColumn> read;
  for (const WriteColumn& column : terms.layout.write) read.push_back(target_column(column));
  key = add_key_texts(read, terms.sent_key());
  return read;
}

bool is_integer(const Column& column) {
  return column.kind == Kind::int16 || column.kind == Kind::int32 || column.kind == Kind::int64;
}

// A row that only the target has is told by looking its key up in the source, so the key must come
// back from the target as it went there.
void refuse_one_way_keys(const Assembly& assembly) {
  const bool from_sqlite = is_sqlite_url(assembly.job.source.url);
  const bool to_sqlite = is_sqlite_url(assembly.job.target.url);
  for (const int at : assembly.write.key) {
    const WriteColumn& column = assembly.write.columns[static_cast<std::size_t>(at)];
    const Column& target = column.target;
    const bool same = column.column.oid == target.oid && column.column.type == target.type;
    const bool alike = column.column.kind == target.kind && target.kind != Kind::other;
    const bool integers =
        is_integer(target) && (column.column.dynamic || is_integer(column.column));
    const bool texts = target.kind == Kind::text && (column.column.dynamic || alike);
    if (to_sqlite || integers || texts || (!from_sqlite && (same || alike))) continue;
    throw Error(
        ExitCode::unsafe,
        fmt::format("verify {}: key column {} is {} in the source and {} in the target, so "
                    "a row of the target cannot be looked up in the source; compare such "
                    "tables with SQL",
                    assembly.job.name, target.name,
                    column.column.type.empty() ? "of any type" : column.column.type, target.type));
  }
}

void refuse_what_reads_itself(const Assembly& assembly) {
  if (!assembly.layout.in_place || assembly.ledger_reason.empty()) return;
  throw Error(
      ExitCode::unsafe,
      fmt::format("verify {}: {}, so what the rows were before is gone and there is nothing "
                  "to compare them with; write to a new column, or verify a copy",
                  assembly.job.name, assembly.ledger_reason));
}

VerifyTerms make_terms(const Assembly& assembly, Use use) {
  VerifyTerms terms;
  Layout& layout = terms.layout;
  layout = assembly.layout;
  if (use != Use::repair)
    std::erase_if(layout.write, [](const auto& column) { return column.role == Role::guard; });
  if (use != Use::repair && is_skipped("verify.column")) layout.write.pop_back();
  const auto version = assembly.source->row_version();
  const bool may_see_version = assembly.read.validates || layout.in_place;
  const bool has_version = std::any_of(layout.read.begin(), layout.read.end(), [&](const auto& at) {
    return version && at.column.name == version->name && at.expression == version->name;
  });
  if (use == Use::recheck && version && may_see_version && !has_version)
    layout.read.push_back({*version, version->name, false});
  terms.source_key = add_key_texts(layout.read, layout.read_key);
  layout.forwards = forwards(layout, assembly.plugin != nullptr);
  terms.source_columns = layout.read_columns();
  terms.source_form = key_form(assembly.job.source.url);
  terms.target_form = key_form(assembly.job.target.url);
  for (const ReadColumn& column : target_select(terms, terms.target_key))
    terms.target_columns.push_back(column.column);
  for (const int at : terms.sent_key())
    terms.target_key_names.push_back(layout.write[static_cast<std::size_t>(at)].target.name);
  terms.same_key_order = assembly.write.same_key_order;
  // In mode `update` what one side lacks is not even counted there.
  terms.is_one_database = assembly.write.from.has_value() && terms.same_key_order &&
                          use == Use::compare && terms.source_form == KeyForm::postgres &&
                          assembly.write.mode != WriteMode::update;
  terms.finds_missing = assembly.write.mode != WriteMode::update;
  terms.finds_extra = terms.finds_missing;
  return terms;
}

ReadSpec source_spec(const Assembly& assembly, const VerifyTerms& terms) {
  ReadSpec spec = assembly.read;
  spec.columns = terms.layout.read;
  spec.validates = false;
  spec.locks = false;
  return spec;
}

// The key as it is, or its text, in key order.
ReadSpec source_keys_spec(const Assembly& assembly, const VerifyTerms& terms) {
  ReadSpec spec = source_spec(assembly, terms);
  spec.where.clear();
  spec.columns.clear();
  for (std::size_t i = 0; i < terms.source_key.values.size(); ++i) {
    const int text = terms.source_key.texts[i];
    const int at = text >= 0 ? text : terms.source_key.values[i];
    spec.columns.push_back(terms.layout.read[static_cast<std::size_t>(at)]);
  }
  return spec;
}

// In place the job's `where` says which rows are compared, on both sides.
ReadSpec target_spec(const Assembly& assembly, const VerifyTerms& terms) {
  ReadSpec spec;
  spec.table = assembly.target_table.name;
  KeyPlaces key;
  spec.columns = target_select(terms, key);
  for (const int at : terms.sent_key())
    spec.key.push_back(terms.layout.write[static_cast<std::size_t>(at)].target);
  if (assembly.layout.in_place) spec.where = assembly.job.source.where;
  spec.bytes_max = assembly.read.bytes_max;
  return spec;
}

WriteSpec judge_spec(const Assembly& assembly, const VerifyTerms& terms) {
  WriteSpec spec = assembly.write;
  spec.columns = terms.layout.write;
  spec.key = terms.sent_key();
  spec.ledger.reset();
  spec.from.reset();
  if (terms.is_one_database) spec.from = source_spec(assembly, terms);
  spec.levels = false;
  spec.lease.reset();
  return spec;
}

template <class Make>
auto reach(ExitCode unreachable, const Make& make) {
  try {
    return make();
  } catch (const Error& error) {
    throw error.kind() == ErrorKind::retry ? error.ending_with(unreachable) : error;
  }
}

Sides::Makers make_sides(const Assembly& assembly, const VerifyTerms& terms, bool locks) {
  const auto source_of = [&assembly](const ReadSpec& spec) {
    return reach(ExitCode::source_unreachable, [&] { return assembly.source->make_source(spec); });
  };
  ReadSpec source = source_spec(assembly, terms);
  source.locks = locks;
  Sides::Makers makers;
  makers.source = [=] { return source_of(source); };
  makers.source_keys = [=, spec = source_keys_spec(assembly, terms)] { return source_of(spec); };
  makers.target = [&assembly, spec = target_spec(assembly, terms)] {
    return reach(ExitCode::target_unreachable, [&] { return assembly.target->make_source(spec); });
  };
  makers.judge = [&assembly, spec = judge_spec(assembly, terms)] {
    return reach(ExitCode::target_unreachable, [&] { return assembly.target->make_target(spec); });
  };
  makers.transform = [&assembly, layout = terms.layout] {
    return make_transform(assembly, layout);
  };
  return makers;
}

void check_reading(const Assembly& assembly, const VerifyTerms& terms) {
  const ReadSpec spec = target_spec(assembly, terms);
  assembly.target->check_compared(assembly.target_table, spec);
}

}  // namespace

PassParts make_pass_parts(const Assembly& assembly) {
  refuse_what_reads_itself(assembly);
  PassParts parts;
  parts.terms = make_terms(assembly, Use::compare);
  if (parts.terms.finds_extra) refuse_one_way_keys(assembly);
  check_reading(assembly, parts.terms);
  parts.recheck_terms = make_terms(assembly, Use::recheck);
  parts.makers = make_sides(assembly, parts.terms, /*locks=*/false);
  parts.recheck_makers = make_sides(assembly, parts.recheck_terms, /*locks=*/false);
  parts.watched = [&assembly] { return make_watched(assembly, Purpose::compare); };
  return parts;
}

PassOptions make_pass_options(const Job& job) {
  const RunOptions run = make_run_options(job);
  PassOptions options;
  options.workers = run.workers;
  options.sizer = run.sizer;
  options.backoff = run.backoff;
  options.throttle = run.throttle;
  options.schedule = run.schedule;
  options.runtime_max = run.runtime_max;
  return options;
}

// A row that is there under another value is overwritten, whatever the job does with such rows.
ReconcileParts make_reconcile_parts(Assembly& assembly, RunnerLock& lock) {
  ReconcileParts parts;
  parts.compare = make_pass_parts(assembly);
  WriteSpec write = assembly.write;
  if (write.mode != WriteMode::update) write.mode = WriteMode::upsert;
  write.ledger.reset();
  write.from.reset();
  write.levels = false;
  write.lease = lock.lease();
  assembly.target->check_target(assembly.target_table, write);

  parts.lock = &lock;
  parts.watched = [&assembly] { return make_watched(assembly, Purpose::write); };
  parts.terms = make_terms(assembly, Use::repair);
  // In place the guards of the update say whether the row is as it was read.
  parts.locks = !assembly.layout.in_place && assembly.source->why_not_locked().empty();
  if (parts.locks) {
    ReadSpec locked = assembly.read;
    locked.locks = true;
    assembly.source->check_source(assembly.source_table, locked);
  }
  parts.makers = make_sides(assembly, parts.terms, parts.locks);
  parts.target = [&assembly, write] {
    return reach(ExitCode::target_unreachable, [&] { return assembly.target->make_target(write); });
  };
  return parts;
}

Fingerprint verify_fingerprint(const Assembly& assembly, const VerifyTerms& terms) {
  Fingerprint fields = assembly.fingerprint;
  std::vector<std::string> compared;
  for (std::size_t i = 0; i < terms.layout.write.size(); ++i) {
    const WriteColumn& column = terms.layout.write[i];
    compared.push_back(
        fmt::format("{} {} -> {}", column.target.name, column.column.type, column.target.type));
  }
  fields["verify.columns"] = join(compared, ", ");
  fields["verify.key_order"] = terms.same_key_order ? "the same" : "each its own";
  return fields;
}

}  // namespace backfill
