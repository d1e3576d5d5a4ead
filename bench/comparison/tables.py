"""The tables that are compared on: made from numbers alone, the same on every machine."""

from dataclasses import dataclass

# Text that no compressor makes smaller; documents are cut out of it.
POOL_SQL = ("SELECT string_agg(encode(sha512(i::text::bytea), 'base64'), '') "
            "FROM generate_series(1, 400) AS i")

USERS_COLUMNS = (
    ("full_name", "text", "initcap('n' || substr(md5(i::text), 1, 5)) || ' ' || "
                          "initcap('f' || substr(md5((i / 7)::text), 1, 7))"),
    ("email", "text", "substr(md5(i::text), 9, 8) || '.User' || i || '@Example.org'"),
    ("created_at", "timestamptz", "timestamptz '2020-01-01 00:00:00+00' + i * interval '7 s'"),
    ("balance", "numeric(12,2)", "(hashint8(i)::bigint & 9999999)::numeric / 100"),
    ("attrs", "jsonb", "jsonb_build_object('plan', i % 5, 'city', substr(md5(i::text), 1, 12), "
                       "'token', md5((-i)::text))"),
    ("a", "integer", "hashint8(i + 1) & 1048575"),
    ("b", "integer", "i % 1000"),
)


@dataclass(frozen=True)
class Shape:
    """What the rows of a table look like; the SQL of each column makes row number `i`."""

    name: str
    columns: tuple  # of (name, type, SQL), the key, `id`, first
    plugin_column: str = "email"  # the text column that the plugin changes; "" for none

    def definition(self):
        return ", ".join(f"{name} {type_}" for name, type_, _ in self.columns)

    def names(self):
        return [name for name, _, _ in self.columns]

    def select(self, name, **instead):
        """A query of a table of this shape; `instead` gives columns another SQL."""
        values = ", ".join(f"{instead.get(column, column)} AS {column}" for column in self.names())
        return f"SELECT {values} FROM {name}"

    def generator(self, rows, step=1, **instead):
        """A query that makes every `step`th row; `instead` gives columns another SQL."""
        values = ", ".join(f"{instead.get(name, sql)} AS {name}" for name, _, sql in self.columns)
        return f"SELECT {values} FROM generate_series({step}, {rows}, {step}) AS i"


USERS = Shape("users", (("id", "bigint", "i"),) + USERS_COLUMNS)
UUID_USERS = Shape("uuid_users", (("id", "uuid", "md5(i::text)::uuid"),) + USERS_COLUMNS)
TEXT_USERS = Shape(
    "text_users", (("id", "text", "substr(md5(i::text), 1, 10) || '-' || i"),) + USERS_COLUMNS)
READINGS = Shape("readings", (
    ("id", "bigint", "i"),
    ("sensor", "integer", "hashint8(i) & 4095"),
    ("value", "bigint", "hashint8extended(i, 1)"),
    ("taken_at", "timestamptz", "timestamptz '2020-01-01 00:00:00+00' + i * interval '1 s'"),
), plugin_column="")
DOCUMENTS = Shape("documents", (
    ("id", "bigint", "i"),
    ("title", "text", "'Document ' || i || ' of ' || md5(i::text)"),
    ("body", "text", "substr((SELECT text FROM pool), 1 + (i * 37) % 20000, "
                     "4000 + (i % 4000)::integer)"),
), plugin_column="title")

# Columns to be filled from full_name, in a table with two indexes on other columns.
PEOPLE = Shape("people", USERS.columns + (("first_name", "text", "NULL::text"),
                                          ("last_name", "text", "NULL::text")))
FIRST_NAME_SQL = "split_part(full_name, ' ', 1)"
LAST_NAME_SQL = "split_part(full_name, ' ', 2)"
INDEXED_COLUMNS = ("email", "a")


@dataclass(frozen=True)
class Table:
    """A table of the server; `name` may differ from that of its shape."""

    database: str
    name: str
    shape: Shape


def create(server, table, indexes=False):
    """Makes the table anew, empty, with its key."""
    server.execute(
        table.database,
        f"DROP TABLE IF EXISTS {table.name}",
        f"CREATE TABLE {table.name} ({table.shape.definition()}, PRIMARY KEY (id))",
        *(index_sql(table) if indexes else ()))


def index_sql(table):
    return [f"CREATE INDEX ON {table.name} ({column})" for column in INDEXED_COLUMNS]


def fill(server, table, query, indexes=False):
    """Makes the table anew with the rows of a query, as good as one that has been in use."""
    server.execute(
        table.database,
        f"DROP TABLE IF EXISTS {table.name}",
        "CREATE TEMPORARY TABLE pool (text text)",
        f"INSERT INTO pool {POOL_SQL}",
        f"CREATE TABLE {table.name} ({table.shape.definition()})",
        f"INSERT INTO {table.name} {query}",
        f"ALTER TABLE {table.name} ADD PRIMARY KEY (id)",
        *(index_sql(table) if indexes else ()),
        f"VACUUM (FREEZE, ANALYZE) {table.name}")


def drop(server, *gone):
    for table in gone:
        server.execute(table.database, f"DROP TABLE IF EXISTS {table.name}")


def checksum(server, database, query):
    """The number of rows and the sum of their hashes, whatever their order."""
    rows = server.execute(
        database, "SET max_parallel_workers_per_gather = 2",
        f"SELECT count(*), coalesce(sum(hash_record_extended(r, 0)), 0) FROM ({query}) AS r")
    return tuple(int(number) for number in rows[0])
