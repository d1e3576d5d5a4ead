"""Other ways to fill columns of a table where it is."""

import sys

from comparison.copy_peers import SCRIPTS, psql
from comparison.tables import FIRST_NAME_SQL, LAST_NAME_SQL

COMMIT_ROWS = 10_000


def do_loop(server, table):
    """A loop in PL/pgSQL that commits every 10,000 rows."""
    loop = f"""
        DO $$
        DECLARE
          done bigint := 0;
          upto bigint;
        BEGIN
          LOOP
            SELECT max(id) INTO upto FROM
              (SELECT id FROM {table.name} WHERE id > done ORDER BY id LIMIT {COMMIT_ROWS}) AS page;
            EXIT WHEN upto IS NULL;
            UPDATE {table.name} SET first_name = {FIRST_NAME_SQL}, last_name = {LAST_NAME_SQL}
              WHERE id > done AND id <= upto;
            COMMIT;
            done := upto;
          END LOOP;
        END $$"""
    return [[psql(server, table.database, loop)]]


def pgroll_manner(server, table):
    """Batches that touch rows, and the trigger of add_pgroll_trigger."""
    return [[[sys.executable, SCRIPTS / "pgroll_manner.py", server.dsn(table.database),
              table.name]]]


def add_pgroll_trigger(server, table):
    """A row trigger as pgroll makes them: every column a variable, then the new values."""
    variables = "\n".join(f"{name} {table.name}.{name}%TYPE := NEW.{name};"
                          for name, _, _ in table.shape.columns)
    server.execute(
        table.database,
        f"""CREATE OR REPLACE FUNCTION fill_names() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE
              {variables}
              search_path text;
            BEGIN
              SELECT current_setting INTO search_path FROM current_setting('search_path');
              IF search_path != 'new_version' THEN
                NEW.first_name = {FIRST_NAME_SQL};
                NEW.last_name = {LAST_NAME_SQL};
              END IF;
              RETURN NEW;
            END $$""",
        f"CREATE TRIGGER fill_names BEFORE INSERT OR UPDATE ON {table.name} "
        "FOR EACH ROW EXECUTE FUNCTION fill_names()")
