#!/usr/bin/python3
"""Makes a trace of a log: from_log.py <run.log >NAME.trace

The log is of `backfill run --log-level debug --log-format json`; each line of the trace is what one
step of the throttle saw.
"""

import json
import re
import sys
from datetime import datetime

SEEN = re.compile(r"(?:unknown|(?P<level>[\d.]+)±(?P<noise>[\d.]+)) (?P<age>[\d.]+)s(?P<surge> surge)?$")
began = None
for line in sys.stdin:
    if not line.startswith("{"):
        continue
    said = json.loads(line)
    if said["event"] != "steers":
        continue
    at = datetime.fromisoformat(said["time"].replace("Z", "+00:00"))
    began = began or at
    signals = {}
    for name, value in said.items():
        seen = SEEN.match(value) if isinstance(value, str) else None
        if seen:
            level = seen["level"]
            signals[name] = {"level": None if level is None else float(level),
                             "noise": float(seen["noise"] or 0), "age_s": float(seen["age"]),
                             "surge": bool(seen["surge"])}
    print(json.dumps({"at_s": round((at - began).total_seconds(), 3), "busy": float(said["busy"]),
                      "others": said["others"] == "yes", "signals": signals}))
