// tests/support/fake_transform.h
//
// A Transform for transform_layout() and guarded_layout(): a value becomes what
// fake_transformed() says; values that begin with `skip` or `reject` get that verdict.

#pragma once

#include <string>

#include "core/transform.h"

namespace backfill {

// What becomes of a value that is written.
inline std::string fake_transformed(const std::string& value) { return "<" + value + ">"; }

class FakeTransform : public Transform {
 public:
  explicit FakeTransform(const Layout& layout) : projection_(layout), fields_(layout.read.size()) {}

  void apply(const Batch& input, Transformed& output) override {
    output.clear();
    std::vector<Cell> cells;
    for (std::size_t row = 0; row < input.rows(); ++row) {
      read_cells(input.tuple(row), fields_, cells);
      const std::string value(cells[1].view());
      const auto input_row = static_cast<std::uint32_t>(row);
      if (value.starts_with("skip")) {
        ++output.skipped;
      } else if (value.starts_with("reject")) {
        output.rejects.push_back({input_row, "cannot be read: " + value});
      } else {
        const std::string result = fake_transformed(value);
        const Cell cell{result.data(), static_cast<std::int32_t>(result.size())};
        projection_.append_row(cells, {cell}, output.rows);
        output.input_rows.push_back(input_row);
      }
    }
  }

 private:
  const Projection projection_;
  const std::size_t fields_;
};

}  // namespace backfill
