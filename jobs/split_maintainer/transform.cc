// Splits a Debian maintainer, `Debian Perl Group <perl@example.org>`, into maintainer_name and
// maintainer_email.
//
//   NULL                            skipped: the package has no maintainer
//   Name <user@host>                both parts, without the spaces around them
//   "Doe, John" <user@host>         a quoted name loses its quotes; \" and \\ in it are plain
//   Doe, John A. <user@host>        commas and dots in a name are part of it
//   <user@host>                     the name is empty
//   all else                        rejected, with the reason
//
// A maintainer is one person or one list: several addresses are rejected.

#include <backfill/transform.hpp>
#include <string>
#include <string_view>

using namespace backfill::plugin;

namespace {

constexpr std::string_view spaces = " \t\n\v\f\r";

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(spaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(spaces) + 1 - first);
}

// Takes a quoted name off the front of `text` and writes it plainly. False when the quote is
// not closed.
bool take_quoted(std::string_view& text, std::string& name) {
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    name += text[i];
  }
  return false;
}

// Why this is no address; nullptr when it is one.
const char* address_fault(std::string_view address) {
  if (address.empty()) return "nothing between < and >";
  if (address.find_first_of(spaces) != std::string_view::npos) return "a space in the address";
  if (address.find_first_of("<,;") != std::string_view::npos) return "several addresses";
  const std::size_t at = address.find('@');
  if (at == std::string_view::npos) return "no @ in the address";
  if (address.find('@', at + 1) != std::string_view::npos) return "more than one @ in the address";
  if (at == 0) return "nothing before @ in the address";
  if (at + 1 == address.size()) return "nothing after @ in the address";
  return nullptr;
}

class SplitMaintainer {
 public:
  explicit SplitMaintainer(Binding& bind)
      : maintainer_(bind.input<Text>("maintainer")),
        name_(bind.output<Text>("maintainer_name")),
        email_(bind.output<Text>("maintainer_email")) {}

  Verdict apply(const Row& row, OutputRow& out) {
    if (row.is_null(maintainer_)) return skip();
    std::string_view rest = trim(row[maintainer_]);
    if (rest.empty()) return reject("the maintainer is empty");

    plain_name_.clear();
    if (rest.front() == '"' && !take_quoted(rest, plain_name_))
      return reject("the quoted name does not end");
    const std::size_t open = rest.find('<');
    if (open == std::string_view::npos) return reject("no address in < >");
    const std::string_view unquoted = trim(rest.substr(0, open));
    // `a@x, B <b@y>`: an address stands where a name should.
    if (unquoted.find('@') != std::string_view::npos &&
        unquoted.find_first_of(",;") != std::string_view::npos)
      return reject("several addresses");
    const std::size_t close = rest.find('>', open);
    if (close == std::string_view::npos) return reject("< without >");
    const std::string_view address = trim(rest.substr(open + 1, close - open - 1));
    if (const char* fault = address_fault(address)) return reject(fault);
    if (const std::string_view left = trim(rest.substr(close + 1)); !left.empty())
      return reject(left.find('@') == std::string_view::npos ? "text after the address"
                                                             : "several addresses");

    // `"Doe, John" (QA) <…>`: what follows the quotes belongs to the name.
    if (!plain_name_.empty() && !unquoted.empty()) plain_name_ += ' ';
    plain_name_ += unquoted;
    out.set(name_, trim(plain_name_));
    out.set_view(email_, address);
    return write();
  }

 private:
  Input<Text> maintainer_;
  Output<Text> name_;
  Output<Text> email_;
  std::string plain_name_;  // kept for its memory
};

}  // namespace

BACKFILL_TRANSFORM(SplitMaintainer, "split_maintainer", "1")
