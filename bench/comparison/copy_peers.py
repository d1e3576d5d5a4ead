"""Other ways to copy a table into another database."""

import shutil
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parent / "peers"


def psql(server, database, command):
    return [server.programs / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1",
            "-d", server.dsn(database), "-c", command]


def raw_copy(server, source, target, conditions=("true",)):
    """COPY piped into COPY, in binary: a stream for each condition on the rows."""
    return [
        [psql(server, source.database,
              f"COPY (SELECT * FROM {source.name} WHERE {condition}) TO STDOUT (FORMAT binary)"),
         psql(server, target.database, f"COPY {target.name} FROM STDIN (FORMAT binary)")]
        for condition in conditions
    ]


def halves(server, table):
    """Two conditions that part the table by its key."""
    middle = server.execute(
        table.database, f"SELECT quote_literal(id) FROM {table.name} ORDER BY id "
                        f"OFFSET (SELECT count(*) / 2 FROM {table.name}) LIMIT 1")[0][0]
    return f"id < {middle}", f"id >= {middle}"


def insert_select(server, source, target):
    return [[psql(server, source.database,
                  f"INSERT INTO {target.name} SELECT * FROM {source.name}")]]


def psycopg2_upsert(server, source, target, rows):
    """A keyset script as it is often written: page, change in Python, execute_values."""
    return [[[sys.executable, SCRIPTS / "psycopg2_upsert.py", server.dsn(source.database),
              server.dsn(target.database), source.name, target.name, str(rows)]]]


def pg_dump_restore(server, source, target):
    """The whole table with its key, which is built when the rows are there."""
    return [[
        [server.programs / "pg_dump", "-Fc", "-Z0", "-t", source.name,
         "-d", server.dsn(source.database)],
        [server.programs / "pg_restore", "--exit-on-error", "-d", server.dsn(target.database)],
    ]]


def pgcopydb(server, source, target, folder, *command):
    """`pgcopydb clone` or `pgcopydb copy table-data` of everything in the database."""
    return [[["pgcopydb", *command, "--source", server.uri(source.database),
              "--target", server.uri(target.database), "--dir", folder / "pgcopydb",
              "--table-jobs", "2", "--index-jobs", "2"]]]


def pgloader(server, source, target, folder):
    """Rows only, into a table that has its key; everything else by default."""
    script = folder / "copy.load"
    script.write_text(
        f"LOAD DATABASE FROM {_pgloader_uri(server, source)} INTO {_pgloader_uri(server, target)} "
        "WITH data only;\n", encoding="utf-8")
    return [[["pgloader", "--root-dir", folder, script]]]


def _pgloader_uri(server, table):
    # Its parser knows a socket's folder in this form only.
    return f"pgsql://postgres@unix:{server.folder}:5432/{table.database}"


def missing(program):
    """Why a program cannot be measured; "" when it can."""
    return "" if shutil.which(program) else "not installed"
