// What we show of a connection text, held against libpq: whatever libpq takes for a password is
// not shown.
//
// Input: a connection text. `hunter2` in it is the word that must not be seen.

#include <libpq-fe.h>

#include <memory>

#include "fuzz/promise.h"
#include "job/database_url.h"
#include "job/job.h"

namespace backfill::fuzz {
namespace {

constexpr const char* kSecret = "hunter2";

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

// Whether libpq would connect with the secret in a place that is nobody's business, and in no
// other place.
bool is_secret_to_libpq(const std::string& text) {
  char* why_not = nullptr;
  const std::unique_ptr<PQconninfoOption, FreeOptions> options(
      PQconninfoParse(text.c_str(), &why_not));
  PQfreemem(why_not);
  bool is_secret = false;
  for (const PQconninfoOption* option = options.get(); option && option->keyword; ++option) {
    if (option->val == nullptr) continue;
    if (std::string_view(option->val).find(kSecret) == std::string_view::npos) continue;
    const std::string_view keyword = option->keyword;
    if (keyword != "password" && keyword != "sslpassword") return false;
    is_secret = true;
  }
  return is_secret;
}

void check(const std::string& text) {
  if (text.find('\0') != text.npos) return;  // a job's text has none
  const std::string shown = without_password(text);
  const std::string identity = database_identity(text);
  is_postgres_url(text);
  names_sqlite_file(text);

  const std::size_t first = text.find(kSecret);
  if (first == text.npos || text.find(kSecret, first + 1) != text.npos) return;
  if (!is_secret_to_libpq(text)) return;
  promise(shown.find(kSecret) == shown.npos, "a password is not shown", shown);
  promise(identity.find(kSecret) == identity.npos, "a password tells no databases apart", identity);
}

}  // namespace
}  // namespace backfill::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  backfill::fuzz::check({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
