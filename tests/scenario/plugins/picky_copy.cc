// Copies full_name to first_name, but for the name `bad`, which it rejects.

#include <backfill/transform.hpp>

using namespace backfill::plugin;

namespace {

class PickyCopy {
 public:
  explicit PickyCopy(Binding& bind)
      : full_name_(bind.input<Text>("full_name")), first_name_(bind.output<Text>("first_name")) {}

  Verdict apply(const Row& row, OutputRow& out) const {
    if (row.is_null(full_name_)) return skip();
    if (row[full_name_] == "bad") return reject("a bad name");
    out.set(first_name_, row[full_name_]);
    return write();
  }

 private:
  Input<Text> full_name_;
  Output<Text> first_name_;
};

}  // namespace

BACKFILL_TRANSFORM(PickyCopy, "picky_copy", "1")
