"""The scenarios by name, and the server that each needs."""

from dataclasses import dataclass
from typing import Callable

from harm.fault_scenarios import replica_lag, sensor_lost
from harm.scenarios import (bursts, day, hot_rows, idle, lock_holder, quantum, steady, step, ticks,
                            two_at_once, verify)
from harm.site import SiteKind
from harm.sqlite_scenario import sqlite

STANDARD = SiteKind("a server whose users' rows are in its cache")
COLD = SiteKind("a server with 64 MB of shared_buffers", is_cold=True)
SLOW_DISK = SiteKind("a server whose fdatasync takes 5 ms longer", has_slow_disk=True)


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    measure: Callable  # (stand, site, record)
    kind: SiteKind = STANDARD
    is_quick: bool = False
    is_smoke: bool = False
    is_aligned: bool = False  # seconds are compared with the same second of the quiet runs


SCENARIOS = (
    Scenario("steady_30", "users at 30 % of the knee", steady(0.3), is_quick=True),
    Scenario("steady_50", "users at 50 % of the knee", steady(0.5), is_quick=True,
             is_smoke=True),
    Scenario("steady_70", "users at 70 % of the knee", steady(0.7), is_quick=True),
    Scenario("quantum", "ours and fixed sleeps with batches of several sizes, users at 50 %",
             quantum),
    Scenario("ticks", "small commits, looks and syncs without a backfill, users at 50 %", ticks),
    Scenario("step", "users at 30 %, then 80 %, then 30 %", step, is_quick=True, is_smoke=True,
             is_aligned=True),
    Scenario("idle", "nobody is there", idle, is_quick=True, is_smoke=True),
    Scenario("day", "a day in a minute: users from 15 % to 85 % and back", day, is_aligned=True),
    Scenario("bursts", "users at 30 %, and at 80 % for 2 s every 20 s", bursts, is_aligned=True),
    Scenario("reads_50", "users who only read, at 50 %", steady(0.5, "reads", is_swept=False)),
    Scenario("hot_rows", "users and an in-place backfill change the same rows", hot_rows,
             is_smoke=True),
    Scenario("lock_holder", "somebody locks rows for 2 s, users and a backfill come across them",
             lock_holder),
    Scenario("two_at_once", "two backfills at once, users at 50 %", two_at_once),
    Scenario("verify_50", "a verify of a copy over and over, users at 50 %", verify,
             is_smoke=True),
    Scenario("sensor_lost", "the sessions that measure are ended, users at 50 %",
             sensor_lost),
    Scenario("replica_lag", "a standby's replay is paused, resumed, then the standby is gone",
             replica_lag, is_smoke=True),
    Scenario("sqlite", "an application writes to the SQLite file that is copied within", sqlite,
             is_smoke=True),
    Scenario("cold_50", "users' rows out of the server's cache, at 50 %",
             steady(0.5, is_swept=False), COLD),
    Scenario("cold_reads_50", "the same, users only read", steady(0.5, "reads", is_swept=False),
             COLD),
    Scenario("slow_disk", "every fdatasync takes 5 ms longer, users at 50 %",
             steady(0.5, is_swept=False), SLOW_DISK),
)
