"""Cases with SQLite at one end or both, held against the sqlite3 shell."""

import contextlib
import sqlite3

from comparison import copy_peers, tables
from comparison.backfill import Job
from comparison.copy_cases import emptied_and_verified
from comparison.lab import expect, say
from comparison.subject import Goal, Plan, Subject, backfill_run, command_run
from comparison.tables import USERS, Table

SHARE = 1 / 5  # of the main table's rows
COLUMNS = ("(id INTEGER PRIMARY KEY, full_name TEXT, email TEXT, "
           "created_at TEXT, balance TEXT, attrs TEXT, a INTEGER, b INTEGER)")
CREATE = f"CREATE TABLE users {COLUMNS}"


def sqlite_to_sqlite(lab):
    files = Files(lab)
    attach = (f"ATTACH '{files.source}' AS source; "
              "INSERT INTO main.users SELECT * FROM source.users;")
    shell = files.peer("INSERT … SELECT over ATTACH", [["sqlite3", files.target, attach]])
    ours = files.ours(source_url=f"sqlite:{files.source}", source_table="users")
    return Plan([shell, ours], [Goal(ours.name, shell.name)],
                clean=files.remove)


def sqlite_pushdown(lab):
    file = OneFile(lab)
    insert = "INSERT INTO copies SELECT * FROM users;"
    shell = file.peer("INSERT … SELECT", [["sqlite3", file.source, insert]])
    ours = file.ours(source_url=f"sqlite:{file.source}", source_table="users")
    return Plan([shell, ours], [Goal(ours.name, shell.name)], clean=file.remove)


def postgres_to_sqlite(lab):
    files = Files(lab)
    pipe = files.peer("COPY CSV | sqlite3 .import", csv_into_sqlite(lab, files.table, files.target))
    ours = files.ours(source_url=lab.server.dsn("source"), source_table=files.table.name)
    return Plan([pipe, ours], [Goal(ours.name, pipe.name)],
                clean=files.remove)


def sqlite_to_postgres(lab):
    files = Files(lab)
    target = Table("target", USERS.name, USERS)
    tables.create(lab.server, target)
    ends = emptied_and_verified(lab, target, lab.checksum(files.table))
    pipeline = [["sqlite3", "-csv", files.source, "SELECT * FROM users"],
                copy_peers.psql(lab.server, "target", "COPY users FROM STDIN (FORMAT csv)")]
    pipe = Subject("sqlite3 -csv | COPY CSV", files.rows, command_run(lab, lambda _: [pipeline]),
                   missing=copy_peers.missing("sqlite3"), **ends)
    job = Job(f"sqlite:{files.source}", "users", lab.server.dsn("target"), target.name)
    ours = Subject("backfill", files.rows, backfill_run(lab, job), is_ours=True,
                   missing=pipe.missing, **ends)

    def clean():
        files.remove()
        tables.drop(lab.server, target)

    return Plan([pipe, ours], [Goal(ours.name, pipe.name)], clean=clean)


class Files:
    """The same rows in a table of the server and in a SQLite file; a second file as target."""

    copies = "users"

    def __init__(self, lab):
        self._lab = lab
        self.rows = lab.scaled(SHARE)
        self.table = Table("source", "users_for_sqlite", USERS)
        self.source, self.target = lab.folder / "source.db", lab.folder / "target.db"
        lab.make_table(self.table, self.rows)
        if not copy_peers.missing("sqlite3"):
            self._make_source()

    def ours(self, **source):
        job = Job(target_url=f"sqlite:{self.target}", target_table=self.copies, **source)
        return self._into_target("backfill", backfill_run(self._lab, job), is_ours=True)

    def peer(self, name, pipeline):
        return self._into_target(name, command_run(self._lab, lambda _: [pipeline]))

    def remove(self):
        for file in (self.source, self.target):
            file.unlink(missing_ok=True)

    def _into_target(self, name, run, is_ours=False):
        return Subject(name, self.rows, run, is_ours=is_ours, reset=self._reset,
                       verify=self._verify, missing=copy_peers.missing("sqlite3"))

    def _make_source(self):
        say(f"make {self.source.name}: {self.rows:,} rows")
        make_empty(self.source)
        fill = command_run(
            self._lab, lambda _: [csv_into_sqlite(self._lab, self.table, self.source)])
        with self._lab.fresh_folder() as folder:
            fill(folder)

    def _reset(self):
        make_empty(self.target)

    def _verify(self):
        same = " AND ".join(f"ours.{name} IS theirs.{name}" for name in USERS.names())
        with contextlib.closing(sqlite3.connect(self.target)) as connection:
            connection.execute("ATTACH ? AS source", (str(self.source),))
            found = connection.execute(
                f"SELECT (SELECT count(*) FROM main.{self.copies}), "
                f"(SELECT count(*) FROM main.{self.copies} AS ours JOIN source.users AS theirs USING (id) "
                f"WHERE {same})").fetchone()
        expect("rows, and rows that are right,", found, (self.rows, self.rows))


class OneFile(Files):
    """As Files, with the target as a second table of the source's file."""

    copies = "copies"

    def __init__(self, lab):
        super().__init__(lab)
        self.target = self.source

    def _reset(self):
        with contextlib.closing(sqlite3.connect(self.source)) as connection:
            connection.execute("DROP TABLE IF EXISTS copies")
            connection.execute(f"CREATE TABLE copies {COLUMNS}")


def make_empty(file):
    file.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute(CREATE)


def csv_into_sqlite(lab, table, file):
    """A pipeline that copies a table of the server into a file."""
    return [copy_peers.psql(lab.server, table.database,
                            f"COPY {table.name} TO STDOUT (FORMAT csv)"),
            ["sqlite3", file, ".import --csv /dev/stdin users"]]


CASES = (
    ("sqlite", "users from one SQLite file to another, without a plugin", sqlite_to_sqlite),
    ("sqlite_pushdown", "users from table to table of one SQLite file, without a plugin",
     sqlite_pushdown),
    ("postgres_to_sqlite", "users from PostgreSQL to a SQLite file, without a plugin",
     postgres_to_sqlite),
    ("sqlite_to_postgres", "users from a SQLite file to PostgreSQL, without a plugin",
     sqlite_to_postgres),
)
