"""What is measured: one way to do a case's work, and how one run of it is taken."""

import time
from dataclasses import dataclass, field
from typing import Callable

from comparison import backfill
from comparison.crew import Crew


def nothing():
    pass


@dataclass
class Subject:
    """A way to do the work.

    `reset` brings the target to where a run starts; `verify` raises when it does not hold what
    it should. `run` does the work in a fresh folder and returns a Usage and further figures.
    """

    name: str
    rows: int
    run: Callable
    reset: Callable = nothing
    verify: Callable = nothing
    is_ours: bool = False
    missing: str = ""  # why it cannot be measured here


@dataclass
class Goal:
    """A figure to be reached: of one subject alone, or as a ratio to the reference's."""

    subject: str
    reference: str = ""
    metric: str = "rows_per_s"
    at_least: float | None = None
    at_most: float | None = None


@dataclass
class Plan:
    """A case made ready: its data is there."""

    subjects: list
    goals: list = field(default_factory=list)
    clean: Callable = nothing  # takes away data that no other case needs


def command_run(lab, pipelines):
    """A Subject's `run` for plain commands: `pipelines(folder)` names them."""

    def run(folder):
        with Crew(pipelines(folder), folder / "log", lab.environment()) as crew:
            return crew.finish(), {}

    return run


def backfill_run(lab, job):
    """A Subject's `run` for a job of ours."""

    def run(folder):
        with Crew([[backfill.run_command(lab, job, folder)]], folder / "log",
                  lab.environment()) as crew:
            usage = crew.finish()
        return usage, {"status": backfill.facts(lab, folder)}

    return run


def measure(lab, subject):
    """One run from a clean start, as figures a row; an error when its result is wrong."""
    with lab.fresh_folder() as folder:
        subject.reset()
        lab.server.execute("postgres", "CHECKPOINT")
        wal_before, cpu_before = lab.server.wal_bytes(), lab.server.cpu_seconds()
        usage, further = subject.run(folder)
        cpu_after, wal_after = lab.server.cpu_seconds(), lab.server.wal_bytes()
        subject.verify()
    return {
        "at": time.strftime("%H:%M:%S"),
        "wall_s": usage.wall_s,
        "rows_per_s": subject.rows / usage.wall_s,
        "client_us_per_row": usage.cpu_s * 1e6 / subject.rows,
        "server_us_per_row": (cpu_after - cpu_before) * 1e6 / subject.rows,
        "wal_bytes_per_row": (wal_after - wal_before) / subject.rows,
        "peak_mib": usage.peak_bytes / 2**20,
        **further,
    }
