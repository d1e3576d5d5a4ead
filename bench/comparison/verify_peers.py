"""Other ways to see whether two tables hold the same, and what reading them costs at least."""

import subprocess

from comparison.copy_peers import missing, psql


def copied_to_nowhere(server, table, conditions=("true",)):
    """Reads a whole table in binary: a stream for each condition on the rows."""
    return [[psql(server, table.database,
                  f"\\copy (SELECT * FROM {table.name} WHERE {condition}) "
                  "TO '/dev/null' WITH (FORMAT binary)")] for condition in conditions]


def digest_query(server, table):
    """The digest of a whole table as a query; that of the other is held against it."""
    return [[psql(server, table.database,
                  "SELECT md5(string_agg(md5(t::text), '' ORDER BY id)) "
                  f"FROM {table.name} AS t")]]


def hash_sum_query(server, table):
    """What `pgcopydb compare data` asks of either side: sums cannot tell which row differs."""
    return [[psql(server, table.database,
                  f"SELECT count(1), sum(hashtext(t::text)::bigint) FROM ONLY {table.name} AS t")]]


def pgcopydb_compare(server, source, target, folder):
    return [[["pgcopydb", "compare", "data", "--source", server.uri(source.database),
              "--target", server.uri(target.database), "--dir", folder / "pgcopydb"]]]


def pgcopydb_is_missing():
    """Why `pgcopydb compare data` cannot be measured; "" when it can."""
    if why := missing("pgcopydb"):
        return why
    answer = subprocess.run(["pgcopydb", "compare", "data", "--help"], capture_output=True,
                            text=True)
    return "has no compare" if "unknown command" in answer.stderr + answer.stdout else ""
