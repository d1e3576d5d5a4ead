"""Does one small thing so many times a second, until SIGTERM: what measuring alone costs others.

usage: ticker.py commit|look|sync TIMES_A_SECOND DSN FOLDER
"""

import os
import sys
import time
from pathlib import Path

import psycopg2

LOOK = ("SELECT count(*) FILTER (WHERE state = 'active'), max(state_change) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
PAGE = bytes(4096)


def connected(dsn, statement):
    connection = psycopg2.connect(dsn, application_name="backfill:ticker")
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(f"PREPARE tick AS {statement}")
    return lambda: cursor.execute("EXECUTE tick")


def syncing(folder):
    file = os.open(Path(folder) / "ticker.dat", os.O_CREAT | os.O_RDWR)

    def sync():
        os.pwrite(file, PAGE, 0)
        os.fdatasync(file)

    return sync


def main():
    what, rate, dsn, folder = sys.argv[1:]
    tick = {"commit": lambda: connected(dsn, "SELECT pg_logical_emit_message(true, 'tick', '')"),
            "look": lambda: connected(dsn, LOOK),
            "sync": lambda: syncing(folder)}[what]()
    while True:
        began = time.monotonic()
        tick()
        time.sleep(max(0, 1 / float(rate) - (time.monotonic() - began)))


main()
