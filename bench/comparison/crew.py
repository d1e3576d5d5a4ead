"""Processes that do one piece of work together, and what they cost."""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

from comparison.errors import BenchError

SAMPLE_INTERVAL_S = 0.05
LOG_LINES_SHOWN = 15


@dataclass(frozen=True)
class Usage:
    wall_s: float
    cpu_s: float  # user and system time of the processes and of their children
    peak_bytes: int  # resident, the processes together


class Crew:
    """Pipelines that run side by side; a pipeline is a list of commands joined by pipes.

    Use it with `with`: whatever still runs at the end of the block is killed.
    """

    def __init__(self, pipelines, log, environment=None):
        """All output that no pipe takes goes to the file `log`."""
        self._log = log
        self._environment = environment
        self._processes = []
        self._began = time.monotonic()
        self._peak = None
        try:
            for commands in pipelines:
                self._start(commands)
        except BaseException:
            self._end_all()
            raise
        self._peak = PeakMemory([process.pid for process in self._processes])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end_all()

    def is_running(self):
        """True while none of the processes has ended. They stay to be reaped."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return all(process.returncode is None and os.waitid(os.P_PID, process.pid, flags) is None
                   for process in self._processes)

    def kill(self):
        """Ends the processes as a crash would."""
        self._end_all()

    def finish(self):
        """Waits for the end; a process that fails is an error, with the end of its log."""
        cpu_s = 0.0
        failed = []
        for process in self._processes:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            cpu_s += usage.ru_utime + usage.ru_stime
            if process.returncode != 0:
                failed.append(f"{os.path.basename(process.args[0])} ended with "
                              f"{process.returncode}")
        wall_s = time.monotonic() - self._began
        peak_bytes = self._peak.stop()
        if failed:
            raise BenchError("; ".join(failed) + self._log_tail())
        return Usage(wall_s, cpu_s, peak_bytes)

    def _start(self, commands):
        upstream = subprocess.DEVNULL
        with open(self._log, "ab") as log:
            for command in commands:
                is_last = command is commands[-1]
                # A group of its own, so that what it starts can be ended with it.
                process = subprocess.Popen([str(word) for word in command], stdin=upstream,
                                           stdout=log if is_last else subprocess.PIPE,
                                           stderr=log, env=self._environment, process_group=0)
                if upstream is not subprocess.DEVNULL:
                    upstream.close()
                upstream = process.stdout
                self._processes.append(process)

    def _end_all(self):
        for process in self._processes:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if self._peak:
            self._peak.stop()

    def _log_tail(self):
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return "".join("\n    " + line for line in lines[-LOG_LINES_SHOWN:])


class PeakMemory:
    """Looks at how much memory processes have had resident, until told to stop.

    The kernel's own maximum, ru_maxrss, would begin with what this program had when it forked.
    """

    def __init__(self, pids):
        self._pids = pids
        self._bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self._bytes

    def _look(self):
        while not self._stop.wait(SAMPLE_INTERVAL_S):
            together = sum(_peak_bytes(pid) for pid in _with_descendants(self._pids))
            self._bytes = max(self._bytes, together)


def _with_descendants(pids):
    found = list(pids)
    for pid in found:
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                found.extend(int(child) for child in file.read().split())
        except OSError:
            pass  # ended, or a kernel that does not tell
    return found


def _peak_bytes(pid):
    """A process' own maximum so far; 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
