// Throws from its constructor.

#include <backfill/transform.hpp>
#include <stdexcept>

using namespace backfill::plugin;

namespace {

class RefusesToBind {
 public:
  explicit RefusesToBind(Binding&) { throw std::runtime_error("the moon is full"); }
  Verdict apply(const Row&, OutputRow&) const { return skip(); }
};

}  // namespace

BACKFILL_TRANSFORM(RefusesToBind, "refuses_to_bind", "1")
