"""A server with live users' tables and rows to backfill, and what load it can bear."""

import os
import re
from dataclasses import dataclass
from itertools import count
from statistics import median

import psycopg2

from comparison import tables
from comparison.errors import BenchError
from comparison.lab import Lab, say
from comparison.server import Server
from comparison.tables import USERS, Table
from harm.foreground import CLIENTS, READS, WRITES, Workload, pgbench, run_pgbench

DATABASE = "shop"
HOT_TABLE = "hot"
ROWS_PER_S_MOST = 200_000  # no copy on such machines is faster; decides when a target is emptied
# Checkpoints are made before a scenario, and are spread thinly during it.
SETTINGS = {"max_connections": "200", "checkpoint_timeout": "1h", "max_wal_size": "16GB"}


@dataclass(frozen=True)
class SiteKind:
    """What tells one server from another."""

    name: str
    is_cold: bool = False  # users' rows do not fit into shared_buffers
    has_slow_disk: bool = False


class Site:
    """Ready on entry, gone on exit."""

    database = DATABASE

    def __init__(self, kind, folder, program, mode, job_settings, environment=None):
        self.kind = kind
        self.mode = mode
        settings = dict(SETTINGS, **({"shared_buffers": "64MB"} if kind.is_cold else {}))
        self.folder = folder
        self.server = Server(folder / "server", settings, environment)
        self.lab = Lab(self.server, folder, program, mode.rows, job_settings)
        self.source = Table(DATABASE, "users", USERS)
        self._watch = None
        self._knees = {}
        self.lanes = {}

    def __enter__(self):
        self.folder.mkdir(mode=0o755)
        self.server.__enter__()
        try:
            self._make()
        except BaseException:
            self.server.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._watch is not None:
            self._watch.close()
        self.server.__exit__()

    def execute(self, *statements):
        return self.server.execute(DATABASE, *statements)

    def tidy_up(self):
        """What one subject leaves behind is not to be the next one's."""
        self.execute("VACUUM pgbench_accounts, pgbench_branches, pgbench_tellers, pgbench_history",
                     "CHECKPOINT")

    def look(self, query):
        """The rows of a query, on a connection that stays and that no throttle takes for a user."""
        if self._watch is None:
            self._watch = self.server.connect(DATABASE)
            with self._watch.cursor() as cursor:
                cursor.execute("SET application_name = 'backfill:watch'")
        try:
            with self._watch.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchall()
        except psycopg2.Error:
            self._watch.close()
            self._watch = None
            raise

    def lane(self, name):
        """A target of copies from the source, and how far they have come."""
        if name not in self.lanes:
            table = Table(DATABASE, f"users_{name}", USERS)
            tables.create(self.server, table)
            self.lanes[name] = Lane(self, table)
        return self.lanes[name]

    def complete_copy(self):
        """The source's rows with emails in lower case: made when it is asked for first."""
        table = Table(DATABASE, "users_lower", USERS)
        if self.execute(f"SELECT to_regclass('{table.name}')") == [(None,)]:
            rows = f"({USERS.generator(self.mode.rows)}) AS r"
            tables.fill(self.server, table, USERS.select(rows, email="lower(email)"))
            self.execute("CHECKPOINT")
        return table

    def workload(self, name):
        if name == "hot":
            script = self.folder / "hot.sql"
            script.write_text(f"\\set id random(1, {self.mode.hot_rows})\n"
                              f"UPDATE {HOT_TABLE} SET visits = visits + 1 WHERE id = :id;\n")
            return Workload("one hot row", ("-f", str(script)))
        return {"writes": WRITES, "reads": READS}[name]

    def knee(self, name):
        """Transactions a second that as many users as we have can get out of this server."""
        if name not in self._knees:
            runs = [self._full_speed(self.workload(name)) for _ in range(self.mode.knee_runs)]
            self._knees[name] = median(runs)
            say(f"   knee of {self.workload(name).name}: {self._knees[name]:,.0f} a second "
                f"({min(runs):,.0f}–{max(runs):,.0f})")
        return self._knees[name]

    def _full_speed(self, workload):
        text = run_pgbench([*pgbench(self.server, CLIENTS), *workload.arguments, "-T",
                            self.mode.knee_run_s, DATABASE])
        found = re.search(r"^tps = ([0-9.]+)", text, re.MULTILINE)
        if not found:
            raise BenchError("pgbench did not say how many transactions it made")
        return float(found.group(1))

    def _make(self):
        scale = self.mode.cold_scale if self.kind.is_cold else self.mode.pgbench_scale
        say(f"== {self.kind.name}: pgbench scale {scale}, {self.mode.rows:,} rows to backfill")
        self.server.execute("postgres", f"CREATE DATABASE {DATABASE}")
        run_pgbench([self.server.programs / "pgbench", "-i", "-I", "dtGvp", "-s", scale, "-q", "-h",
                     self.server.folder, "-p", "5432", "-U", "postgres", DATABASE])
        tables.fill(self.server, self.source, USERS.generator(self.mode.rows))
        self.execute(
            f"CREATE TABLE {HOT_TABLE} (id bigint PRIMARY KEY, visits bigint NOT NULL, "
            "doubled bigint, filler text) WITH (fillfactor = 60)",
            f"INSERT INTO {HOT_TABLE} SELECT i, 0, NULL, md5(i::text) "
            f"FROM generate_series(1, {self.mode.hot_rows}) AS i",
            f"VACUUM (FREEZE, ANALYZE) {HOT_TABLE}")


class Lane:
    """A copy's target. It is emptied when too little is left to do."""

    def __init__(self, site, table):
        self._site = site
        self.table = table
        self.after = 0  # of writers that go by ranges of the key
        self._file = None

    def has_room(self, rows):
        greatest = self._site.look(f"SELECT coalesce(max(id), 0) FROM {self.table.name}")[0][0]
        return greatest + rows <= self._site.mode.rows

    def empty(self):
        self.after = 0
        self._file = None
        self._site.execute(f"TRUNCATE {self.table.name}")

    def file_bytes(self):
        """How large the table's files are: what was written, told without asking the server.

        Any session of ours would be a user to the throttle, and would have to wait for the disk.
        """
        if self._file is None:
            path = self._site.look(f"SELECT pg_relation_filepath('{self.table.name}')")[0][0]
            self._file = self._site.server.folder / "data" / path
        found = 0
        for number in count():
            part = self._file if number == 0 else f"{self._file}.{number}"
            try:
                found += os.stat(part).st_size
            except FileNotFoundError:
                return found
