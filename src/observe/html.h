// observe/html.h
//
// Text as HTML and SVG show it, letter by letter. Whatever comes from a table, a server or a person
// goes through here: a key may well be `<script>`.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace backfill {

// Within an element or a quoted attribute.
std::string html(std::string_view text);

// The same of its first characters, with `…` where more were left out; on one line.
std::string html_start(std::string_view text, std::size_t characters_max);

}  // namespace backfill
