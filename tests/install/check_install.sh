#!/bin/sh
# check_install.sh BUILD LOAD_PLUGIN COMPILER
#
# Installs a build of backfill into an empty prefix, builds the plugin in consumer/ against
# nothing but that prefix, and loads it.
set -eu

build=$1
load_plugin=$2
compiler=$3
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/log" 2>&1 ||
  { cat "$scratch/log"; exit 1; }
cmake -S "$here/consumer" -B "$scratch/build" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" \
  -DCMAKE_PREFIX_PATH="$scratch/prefix" >"$scratch/log" 2>&1 ||
  { cat "$scratch/log"; exit 1; }
cmake --build "$scratch/build" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }

said=$("$load_plugin" "$scratch/build/reverse_word.so" word reversed)
[ "$said" = "reverse_word 1 reads 1 fills 1" ] || { echo "load_plugin said: $said"; exit 1; }

# What it exports is the contract's one symbol.
symbols=$(nm -D --defined-only "$scratch/build/reverse_word.so" | grep -c ' T ' || true)
[ "$symbols" = 1 ] || { nm -D --defined-only "$scratch/build/reverse_word.so"; exit 1; }

# The installed program runs it: plugin beside the job file, three rows of a SQLite table.
cp "$scratch/build/reverse_word.so" "$scratch"
sqlite3 "$scratch/words.db" "create table words (id integer primary key, word text, reversed text);
  insert into words (word) values ('level'), ('stressed'), (null)"
printf 'name = "reverse"\n[source]\nurl = "sqlite:words.db"\ntable = "words"\n[transform]\nplugin = "reverse_word"\n' \
  >"$scratch/job.toml"
"$scratch/prefix/bin/backfill" run "$scratch/job.toml" --progress none >"$scratch/log" 2>&1 ||
  { cat "$scratch/log"; exit 1; }
rows=$(sqlite3 "$scratch/words.db" "select group_concat(coalesce(reversed, 'NULL')) from words")
[ "$rows" = "level,desserts,NULL" ] || { echo "the installed program wrote: $rows"; exit 1; }

# Man and the shells find what is theirs.
for file in man/man1/backfill.1 bash-completion/completions/backfill zsh/site-functions/_backfill; do
  [ -s "$scratch/prefix/share/$file" ] || { echo "share/$file is not installed"; exit 1; }
done
echo "installed, built and loaded: $said"
