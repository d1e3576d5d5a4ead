"""An application at a SQLite file: changes a row every 10 ms, until it is killed.

Says of each change when it was due, in seconds since 1970, and after how many ms it was done.

usage: sqlite_writer.py FILE
"""

import sqlite3
import sys
import time

INTERVAL_S = 0.01
ROWS = 100


def main():
    connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, count INTEGER)")
    connection.executemany("INSERT INTO visits VALUES (?, 0)", ((i,) for i in range(ROWS)))
    began, number = time.time(), 0
    while True:
        due = began + number * INTERVAL_S
        time.sleep(max(0, due - time.time()))
        connection.execute("UPDATE visits SET count = count + 1 WHERE id = ?", (number % ROWS,))
        print(due, (time.time() - due) * 1000, flush=True)
        number += 1


main()
