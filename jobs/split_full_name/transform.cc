// Splits full_name into first_name and last_name.
//
//   NULL                          skipped: there is nothing to say
//   empty, or only spaces         both are empty
//   one word                      the first name; the last name is empty
//   several words                 the last word is the last name, the others the first name
//
// Words are parted by any run of spaces, tabs, line ends, no-break spaces (U+00A0) or
// ideographic spaces (U+3000); the words of a first name are joined by one space. All other
// letters stay as they are.
//
// The option `locale` (default "en") is a language such as "en", "hu" or "ja_JP". Where the
// family name comes first (hu, ja, ko, vi, zh) the first of several words is the last name.

#include <array>
#include <backfill/transform.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace backfill::plugin;

namespace {

// The length of the space that `text` begins with; 0 when it begins with none.
std::size_t space_size(std::string_view text) {
  constexpr std::string_view ascii = " \t\n\v\f\r";
  if (text.empty()) return 0;
  if (ascii.find(text.front()) != std::string_view::npos) return 1;
  for (const std::string_view space : {std::string_view("\u00a0"), std::string_view("\u3000")}) {
    if (text.substr(0, space.size()) == space) return space.size();
  }
  return 0;
}

// Takes the first word off the text; empty when there is none.
std::string_view take_word(std::string_view& text) {
  while (const std::size_t space = space_size(text)) text.remove_prefix(space);
  std::size_t size = 0;
  while (size < text.size() && space_size(text.substr(size)) == 0) ++size;
  const std::string_view word = text.substr(0, size);
  text.remove_prefix(size);
  return word;
}

bool family_name_leads(const std::string& locale) {
  std::string language = locale.substr(0, locale.find_first_of("-_."));
  for (char& letter : language) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + ('a' - 'A'));
    if (letter < 'a' || letter > 'z') language.clear();
  }
  if (language.size() < 2 || language.size() > 3)
    throw std::invalid_argument("option transform.options.locale is " + locale +
                                ", not a language such as en or hu");
  constexpr std::array<std::string_view, 5> languages = {"hu", "ja", "ko", "vi", "zh"};
  for (const std::string_view leading : languages) {
    if (language == leading) return true;
  }
  return false;
}

class SplitFullName {
 public:
  explicit SplitFullName(Binding& bind)
      : full_name_(bind.input<Text>("full_name")),
        first_name_(bind.output<Text>("first_name")),
        last_name_(bind.output<Text>("last_name")),
        family_name_leads_(family_name_leads(bind.option("locale", "en"))) {}

  Verdict apply(const Row& row, OutputRow& out) {
    if (row.is_null(full_name_)) return skip();
    std::string_view rest = row[full_name_];
    std::string_view last_name;
    given_.clear();

    // The word in hand joins the given name once it is known not to be the last name.
    std::string_view word = take_word(rest);
    std::string_view next = take_word(rest);
    if (family_name_leads_ && !next.empty()) {
      last_name = word;
      word = next;
      next = take_word(rest);
    }
    while (!next.empty()) {
      add_given(word);
      word = next;
      next = take_word(rest);
    }
    if (given_.empty() || family_name_leads_) {
      add_given(word);
    } else {
      last_name = word;
    }

    out.set(first_name_, given_);
    out.set_view(last_name_, last_name);
    return write();
  }

 private:
  void add_given(std::string_view word) {
    if (!given_.empty()) given_ += ' ';
    given_ += word;
  }

  Input<Text> full_name_;
  Output<Text> first_name_;
  Output<Text> last_name_;
  bool family_name_leads_;
  std::string given_;  // kept for its memory
};

}  // namespace

BACKFILL_TRANSFORM(SplitFullName, "split_full_name", "1")
