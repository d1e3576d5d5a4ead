#!/usr/bin/python3
"""The man page and the completions, as man and the shells read them, against --help.

usage: documents_test.py BACKFILL DOCUMENTS
"""

import os
import pathlib
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
import unittest

BACKFILL = ""
DOCUMENTS = pathlib.Path()
DEADLINE_S = 30


def help_of(*command):
    said = subprocess.run([BACKFILL, *command, "--help"], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return said.stdout


def commands():
    listed = help_of().split("Subcommands:")[1]
    return re.findall(r"^  (\w+)", listed, re.M)


def options(command):
    return sorted(set(re.findall(r"^  (?:-\w,)?(--[\w-]+)", help_of(command), re.M)))


class ManPage(unittest.TestCase):
    def setUp(self):
        self.page = DOCUMENTS / "backfill.1"

    def test_has_nothing_that_a_man_reader_would_complain_of(self):
        said = subprocess.run(
            ["mandoc", "-T", "lint", "-W", "warning", self.page], capture_output=True, text=True
        )
        self.assertEqual((said.returncode, said.stdout), (0, ""))

    def test_tells_of_every_command_option_and_exit_code(self):
        said = subprocess.run(
            ["mandoc", "-T", "ascii", "-O", "width=200", self.page], capture_output=True, text=True
        )
        text = re.sub(".\b", "", said.stdout)
        for command in commands():
            section = re.search(rf"^   backfill {command} JOB.toml\n(.*?)^(?: {{3}})?\S", text, re.M | re.S)
            self.assertTrue(section, command)
            for option in options(command):
                self.assertRegex(section[1], rf"(?m)^ +(-\w, )?{option}\b")
        for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 75):
            self.assertRegex(text.split("EXIT STATUS")[1], rf"(?m)^ +{code} ")
        self.assertIn("batch.size", text.split("JOB FILE")[1])


class Bash(unittest.TestCase):
    def complete(self, *words, folder="/"):
        """What is offered for the last word, which bash has taken apart already."""
        script = f"""
            source {DOCUMENTS / "backfill.bash"}
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            _backfill
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        said = subprocess.run(
            ["bash", "--norc", "-u", "-c", script, "bash", "backfill", *words],
            capture_output=True, text=True, cwd=folder,
        )
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        return sorted(said.stdout.split())

    def test_offers_every_command(self):
        self.assertEqual(self.complete(""), sorted([*commands(), "--help", "--version"]))
        self.assertEqual(self.complete("pl"), ["plan"])

    def test_offers_every_option_of_a_command_and_no_other(self):
        for command in commands():
            self.assertEqual(self.complete(command, "--"), options(command))

    def test_offers_what_an_option_takes(self):
        self.assertEqual(self.complete("run", "--progress", ""), ["auto", "bar", "log", "none"])
        self.assertEqual(self.complete("run", "--progress", "=", "b"), ["bar"])
        self.assertEqual(self.complete("run", "--progress", "="), ["auto", "bar", "log", "none"])
        self.assertEqual(self.complete("status", "--log-format", "j"), ["json"])
        self.assertIn("batch.size=", self.complete("run", "--set", "batch."))
        self.assertEqual(self.complete("run", "--workers", ""), [])

    def test_offers_job_files_and_folders(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("job.toml", "other.toml", "notes.txt", "check.db"):
                (pathlib.Path(folder) / name).touch()
            (pathlib.Path(folder) / "jobs").mkdir()
            self.assertEqual(
                self.complete("run", "", folder=folder), ["job.toml", "jobs", "other.toml"]
            )
            self.assertEqual(
                self.complete("run", "job.toml", "--checkpoint", "ch", folder=folder), ["check.db"]
            )
            self.assertEqual(
                self.complete("report", "job.toml", "-o", "no", folder=folder), ["notes.txt"]
            )


class Zsh(unittest.TestCase):
    """A real zsh on a terminal: a word is typed, then Tab."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        root = pathlib.Path(self.folder.name)
        (root / "job.toml").touch()
        (root / "notes.txt").touch()
        child, self.terminal = pty.fork()
        if child == 0:
            os.chdir(root)
            os.environ.update(TERM="dumb", PS1="> ", ZDOTDIR=str(root), HOME=str(root))
            os.execvp("zsh", ["zsh", "-f", "-i"])
        self.child = child
        self.type(f"fpath=({DOCUMENTS} $fpath); autoload -U compinit; compinit -u -D\n")
        self.type("zstyle ':completion:*' list-max 0; LISTMAX=1000; setopt no_beep\n")
        # The words offered, without the line editor's drawing.
        self.type("bindkey '^I' list-choices; stty columns 400; PS1=; print rea''dy\n")
        self.wait_for("ready")

    def tearDown(self):
        os.kill(self.child, 9)
        os.waitpid(self.child, 0)
        os.close(self.terminal)
        self.folder.cleanup()

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait_for(self, text):
        until = time.monotonic() + DEADLINE_S
        seen = ""
        while text not in seen:
            left = until - time.monotonic()
            self.assertTrue(left > 0 and select.select([self.terminal], [], [], left)[0], seen)
            seen += os.read(self.terminal, 65536).decode(errors="replace")
        return seen

    def complete(self, line, last):
        """What is seen until `last` is offered."""
        self.type(line + "\t")
        seen = self.wait_for(last)
        self.type("\x15")  # the line is forgotten
        return seen

    def test_offers_every_command(self):
        seen = self.complete("backfill ", commands()[-1])
        for command in commands():
            self.assertIn(command, seen)

    def test_offers_every_option_with_its_words(self):
        for command in commands():
            wanted = options(command)
            seen = self.complete(f"backfill {command} job.toml --", wanted[-1])
            for option in wanted:
                self.assertIn(option, seen)

    def test_offers_what_an_option_takes(self):
        seen = self.complete("backfill run --progress=", "none")
        self.assertIn("auto", seen)

    def test_offers_files_behind_a_letter(self):
        self.complete("backfill report job.toml -o n", "notes.txt")

    def test_offers_job_files(self):
        self.assertNotIn("notes.txt", self.complete("backfill run ", "job.toml"))

    def test_offers_job_keys(self):
        self.complete("backfill run job.toml --set batch.s", "batch.size")


if __name__ == "__main__":
    DOCUMENTS = pathlib.Path(sys.argv.pop(2)).resolve()
    BACKFILL = sys.argv.pop(1)
    unittest.main()
