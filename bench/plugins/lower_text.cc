// Writes a text column in lower case and leaves the others as they are: the least that a copy
// through a plugin does. Of letters only A to Z are changed. The option `column` names the
// column (default "email").

#include <backfill/transform.hpp>
#include <string>
#include <string_view>

using namespace backfill::plugin;

namespace {

class LowerText {
 public:
  explicit LowerText(Binding& bind) : LowerText(bind, bind.option("column", "email")) {}

  Verdict apply(const Row& row, OutputRow& out) {
    if (row.is_null(text_)) {
      out.set_null(lower_);
      return write();
    }
    word_ = row[text_];
    for (char& letter : word_) {
      if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + ('a' - 'A'));
    }
    out.set(lower_, word_);
    return write();
  }

 private:
  LowerText(Binding& bind, const std::string& column)
      : text_(bind.input<Text>(column)), lower_(bind.output<Text>(column)) {}

  Input<Text> text_;
  Output<Text> lower_;
  std::string word_;  // kept for its memory
};

}  // namespace

BACKFILL_TRANSFORM(LowerText, "lower_text", "1")
