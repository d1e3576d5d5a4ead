"""A SQLite file that an application writes to while rows are copied within it."""

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from comparison import backfill
from comparison.backfill import Job
from comparison.errors import BenchError
from comparison.lifetime import bound_to_us
from harm.foreground import SETTLE_TIMEOUT_S, windows_of
from harm.outcome import Outcome
from harm.process import LoggedProcess
from harm.scenarios import take_steady
from harm.subjects import Nothing

WRITER = Path(__file__).with_name("sqlite_writer.py")
SETTLED_MS = 5.0
SETTLED_LOOK = 20  # transactions
LOOK_INTERVAL_S = 0.05


def sqlite(stand, site, record):
    """The server has nothing to do."""
    record["workload"] = "a row every 10 ms"
    file = stand.folder / "shop.db"
    fill(file, stand.mode.rows)
    with Application(file, stand.folder / "application.out") as application:
        for repetition in stand.repetitions(record):
            for subject in (Nothing(), SqliteCopy(site, file), Nothing(),
                            SqliteCopy(site, file, is_throttled=False), Nothing()):
                take_steady(stand, site, application, subject, repetition, record)


def fill(file, rows):
    """A table to copy, and an empty one like it."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for name in ("users", "copies"):
            connection.execute(
                f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, email TEXT, a INTEGER)")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT "
            "INTO users SELECT i, printf('%x.%d@example.org', i * 2654435761, i), i % 1000 FROM n",
            (rows,))
        connection.commit()


class Application:
    """The users of the file, as harm.foreground.Foreground is those of a server."""

    def __init__(self, file, log):
        self._file, self._log = file, log
        self._samples = []  # (due, latency in ms)
        self._read_to = 0

    def __enter__(self):
        with open(self._log, "wb") as out:
            self._process = subprocess.Popen(
                bound_to_us([sys.executable, WRITER, self._file]), stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True)
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def settle(self):
        """Waits until nothing is late any more; returns the seconds it took."""
        began = time.time()
        while time.time() < began + SETTLE_TIMEOUT_S:
            self._read()
            recent = [latency for due, latency in self._samples[-SETTLED_LOOK:] if due >= began]
            if len(recent) == SETTLED_LOOK and max(recent) < SETTLED_MS:
                return time.time() - began
            if self._process.poll() is not None:
                raise BenchError("the application ended: " + self._log.read_text()[-200:])
            time.sleep(LOOK_INTERVAL_S)
        raise BenchError(f"the application was still late after {SETTLE_TIMEOUT_S} s")

    def forget(self):
        self._read()
        self._samples.clear()

    def windows(self, began, seconds):
        return windows_of(self._samples, began, seconds)

    def _read(self):
        with open(self._log, "rb") as log:
            log.seek(self._read_to)
            text = log.read()
        whole = text.rfind(b"\n") + 1
        self._read_to += whole
        for line in text[:whole].splitlines():
            due, latency = map(float, line.split())
            self._samples.append((due, latency))


class SqliteCopy:
    """A copy of ours within the file; each episode begins it anew."""

    is_over = False

    def __init__(self, site, file, is_throttled=True):
        self.name = "ours" if is_throttled else "ours, no throttle"
        self.kind = "ours" if is_throttled else "unthrottled"
        self._site = site
        self._file = file
        self._options = [] if is_throttled else ["--no-throttle"]
        self._folder = site.folder / "job-sqlite"
        self._process = LoggedProcess(self.name, site.folder / "job-sqlite.log")

    def prepare(self, seconds):
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        with closing(sqlite3.connect(self._file, timeout=60)) as connection:
            connection.execute("DELETE FROM copies")
            connection.commit()
        self._series = []

    def go(self):
        self._began = time.time()
        url = f"sqlite:{self._file}"
        job = Job(url, "users", url, "copies", name="bench-sqlite")
        command = backfill.run_command(self._site.lab, job, self._folder)
        self._process.start([*command, *self._options], self._site.lab.environment())

    def poll(self, offset):
        self._series.append([round(offset, 3), self._rows()])
        self.is_over = self._process.has_ended()

    def end(self):
        seconds = time.time() - self._began
        self._process.stop()
        self._process.wait()
        self._process.check()
        return Outcome(self._rows(), seconds, self._series,
                       {"status": backfill.status(self._site.lab, self._folder)})

    def kill(self):
        self._process.kill()

    def _rows(self):
        """As the checkpoint has it: nobody has to wait for the look."""
        path = self._folder / "checkpoint.db"
        if not path.exists():
            return 0
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as checkpoint:
            if not checkpoint.execute("SELECT 1 FROM sqlite_master WHERE name = 'run'").fetchone():
                return 0
            found = checkpoint.execute("SELECT rows_written FROM run").fetchone()
        return found[0] if found else 0
