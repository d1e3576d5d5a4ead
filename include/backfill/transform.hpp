// backfill/transform.hpp
//
// The C++ face of the plugin contract, transform.h. Header-only, C++20. An author writes one
// class: its constructor says which columns it reads and fills, apply() answers one row.
//
//   #include <backfill/transform.hpp>
//   using namespace backfill::plugin;
//
//   class LowerEmail {
//    public:
//     explicit LowerEmail(Binding& bind)
//         : email_(bind.input<Text>("email")), lower_(bind.output<Text>("email_lower")) {}
//
//     Verdict apply(const Row& row, OutputRow& out) {
//       if (row.is_null(email_)) return skip();
//       std::string lower(row[email_]);
//       for (char& c : lower) c = c >= 'A' && c <= 'Z' ? c + 32 : c;
//       out.set(lower_, lower);
//       return write();
//     }
//
//    private:
//     Input<Text> email_;
//     Output<Text> lower_;
//   };
//   BACKFILL_TRANSFORM(LowerEmail, "lower_email", "1")
//
// One instance a worker: apply() may change members, needs no locks, and must answer the same
// row in the same way whenever it is asked.
//
// Errors. A std::exception from the constructor refuses the run before its first row. One from
// apply() rejects that row with what() as the reason; so do reading a NULL, a SQLite cell of
// another type, and a value that its target column cannot hold. Stop, or running out of
// memory, ends the run. An option that the constructor did not ask for is refused: it is most
// likely a typing error.
//
// Lifetime. What row[] returns lives until the batch is done; copy it to keep it longer.

#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "backfill/binding.hpp"
#include "backfill/column_types.hpp"
#include "backfill/transform.h"

namespace backfill::plugin {

// Thrown from apply(): ends the run, with what() as the reason.
class Stop : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What becomes of a row. Made by write(), skip() and reject().
class Verdict {
 public:
  Verdict(backfill_verdict code, std::string reason) : code_(code), reason_(std::move(reason)) {}
  backfill_verdict code() const { return code_; }
  const std::string& reason() const { return reason_; }

 private:
  backfill_verdict code_;
  std::string reason_;
};

// The output row is written.
inline Verdict write() { return {BACKFILL_WRITE, {}}; }
// The row is left out, on purpose.
inline Verdict skip() { return {BACKFILL_SKIP, {}}; }
// The row is bad: it goes to the dead letters with the reason.
inline Verdict reject(std::string reason) { return {BACKFILL_REJECT, std::move(reason)}; }

// One row as it was read.
class Row {
 public:
  Row(const backfill_cell* cells, const ColumnNames& names, detail::Memory memory)
      : cells_(cells), names_(&names), memory_(memory) {}

  template <class T>
  bool is_null(Input<T> input) const {
    return cells_[input.place].length < 0;
  }

  // The value. Throws when it is NULL or, in a SQLite column, of another type.
  template <class T>
  typename T::Value operator[](Input<T> input) const {
    try {
      if (is_null(input)) throw std::invalid_argument("is NULL");
      return T::decode(cells_[input.place], memory_);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument("column " + names_->inputs[input.place] + " " + error.what());
    }
  }

  // The value, or nothing where it is NULL.
  template <class T>
  std::optional<typename T::Value> get(Input<T> input) const {
    if (is_null(input)) return std::nullopt;
    return (*this)[input];
  }

 private:
  friend class OutputRow;
  const backfill_cell* cells_;
  const ColumnNames* names_;
  mutable detail::Memory memory_;
};

// The row that answers it: all NULL at first.
class OutputRow {
 public:
  OutputRow(backfill_cell* cells, const ColumnNames& names, detail::Memory memory)
      : cells_(cells), names_(&names), memory_(memory) {}

  // Copies the value. Throws when the target column cannot hold it.
  template <class T>
  void set(Output<T> output, const std::type_identity_t<typename T::Value>& value) {
    try {
      cells_[output.place] = T::encode(value, output.type, memory_);
    } catch (const std::logic_error& error) {
      throw std::invalid_argument("column " + names_->outputs[output.place] + ": " + error.what());
    }
  }
  // A fraction would be cut, and any pointer be true: say what is meant.
  void set(Output<Integer> output, std::floating_point auto value) = delete;
  template <class Pointee>
  void set(Output<Boolean> output, const Pointee* value) = delete;

  template <class T>
  void set_null(Output<T> output) {
    cells_[output.place] = {nullptr, -1, output.type};
  }

  // Does not copy: the bytes must live until the batch is done, as parts of row[] and members do.
  template <class T>
  requires(std::same_as<T, Text> || std::same_as<T, Bytes>) void set_view(Output<T> output,
                                                                          std::string_view value) {
    cells_[output.place] = detail::share(value, output.type);
  }

  // The input's value, NULL or not; shares its bytes where both have the same form.
  template <class T>
  void pass(Output<T> output, const Row& row, Input<T> input) {
    const backfill_cell& cell = row.cells_[input.place];
    if (cell.length < 0) return set_null(output);
    if (cell.type == output.type) {
      cells_[output.place] = cell;
      return;
    }
    set(output, row[input]);
  }

 private:
  backfill_cell* cells_;
  const ColumnNames* names_;
  detail::Memory memory_;
};

namespace detail {

// How much of each struct is used here: an engine that knows less cannot run this plugin.
inline constexpr std::size_t binding_bytes_used =
    offsetof(backfill_binding, want_output) + sizeof(backfill_binding::want_output);
inline constexpr std::size_t batch_bytes_used =
    offsetof(backfill_batch, allocate) + sizeof(backfill_batch::allocate);

template <class T>
struct Instance {
  explicit Instance(Binding& bind) : transform(bind), names(bind.take_names()) {
    bind.reject_unknown_options();
  }
  T transform;
  ColumnNames names;
};

inline void explain(backfill_error* error, const char* message) {
  if (error == nullptr) return;
  std::size_t size = std::min(std::strlen(message), sizeof(error->message) - 1);
  std::memcpy(error->message, message, size);
  error->message[size] = '\0';
}

template <class T>
void* open(backfill_binding* binding, backfill_error* error) {
  try {
    if (binding->struct_size < binding_bytes_used)
      throw std::runtime_error("this backfill is older than the plugin; update backfill");
    Binding bind(*binding);
    return new Instance<T>(bind);
  } catch (const std::exception& failure) {
    explain(error, failure.what());
  } catch (...) {
    explain(error, "the constructor threw something that is not a std::exception");
  }
  return nullptr;
}

inline void answer(backfill_batch& batch, std::uint32_t row, Memory memory,
                   const Verdict& verdict) {
  batch.verdicts[row] = static_cast<std::uint8_t>(verdict.code());
  if (verdict.code() != BACKFILL_REJECT) return;
  char* reason = memory.allocate(verdict.reason().size() + 1);
  std::memcpy(reason, verdict.reason().c_str(), verdict.reason().size() + 1);
  batch.reasons[row] = reason;
}

template <class T>
void apply_row(Instance<T>& instance, backfill_batch& batch, std::uint32_t r) {
  Memory memory(batch);
  const std::size_t row_index = r;
  const Row row(batch.inputs + row_index * batch.input_count, instance.names, memory);
  OutputRow out(batch.outputs + row_index * batch.output_count, instance.names, memory);
  try {
    answer(batch, r, memory, instance.transform.apply(row, out));
  } catch (const Stop&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& failure) {
    answer(batch, r, memory, reject(failure.what()));
  } catch (...) {
    answer(batch, r, memory, reject("the transform threw something that is not a std::exception"));
  }
}

template <class T>
int apply(void* raw, backfill_batch* batch, backfill_error* error) {
  try {
    if (batch->struct_size < batch_bytes_used)
      throw Stop("this backfill is older than the plugin; update backfill");
    auto& instance = *static_cast<Instance<T>*>(raw);
    for (std::uint32_t r = 0; r < batch->row_count; ++r) apply_row(instance, *batch, r);
    return 0;
  } catch (const std::bad_alloc&) {
    explain(error, "out of memory");
  } catch (const std::exception& failure) {
    explain(error, failure.what());
  } catch (...) {
    explain(error, "the transform threw something that is not a std::exception");
  }
  return 1;
}

template <class T>
void close(void* raw) {
  delete static_cast<Instance<T>*>(raw);
}

}  // namespace detail

// The contract's answer for a transform class. The texts live as long as the library.
template <class T>
backfill_transform describe(const char* name, const char* version) {
  static_assert(std::is_constructible_v<T, Binding&>,
                "a transform is made from a backfill::plugin::Binding&");
  return {BACKFILL_TRANSFORM_CONTRACT, sizeof(backfill_transform), name, version, &detail::open<T>,
          &detail::apply<T>,           &detail::close<T>};
}

}  // namespace backfill::plugin

// Makes a class the transform of this library. Once in a library. Give it another version when
// it answers rows in another way: a run begun with one version does not resume with another.
#define BACKFILL_TRANSFORM(Type, name, version)                                                    \
  extern "C" BACKFILL_EXPORT const backfill_transform* backfill_transform_entry(void) {            \
    static const backfill_transform transform = ::backfill::plugin::describe<Type>(name, version); \
    return &transform;                                                                             \
  }
