// The plugin contract from the engine's side: descriptors, wishes and answers of a plugin that
// breaks every rule but one, the rules of memory. And from the plugin's side: the C++ face, fed
// with cells that are not of their type.
//
// Input: which of the two; then see Hostile and FacePlugin.

#include <dlfcn.h>

#include <array>
#include <cstring>
#include <limits>
#include <memory>

#include "backfill/transform.hpp"
#include "core/layout.h"
#include "fuzz/input.h"
#include "fuzz/promise.h"
#include "plugin/plugin_transform.h"

namespace backfill::fuzz {
namespace {

constexpr std::size_t kArenaBytes = 1 << 16;

// Where the loaded plugin looks for its descriptor.
const backfill_transform*& descriptor_place() {
  static auto* const place = [] {
    void* library = dlopen(BACKFILL_HOSTILE_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    void* symbol = library == nullptr ? nullptr : dlsym(library, "hostile_descriptor");
    promise(symbol != nullptr, "the hostile plugin is there", BACKFILL_HOSTILE_PLUGIN);
    return static_cast<const backfill_transform**>(symbol);
  }();
  return *place;
}

Column column_of(const std::string& name, Kind kind, bool dynamic = false) {
  Column column;
  column.name = name;
  column.kind = kind;
  column.type = facts_of(kind).type;
  column.dynamic = dynamic;
  return column;
}

// A table with a column of each kind and a dynamic one; `id` is its key.
Columns all_columns() {
  Columns columns = {column_of("id", Kind::int64)};
  for (int kind = BACKFILL_OTHER; kind <= BACKFILL_NUMERIC; ++kind)
    columns.push_back(column_of(facts_of(static_cast<Kind>(kind)).name, static_cast<Kind>(kind)));
  columns.push_back(column_of("dynamic", Kind::text, true));
  return columns;
}

PluginOffer make_offer() {
  PluginOffer offer;
  offer.job = "fuzz";
  for (const Column& column : all_columns()) offer.columns.push_back({column, "", true});
  offer.target = all_columns();
  return offer;
}

Layout make_fuzz_layout(const PluginOffer& offer, const PluginColumns& wanted) {
  LayoutRequest request;
  request.source.name = "source";
  request.source.identity = "source";
  request.source.columns = offer.target;
  request.source.key = {"id"};
  request.target = request.source;
  request.target.name = request.target.identity = "target";
  request.target_key = {"id"};
  request.columns = offer.columns;
  request.plugin = wanted;
  return make_layout(request);
}

// Rows whose cells are any bytes.
Batch make_rows(Input& input, std::size_t fields) {
  Batch rows;
  const std::size_t count = input.below(6);
  for (std::size_t row = 0; row < count; ++row) {
    rows.begin_tuple(static_cast<std::int16_t>(fields));
    for (std::size_t field = 0; field < fields; ++field) {
      const std::uint8_t form = input.byte();
      if (form < 64) {
        rows.append_null();
      } else if (form < 128) {
        rows.append_field(input.text());
      } else {
        // As long as most kinds want it.
        std::string eight(8, static_cast<char>(form));
        rows.append_field(eight.replace(0, 1, input.text().substr(0, 1)));
      }
    }
  }
  return rows;
}

void check_answer(const Batch& rows, const Layout& layout, const Transformed& answer) {
  promise(answer.rows.rows() + answer.rejects.size() + static_cast<std::size_t>(answer.skipped) ==
              rows.rows(),
          "every row is written, rejected or skipped");
  promise(answer.input_rows.size() == answer.rows.rows(), "every written row answers one");
  std::vector<Cell> cells;
  for (std::size_t row = 0; row < answer.rows.rows(); ++row) {
    read_cells(answer.rows.tuple(row), layout.write.size(), cells);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::int32_t size = facts_of(layout.write[i].column.kind).size;
      promise(
          layout.write[i].output < 0 || cells[i].is_null() || size == 0 || cells[i].length == size,
          "what a plugin fills has the size of its kind");
    }
  }
}

// Opens, binds and applies as a worker does.
void use_plugin(Input& input) {
  const PluginOffer offer = make_offer();
  const std::shared_ptr<const Plugin> plugin = Plugin::open(BACKFILL_HOSTILE_PLUGIN, "/");
  const Layout layout = make_fuzz_layout(offer, bind_columns(*plugin, offer));
  PluginTransform transform(plugin, offer, layout, kArenaBytes);
  const Batch rows = make_rows(input, layout.read.size());
  for (int round = 0; round < 2; ++round) {
    Transformed answer;
    transform.apply(rows, answer);
    check_answer(rows, layout, answer);
  }
}

void check_use(Input& input) {
  const auto failure = failure_of([&] { use_plugin(input); });
  if (!failure) return;
  const std::string message = failure->what();
  promise(message.find_first_of("\r\n") == message.npos, "a failure is one line", message);
}

// A plugin that takes every decision from the input.
class Hostile {
 public:
  explicit Hostile(Input& input) : input_(input) { current_ = this; }
  ~Hostile() { promise(open_instances_ == 0, "every instance is closed, once"); }

  // In memory of just the size that it claims, so that reading beyond is seen.
  std::unique_ptr<char[]> descriptor() {
    const std::uint8_t flaws = input_.byte();
    backfill_transform full{BACKFILL_TRANSFORM_CONTRACT,
                            sizeof full,
                            "hostile",
                            "1",
                            &Hostile::open,
                            &Hostile::apply,
                            &Hostile::close};
    name_ = std::string(input_.text());
    if ((flaws & 1) != 0) full.name = name_.c_str();
    if ((flaws & 2) != 0) full.struct_size = input_.number();
    if ((flaws & 4) != 0) full.contract = input_.number();
    if ((flaws & 8) != 0) remove_field(full, input_.below(5));
    wishes_at_ = input_;
    constexpr std::size_t size_min = offsetof(backfill_transform, name);
    const std::size_t size =
        std::clamp<std::size_t>(full.struct_size, size_min, sizeof(backfill_transform));
    std::unique_ptr<char[]> memory(new char[size]);
    std::memcpy(memory.get(), &full, size);
    return memory;
  }

 private:
  static void remove_field(backfill_transform& full, std::size_t field) {
    if (field == 0) full.name = nullptr;
    if (field == 1) full.version = nullptr;
    if (field == 2) full.open = nullptr;
    if (field == 3) full.apply = nullptr;
    if (field == 4) full.close = nullptr;
  }

  static void* open(backfill_binding* binding, backfill_error* error) {
    return current_->make_wishes(*binding, *error) ? current_ : nullptr;
  }
  static int apply(void* instance, backfill_batch* batch, backfill_error* error) {
    return static_cast<Hostile*>(instance)->answer(*batch, *error);
  }
  static void close(void* instance) { --static_cast<Hostile*>(instance)->open_instances_; }

  // No closing zero, no UTF-8, lines of its own.
  void explain(backfill_error& error) {
    const std::string_view words = input_.text();
    std::memset(error.message, words.empty() ? 0 : words[0], sizeof error.message);
    std::memcpy(error.message, words.data(), words.size());
  }

  bool make_wishes(backfill_binding& binding, backfill_error& error) {
    // Most plugins say the same whenever they are opened.
    const bool is_fickle = input_.byte() > 240;
    if (!is_fickle && times_opened_++ > 0) input_ = wishes_at_;
    const std::size_t inputs = input_.below(8);
    for (std::size_t i = 0; i < inputs; ++i) binding.want_input(&binding, wanted(17));
    const std::size_t outputs = input_.below(8);
    for (std::size_t i = 0; i < outputs; ++i)
      binding.want_output(&binding, wanted(17), wanted(BACKFILL_NUMERIC + 1));
    if (input_.byte() > 250) {
      explain(error);
      return false;
    }
    ++open_instances_;
    return true;
  }

  // Nearly always below the limit.
  std::uint32_t wanted(std::size_t limit) {
    const std::uint8_t byte = input_.byte();
    if (byte > 253) return input_.number();
    return static_cast<std::uint32_t>(byte % limit);
  }

  int answer(backfill_batch& batch, backfill_error& error) {
    for (std::uint32_t row = 0; row < batch.row_count; ++row) {
      const std::uint8_t verdict = input_.byte();
      batch.verdicts[row] = verdict > 250 ? verdict : verdict % 3;
      if (verdict % 5 == 0) batch.reasons[row] = words(batch);
      backfill_cell* cells = batch.outputs + std::size_t{row} * batch.output_count;
      for (std::uint32_t i = 0; i < batch.output_count; ++i) cells[i] = cell(batch, row);
    }
    const std::uint8_t end = input_.byte();
    if (end > 240) batch = backfill_batch{};
    if (end > 230) explain(error);
    return end > 245 ? end : 0;
  }

  const char* words(backfill_batch& batch) {
    const std::string_view said = input_.text();
    auto* memory = static_cast<char*>(batch.allocate(&batch, said.size() + 1));
    if (memory == nullptr) return nullptr;
    std::memcpy(memory, said.data(), said.size());
    memory[said.size()] = '\0';
    return memory;
  }

  backfill_cell cell(backfill_batch& batch, std::uint32_t row) {
    const std::uint8_t form = input_.byte();
    const auto type = static_cast<std::uint32_t>(form);
    switch (form % 8) {
      case 0:
        return {nullptr, -1, type};
      case 1:  // a length that no value has
        return {"", static_cast<std::int32_t>(input_.number() | 0x80000000U), type};
      case 2:  // bytes that are nowhere
        return {nullptr, static_cast<std::int32_t>(input_.number() & 0x7fffffffU), type};
      case 3:
        if (batch.input_count != 0) return batch.inputs[std::size_t{row} * batch.input_count];
        return {nullptr, 0, type};
      case 4:  // more memory than there is
        return {batch.allocate(&batch, std::numeric_limits<std::size_t>::max() - input_.byte()), 0,
                type};
      case 5:  // much memory
        return own(batch, std::size_t{input_.byte()} << 8, type);
      default:
        return own(batch, std::array<std::size_t, 8>{0, 1, 2, 4, 8, 8, 16, 24}[input_.below(8)],
                   type);
    }
  }

  static backfill_cell own(backfill_batch& batch, std::size_t size, std::uint32_t type) {
    void* memory = batch.allocate(&batch, size);
    if (memory == nullptr) return {nullptr, -1, type};
    std::memset(memory, 'x', size);
    return {memory, static_cast<std::int32_t>(size), type};
  }

  static inline Hostile* current_ = nullptr;
  Input& input_;
  Input wishes_at_ = input_;
  std::string name_;
  int times_opened_ = 0;
  int open_instances_ = 0;
};

// Reads every column by its type and writes it back; cells of another form reject their row.
class FacePlugin {
 public:
  using Row = plugin::Row;
  using OutputRow = plugin::OutputRow;

  explicit FacePlugin(plugin::Binding& bind)
      : boolean_(bind, "boolean"),
        int16_(bind, "int16"),
        int32_(bind, "int32"),
        int64_(bind, "int64"),
        float32_(bind, "float32"),
        float64_(bind, "float64"),
        text_(bind, "text"),
        bytes_(bind, "bytes"),
        date_(bind, "date"),
        timestamp_(bind, "timestamp"),
        timestamptz_(bind, "timestamptz"),
        uuid_(bind, "uuid"),
        json_(bind, "json"),
        jsonb_(bind, "jsonb"),
        numeric_(bind, "numeric"),
        dynamic_(bind, "dynamic") {}

  plugin::Verdict apply(const Row& row, OutputRow& out) {
    const bool is_passed = turn_++ % 2 == 0;
    const auto copy = [&](const auto& column) { column.copy(row, out, is_passed); };
    copy(boolean_), copy(int16_), copy(int32_), copy(int64_), copy(float32_), copy(float64_);
    copy(text_), copy(bytes_), copy(date_), copy(timestamp_), copy(timestamptz_), copy(uuid_);
    copy(json_), copy(jsonb_), copy(numeric_), copy(dynamic_);
    return plugin::write();
  }

 private:
  template <class T>
  struct Both {
    Both(plugin::Binding& bind, const char* name)
        : input(bind.input<T>(name)), output(bind.output<T>(name)) {}
    // A cell that does not fit is left NULL, so that the others have their turn.
    void copy(const Row& row, OutputRow& out, bool is_passed) const {
      try {
        if (is_passed) return out.pass(output, row, input);
        if (const auto value = row.get(input)) out.set(output, *value);
      } catch (const std::invalid_argument&) {
        out.set_null(output);
      }
    }
    plugin::Input<T> input;
    plugin::Output<T> output;
  };

  Both<plugin::Boolean> boolean_;
  Both<plugin::Integer> int16_, int32_, int64_;
  Both<plugin::Real> float32_, float64_;
  Both<plugin::Text> text_;
  Both<plugin::Bytes> bytes_;
  Both<plugin::Date> date_;
  Both<plugin::Timestamp> timestamp_;
  Both<plugin::Timestamptz> timestamptz_;
  Both<plugin::Uuid> uuid_;
  Both<plugin::Json> json_, jsonb_;
  Both<plugin::Numeric> numeric_;
  Both<plugin::Text> dynamic_;
  int turn_ = 0;
};

void check(Input input) {
  if (input.byte() % 4 != 0) {
    Hostile hostile(input);
    const std::unique_ptr<char[]> memory = hostile.descriptor();
    descriptor_place() = reinterpret_cast<const backfill_transform*>(memory.get());
    return check_use(input);
  }
  static const backfill_transform face = plugin::describe<FacePlugin>("face", "1");
  descriptor_place() = &face;
  check_use(input);
}

}  // namespace
}  // namespace backfill::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  backfill::fuzz::check(backfill::fuzz::Input(bytes, size));
  return 0;
}
