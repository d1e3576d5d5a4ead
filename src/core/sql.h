// core/sql.h
//
// The SQL that both databases share: quoting, and reading a person's select items.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backfill {

// `odd "name"` becomes `"odd ""name"""`. Always quotes.
std::string quote_identifier(std::string_view name);

// `it's` becomes `'it''s'`. For SQLite, and for PostgreSQL with standard_conforming_strings on.
std::string quote_literal(std::string_view text);

// Parts of a table name as a person writes it: `public.users` is {public, users}; a quoted part
// keeps its dots and quotes. PostgreSQL folds unquoted parts to lower case, SQLite does not.
// Throws Error(ExitCode::usage) when it is not a name.
std::vector<std::string> split_name(const std::string& name, bool fold_case);

// `lower(email) as email` is {`lower(email)`, `email`}; without an alias, alias is empty.
// A plain, maybe quoted name has is_column set and `alias` is the name itself.
struct SelectItem {
  std::string expression;
  std::string alias;
  bool is_column = false;
};
SelectItem parse_select_item(const std::string& item, bool fold_case);

// "a, b, c"
std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace backfill
