"""Our program beside the live users."""

import shutil
import time

from comparison import backfill
from comparison.backfill import Job
from harm.outcome import Outcome
from harm.process import LoggedProcess
from harm.site import HOT_TABLE, ROWS_PER_S_MOST


class Ours:
    """A job of ours. Each episode resumes it, so that its start and the throttle's count, too.

    One that is done begins anew, on an emptied target, unless it `ends`.
    """

    def __init__(self, site, name="ours", kind="ours", arguments=(), lane="ours", lines=(),
                 is_in_place=False, ends=False):
        self.name, self.kind = name, kind
        self.is_over = False
        self._site = site
        self._arguments = list(arguments)
        self._lines = lines
        self._is_in_place = is_in_place
        self._ends = ends
        self._lane_name = lane
        self._folder = site.folder / f"job-{lane}"
        self._process = LoggedProcess(name, self._folder / "log")

    def prepare(self, seconds):
        self.is_over = False
        if not self._folder.exists() or not self._has_room(seconds):
            self.start_afresh()
        self._before = self._rows()
        self._behind = 0 if self._is_in_place else -self._bytes()
        self._series, self._times_done = [], 0

    def go(self):
        self._began = time.time()
        self._start()

    def poll(self, offset):
        if not self._is_in_place:
            self._series.append([round(offset, 3), self._behind + self._bytes()])
        if self._process.has_ended() and not self.is_over:
            self._process.check()
            if self._ends or not self._is_complete():
                self.is_over = True
            else:
                self._begin_again()

    def stop(self):
        """Asks it to end."""
        self._process.stop()

    def end(self):
        self.stop()
        self._process.wait()
        seconds = time.time() - self._began
        self._process.check()
        rows = self._rows() - self._before
        return Outcome(rows, seconds, self._series_in_rows(rows),
                       {"status": self._status(), "times_done": self._times_done})

    def kill(self):
        self._process.kill()

    def _job(self):
        dsn = self._site.server.dsn(self._site.database)
        name = "bench-" + self._lane_name.replace("_", "-")
        if self._is_in_place:
            return Job(dsn, HOT_TABLE, columns=("id", "id * 2 as doubled"), name=name,
                       lines=self._lines)
        lane = self._site.lane(self._lane_name)
        return Job(dsn, self._site.source.name, dsn, lane.table.name, name=name, lines=self._lines)

    def _start(self):
        command = backfill.run_command(self._site.lab, self._job(), self._folder, resume=True)
        self._process.start([*command, *self._arguments], self._site.lab.environment())

    def start_afresh(self):
        """Forgets the checkpoint and what was written."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        if not self._is_in_place:
            self._site.lane(self._lane_name).empty()

    def _begin_again(self):
        """The same rows again: a copy on an emptied target."""
        self._before -= self._rows()
        self._times_done += 1
        if not self._is_in_place:
            self._behind += self._bytes()
        self.start_afresh()
        self._start()

    def _has_room(self, seconds):
        if self._is_in_place:
            return not self._is_complete()
        rows = min(ROWS_PER_S_MOST * seconds, self._site.mode.rows)
        return self._site.lane(self._lane_name).has_room(rows) and not self._is_complete()

    def _is_complete(self):
        status = self._status()
        return status is not None and status["state"] in ("complete", "failed")

    def _rows(self):
        status = self._status()
        return status["rows"]["written"] + status["rows"]["unchanged"] if status else 0

    def _status(self):
        if not (self._folder / "checkpoint.db").exists():
            return None
        return backfill.status(self._site.lab, self._folder)

    def _bytes(self):
        return self._site.lane(self._lane_name).file_bytes()

    def _series_in_rows(self, rows):
        """Rows are of one size, so bytes tell how many."""
        if self._is_in_place:
            return []
        grown = self._behind + self._bytes()
        return [[at, round(rows * found / grown) if grown else 0] for at, found in self._series]


class Several:
    """Backfills of ours at once."""

    kind = "ours"

    def __init__(self, name, members):
        self.name = name
        self._members = members

    @property
    def is_over(self):
        return any(member.is_over for member in self._members)

    def prepare(self, seconds):
        for member in self._members:
            member.prepare(seconds)

    def go(self):
        for member in self._members:
            member.go()

    def poll(self, offset):
        for member in self._members:
            member.poll(offset)

    def end(self):
        for member in self._members:
            member.stop()
        outcomes = [member.end() for member in self._members]
        return Outcome(sum(outcome.rows for outcome in outcomes),
                       max(outcome.seconds for outcome in outcomes),
                       facts={"rows_of_each": [outcome.rows for outcome in outcomes]})

    def kill(self):
        for member in self._members:
            member.kill()


def unthrottled(site, **options):
    return Ours(site, "ours, no throttle", "unthrottled", ["--no-throttle"], **options)


def variant(site, name, settings):
    """Throttled, with settings that differ from the defaults; no goal is about it."""
    return Ours(site, f"ours, {name}", "variant",
                [word for setting in settings for word in ("--set", setting)])
