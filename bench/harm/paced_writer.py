"""A backfill as people write them: one connection, one statement a batch, a rule for resting.

usage: paced_writer.py JSON

Says "ready", waits for a line, works until the next line, and prints one line of JSON: rows
committed, how far it came, rows in each tenth of a second. It runs the statement that
`backfill` runs where both tables are in one database, so that only the pace tells them apart.
"""

import json
import select
import sys
import time

import psycopg2

CHECK_S = 0.25  # gh-ost's writers look that often whether they may go on
EMA_WEIGHT = 0.4  # GitLab's optimizer: of the newest job
DUTY_LEAST, DUTY_MOST = 0.9, 0.95
GROWTH_MOST = 1.2
SUB_BATCH_ROWS = 1000


def connect(options):
    connection = psycopg2.connect(options["dsn"], application_name="paced_writer")
    connection.autocommit = True
    cursor = connection.cursor()
    if options["is_async"]:
        cursor.execute("SET synchronous_commit = off")
    return cursor


class Stopped(Exception):
    """A line came."""


class Writer:
    """Writes batches in key order, and notes when they were committed."""

    def __init__(self, options):
        self._options = options
        self._cursor = connect(options)
        self._cursor.execute(f"PREPARE write (bigint, bigint) AS {options['statement']}")
        self.after = options["after"]
        self.rows = 0
        self.tenths = {}
        self._began = time.time()

    def begin(self):
        self._began = time.time()

    def write(self, rows):
        """Returns how long it took."""
        if self.after >= self._options["last_id"]:
            if self._options["empty"]:
                self._cursor.execute(self._options["empty"])
            self.after = 0
        upto = min(self.after + rows, self._options["last_id"])
        began = time.monotonic()
        self._cursor.execute("EXECUTE write (%s, %s)", (self.after, upto))
        took = time.monotonic() - began
        tenth = int((time.time() - self._began) * 10)
        self.tenths[tenth] = self.tenths.get(tenth, 0) + upto - self.after
        self.rows += upto - self.after
        self.after = upto
        return took


def rest(seconds):
    """Sleeps; a line on stdin ends it all."""
    if select.select([sys.stdin], [], [], max(seconds, 0))[0]:
        raise Stopped


def fixed(writer, options):
    while True:
        writer.write(options["batch_rows"])
        rest(options["rest_s"])


def nice(writer, options):
    """gh-ost's nice-ratio: after each chunk a rest in proportion to it."""
    while True:
        rest(options["ratio"] * writer.write(options["batch_rows"]))


def sessions_over(writer, options):
    """gh-ost's max-load: once a second, go or stop by the number of active sessions."""
    looking = connect(options)
    next_look = 0.0
    is_over = False
    while True:
        if time.monotonic() >= next_look:
            looking.execute("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
                            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()")
            is_over = looking.fetchone()[0] >= options["threshold"]
            next_look = time.monotonic() + 1
        if is_over:
            rest(CHECK_S)
        else:
            writer.write(options["batch_rows"])
            rest(0)


def duty(writer, options):
    """GitLab's batched migrations: a job each interval, of as many rows as fill 90–95 % of it."""
    job_rows = options["job_rows"]
    average = None
    options["result"]["job_rows"] = job_rows
    while True:
        began = time.monotonic()
        for done in range(0, int(job_rows), SUB_BATCH_ROWS):
            writer.write(min(SUB_BATCH_ROWS, int(job_rows) - done))
            rest(0)
        took = time.monotonic() - began
        efficiency = took / options["interval_s"]
        average = efficiency if average is None else (
            EMA_WEIGHT * efficiency + (1 - EMA_WEIGHT) * average)
        if not DUTY_LEAST <= average <= DUTY_MOST:
            job_rows = max(SUB_BATCH_ROWS, job_rows * min(DUTY_MOST / average, GROWTH_MOST))
        options["result"]["job_rows"] = job_rows
        rest(options["interval_s"] - took)


RULES = {"fixed": fixed, "nice": nice, "sessions": sessions_over, "duty": duty}


def main():
    options = json.loads(sys.argv[1])
    options["result"] = {}
    writer = Writer(options)
    print("ready", flush=True)
    if not sys.stdin.readline():
        return
    writer.begin()
    try:
        RULES[options["rule"]](writer, options)
    except Stopped:
        pass
    worked_s = time.time() - writer._began
    print(json.dumps({"rows": writer.rows, "after": writer.after, "worked_s": worked_s,
                      "tenths": sorted(writer.tenths.items()), **options["result"]}), flush=True)


main()
