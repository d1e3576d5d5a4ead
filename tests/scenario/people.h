// scenario/people.h
//
// The table that most scenarios use, its rows, and a slow, obviously right answer of what
// split_full_name makes of each.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "playground.h"

namespace backfill {

struct Person {
  long long id;
  std::optional<std::string> full_name;
};

// Ids with gaps, some below zero; some names NULL, some of one word, some of three.
std::vector<Person> make_people(int count);

// `create table NAME (id, full_name, first_name, last_name)` with these rows; the last two NULL.
void create_people(Playground& playground, const std::string& name,
                   const std::vector<Person>& people);

struct SplitName {
  std::string first;
  std::string last;
};
SplitName split_name_of(const std::string& full_name);

// An SQL literal; NULL for none.
std::string sql_text(const std::optional<std::string>& text);

}  // namespace backfill
