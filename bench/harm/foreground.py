"""The live users: pgbench at a rate of its own, and how long its transactions took.

Latency counts from the moment a transaction was due (`--rate`), so that a stall is felt by all
who would have come meanwhile. A transaction belongs to the second in which it was due.
"""

import math
import os
import signal
import subprocess
import time
from collections import deque
from dataclasses import dataclass
from statistics import fmean

from comparison.errors import BenchError
from comparison.lifetime import bound_to_us

CLIENTS = 12  # of the load that is always there
LAYER_CLIENTS = 8  # of what comes on top of it for a while
LOGGED_PER_S = 2000  # of faster loads a sample is logged
FOREVER_S = 100_000
SETTLED_LAG_MS = 2.0
SETTLED_LOOK = 50  # transactions
SETTLE_TIMEOUT_S = 30
LOOK_INTERVAL_S = 0.05


@dataclass(frozen=True)
class Workload:
    name: str
    arguments: tuple  # of pgbench


WRITES = Workload("TPC-B-like", ("-b", "tpcb-like"))
READS = Workload("select-only", ("-b", "select-only"))


class Foreground:
    """Started with a rate, ended with the `with` block; layers come and go on top of it."""

    def __init__(self, site, workload, rate, folder):
        self._site = site
        self._workload = workload
        self._folder = folder
        self._rate = rate
        self._layers = []
        self._logs = {}  # path to the place up to which it was read
        self._samples = []  # (due, latency in ms)
        self._recent = deque(maxlen=SETTLED_LOOK)  # (completed, lag in ms)

    def __enter__(self):
        self.add_layer(self._rate, FOREVER_S, CLIENTS)
        return self

    def __exit__(self, *_):
        for process, _ in self._layers:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        for path in self._log_files():
            path.unlink()

    def add_layer(self, rate, seconds, clients=LAYER_CLIENTS):
        """More users for some whole seconds."""
        prefix = self._folder / f"users-{len(self._layers)}"
        command = [*pgbench(self._site.server, clients), *self._workload.arguments,
                   f"--rate={rate:.2f}", "-T", seconds, "-l", f"--log-prefix={prefix}"]
        if rate > LOGGED_PER_S:
            command.append(f"--sampling-rate={LOGGED_PER_S / rate:.4f}")
        words = self._folder / f"users-{len(self._layers)}.out"
        with open(words, "wb") as out:
            process = subprocess.Popen(bound_to_us([*command, self._site.database]),
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       start_new_session=True)
        self._layers.append((process, words))

    def settle(self):
        """Waits until nobody is late any more and all that was due until now is logged.

        Returns the seconds it took.
        """
        began = time.time()
        while time.time() < began + SETTLE_TIMEOUT_S:
            self._read()
            lags = sorted(lag for _, lag in self._recent)
            if lags and self._recent[-1][0] >= began and lags[len(lags) // 2] < SETTLED_LAG_MS:
                return time.time() - began
            self._check()
            time.sleep(LOOK_INTERVAL_S)
        raise BenchError(f"the users were still late {SETTLE_TIMEOUT_S} s after a backfill was "
                         "stopped; take a lower rate, or look for other load on this machine")

    def forget(self):
        """What was logged until now is of no interest."""
        self._read()
        self._samples.clear()

    def windows(self, began, seconds):
        return windows_of(self._samples, began, seconds)

    def _check(self):
        process, words = self._layers[0]
        if process.poll() is not None:
            lines = words.read_text(errors="replace").strip().splitlines()
            raise BenchError("pgbench ended: " + (lines[-1] if lines else "without a word"))

    def _log_files(self):
        return [path for path in self._folder.glob("users-*") if path.suffix != ".out"]

    def _read(self):
        for path in self._log_files():
            with open(path, "rb") as file:
                file.seek(self._logs.get(path, 0))
                text = file.read()
            whole = text.rfind(b"\n") + 1
            self._logs[path] = self._logs.get(path, 0) + whole
            for line in text[:whole].splitlines():
                self._take(line.split())

    def _take(self, fields):
        # client, number, latency in µs, script, seconds, µs, lag in µs
        if len(fields) < 7 or not fields[2].isdigit():
            return  # a transaction that failed
        completed = int(fields[4]) + int(fields[5]) / 1e6
        self._samples.append((completed - int(fields[2]) / 1e6, int(fields[2]) / 1000))
        self._recent.append((completed, int(fields[6]) / 1000))


class NoUsers:
    """Stands in for Foreground where nobody is there."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def settle(self):
        return 0.0

    def forget(self):
        pass

    def windows(self, began, seconds):
        return []


def windows_of(samples, began, seconds):
    """[second, transactions, p50, p95, p99, longest, mean] in ms, of each whole second; of samples
    (due, latency in ms)."""
    due = [[] for _ in range(int(seconds))]
    for at, latency in samples:
        second = math.floor(at - began)
        if 0 <= second < len(due):
            due[second].append(latency)
    return [[second, len(found), *(round(value, 3) for value in (*quantiles(found), fmean(found)))]
            for second, found in enumerate(due) if found]


def quantiles(values):
    """p50, p95, p99 and the greatest, by nearest rank."""
    values = sorted(values)
    return [values[math.ceil(share * len(values)) - 1] for share in (0.5, 0.95, 0.99, 1)]


def pgbench(server, clients):
    """The start of a command line that runs transactions."""
    return [server.programs / "pgbench", "-n", "-M", "prepared", "-c", clients, "-j", 1,
            "-h", server.folder, "-p", "5432", "-U", "postgres"]


def run_pgbench(command):
    """Runs to the end; returns what it printed."""
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    answer = subprocess.run(bound_to_us(command), capture_output=True, text=True,
                            env=environment, start_new_session=True)
    if answer.returncode != 0:
        raise BenchError("pgbench failed: " + (answer.stderr.strip().splitlines() or [""])[-1])
    return answer.stdout
