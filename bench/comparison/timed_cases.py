"""Cases about ours alone: an even rate, bounded memory, a quick start and a quick resume."""

import threading
import time

from comparison import backfill, tables
from comparison.backfill import Job
from comparison.copy_cases import backfill_copy, changed_rows, emptied_and_verified
from comparison.crew import Crew
from comparison.errors import BenchError
from comparison.subject import Goal, Plan, Subject
from comparison.tables import READINGS, USERS, Table

LARGE_SHARE = 4  # 20 million rows when the main table has 5
SMALL_SHARE = 1 / 5
PARTS = 20  # of the large table; the rates of the first and the last are compared
MEMORY_WORKERS = 4
MEMORY_LIMIT_MIB = 96
MEMORY_GROWTH = 1.05  # "the same", within what an allocator does differently in two runs
LOOK_INTERVAL_S = 0.02
POLL_INTERVAL_S = 0.001
CRASH_AFTER_ROWS = 100_000
FIRST_ROW_TIMEOUT_S = 60


# ---------------------------------------------------------------- an even rate

def flat(lab):
    """Row number n has the key n, so the greatest key tells how many rows are there."""
    rows = lab.scaled(LARGE_SHARE)
    source, target = (Table(database, "readings_large", READINGS)
                      for database in ("source", "target"))
    lab.make_table(source, rows)
    tables.create(lab.server, target)
    ours = backfill_copy(lab, source, target, rows, 0, lab.checksum(source))
    run_plainly = ours.run

    def run(folder):
        with Progress(lab.server, target) as progress:
            usage, further = run_plainly(folder)
        return usage, {**further, **progress.rates(rows)}

    ours.run = run
    return Plan([ours], [Goal(ours.name, metric="last_to_first", at_least=0.95)],
                clean=lambda: tables.drop(lab.server, source, target))


class Progress:
    """Looks every now and then at the greatest key, which an index gives at once."""

    def __init__(self, server, table):
        self._connection = server.connect(table.database)
        self._query = f"SELECT max(id) FROM {table.name}"
        self._seen = []  # (seconds, rows)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        self._connection.close()

    def rates(self, rows):
        """Rows a second in each part of the table, and the last to the first."""
        part = rows / PARTS
        rates = [part / (self._time_of((i + 1) * part) - self._time_of(i * part))
                 for i in range(PARTS)]
        return {"part_rows_per_s": rates, "last_to_first": rates[-1] / rates[0]}

    def _look(self):
        with self._connection.cursor() as cursor:
            while not self._stop.wait(LOOK_INTERVAL_S):
                self._take(cursor)
            self._take(cursor)

    def _take(self, cursor):
        cursor.execute(self._query)
        rows = cursor.fetchone()[0] or 0
        self._seen.append((time.monotonic(), rows))

    def _time_of(self, rows):
        """When this many rows were there, between two looks as if at an even rate. The time of
        no rows is when the last look saw none, so that the start of the program is left out."""
        before = (self._seen[0][0], 0)
        for seconds, seen in self._seen:
            if seen >= max(rows, 1):
                share = (rows - before[1]) / (seen - before[1])
                return before[0] + share * (seconds - before[0])
            before = (seconds, seen)
        raise BenchError(f"row {rows:.0f} was never seen in the target")


# ---------------------------------------------------------------- bounded memory

def memory(lab):
    small, small_target, on_small = memory_subject(lab, "users_small", lab.scaled(SMALL_SHARE))
    large, large_target, on_large = memory_subject(lab, "users_large", lab.scaled(LARGE_SHARE))
    return Plan(
        [on_small, on_large],
        [Goal(on_small.name, metric="peak_mib", at_most=MEMORY_LIMIT_MIB),
         Goal(on_large.name, metric="peak_mib", at_most=MEMORY_LIMIT_MIB),
         Goal(on_large.name, on_small.name, metric="peak_mib", at_most=MEMORY_GROWTH)],
        clean=lambda: tables.drop(lab.server, small, small_target, large, large_target))


def memory_subject(lab, name, rows):
    source, target = Table("source", name, USERS), Table("target", name, USERS)
    lab.make_table(source, rows)
    tables.create(lab.server, target)
    expected = lab.checksum(source, changed_rows(source))
    ours = backfill_copy(lab, source, target, rows, MEMORY_WORKERS, expected)
    ours.name += f", {rows:,} rows"
    return source, target, ours


# ---------------------------------------------------------------- a quick start

def start(lab):
    rows = lab.rows
    source, target = Table("source", USERS.name, USERS), Table("target", USERS.name, USERS)
    lab.make_table(source, rows)
    tables.create(lab.server, target)
    ends = emptied_and_verified(lab, target, lab.checksum(source, changed_rows(source)))
    job = Job(lab.server.dsn("source"), source.name, lab.server.dsn("target"), target.name,
              plugin="lower_text")
    watched = WatchedRun(lab, job, target)
    fresh = Subject("start", rows, watched.start, is_ours=True, **ends)
    resumed = Subject("resume after kill -9", rows, watched.crash_and_resume, is_ours=True, **ends)
    return Plan(
        [fresh, resumed],
        [Goal(fresh.name, metric="first_row_s", at_most=0.3),
         Goal(resumed.name, metric="first_row_s", at_most=0.5)],
        clean=lambda: tables.drop(lab.server, target))


class WatchedRun:
    """A run whose first new row is waited for, from the moment the program is started."""

    def __init__(self, lab, job, target):
        self._lab = lab
        self._job = job
        self._target = target

    def start(self, folder):
        return self._finish(folder, f"SELECT EXISTS (SELECT FROM {self._target.name})")

    def crash_and_resume(self, folder):
        self._crash(folder)
        # The first row of what is missing is among the rows that a resumed run writes first.
        awaited = self._query(
            f"SELECT array_agg(key) FROM (SELECT 1 UNION ALL SELECT id + 1 FROM {self._target.name}"
            f") AS rows (key) WHERE NOT EXISTS (SELECT FROM {self._target.name} WHERE id = key)")
        return self._finish(folder, f"SELECT EXISTS (SELECT FROM {self._target.name} "
                                    f"WHERE id = ANY (ARRAY{awaited}))", resume=True)

    def _crash(self, folder):
        kill_after = min(CRASH_AFTER_ROWS, self._lab.rows // 5)
        with self._crew(folder) as crew:
            self._wait(crew, f"SELECT max(id) >= {kill_after} FROM {self._target.name}")
            crew.kill()

    def _finish(self, folder, query, resume=False):
        began = time.monotonic()
        with self._crew(folder, resume) as crew:
            first_row_s = self._wait(crew, query) - began
            usage = crew.finish()
        return usage, {"first_row_s": first_row_s, "status": backfill.facts(self._lab, folder)}

    def _crew(self, folder, resume=False):
        command = backfill.run_command(self._lab, self._job, folder, resume)
        return Crew([[command]], folder / "log", self._lab.environment())

    def _wait(self, crew, query):
        """The time when the query is true."""
        connection = self._lab.server.connect(self._target.database)
        deadline = time.monotonic() + FIRST_ROW_TIMEOUT_S
        try:
            with connection.cursor() as cursor:
                while True:
                    has_ended = not crew.is_running()
                    cursor.execute(query)
                    if cursor.fetchone()[0]:
                        return time.monotonic()
                    if has_ended or time.monotonic() > deadline:
                        raise BenchError("the program wrote no row, or ended before its time")
                    time.sleep(POLL_INTERVAL_S)
        finally:
            connection.close()

    def _query(self, query):
        return self._lab.server.execute(self._target.database, query)[0][0]


CASES = (
    ("flat", "narrow rows: the rate at the end against the rate at the start", flat),
    ("memory", f"users, {MEMORY_WORKERS} workers, few rows and many", memory),
    ("start", "users: from the start of the program to the first row", start),
)
