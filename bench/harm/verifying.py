"""`backfill verify` of a copy that is complete, beside the live users."""

import sqlite3
import time
from contextlib import closing

from comparison import backfill
from comparison.backfill import Job
from comparison.tables import USERS
from harm.outcome import Outcome
from harm.process import LoggedProcess


class Verify:
    """Pass after pass over all rows. Each episode goes on with the pass that the last one left.

    With a plugin the rows of both sides travel to us; without one the server compares them.
    """

    is_over = False

    def __init__(self, site, has_plugin=False, is_throttled=True):
        self.name = "verify, plugin" if has_plugin else "verify"
        self.name += "" if is_throttled else ", no throttle"
        self.kind = "ours" if is_throttled else "unthrottled"
        self._site = site
        self._job = job_of(site, has_plugin)
        self._options = ["--resume"] + ([] if is_throttled else ["--no-throttle"])
        self._folder = site.folder / ("verify-plugin" if has_plugin else "verify")
        self._process = LoggedProcess(self.name, self._folder / "log")

    def prepare(self, seconds):
        self._folder.mkdir(exist_ok=True)
        self._compared = dict(self._last_pass())  # rows by pass
        self._before = self._rows()
        self._series, self._times_done = [], 0

    def go(self):
        self._began = time.time()
        self._start()

    def poll(self, offset):
        has_ended = self._process.has_ended()
        self._compared |= self._last_pass()
        self._series.append([round(offset, 3), self._rows() - self._before])
        if has_ended:
            self._process.check()
            self._times_done += 1
            self._start()

    def end(self):
        self._process.stop()
        self._process.wait()
        seconds = time.time() - self._began
        self._process.check()
        self._compared |= self._last_pass()
        return Outcome(self._rows() - self._before, seconds, self._series,
                       {"times_done": self._times_done})

    def kill(self):
        self._process.kill()

    def _start(self):
        command = backfill.verify_command(self._site.lab, self._job, self._folder,
                                          *self._options)
        self._process.start(command, self._site.lab.environment())

    def _rows(self):
        return sum(self._compared.values())

    def _last_pass(self):
        """The rows that were compared, by the id of the pass; of none nothing.

        The checkpoint file says it, so that no session of ours is one more user to the throttle.
        """
        path = self._folder / "checkpoint.db"
        if not path.exists():
            return {}
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
            known = file.execute("SELECT 1 FROM sqlite_master WHERE name = 'verify_pass'")
            if not known.fetchone():
                return {}
            return dict(file.execute("SELECT pass_id, compared FROM verify_pass"))


def job_of(site, has_plugin):
    """A copy with emails in lower case, which is complete already."""
    dsn = site.server.dsn(site.database)
    tables = {"source_url": dsn, "source_table": site.source.name,
              "target_url": dsn, "target_table": site.complete_copy().name}
    if has_plugin:
        return Job(**tables, plugin="lower_text", plugin_column="email")
    columns = tuple("lower(email) as email" if name == "email" else name
                    for name in USERS.names())
    return Job(**tables, columns=columns)
