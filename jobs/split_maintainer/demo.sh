#!/bin/sh
# A backfill that is killed half-way and resumed ends as one that never was. On real rows:
# Debian's package list, whose maintainers are split into name and address, in place.
# Run it as ./dev demo [--postgres] [--keep]; it prints every command before running it.
set -eu
repository=$(cd "$(dirname "$0")/../.." && pwd)
job_folder=$repository/jobs/split_maintainer
build=${BACKFILL_BUILD:-$repository/build/release}

database=sqlite keep=''
for argument in "$@"; do
  case $argument in
    --postgres) database=postgres ;;
    --keep) keep=1 ;;
    *)
      echo "demo: unknown option $argument; there are --postgres and --keep" >&2
      exit 2
      ;;
  esac
done

# A cluster of our own, gone when the demo ends. It switches fsync off: the program is
# killed here, not the machine.
if [ "$database" = postgres ] && [ -z "${DEMO_IN_CLUSTER:-}" ]; then
  DEMO_IN_CLUSTER=1 exec pg_virtualenv -t -c '--encoding=UTF8 --locale=C.UTF-8' sh "$0" "$@"
fi

work=$(mktemp -d)
leave() {
  status=$?
  trap - EXIT
  if [ -n "$keep" ]; then echo "kept: $work"; else rm -rf "$work"; fi
  exit "$status"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$(printf '\033[1m') dim=$(printf '\033[2m') plain=$(printf '\033[0m')
fi
say() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }

# run COMMAND: prints and runs it; its exit code is left in $code.
run() {
  printf '%s$ %s%s\n' "$dim" "$1" "$plain"
  code=0
  sh -c "$1" || code=$?
}
must() {
  run "$1"
  if [ "$code" -ne 0 ]; then
    echo "demo: FAILED: exit $code from: $1" >&2
    exit 1
  fi
}

# Two databases with the same rows: a, backfilled in one go, and b, killed and resumed.
if [ "$database" = sqlite ]; then
  url() { echo "sqlite:$1.db"; }
  copy_command='cp a.db b.db'
  query() { echo "sqlite3 -box $1.db \"$2\""; }
  rows_of() { sqlite3 "$1.db" "$2"; }
else
  url() { echo "postgresql:///demo_$1"; }
  copy_command='createdb --template demo_a demo_b'
  query() { echo "psql -X -d demo_$1 -c \"$2\""; }
  rows_of() { psql -X -At -d "demo_$1" -c "$2"; }
fi

cp "$job_folder/job.toml" "$work/"
export PATH="$build/bin:$PATH" BACKFILL_PLUGIN_PATH="$build/lib/backfill"
cd "$work"

say "Load Debian's package list into database a, and copy it as b (in $work)"
if [ "$database" = postgres ]; then must 'createdb demo_a'; fi
must "sh $job_folder/load.sh $(url a)"
must "$copy_command"
must "$(query a 'select id, package, maintainer, maintainer_name, maintainer_email from packages order by id limit 3')"
rows=$(rows_of a 'select count(*) from packages')
echo "$rows rows"

say 'What would be done (reads only)'
must "BACKFILL_DEMO_URL=$(url a) backfill plan job.toml --checkpoint a.checkpoint.db"

say 'Database a: in one go'
must "BACKFILL_DEMO_URL=$(url a) backfill run job.toml --checkpoint a.checkpoint.db"

# Batches of one size, so that it is known which of them is half-way.
size=$((rows / 60))
if [ "$size" -gt 1000 ]; then size=1000; elif [ "$size" -lt 1 ]; then size=1; fi
steady="--set batch.adaptive=false --set batch.min_size=1 --batch-size $size"
half=$(((rows / size + 1) / 2))

say "Database b: kill -9 of itself right after the commit of batch $half, before its checkpoint"
run "BACKFILL_DEMO_URL=$(url b) BACKFILL_FAILPOINTS=target.after_commit=crash@$half backfill run job.toml --checkpoint b.checkpoint.db $steady"
if [ "$code" -ne 137 ]; then
  echo "demo: FAILED: the run was to be killed (exit 137), but it ended with exit $code" >&2
  exit 1
fi
echo "exit $code: killed"
must "BACKFILL_DEMO_URL=$(url b) backfill status job.toml --checkpoint b.checkpoint.db"
must "$(query b 'select count(*) as rows_split_so_far from packages where maintainer_name is not null')"
split=$(rows_of b 'select count(*) from packages where maintainer_name is not null')
if [ "$split" -eq 0 ] || [ "$split" -ge "$rows" ]; then
  echo "demo: FAILED: $split of $rows rows are split; the kill was meant to come half-way" >&2
  exit 1
fi

say 'Database b: resume'
must "BACKFILL_DEMO_URL=$(url b) backfill run job.toml --checkpoint b.checkpoint.db --resume"

say 'Are both the same?'
everything='select * from packages order by id'
letters='select key, code, message, "values" from dead_letter order by key'
same=1
for kind in rows 'dead letters'; do
  for name in a b; do
    if [ "$kind" = rows ]; then
      rows_of "$name" "$everything" >"$name.dump"
    else
      sqlite3 "$name.checkpoint.db" "$letters" >"$name.dump"
    fi
    printf '%-13s %s  %6s  %s\n' "$kind" "$name" "$(wc -l <"$name.dump")" \
      "$(sha256sum <"$name.dump" | cut -c 1-32)"
  done
  if ! cmp -s a.dump b.dump; then
    same=''
    diff a.dump b.dump | head -n 10 || true
  fi
done

say 'What came out'
must "$(query b 'select id, package, maintainer_name, maintainer_email from packages order by id limit 5')"
say 'The dead letters: rows that the plugin would not guess at'
must "sqlite3 -box b.checkpoint.db \"select key, message, [values] ->> 'maintainer' as maintainer from dead_letter limit 12\""

undone=$(rows_of b 'select count(*) from packages
  where maintainer is not null and maintainer_name is null and maintainer_email is null')
rejected=$(sqlite3 b.checkpoint.db 'select count(*) from dead_letter')
echo "$rows rows, $undone not split, $rejected of them in the dead letters"

if [ -z "$same" ]; then
  echo 'demo: FAILED: the resumed database differs' >&2
  exit 1
fi
if [ "$undone" -ne "$rejected" ]; then
  echo 'demo: FAILED: a row is neither split nor in the dead letters' >&2
  exit 1
fi
say 'equal: the kill left no trace'
