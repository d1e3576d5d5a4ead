"""Cases that compare a table with its copy, of which every row is as it should be."""

import json

from comparison import backfill, copy_peers, tables, verify_peers
from comparison.backfill import Job
from comparison.copy_cases import changed_rows
from comparison.crew import Crew
from comparison.errors import BenchError
from comparison.lab import expect
from comparison.subject import Goal, Plan, Subject, command_run
from comparison.tables import USERS, Table

TOOLS_SHARE = 1 / 5


def verify(lab, plugin=""):
    """Between two databases: held against reading both sides at once, and doing nothing with it."""
    source, target = Table("source", USERS.name, USERS), Table("target", "users_copy", USERS)
    lab.make_table(source, lab.rows)
    fill_copy(lab, source, target, plugin)
    ours = verified(lab, source, target, lab.rows, plugin)
    reads = [read_of_both(lab, source, target, streams) for streams in (1, 2)]
    goals = [Goal(ours.name, read.name, at_least=None if plugin else 0.8) for read in reads]
    return Plan([*reads, ours], goals, clean=lambda: tables.drop(lab.server, target))


def verify_same_database(lab):
    """Within one database, where the server compares and no row travels."""
    source, target = Table("source", USERS.name, USERS), Table("source", "users_copy", USERS)
    lab.make_table(source, lab.rows)
    fill_copy(lab, source, target)
    digests = asked_of_both(lab, "md5(string_agg(md5(row)))", source, target,
                            verify_peers.digest_query)
    ours = verified(lab, source, target, lab.rows)
    return Plan([digests, ours], [Goal(ours.name, digests.name, at_least=1.5)],
                clean=lambda: tables.drop(lab.server, target))


def verify_tools(lab):
    """Databases with one table each, for pgcopydb compares all that it finds."""
    rows = lab.scaled(TOOLS_SHARE)
    source = Table("tools_source", USERS.name, USERS)
    target = Table("tools_target", USERS.name, USERS)
    lab.make_table(source, rows)
    fill_copy(lab, source, target)
    pgcopydb = Subject(
        "pgcopydb compare data", rows,
        command_run(lab, lambda folder: verify_peers.pgcopydb_compare(lab.server, source, target,
                                                                      folder)),
        missing=verify_peers.pgcopydb_is_missing())
    query = asked_of_both(lab, "pgcopydb's query", source, target, verify_peers.hash_sum_query)
    ours = verified(lab, source, target, rows)
    return Plan([pgcopydb, query, ours],
                [Goal(ours.name, pgcopydb.name), Goal(ours.name, query.name)],
                clean=lambda: tables.drop(lab.server, source, target))


# ---------------------------------------------------------------- subjects

def fill_copy(lab, source, target, plugin=""):
    """The copy as a run with the plugin leaves it, made by the same SQL as the source."""
    rows = lab.server.execute(source.database, f"SELECT count(*) FROM {source.name}")[0][0]
    query = USERS.generator(rows)
    if plugin:
        query = USERS.select(f"({query}) AS r", email="lower(email)")
    tables.fill(lab.server, target, query)
    expect(f"the checksum of {target.name}", lab.checksum(target),
           lab.checksum(source, changed_rows(source) if plugin else None))


def verified(lab, source, target, rows, plugin=""):
    """Ours, with default settings. One that does not call every row equal does not count."""
    job = Job(lab.server.dsn(source.database), source.name, lab.server.dsn(target.database),
              target.name, plugin=plugin, plugin_column=USERS.plugin_column if plugin else "")

    def run(folder):
        log = folder / "log"
        command = backfill.verify_command(lab, job, folder, "--json")
        with Crew([[command]], log, lab.environment()) as crew:
            usage = crew.finish()
        expect("the verdict", verdict(log), (True, rows, rows, rows))
        return usage, {}

    return Subject("backfill verify", rows, run, is_ours=True)


def verdict(log):
    """Of a verify that printed JSON: whether it is clean, and how many rows it saw."""
    try:
        told = json.loads(log.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BenchError(f"backfill verify printed no JSON: {error}") from error
    rows = told["rows"]
    return told["clean"], rows["source"], rows["target"], rows["compared"]


def read_of_both(lab, source, target, streams):
    pipelines = []
    for table in (source, target):
        conditions = ("true",) if streams == 1 else copy_peers.halves(lab.server, table)
        pipelines += verify_peers.copied_to_nowhere(lab.server, table, conditions)
    name = f"COPY of both sides, {streams} stream{'s' if streams > 1 else ''} each"
    return Subject(name, lab.rows, command_run(lab, lambda _: pipelines))


def asked_of_both(lab, name, source, target, query):
    """A query of either table, at the same time."""
    pipelines = query(lab.server, source) + query(lab.server, target)
    rows = lab.server.execute(source.database, f"SELECT count(*) FROM {source.name}")[0][0]
    return Subject(f"{name} of both sides", rows, command_run(lab, lambda _: pipelines))


CASES = (
    ("verify", "users against their copy in another database", verify),
    ("verify_plugin", "the same, of a copy that a plugin made",
     lambda lab: verify(lab, plugin="lower_text")),
    ("verify_same_database", "users against their copy in the same database",
     verify_same_database),
    ("verify_tools", "users between databases with nothing else in them", verify_tools),
)
