"""The machine and the versions that figures belong to."""

import os
import platform
import subprocess
import time
from pathlib import Path

from comparison import backfill
from comparison.server import SETTINGS


def describe(lab):
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": _field("/proc/cpuinfo", "model name", ":") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": _field("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "kernel": platform.release(),
        "postgresql": lab.server.version(),
        "settings": dict(SETTINGS),
        "backfill": backfill.version(lab.program),
        "commit": _commit(),
    }


def _field(path, name, separator):
    try:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            key, found, value = line.partition(separator)
            if found and key.strip() == name:
                return value.strip()
    except OSError:
        pass
    return ""


def _commit():
    """The commit of this source tree; with a + when files differ from it."""
    command = ["git", "-C", Path(__file__).parent, "describe", "--always", "--dirty=+"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return answer.stdout.strip() or "unknown"
