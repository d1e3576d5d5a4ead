"""A program of ours that works until it is stopped, and keeps a log."""

import signal
import subprocess

from comparison.errors import BenchError
from comparison.lifetime import bound_to_us

STOP_TIMEOUT_S = 40
STOPPED = 75  # the exit code: with work left
LOG_LINES_SHOWN = 5


class LoggedProcess:
    """One at a time; it may be started again when it has ended. `log` is appended to."""

    def __init__(self, name, log):
        self._name = name
        self._log = log
        self._process = None
        self._is_asked = False

    def start(self, command, environment):
        self._is_asked = False
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                bound_to_us(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env=environment)

    def has_ended(self):
        return self._process.poll() is not None

    def stop(self):
        """Asks it to end, once: a second time would end it at once."""
        if not self.has_ended() and not self._is_asked:
            self._is_asked = True
            self._process.send_signal(signal.SIGTERM)

    def wait(self):
        """Until it has ended, as it was asked to."""
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchError(f"{self._name}: was still there {STOP_TIMEOUT_S} s after SIGTERM; "
                             + self._log_tail()) from None

    def check(self):
        """It has ended; an end that is neither done nor stopped is an error."""
        if self._process.returncode not in (0, STOPPED):
            raise BenchError(f"{self._name}: ended with {self._process.returncode}; "
                             + self._log_tail())

    def kill(self):
        if self._process is not None and not self.has_ended():
            self._process.kill()
            self._process.wait()

    def _log_tail(self):
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-LOG_LINES_SHOWN:])
