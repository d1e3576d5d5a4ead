// postgres/read_sql.h
//
// The statements that find the ends of chunks and read their rows, by ranges over the key's
// index. Keys in them are SQL: literals of KeySql, or names such as $after in `plan`. Pure.

#pragma once

#include <string>
#include <vector>

#include "core/source.h"
#include "postgres/key_sql.h"

namespace backfill {

class ReadSql {
 public:
  explicit ReadSql(ReadSpec spec);

  const KeySql& key() const { return key_; }

  // The texts of the key's columns, and whether each, read back, is the same key.
  std::string last_key() const;
  // Likewise of the key so many rows after `after`; `after` may be empty.
  std::string nth_key(const std::string& after, const std::string& upto,
                      const std::string& offset) const;
  // Likewise of every `n`th of at most `limit` keys.
  std::string every_nth_key(const std::string& after, const std::string& upto, const std::string& n,
                            const std::string& limit) const;
  // Likewise of the last of at most `limit` keys, and how many they are.
  std::string last_of(const std::string& after, const std::string& upto,
                      const std::string& limit) const;

  std::string copy_range(const std::string& after, const std::string& upto) const;
  std::string copy_keys(const std::vector<Key>& keys) const;
  // How many rows of the range, of those that the job wants, were last written by a transaction
  // older than `transaction`, as SQL of a 32-bit number; and how many of those no transaction has
  // locked or changed since.
  std::string count_older(const std::string& after, const std::string& upto,
                          const std::string& transaction) const;

  // ` FROM … WHERE …` of the rows in a range that the job wants.
  std::string from_range(const std::string& after, const std::string& upto) const;
  // The conditions alone.
  std::string in_range(const std::string& after, const std::string& upto) const;
  // The i-th item of the select list.
  std::string item(std::size_t i) const;

 private:
  std::string keys_in(const std::string& after, const std::string& upto) const;
  std::string key_as_columns() const;
  std::string key_texts() const;
  std::string copy(const std::string& condition) const;
  std::string wanted(const std::string& condition) const;

  const ReadSpec spec_;
  const KeySql key_;
};

}  // namespace backfill
