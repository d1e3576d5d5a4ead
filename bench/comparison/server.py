"""A throw-away PostgreSQL server in a folder of its own.

It keeps what makes writing durable (fsync, synchronous commits, full pages), and leaves out
what makes runs differ from each other for no reason of theirs: autovacuum, JIT, parallel query.
"""

import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
import urllib.parse
from pathlib import Path

import psycopg2

from comparison.errors import BenchError
from comparison.lifetime import bound_to_us

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "off",
    "shared_buffers": "2GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "min_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "autovacuum": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
}
PORT = 5432  # part of the socket's name; nothing listens on the network
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def find_programs():
    """The folder with the newest server's programs."""
    folders = [Path(path).parent for path in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    if folders:
        return max(folders, key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0))
    if shutil.which("pg_config"):
        answer = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True)
        if (Path(answer.stdout.strip()) / "initdb").exists():
            return Path(answer.stdout.strip())
    raise BenchError("no PostgreSQL server found; install the package postgresql")


class Server:
    """Started on entry, gone without a trace on exit."""

    def __init__(self, folder, settings=None, environment=None):
        """`folder` must not be there yet; its path must be short enough for a socket.

        `settings` are added to SETTINGS or replace them; `environment` is the server's, as well.
        """
        self.folder = folder
        self.settings = {**SETTINGS, "max_connections": "60", **(settings or {})}
        self._environment = environment or {}
        self.programs = find_programs()
        # PostgreSQL refuses to run as root.
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self._postmaster = None

    def __enter__(self):
        self.folder.mkdir(mode=0o700)
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._initialise()
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_):
        self._stop()

    # ------------------------------------------------------------ clients

    def dsn(self, database):
        """libpq's keywords for a database."""
        return f"host={self.folder} port={PORT} dbname={database} user=postgres"

    def uri(self, database):
        host = urllib.parse.quote(str(self.folder), safe="")
        return f"postgresql://postgres@{host}:{PORT}/{database}"

    def connect(self, database="postgres"):
        connection = psycopg2.connect(self.dsn(database), application_name="bench")
        connection.autocommit = True
        return connection

    def execute(self, database, *statements):
        """Runs statements one by one; returns the rows of the last, if it has any."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    # ------------------------------------------------------------ facts

    def wal_bytes(self):
        """WAL written since the server was made."""
        return int(self.execute("postgres", "SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0])

    def cpu_seconds(self):
        """CPU time of all the server's processes, also of those that have ended."""
        ticks = 0
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                pid, fields = _read_stat(stat)
            except OSError:
                continue  # it ended meanwhile; the postmaster has its time
            if pid == self._postmaster.pid:
                ticks += sum(int(field) for field in fields[11:15])
            elif int(fields[1]) == self._postmaster.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS_PER_S

    def version(self):
        return self.execute("postgres", "SHOW server_version")[0][0]

    # ------------------------------------------------------------ life

    def _initialise(self):
        data = self.folder / "data"
        self._run_server_program("initdb", "-D", data, "-U", "postgres", "--auth=trust",
                                 "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync")
        self._configure(data)

    def _configure(self, data):
        settings = dict(self.settings, listen_addresses="", port=PORT,
                        unix_socket_directories=str(self.folder))
        with open(data / "postgresql.conf", "a", encoding="utf-8") as file:
            for name, value in settings.items():
                file.write(f"{name} = '{value}'\n")

    def _run_server_program(self, name, *arguments):
        result = subprocess.run([self.programs / name, *arguments], **self._as_server(),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode != 0:
            raise BenchError(f"{name} failed: {result.stdout.strip()}")

    def _start(self):
        with open(self.folder / "server.log", "wb") as log:
            # A session of its own: Ctrl-C reaches the server through us, in order.
            self._postmaster = subprocess.Popen(
                bound_to_us([self.programs / "postgres", "-D", self.folder / "data"], "QUIT"),
                **self._as_server(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.connect().close()
                return
            except psycopg2.OperationalError:
                if self._postmaster.poll() is not None or time.monotonic() > deadline:
                    raise BenchError("the server did not start: " + self._last_log_line()) from None
                time.sleep(0.05)

    def _stop(self):
        if self._postmaster is None or self._postmaster.poll() is not None:
            return
        self._postmaster.send_signal(signal.SIGQUIT)  # nothing in it is worth a checkpoint
        try:
            self._postmaster.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._postmaster.kill()
            self._postmaster.wait()

    def _last_log_line(self):
        lines = (self.folder / "server.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "its log is empty"

    def _as_server(self):
        """What Popen needs to run a program as the server's user."""
        identity = {"cwd": self.folder,
                    "env": {"PATH": os.defpath, "LC_ALL": "C.UTF-8", **self._environment}}
        if self._user:
            identity.update(user=self._user.pw_uid, group=self._user.pw_gid, extra_groups=[])
        return identity


def _read_stat(path):
    """The process id and the fields after its name, the state first."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    name_end = text.rindex(")")
    return int(text.split(" ", 1)[0]), text[name_end + 2:].split()
