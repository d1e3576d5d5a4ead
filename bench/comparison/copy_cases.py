"""Cases that copy a table into another database, held against raw COPY|COPY."""

from comparison import copy_peers, tables
from comparison.backfill import Job
from comparison.lab import expect
from comparison.subject import Goal, Plan, Subject, backfill_run, command_run
from comparison.tables import DOCUMENTS, READINGS, TEXT_USERS, USERS, UUID_USERS, Table

PRESENT_NAME = "already there"  # the full_name of rows that were in the target before the run
PRESENT_STEP = 1000


def copy(lab, shape=USERS, share=1, floor=None, indexes=False, at_least=None):
    """Into an empty table that has its key; with `indexes`, two more of them."""
    rows = lab.scaled(share, floor)
    source, target = Table("source", shape.name, shape), Table("target", shape.name, shape)
    lab.make_table(source, rows)
    tables.create(lab.server, target, indexes)
    expected = lab.checksum(source, changed_rows(source))

    def ours(workers):
        return backfill_copy(lab, source, target, rows, workers, expected)

    return pairs_with_raw(lab, source, target, rows, ours, at_least)


def some_present(lab):
    """Every 1000th row is there before ours begins, and must stay as it is."""
    rows = lab.rows
    source, target = Table("source", USERS.name, USERS), Table("target", USERS.name, USERS)
    lab.make_table(source, rows)
    tables.create(lab.server, target)
    is_present = f"id % {PRESENT_STEP} = 0"
    present = USERS.generator(rows, PRESENT_STEP, full_name=f"'{PRESENT_NAME}'")
    expected = lab.checksum(source, f"{changed_rows(source)} WHERE NOT {is_present} "
                                    f"UNION ALL {kept_rows(source)} WHERE {is_present}")

    def reset():
        lab.server.execute(target.database, f"TRUNCATE {target.name}",
                           f"INSERT INTO {target.name} {present}",
                           f"VACUUM (FREEZE, ANALYZE) {target.name}")

    def ours(workers):
        return backfill_copy(lab, source, target, rows, workers, expected, reset)

    return pairs_with_raw(lab, source, target, rows, ours, at_least=0.85)


def all_present(lab):
    """Every row is there before ours begins; raw COPY|COPY still fills an empty table."""
    rows = lab.rows
    source, empty = Table("source", USERS.name, USERS), Table("target", USERS.name, USERS)
    full = Table("target", "users_present", USERS)
    lab.make_table(source, rows)
    tables.create(lab.server, empty)
    tables.fill(lab.server, full, USERS.generator(rows, full_name=f"'{PRESENT_NAME}'"))
    expected = lab.checksum(source, kept_rows(source))

    def ours(workers):
        # What is not changed need not be made anew.
        return backfill_copy(lab, source, full, rows, workers, expected, reset=lambda: None)

    plan = pairs_with_raw(lab, source, empty, rows, ours, at_least=1.0)
    plan.clean = lambda: tables.drop(lab.server, empty, full)
    return plan


def pushdown_copy(lab):
    """Within one database and without a plugin, where one statement could do it."""
    rows = lab.rows
    source, target = Table("source", USERS.name, USERS), Table("source", "users_copy", USERS)
    lab.make_table(source, rows)
    tables.create(lab.server, target)
    expected = lab.checksum(source)
    statement = copy_peers.insert_select(lab.server, source, target)
    peer = Subject("INSERT … SELECT", rows, command_run(lab, lambda _: statement),
                   **emptied_and_verified(lab, target, expected))
    ours = backfill_copy(lab, source, target, rows, 2, expected, plugin="")
    return Plan([peer, ours], [Goal(ours.name, peer.name, at_least=1.2)],
                clean=lambda: tables.drop(lab.server, target))


def pairs_with_raw(lab, source, target, rows, ours, at_least):
    """One worker against one stream, two workers against two."""
    subjects, goals = [], []
    for count in (1, 2):
        raw = raw_copy(lab, source, target, rows, count)
        our = ours(count)
        subjects += [raw, our]
        goals.append(Goal(our.name, raw.name, at_least=at_least))
    return Plan(subjects, goals, clean=lambda: tables.drop(lab.server, target))


# ---------------------------------------------------------------- subjects

def raw_copy(lab, source, target, rows, streams):
    conditions = ("true",) if streams == 1 else copy_peers.halves(lab.server, source)
    pipelines = copy_peers.raw_copy(lab.server, source, target, conditions)
    return Subject(f"COPY|COPY, {streams} stream{'s' if streams > 1 else ''}", rows,
                   command_run(lab, lambda _: pipelines),
                   **emptied_and_verified(lab, target, lab.checksum(source)))


def backfill_copy(lab, source, target, rows, workers, expected, reset=None, plugin="lower_text"):
    """Ours, with default settings but for the number of workers; 0 leaves that, too."""
    column = source.shape.plugin_column
    job = Job(lab.server.dsn(source.database), source.name, lab.server.dsn(target.database),
              target.name, plugin=plugin if column else "",
              plugin_column=column if plugin else "", workers=workers)
    ends = emptied_and_verified(lab, target, expected)
    if reset:
        ends["reset"] = reset
    return Subject(backfill_name(workers), rows, backfill_run(lab, job), is_ours=True, **ends)


def backfill_name(workers):
    if workers == 0:
        return "backfill"
    return f"backfill, {workers} worker{'s' if workers > 1 else ''}"


def emptied_and_verified(lab, target, expected):
    """A Subject's `reset` and `verify` for a target that starts empty."""
    return {
        "reset": lambda: lab.server.execute(target.database, f"TRUNCATE {target.name}"),
        "verify": lambda: expect(f"the checksum of {target.name}", lab.checksum(target), expected),
    }


# ---------------------------------------------------------------- expected rows

def changed_rows(source):
    """The rows as the plugin leaves them."""
    column = source.shape.plugin_column
    return source.shape.select(source.name, **({column: f"lower({column})"} if column else {}))


def kept_rows(source):
    """The rows as those that were in the target already."""
    return source.shape.select(source.name, full_name=f"'{PRESENT_NAME}'")


CASES = (
    ("copy", "users, 190 bytes a row, to another database",
     lambda lab: copy(lab, at_least=1.0)),
    ("copy_two_indexes", "users; the target has two more indexes",
     lambda lab: copy(lab, indexes=True, at_least=0.95)),
    ("some_present", "users; 1 row in 1000 is in the target already", some_present),
    ("all_present", "users; every row is in the target already", all_present),
    ("copy_narrow", "narrow rows, without a plugin", lambda lab: copy(lab, READINGS)),
    ("copy_wide", "rows of 4 to 8 kB, in TOAST",
     lambda lab: copy(lab, DOCUMENTS, share=1 / 50, floor=2000)),
    ("copy_uuid", "users with a random uuid as key",
     lambda lab: copy(lab, UUID_USERS, share=1 / 5)),
    ("copy_text_key", "users with a random text as key",
     lambda lab: copy(lab, TEXT_USERS, share=1 / 5)),
    ("pushdown_copy", "users within one database, without a plugin", pushdown_copy),
)
