"""A streaming standby of a site's server, with a replay that can be held up."""

import threading
import time

import psycopg2

from comparison.server import Server

LOOK_INTERVAL_S = 0.5
LAG_SQL = """
    SELECT CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
      ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
      END::float"""


class Standby(Server):
    """Made with pg_basebackup from a running server."""

    def __init__(self, folder, primary):
        super().__init__(folder, {"hot_standby": "on", "max_connections": "200",
                                  "checkpoint_timeout": "1h", "max_wal_size": "16GB",
                                  "shared_buffers": "256MB"})
        self._primary = primary

    def pause_replay(self):
        self.execute("postgres", "SELECT pg_wal_replay_pause()")

    def resume_replay(self):
        self.execute("postgres", "SELECT pg_wal_replay_resume()")

    def leave(self):
        """The standby is gone, as a machine that was switched off."""
        self._stop()

    def come_back(self):
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self._start()

    def _initialise(self):
        data = self.folder / "data"
        self._run_server_program("pg_basebackup", "-D", data, "-R", "-X", "stream", "-c", "fast",
                                 "-h", self._primary.folder, "-p", "5432", "-U", "postgres",
                                 "--no-sync")
        self._configure(data)


class LagWatch:
    """Notes every half second how far the standby is behind; None while it cannot be asked."""

    def __init__(self, standby):
        self._standby = standby
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._began = time.time()
        self.seen = []  # (seconds, lag in seconds)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def begin(self):
        self._began = time.time()
        self.seen = []

    def _look(self):
        connection = None
        while not self._ended.wait(LOOK_INTERVAL_S):
            lag = None
            try:
                connection = connection or self._standby.connect("postgres")
                with connection.cursor() as cursor:
                    cursor.execute(LAG_SQL)
                    lag = round(cursor.fetchone()[0] or 0, 2)
            except psycopg2.Error:
                connection = None
            self.seen.append([round(time.time() - self._began, 2), lag])
        if connection:
            connection.close()
