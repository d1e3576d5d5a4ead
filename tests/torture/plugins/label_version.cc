// label = "id:version": what a row of the target holds says which version of its source it came of.

#include <backfill/transform.hpp>
#include <string>

using namespace backfill::plugin;

namespace {

class LabelVersion {
 public:
  explicit LabelVersion(Binding& bind)
      : id_(bind.input<Integer>("id")),
        version_(bind.input<Integer>("version")),
        label_(bind.output<Text>("label")) {}

  Verdict apply(const Row& row, OutputRow& out) const {
    out.set(label_, std::to_string(row[id_]) + ':' + std::to_string(row[version_]));
    return write();
  }

 private:
  Input<Integer> id_;
  Input<Integer> version_;
  Output<Text> label_;
};

}  // namespace

BACKFILL_TRANSFORM(LabelVersion, "label_version", "1")
