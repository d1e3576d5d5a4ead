"""What is put beside the live users, other than ours: nothing, or a script with a rule.

A subject is made ready before its episode (`prepare`), begins (`go`), is looked at while it works
(`poll`) and is ended (`end`). `kind` tells the summary what it is: none, check (none once more),
ours, variant (ours with other settings), unthrottled, fixed or rule.
"""

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from comparison.errors import BenchError
from comparison.lifetime import bound_to_us
from harm.outcome import Outcome
from harm.process import LoggedProcess
from harm.site import HOT_TABLE, ROWS_PER_S_MOST

READY_TIMEOUT_S = 20
STOP_TIMEOUT_S = 40
WRITER = Path(__file__).with_name("paced_writer.py")
TICKER = Path(__file__).with_name("ticker.py")


class Nothing:
    """The users alone. Twice, under two names, they show what chance alone does to a figure."""

    is_over = False

    def __init__(self, name="none", kind="none"):
        self.name, self.kind = name, kind

    def prepare(self, seconds):
        pass

    def go(self):
        self._began = time.time()

    def poll(self, offset):
        pass

    def end(self):
        return Outcome(seconds=time.time() - self._began)

    def kill(self):
        pass


class Script:
    """A paced_writer with a rule."""

    is_over = False

    def __init__(self, site, name, rule, kind="rule", is_in_place=False, **options):
        self.name, self.kind = name, kind
        self._site = site
        self._is_in_place = is_in_place
        self._options = {"rule": rule, "is_async": False, "batch_rows": 1000, **options}
        self._process = None

    def prepare(self, seconds):
        lane = self._lane()
        if not self._is_in_place and not self._has_room(lane, seconds):
            lane.empty()
        options = dict(self._options, dsn=self._site.server.dsn(self._site.database),
                       after=lane.after, statement=self._statement(lane),
                       last_id=self._last_id(),
                       empty=None if self._is_in_place else f"TRUNCATE {lane.table.name}")
        self._process = subprocess.Popen(bound_to_us([sys.executable, WRITER, json.dumps(options)]),
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True, start_new_session=True)
        self._expect_line("ready")

    def go(self):
        self._send("go")

    def poll(self, offset):
        pass

    def end(self):
        self._send("stop")
        told = json.loads(self._expect_line("{"))
        self._process.wait(STOP_TIMEOUT_S)
        self._lane().after = told["after"]
        if "job_rows" in told:
            self._options["job_rows"] = told["job_rows"]
        series, rows = [[0, 0]], 0
        for tenth, count in told["tenths"]:
            rows += count
            series.append([(tenth + 1) / 10, rows])
        return Outcome(told["rows"], told["worked_s"], series)

    def kill(self):
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _lane(self):
        return self._site.lane("hot_scripts" if self._is_in_place else "scripts")

    def _has_room(self, lane, seconds):
        rows = min(ROWS_PER_S_MOST * seconds, self._site.mode.rows)
        return lane.after + rows <= self._site.mode.rows

    def _last_id(self):
        return self._site.mode.hot_rows if self._is_in_place else self._site.mode.rows

    def _statement(self, lane):
        if self._is_in_place:
            return f"UPDATE {HOT_TABLE} SET doubled = id * 2 WHERE id > $1 AND id <= $2"
        return (f"INSERT INTO {lane.table.name} SELECT * FROM {self._site.source.name} "
                "WHERE id > $1 AND id <= $2 ORDER BY id ON CONFLICT DO NOTHING")

    def _send(self, word):
        try:
            self._process.stdin.write(word + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it is at its end, or what it said tells why

    def _expect_line(self, beginning):
        timeout = READY_TIMEOUT_S if beginning == "ready" else STOP_TIMEOUT_S
        line = ""
        if select.select([self._process.stdout], [], [], timeout)[0]:
            line = self._process.stdout.readline()
        if not line.startswith(beginning):
            self.kill()
            words = self._process.stderr.read().strip().splitlines()
            raise BenchError(f"{self.name}: " + (words[-1] if words else "said nothing"))
        return line


class Ticker:
    """A small thing so many times a second, and nothing else."""

    is_over = False
    kind = "rule"

    def __init__(self, site, what, times_a_second):
        self.name = f"{what} {times_a_second} times a second"
        self._command = [sys.executable, TICKER, what, times_a_second,
                         site.server.dsn(site.database), site.folder]
        self._process = LoggedProcess(self.name, site.folder / "ticker.log")

    def prepare(self, seconds):
        pass

    def go(self):
        self._began = time.time()
        self._process.start(self._command, None)

    def poll(self, offset):
        pass

    def end(self):
        if self._process.has_ended():
            self._process.check()
        self._process.kill()
        return Outcome(seconds=time.time() - self._began)

    def kill(self):
        self._process.kill()


# ---------------------------------------------------------------- the usual ones

def sweep(site, settings):
    return [Script(site, setting.name, "fixed", "fixed", batch_rows=setting.batch_rows,
                   rest_s=setting.rest_s, is_async=setting.is_async) for setting in settings]


def classic(site, **options):
    return Script(site, "classic script", "fixed", "fixed", rest_s=0.05, **options)


def rules(site):
    """What other tools do to spare live users."""
    return [
        Script(site, "gh-ost's rule", "sessions", threshold=2 * len(os.sched_getaffinity(0))),
        Script(site, "GitLab's rule", "duty", interval_s=1.0, job_rows=20_000),
        Script(site, "nice 1", "nice", ratio=1),
        Script(site, "nice 3", "nice", ratio=3),
    ]
