"""Fills columns in pgroll's manner: touch each row in batches of 1000; a trigger does the rest.

usage: pgroll_manner.py DSN TABLE
"""

import sys

import psycopg2

BATCH_ROWS = 1000


def main():
    dsn, table = sys.argv[1:]
    touch = f"""
        WITH batch AS (
          SELECT id FROM {table} WHERE id > %s ORDER BY id LIMIT {BATCH_ROWS} FOR NO KEY UPDATE
        ), touched AS (
          UPDATE {table} SET id = {table}.id FROM batch WHERE {table}.id = batch.id
          RETURNING {table}.id
        )
        SELECT max(id) FROM touched"""

    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        after = 0
        while after is not None:
            cursor.execute(touch, (after,))
            after = cursor.fetchone()[0]


main()
