// Doubles a column in place: done twice to a row it is wrong, so it needs the ledger.

#include <backfill/transform.hpp>

using namespace backfill::plugin;

namespace {

class DoubleBalance {
 public:
  explicit DoubleBalance(Binding& bind)
      : before_(bind.input<Integer>("balance")), after_(bind.output<Integer>("balance")) {}

  Verdict apply(const Row& row, OutputRow& out) const {
    out.set(after_, row[before_] * 2);
    return write();
  }

 private:
  Input<Integer> before_;
  Output<Integer> after_;
};

}  // namespace

BACKFILL_TRANSFORM(DoubleBalance, "double_balance", "1")
