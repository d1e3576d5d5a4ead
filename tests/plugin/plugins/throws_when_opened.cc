#include <backfill/transform.hpp>
#include <stdexcept>

using namespace backfill::plugin;

namespace {

class ThrowsWhenOpened {
 public:
  explicit ThrowsWhenOpened(Binding&) { throw std::runtime_error("the moon is full"); }
  Verdict apply(const Row&, OutputRow&) const { return skip(); }
};

}  // namespace

BACKFILL_TRANSFORM(ThrowsWhenOpened, "throws_when_opened", "1")
