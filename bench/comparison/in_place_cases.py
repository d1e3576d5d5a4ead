"""Cases that fill columns of a table where it is, held against a loop in PL/pgSQL."""

from comparison import in_place_peers, tables
from comparison.backfill import Job
from comparison.copy_cases import backfill_name
from comparison.lab import expect
from comparison.subject import Goal, Plan, Subject, backfill_run, command_run
from comparison.tables import FIRST_NAME_SQL, LAST_NAME_SQL, PEOPLE, Table

SHARE = 1 / 5  # of the main table's rows
DO_LOOP = "DO loop, 10,000 a commit"
PGROLL = "pgroll's manner"
EXPRESSIONS = (f"{FIRST_NAME_SQL} as first_name", f"{LAST_NAME_SQL} as last_name")


class People:
    """The table whose names are to be filled, and how it is brought back to the start."""

    def __init__(self, lab):
        self._lab = lab
        self.table = Table("source", PEOPLE.name, PEOPLE)
        self.rows = lab.scaled(SHARE)
        # Each run changes the table; it begins with a copy of this one.
        self._original = Table("source", "people_original", PEOPLE)
        lab.make_table(self._original, self.rows)
        self._expected = lab.checksum(
            self._original,
            PEOPLE.select(self._original.name, first_name=FIRST_NAME_SQL, last_name=LAST_NAME_SQL))

    def reset(self):
        tables.fill(self._lab.server, self.table, f"SELECT * FROM {self._original.name}",
                    indexes=True)

    def reset_with_trigger(self):
        self.reset()
        in_place_peers.add_pgroll_trigger(self._lab.server, self.table)

    def verify(self):
        expect(f"the checksum of {self.table.name}", self._lab.checksum(self.table), self._expected)

    def drop(self):
        tables.drop(self._lab.server, self.table, self._original)

    def subject(self, name, run, **options):
        options.setdefault("reset", self.reset)
        return Subject(name, self.rows, run, verify=self.verify, **options)

    def ours(self, workers, **job):
        job = Job(self._lab.server.dsn(self.table.database), self.table.name, workers=workers,
                  **job)
        return self.subject(backfill_name(workers), backfill_run(self._lab, job), is_ours=True)

    def do_loop(self):
        pipelines = in_place_peers.do_loop(self._lab.server, self.table)
        return self.subject(DO_LOOP, command_run(self._lab, lambda _: pipelines))

    def pgroll_manner(self):
        pipelines = in_place_peers.pgroll_manner(self._lab.server, self.table)
        return self.subject(PGROLL, command_run(self._lab, lambda _: pipelines),
                            reset=self.reset_with_trigger)


def in_place(lab):
    """With a plugin; a row that changes meanwhile is not overwritten."""
    people = People(lab)
    job = {"columns": ("id", "full_name"), "plugin": "split_full_name"}
    one, two = people.ours(1, **job), people.ours(2, **job)
    return Plan(
        [people.do_loop(), one, two, people.pgroll_manner()],
        [Goal(one.name, DO_LOOP, at_least=0.95),
         Goal(two.name, DO_LOOP, at_least=1.5),
         Goal(two.name, PGROLL, at_least=1.4)],
        clean=people.drop)


def in_place_pushdown(lab):
    """Without a plugin: the new values are SQL expressions."""
    people = People(lab)
    one = people.ours(1, columns=("id",) + EXPRESSIONS)
    return Plan([people.do_loop(), one],
                [Goal(one.name, DO_LOOP, at_least=1.05)],
                clean=people.drop)


CASES = (
    ("in_place", "two columns filled by a plugin; two more indexes", in_place),
    ("in_place_pushdown", "two columns filled by SQL expressions; two more indexes",
     in_place_pushdown),
)
