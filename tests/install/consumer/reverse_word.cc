#include <backfill/transform.hpp>
#include <string>

using namespace backfill::plugin;

class ReverseWord {
 public:
  explicit ReverseWord(Binding& bind)
      : word_(bind.input<Text>("word")), reversed_(bind.output<Text>("reversed")) {}

  Verdict apply(const Row& row, OutputRow& out) const {
    if (row.is_null(word_)) return skip();
    const std::string_view word = row[word_];
    out.set(reversed_, std::string(word.rbegin(), word.rend()));
    return write();
  }

 private:
  Input<Text> word_;
  Output<Text> reversed_;
};

BACKFILL_TRANSFORM(ReverseWord, "reverse_word", "1")
