// Fills name_upper from name. `skip`, `reject`, `throw`, `stop` in a name ask for just that.

#include <backfill/transform.hpp>
#include <stdexcept>
#include <string>

using namespace backfill::plugin;

namespace {

class UpperName {
 public:
  explicit UpperName(Binding& bind)
      : name_(bind.input<Text>("name")), upper_(bind.output<Text>("name_upper")) {}

  Verdict apply(const Row& row, OutputRow& out) const {
    if (row.is_null(name_)) return write();
    std::string upper(row[name_]);
    if (upper == "skip") return skip();
    if (upper == "reject") return reject("asked to");
    if (upper == "throw") throw std::runtime_error("asked to throw");
    if (upper == "stop") throw Stop("asked to\nstop");
    for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    out.set(upper_, upper);
    return write();
  }

 private:
  Input<Text> name_;
  Output<Text> upper_;
};

}  // namespace

BACKFILL_TRANSFORM(UpperName, "upper_name", "3")
