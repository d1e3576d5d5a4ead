"""backfill, the program under test: job files, command lines, and what it says of its runs."""

import json
import subprocess
from dataclasses import dataclass

from comparison.errors import BenchError

NAME = "bench"


@dataclass(frozen=True)
class Job:
    """A job with the default settings, but for what a case is about."""

    source_url: str
    source_table: str
    target_url: str = ""  # "": in place
    target_table: str = ""
    columns: tuple = ()  # (): every column
    plugin: str = ""
    plugin_column: str = ""
    workers: int = 0  # 0: the default
    name: str = NAME
    lines: tuple = ()  # further lines of the job file

    def write(self, folder):
        """Writes the job file; returns its path."""
        path = folder / "job.toml"
        path.write_text("\n".join(self._lines()) + "\n", encoding="utf-8")
        return path

    def _lines(self):
        yield f'name = "{self.name}"'
        yield "[source]"
        yield f'url = "{self.source_url}"'
        yield f'table = "{self.source_table}"'
        if self.columns:
            yield f"columns = {json.dumps(self.columns)}"
        if self.target_table:
            yield "[target]"
            yield f'url = "{self.target_url}"'
            yield f'table = "{self.target_table}"'
        if self.plugin:
            yield "[transform]"
            yield f'plugin = "{self.plugin}"'
        if self.plugin_column:
            yield "[transform.options]"
            yield f'column = "{self.plugin_column}"'
        if self.workers:
            yield "[run]"
            yield f"workers = {self.workers}"
        yield from self.lines


def run_command(lab, job, folder, resume=False):
    """The command line of a run with a checkpoint of its own in the folder."""
    command = [lab.program, "run", job.write(folder), "--checkpoint", folder / "checkpoint.db",
               "--log-level", "warning", "--progress", "none"]
    for setting in lab.settings:
        command += ["--set", setting]
    return command + (["--resume"] if resume else [])


def verify_command(lab, job, folder, *options):
    """The command line of a verify that says its verdict, and else nothing but errors."""
    command = [lab.program, "verify", job.write(folder), "--checkpoint", folder / "checkpoint.db",
               "--log-level", "error", *options]
    for setting in lab.settings:
        command += ["--set", setting]
    return command


def status(lab, folder):
    """What `backfill status --json` says of the run in the folder."""
    command = [lab.program, "status", folder / "job.toml", "--json",
               "--checkpoint", folder / "checkpoint.db"]
    answer = subprocess.run(command, capture_output=True, text=True, env=lab.environment())
    if answer.returncode != 0:
        raise BenchError("backfill status failed: " + answer.stderr.strip())
    return json.loads(answer.stdout)


def facts(lab, folder):
    """The part of the status that explains a figure."""
    told = status(lab, folder)
    return {
        "elapsed_s": told["elapsed_s"],
        "throttled_s": told["throttled_s"],
        "workers": told["workers"],
        "batches": told["batches"]["done"],
        "last_batch_size": told["batch_size"],
    }


def version(program):
    answer = subprocess.run([program, "--version"], capture_output=True, text=True)
    return answer.stdout.strip()
