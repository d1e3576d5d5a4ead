#include "observe/html.h"

#include "core/error.h"

namespace backfill {
namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

// How many bytes the first characters have.
std::size_t bytes_of(std::string_view text, std::size_t characters) {
  std::size_t at = 0;
  for (std::size_t seen = 0; at < text.size(); ++at) {
    if (begins_character(text[at]) && ++seen > characters) break;
  }
  return at;
}

}  // namespace

std::string html(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      case '\0':
        escaped += "\uFFFD";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string html_start(std::string_view text, std::size_t characters_max) {
  const std::size_t bytes = bytes_of(text, characters_max);
  const std::string start = html(on_one_line(std::string(text.substr(0, bytes))));
  return bytes < text.size() ? start + "…" : start;
}

}  // namespace backfill
