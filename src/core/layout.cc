#include "core/layout.h"

#include <algorithm>

#include "core/error.h"
#include "core/sql.h"

namespace backfill {
namespace {

// A column of what a plugin sends, or of what travels as text.
Column column_of_kind(const std::string& name, Kind kind) {
  Column column;
  column.name = name;
  column.kind = kind;
  column.type = facts_of(kind).type;
  column.oid = facts_of(kind).oid;
  return column;
}

class LayoutMaker {
 public:
  explicit LayoutMaker(const LayoutRequest& request) : request_(request) {
    layout_.in_place = request.source.identity == request.target.identity;
  }

  Layout make() {
    check_mode();
    add_requested_columns();
    add_key();
    add_plugin_inputs();
    add_passed_columns();
    add_plugin_outputs();
    if (layout_.in_place) add_guards();
    check_something_is_written();
    layout_.forwards = forwards();
    return std::move(layout_);
  }

 private:
  void check_mode() const {
    if (!layout_.in_place || request_.mode == WriteMode::update) return;
    refuse(std::string("source and target are the same table, where write = \"") +
           write_mode_name(request_.mode) + "\" has no meaning; use write = \"update\"");
  }

  // In place a column that nobody uses is not even read.
  void add_requested_columns() {
    for (std::size_t i = 0; i < request_.columns.size(); ++i) {
      const ReadColumn& column = request_.columns[i];
      const bool is_used = !layout_.in_place || !column.expression.empty() || plugin_reads(i) ||
                           is_key(column.column.name);
      places_.push_back(is_used ? static_cast<int>(layout_.read.size()) : -1);
      if (is_used) add_read(column);
    }
  }

  void add_read(const ReadColumn& column) {
    layout_.read.push_back(as_the_target_reads_it(column));
    is_plain_.push_back(column.expression.empty());
  }

  bool is_key(const std::string& name) const {
    const auto& key = request_.source.key;
    return std::find(key.begin(), key.end(), name) != key.end();
  }

  void add_plugin_inputs() {
    if (!request_.plugin) return;
    for (const int input : request_.plugin->inputs) {
      layout_.plugin_inputs.push_back(places_[static_cast<std::size_t>(input)]);
    }
  }

  // Types whose binary form the target cannot take travel as text, and the target casts them back.
  ReadColumn as_the_target_reads_it(ReadColumn column) {
    const bool bound = column.column.database_bound &&
                       request_.source.database_identity != request_.target.database_identity;
    const bool unreadable = !request_.target_reads_binary && !column.column.dynamic &&
                            column.column.kind == Kind::other;
    if (!bound && !unreadable) return column;
    const std::string expression = column.expression.empty() ? quote_identifier(column.column.name)
                                                             : "(" + column.expression + "\n)";
    layout_.notes.push_back("column " + column.column.name + " (" + column.column.type +
                            ") travels as text");
    column.expression = expression + "::text";
    const std::string name = column.column.name;
    column.column = column_of_kind(name, Kind::text);
    return column;
  }

  void add_key() {
    for (const std::string& name : request_.source.key) {
      layout_.read_key.push_back(position_of_plain(name, "key column"));
    }
  }

  // The position in the select list of a table's column as it is; read in addition when need be.
  int position_of_plain(const std::string& name, const char* what) {
    for (std::size_t i = 0; i < layout_.read.size(); ++i) {
      if (layout_.read[i].column.name == name && is_plain_[i]) return static_cast<int>(i);
    }
    const int at = find_column(request_.source.columns, name);
    if (at < 0) refuse(std::string(what) + " " + name + " is not in " + request_.source.name);
    add_read({request_.source.columns[static_cast<std::size_t>(at)], "", false});
    return static_cast<int>(layout_.read.size()) - 1;
  }

  // Everything that goes from the select list to the target, in the order of the select list, so
  // that a plain copy forwards its tuples as they came.
  void add_passed_columns() {
    for (std::size_t i = 0; i < layout_.read.size(); ++i) {
      const int read = static_cast<int>(i);
      const auto key = std::find(layout_.read_key.begin(), layout_.read_key.end(), read);
      if (key != layout_.read_key.end()) {
        add_key_column(static_cast<std::size_t>(key - layout_.read_key.begin()), read);
      } else if (layout_.read[i].requested) {
        add_passed_column(read);
      }
    }
  }

  void add_key_column(std::size_t place, int read) {
    const std::string& name = request_.target_key[place];
    if (plugin_fills(name)) refuse("the plugin fills key column " + name + ", which must stay");
    add(WriteColumn::Role::key, read, target_column(name, "key column"));
  }

  void add_passed_column(int read) {
    const ReadColumn& column = layout_.read[static_cast<std::size_t>(read)];
    const std::string& name = column.column.name;
    const bool is_itself = layout_.in_place && column.expression.empty();
    if (is_itself || plugin_fills(name)) return;
    const auto& key = request_.target_key;
    if (std::find(key.begin(), key.end(), name) != key.end()) {
      refuse(
          "column " + name + " is the key of " + request_.target.name +
          " and takes the source's key; give it another name in source.columns, or leave it out");
    }

    const int at = find_column(request_.target.columns, name);
    if (at < 0) {
      const auto& inputs = layout_.plugin_inputs;
      if (std::find(inputs.begin(), inputs.end(), read) != inputs.end()) {
        layout_.notes.push_back("column " + name + " is read for the plugin and not written");
        return;
      }
      refuse("column " + name + " of " + request_.source.name + " has no column in " +
             request_.target.name +
             " and would be lost; add it there, or name the columns to copy in source.columns");
    }
    const Column& target = request_.target.columns[static_cast<std::size_t>(at)];
    if (target.generated) {
      layout_.notes.push_back("column " + name + " is computed by the target and not written");
      return;
    }
    if (target.always_identity && request_.mode == WriteMode::update) {
      layout_.notes.push_back("column " + name +
                              " is GENERATED ALWAYS AS IDENTITY in the target and not updated");
      return;
    }
    add(WriteColumn::Role::value, read, target);
  }

  void add_plugin_outputs() {
    if (!request_.plugin) return;
    int position = 0;
    for (const PluginColumns::Output& output : request_.plugin->outputs) {
      const Column& target = request_.target.columns[static_cast<std::size_t>(output.target)];
      if (target.generated)
        refuse("the plugin fills column " + target.name + ", which the database computes");
      WriteColumn column;
      column.column = column_of_kind(target.name, output.kind);
      column.target = target;
      column.output = position++;
      layout_.write.push_back(std::move(column));
    }
  }

  // What tells that a row changed between its read and its write: PostgreSQL's row version, or
  // else every value that was read.
  void add_guards() {
    if (request_.row_version) {
      layout_.read.push_back({*request_.row_version, request_.row_version->name, false});
      add(WriteColumn::Role::guard, static_cast<int>(layout_.read.size()) - 1,
          *request_.row_version);
      return;
    }
    const bool has_expression =
        std::any_of(layout_.read.begin(), layout_.read.end(),
                    [](const ReadColumn& column) { return !column.expression.empty(); });
    if (has_expression) {
      for (const Column& column : request_.source.columns) position_of_plain(column.name, "column");
    }
    for (std::size_t i = 0; i < layout_.read.size(); ++i) {
      const int read = static_cast<int>(i);
      const bool is_key = std::find(layout_.read_key.begin(), layout_.read_key.end(), read) !=
                          layout_.read_key.end();
      if (is_key || !layout_.read[i].expression.empty()) continue;
      add(WriteColumn::Role::guard, read, target_column(layout_.read[i].column.name, "column"));
    }
  }

  void check_something_is_written() const {
    const bool writes = std::any_of(
        layout_.write.begin(), layout_.write.end(),
        [](const WriteColumn& column) { return column.role == WriteColumn::Role::value; });
    if (writes || request_.mode != WriteMode::update) return;
    refuse("nothing to write to " + request_.target.name +
           ": name a plugin that fills columns, or an expression such as \"lower(email) as email\" "
           "in source.columns");
  }

  bool forwards() const {
    if (request_.plugin || layout_.write.size() != layout_.read.size()) return false;
    for (std::size_t i = 0; i < layout_.write.size(); ++i) {
      if (layout_.write[i].read != static_cast<int>(i)) return false;
    }
    return true;
  }

  void add(WriteColumn::Role role, int read, const Column& target) {
    WriteColumn column;
    column.column = layout_.read[static_cast<std::size_t>(read)].column;
    column.column.name = target.name;
    column.target = target;
    column.role = role;
    column.read = read;
    layout_.write.push_back(std::move(column));
  }

  Column target_column(const std::string& name, const char* what) const {
    const int at = find_column(request_.target.columns, name);
    if (at < 0) refuse(std::string(what) + " " + name + " is not in " + request_.target.name);
    return request_.target.columns[static_cast<std::size_t>(at)];
  }

  bool plugin_fills(const std::string& name) const {
    if (!request_.plugin) return false;
    const auto& outputs = request_.plugin->outputs;
    return std::any_of(outputs.begin(), outputs.end(), [&](const PluginColumns::Output& output) {
      return request_.target.columns[static_cast<std::size_t>(output.target)].name == name;
    });
  }

  // `requested`: a position in the job's source columns.
  bool plugin_reads(std::size_t requested) const {
    if (!request_.plugin) return false;
    const auto& inputs = request_.plugin->inputs;
    return std::find(inputs.begin(), inputs.end(), static_cast<int>(requested)) != inputs.end();
  }

  [[noreturn]] static void refuse(const std::string& why) { throw Error(ExitCode::unsafe, why); }

  const LayoutRequest& request_;
  Layout layout_;
  std::vector<int> places_;     // of the requested columns in `read`; -1: not read
  std::vector<bool> is_plain_;  // of the columns in `read`: a column of the table as it is
};

}  // namespace

const char* write_mode_name(WriteMode mode) {
  switch (mode) {
    case WriteMode::update:
      return "update";
    case WriteMode::insert_missing:
      return "insert_missing";
    case WriteMode::upsert:
      return "upsert";
    case WriteMode::insert:
      return "insert";
  }
  return "";
}

Columns Layout::read_columns() const {
  Columns columns;
  for (const ReadColumn& column : read) columns.push_back(column.column);
  return columns;
}

Columns Layout::write_columns() const {
  Columns columns;
  for (const WriteColumn& column : write) columns.push_back(column.column);
  return columns;
}

Layout make_layout(const LayoutRequest& request) { return LayoutMaker(request).make(); }

}  // namespace backfill
