"""Where measuring happens: the server, the program under test, and the sizes that are asked for."""

import os
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from comparison import tables
from comparison.errors import BenchError
from comparison.server import Server

# Every table is this large at least, or as large as --rows when that is less.
ROWS_FLOOR = 50_000

# Copies go from one database to another, so that no single statement could do them. The tools
# that copy whole databases have a pair with one table in it.
DATABASES = ("source", "target", "tools_source", "tools_target")


@dataclass(frozen=True)
class Lab:
    server: Server
    folder: Path
    program: Path  # backfill
    rows: int  # of the main table
    settings: tuple = ()  # KEY=VALUE of the job that differ from the defaults

    def scaled(self, share, floor=None):
        """Rows of a table that is `share` times as large as the main one."""
        return max(round(self.rows * share), min(self.rows, floor or ROWS_FLOOR))

    def make_databases(self):
        for name in DATABASES:
            self.server.execute("postgres", f"CREATE DATABASE {name}")

    def make_table(self, table, rows, indexes=False):
        """Fills a table with rows 1 to `rows`, unless it is there in that size."""
        if self._has(table, rows):
            return
        say(f"make {table.database}.{table.name}: {rows:,} rows")
        tables.fill(self.server, table, table.shape.generator(rows), indexes)

    def checksum(self, table, query=None):
        """Of a table, or of a query in its database."""
        query = query or f"SELECT * FROM {table.name}"
        return tables.checksum(self.server, table.database, query)

    def environment(self):
        """For every program that is measured: nothing from outside that would change it."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        plugins = [str(self.program.parent.parent / "bench")]
        if os.environ.get("BACKFILL_PLUGIN_PATH"):
            plugins.insert(0, os.environ["BACKFILL_PLUGIN_PATH"])
        return dict(kept, LC_ALL="C.UTF-8", BACKFILL_PLUGIN_PATH=":".join(plugins))

    @contextmanager
    def fresh_folder(self):
        """A folder for one run's files."""
        folder = self.folder / "run"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def _has(self, table, rows):
        there = self.server.execute(table.database, f"SELECT to_regclass('{table.name}')")
        if there == [(None,)]:
            return False
        counted = self.server.execute(table.database, f"SELECT count(*) FROM {table.name}")
        return counted == [(rows,)]


def expect(what, found, expected):
    """A run that leaves anything else behind does not count."""
    if found != expected:
        raise BenchError(f"wrong result: {what} is {found}, not {expected}")


def say(text):
    """Progress, apart from the results on stdout."""
    print(text, file=sys.stderr, flush=True)
