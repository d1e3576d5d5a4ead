"""Tools that copy tables between databases, each in the manner it is made for.

The databases hold one table and nothing else. Slow tools copy fewer rows; rates are compared.
"""

from comparison import copy_peers, tables
from comparison.copy_cases import backfill_copy, changed_rows, emptied_and_verified
from comparison.subject import Goal, Plan, Subject, command_run
from comparison.tables import USERS, Table

SHARE = 1 / 5
SCRIPT_SHARE = 1 / 25  # of the main table's rows, for the script


def tools(lab):
    rows, script_rows = lab.scaled(SHARE), lab.scaled(SCRIPT_SHARE)
    source = Table("tools_source", USERS.name, USERS)
    target = Table("tools_target", USERS.name, USERS)
    lab.make_table(source, rows)
    copied, changed = lab.checksum(source), lab.checksum(source, changed_rows(source))
    script_changed = lab.checksum(source, f"{changed_rows(source)} WHERE id <= {script_rows}")
    server = lab.server

    def create():
        tables.create(server, target)

    def drop():
        tables.drop(server, target)

    def peer(name, pipelines, reset=create, expected=copied, count=rows, program=None):
        verify = emptied_and_verified(lab, target, expected)["verify"]
        return Subject(name, count, command_run(lab, pipelines), reset=reset, verify=verify,
                       missing=copy_peers.missing(program) if program else "")

    ours = backfill_copy(lab, source, target, rows, 0, changed, reset=create)
    peers = [
        peer("pg_dump | pg_restore", lambda _: copy_peers.pg_dump_restore(server, source, target),
             reset=drop),
        peer("pgcopydb clone", lambda folder: copy_peers.pgcopydb(
            server, source, target, folder, "clone"), reset=drop, program="pgcopydb"),
        peer("pgcopydb copy table-data", lambda folder: copy_peers.pgcopydb(
            server, source, target, folder, "copy", "table-data"), program="pgcopydb"),
        peer("pgloader", lambda folder: copy_peers.pgloader(server, source, target, folder),
             program="pgloader"),
        peer("psycopg2 script", lambda _: copy_peers.psycopg2_upsert(
            server, source, target, script_rows), expected=script_changed, count=script_rows),
    ]
    at_least = {"pgcopydb copy table-data": 1.4, "pgloader": 4.0, "psycopg2 script": 10.0}
    goals = [Goal(ours.name, other.name, at_least=at_least.get(other.name)) for other in peers]
    return Plan([ours, *peers], goals, clean=lambda: tables.drop(server, source, target))


CASES = (("tools", "users between databases with nothing else in them", tools),)
