// postgres/connect_words.h
//
// What libpq is told to connect with, and what may be said of it: where a URL leads and why a
// server refused, never a password.

#pragma once

#include <string>
#include <vector>

namespace backfill {

// What libpq connects with. The later of two equal keywords wins, and the URL is expanded
// where `dbname` stands: defaults before it, what must hold after it.
struct ConnectWords {
  std::vector<const char*> keywords;
  std::vector<const char*> values;

  void add(const char* keyword, const char* value) {
    keywords.push_back(keyword);
    values.push_back(value);
  }
};

// Both texts must outlive it.
ConnectWords connect_words(const std::string& url, const std::string& application_name);

// The SQLSTATE with which a server refuses these; empty when it gives none. Connects once more, for
// a few seconds at most.
std::string refusal_sqlstate(const ConnectWords& words);

// `message` without what may be a password of `url`.
std::string without_secrets(std::string message, const std::string& url);

// Where a URL leads, for messages: `host db user`. Throws Error(ExitCode::usage) when libpq cannot
// read it.
std::string describe_url(const std::string& url);

}  // namespace backfill
