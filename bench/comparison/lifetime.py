"""Processes that end with this one, also when it is killed and can end nothing itself."""

import shutil


def bound_to_us(command, signal="KILL"):
    """The command line under setpriv, which becomes the command and keeps its process id.

    Only for processes started from the main thread: the kernel sends the signal when the thread
    that started them ends.
    """
    command = [str(word) for word in command]
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal, *command] if setpriv else command
