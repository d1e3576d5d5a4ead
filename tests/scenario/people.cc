#include "people.h"

namespace backfill {

std::vector<Person> make_people(int count) {
  std::vector<Person> people;
  for (int i = 0; i < count; ++i) {
    Person person{(i - count / 5) * 7LL + i % 3, std::nullopt};
    const std::string n = std::to_string(i);
    if (i % 17 == 3) {
      person.full_name = "Madonna" + n;
    } else if (i % 11 == 5) {
      person.full_name = "Mary Jane W" + n;
    } else if (i % 13 != 7) {
      person.full_name = "Ann" + n + " Lee" + n;
    }
    people.push_back(person);
  }
  return people;
}

std::string sql_text(const std::optional<std::string>& text) {
  if (!text) return "NULL";
  std::string literal = "'";
  for (const char c : *text) literal += c == '\'' ? std::string("''") : std::string(1, c);
  return literal + "'";
}

void create_people(Playground& playground, const std::string& name,
                   const std::vector<Person>& people) {
  playground.execute("CREATE TABLE " + name +
                     " (id bigint NOT NULL PRIMARY KEY, full_name text, first_name text, "
                     "last_name text)");
  if (people.empty()) return;
  std::string values;
  for (const Person& person : people) {
    values += values.empty() ? "" : ", ";
    values += "(" + std::to_string(person.id) + ", " + sql_text(person.full_name) + ")";
  }
  playground.execute("INSERT INTO " + name + " (id, full_name) VALUES " + values);
}

SplitName split_name_of(const std::string& full_name) {
  const std::size_t blank = full_name.rfind(' ');
  if (blank == std::string::npos) return {full_name, ""};
  return {full_name.substr(0, blank), full_name.substr(blank + 1)};
}

}  // namespace backfill
