#!/bin/sh
# One fuzzer for some time: fuzz.sh NAME SECONDS, from the root of the tree, once it is built.
#
# Starts from tests/fuzz/corpus/NAME, which stays as it is, and from what earlier runs found
# (build/fuzz/found/NAME). Fails on a crash, a leak, a hang or too much memory, and says how to
# see it again.
set -eu

name=$1
seconds=$2
program=build/fuzz/bin/${name}_fuzz
found=build/fuzz/found/$name
log=build/fuzz/$name.log
mkdir -p "$found" build/fuzz/crashes

dictionary=tests/fuzz/dictionary/$name.dict
if [ -f "$dictionary" ]; then set -- "-dict=$dictionary"; else set --; fi

# Files of the fuzzed program go to memory, and away with the run.
parent=/dev/shm
if [ ! -w "$parent" ]; then parent=${TMPDIR:-/tmp}; fi
TMPDIR=$(mktemp -d "$parent/backfill-fuzz-XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

export ASAN_OPTIONS="strict_string_checks=1:detect_leaks=1:exitcode=99"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1:exitcode=99"
if ! "$program" "$@" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 \
  -len_control=20 -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" \
  "$found" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
  printf 'fuzz %s: FAILED; the end of %s:\n' "$name" "$log" >&2
  tail -n 60 "$log" >&2
  input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
  printf 'fuzz %s: see it again with: %s %s\n' "$name" "$program" "${input:-}" >&2
  exit 1
fi

runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
seed=$(sed -n 's/^INFO: Seed: *//p' "$log")
printf 'fuzz %s: nothing found in %s inputs, %s s; %s edges; seed %s\n' \
  "$name" "$runs" "$seconds" "$edges" "$seed"
