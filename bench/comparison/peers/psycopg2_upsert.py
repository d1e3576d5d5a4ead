"""A backfill as a script: keyset pages of 1000 rows, changed in Python, upserted.

usage: psycopg2_upsert.py SOURCE_DSN TARGET_DSN SOURCE_TABLE TARGET_TABLE LAST_ID
"""

import sys

import psycopg2
from psycopg2.extras import Json, execute_values

BATCH_ROWS = 1000
COLUMNS = ("id", "full_name", "email", "created_at", "balance", "attrs", "a", "b")


def lower_email(row):
    identity, full_name, email, created_at, balance, attrs, a, b = row
    return identity, full_name, email.lower(), created_at, balance, Json(attrs), a, b


def main():
    source_dsn, target_dsn, source_table, target_table, last_id = sys.argv[1:]
    names = ", ".join(COLUMNS)
    values = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
    select = (f"SELECT {names} FROM {source_table} WHERE id > %s AND id <= %s "
              f"ORDER BY id LIMIT {BATCH_ROWS}")
    upsert = (f"INSERT INTO {target_table} ({names}) VALUES %s "
              f"ON CONFLICT (id) DO UPDATE SET {values}")

    source = psycopg2.connect(source_dsn)
    source.autocommit = True
    target = psycopg2.connect(target_dsn)
    after = 0
    while True:
        with source.cursor() as cursor:
            cursor.execute(select, (after, int(last_id)))
            rows = cursor.fetchall()
        if not rows:
            return
        with target.cursor() as cursor:
            execute_values(cursor, upsert, [lower_email(row) for row in rows], page_size=BATCH_ROWS)
        target.commit()
        after = rows[-1][0]


main()
