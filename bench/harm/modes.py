"""How long and how large a measurement is: smoke, quick or full."""

from dataclasses import dataclass, replace

BATCHES = (60, 250, 1000, 4000, 10000)


@dataclass(frozen=True)
class Fixed:
    """A setting of the sweep: batches of one size, a sleep of one length between them."""

    batch_rows: int
    spacing_ms: float  # of sleep for each 1000 rows, so that batch sizes share one scale of rates
    is_async: bool = False

    @property
    def rest_s(self):
        return self.spacing_ms * self.batch_rows / 1e6

    @property
    def name(self):
        commit = " async" if self.is_async else ""
        return f"fixed {self.batch_rows} rows, {self.rest_s * 1000:g} ms{commit}"


@dataclass(frozen=True)
class Mode:
    name: str
    repetitions: int
    rows: int  # of the source table of copies
    hot_rows: int  # of the table that users and a backfill change at once
    pgbench_scale: int
    cold_scale: int  # of the database that does not fit into shared_buffers
    knee_runs: int
    knee_run_s: int
    short_s: int  # an episode of a subject without memory
    rule_s: int  # of a subject that decides once a second
    long_s: int  # of ours, its start included
    each: int  # a quiet episode stands after this many others
    rules: int  # how many of other tools' rules are measured
    sweep: tuple
    phase_s: int  # each of the three of a step
    step_subjects: int
    step_repetitions: int
    trace_s: int  # a day, or a time with bursts
    day_sweep: tuple
    fault_s: int  # before, during and after something breaks
    fault_repetitions: int
    idle_s: int
    idle_repetitions: int

    def with_repetitions(self, count):
        return replace(self, repetitions=count, step_repetitions=count, fault_repetitions=count,
                       idle_repetitions=count)


SMOKE = Mode("smoke", repetitions=1, rows=100_000, hot_rows=5_000, pgbench_scale=4, cold_scale=4,
             knee_runs=1, knee_run_s=1, short_s=1, rule_s=1, long_s=2, each=5, rules=2,
             sweep=(Fixed(250, 20), Fixed(1000, 20, True)), phase_s=1, step_subjects=2,
             step_repetitions=1, trace_s=4, day_sweep=(Fixed(250, 20),), fault_s=1,
             fault_repetitions=1, idle_s=1, idle_repetitions=1)

QUICK = Mode("quick", repetitions=4, rows=3_000_000, hot_rows=100_000, pgbench_scale=20,
             cold_scale=40, knee_runs=2, knee_run_s=4, short_s=3, rule_s=4, long_s=25, each=3,
             rules=0, sweep=(Fixed(250, 8), Fixed(250, 50)), phase_s=12, step_subjects=2,
             step_repetitions=1, trace_s=60,
             day_sweep=tuple(Fixed(250, spacing) for spacing in (8, 30, 100)), fault_s=15,
             fault_repetitions=1, idle_s=20, idle_repetitions=1)

FULL = Mode("full", repetitions=8, rows=8_000_000, hot_rows=200_000, pgbench_scale=50,
            cold_scale=100, knee_runs=5, knee_run_s=6, short_s=4, rule_s=10, long_s=30, each=5,
            rules=4, sweep=(Fixed(1000, 0), Fixed(10000, 0)) + tuple(
                Fixed(rows, spacing, is_async) for rows in BATCHES
                for spacing in (5, 20, 80) for is_async in (False, True)),
            phase_s=15, step_subjects=4, step_repetitions=8, trace_s=60,
            day_sweep=tuple(Fixed(250, spacing) for spacing in (3, 10, 30, 100, 300)),
            fault_s=20, fault_repetitions=2, idle_s=60, idle_repetitions=4)
