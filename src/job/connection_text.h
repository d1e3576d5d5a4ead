// job/connection_text.h
//
// The two forms of text that libpq connects by, URIs and keywords, taken apart the way libpq
// does it. Pure. Parts are views of the text they were read from.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backfill {

// A parameter, and where it stands: [begin, end) of the text it was read from.
struct Parameter {
  std::string name;
  std::string value;
  std::size_t begin = 0;
  std::size_t end = 0;
};

// A URI in its parts, as written, in the way libpq cuts it.
struct Uri {
  std::string_view scheme;
  std::string_view user;
  std::string_view hosts;             // with ports, separated by commas
  std::string_view path;              // with its leading slash, or empty
  std::vector<Parameter> parameters;  // places are those in the whole text
};

// One of several, as written.
struct HostPort {
  std::string_view host;
  std::string_view port;
};

// None when libpq would not take it, or would take something in it for what it hardly is: a
// piece of a password for a host or a path.
std::optional<Uri> parse_uri(std::string_view text);

// `host=db password='a b'`. None when it is not that.
std::optional<std::vector<Parameter>> parse_keywords(std::string_view text);

// `a:1,[::1]:2`. None when a port is not a number.
std::optional<std::vector<HostPort>> split_hosts(std::string_view text);

// Where the scheme in front of the first `://` begins; npos when there is none.
std::size_t scheme_begin(std::string_view text);

// `%2F` becomes `/`. None when a % is not followed by two hexadecimal digits other than 00.
std::optional<std::string> percent_decoded(std::string_view text);

bool is_space(char c);

}  // namespace backfill
