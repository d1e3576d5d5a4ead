#include "core/transform.h"

namespace backfill {

void Transformed::clear() {
  rows.clear();
  input_rows.clear();
  rejects.clear();
  skipped = 0;
}

void Projection::apply(const Batch& input, Transformed& output) {
  output.clear();
  for (std::size_t row = 0; row < input.rows(); ++row) {
    read_cells(input.tuple(row), layout_.read.size(), cells_);
    append_row(cells_, {}, output.rows);
    output.input_rows.push_back(static_cast<std::uint32_t>(row));
  }
}

void Projection::append_row(const std::vector<Cell>& input, const std::vector<Cell>& outputs,
                            Batch& rows) const {
  rows.begin_tuple(static_cast<std::int16_t>(layout_.write.size()));
  for (const WriteColumn& column : layout_.write) {
    const bool passes = column.read >= 0;
    rows.append_cell(passes ? input[static_cast<std::size_t>(column.read)]
                            : outputs[static_cast<std::size_t>(column.output)]);
  }
}

}  // namespace backfill
