"""What goes wrong around a backfill: locks, a slow disk, sessions that are ended."""

import random
import shutil
import subprocess
import threading
from pathlib import Path

import psycopg2

from comparison.errors import BenchError
from harm.site import HOT_TABLE

SLOW_SYNC_US = 5000
LOOK_INTERVAL_S = 0.1
HELD_S = 2.0
FREE_S = 1.0
HELD_ROWS = 50

# How long users have waited for a lock that a backfill holds.
WAITS_SQL = """
    SELECT coalesce(max(extract(epoch FROM clock_timestamp() - l.waitstart)), 0)::float
    FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE NOT l.granted AND a.application_name = 'pgbench' AND EXISTS (
      SELECT FROM pg_stat_activity AS b WHERE b.pid = ANY (pg_blocking_pids(a.pid))
      AND (b.application_name LIKE 'backfill%' OR b.application_name = 'paced_writer'))"""

# The sessions of ours that look at the server, by what they asked last; not the one that holds the
# run's lock.
SENSORS_SQL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity AS a
    WHERE application_name LIKE 'backfill%' AND pid <> pg_backend_pid()
    AND query ~ 'pg_stat_|pg_locks|pg_replication_slots|pg_logical_emit|clock_timestamp|^EXECUTE'
    AND NOT EXISTS (SELECT FROM pg_locks AS l WHERE l.pid = a.pid AND l.locktype = 'advisory')"""


class Companion:
    """A thread that goes round until the `with` block ends, on a connection of its own."""

    def __init__(self, site):
        self._connection = site.server.connect(site.database)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._go_round, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self._connection.close()

    def _go_round(self):
        with self._connection.cursor() as cursor:
            while not self._ended.is_set():
                try:
                    self._turn(cursor)
                except psycopg2.Error:
                    if self._connection.closed:
                        return


class LockWatch(Companion):
    """Keeps the longest time that a user was seen waiting for a lock of a backfill."""

    longest_s = 0.0

    def forget(self):
        self.longest_s = 0.0

    def _turn(self, cursor):
        cursor.execute(WAITS_SQL)
        self.longest_s = round(max(self.longest_s, cursor.fetchone()[0]), 3)
        self._ended.wait(LOOK_INTERVAL_S)


class LockHolder(Companion):
    """Locks a few rows that lie together, for a while, again and again."""

    def __init__(self, site, seed):
        super().__init__(site)
        self._rows = site.mode.hot_rows
        self._dice = random.Random(seed)

    def _turn(self, cursor):
        first = self._dice.randrange(1, max(2, self._rows - HELD_ROWS))
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT FROM {HOT_TABLE} WHERE id BETWEEN %s AND %s ORDER BY id FOR UPDATE",
                       (first, first + HELD_ROWS))
        self._ended.wait(HELD_S)
        cursor.execute("COMMIT")
        self._ended.wait(FREE_S)


def end_sensor_sessions(site):
    """Returns how many there were."""
    return site.look(SENSORS_SQL)[0][0]


def slow_disk_environment(folder):
    """For a server: the library that slows its disk is built into the folder."""
    source = Path(__file__).with_name("slow_sync.c")
    library = folder / "slow_sync.so"
    if shutil.which("cc") is None:
        raise BenchError("no C compiler to make a slow disk with; install the package gcc")
    made = subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"],
                          capture_output=True, text=True)
    if made.returncode != 0:
        raise BenchError("cc failed: " + made.stderr.strip())
    return {"LD_PRELOAD": str(library), "SLOW_SYNC_US": str(SLOW_SYNC_US)}
