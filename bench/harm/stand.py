"""Where scenarios are measured: one server at a time, the dice, and the record that is kept.

The record is written anew after every episode, so that a broken run leaves what it found.
"""

import dataclasses
import json
import random
import shutil
import traceback

import psycopg2

from comparison import machine
from comparison.errors import BenchError
from comparison.lab import say
from harm import episodes, faults
from harm.site import SETTINGS, Site

ERRORS_MOST = 5
RATE_LEAST = 20  # users a second, so that a window holds some


class Stand:
    def __init__(self, folder, program, mode, seed, job_settings, results, save_to):
        self.folder = folder
        self.mode = mode
        self.dice = random.Random(seed)
        self._program = program
        self._job_settings = job_settings
        self._results = results
        self._save_to = save_to

    def measure(self, scenarios):
        """Scenarios that need the same kind of server share one."""
        kinds = list(dict.fromkeys(scenario.kind for scenario in scenarios))
        for number, kind in enumerate(kinds):
            wanted = [scenario for scenario in scenarios if scenario.kind == kind]
            folder = self.folder / f"site{number}"
            try:
                environment = None
                if kind.has_slow_disk:
                    environment = faults.slow_disk_environment(self.folder)
                with Site(kind, folder, self._program, self.mode, self._job_settings,
                          environment) as site:
                    self._describe(site)
                    for scenario in wanted:
                        self._measure_one(site, scenario)
            except (BenchError, psycopg2.Error, OSError) as error:
                self._results["errors"].append(f"{kind.name}: {_words(error)}")
                say("   " + self._results["errors"][-1])
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                self.save()

    # ------------------------------------------------------------ for scenarios

    def repetitions(self, record, count=None):
        """Numbers from 1."""
        count = count or self.mode.repetitions
        record["repetitions"] = count
        return range(1, count + 1)

    def set_rate(self, site, record, workload, share):
        """Users a second at this share of the knee."""
        knee = site.knee(workload)
        rate = max(share * knee, RATE_LEAST)
        record.update(workload=site.workload(workload).name, knee=round(knee, 1), share=share,
                      rate=round(rate, 1))
        return rate

    def keep(self, record, repetition, episode):
        """Episodes that failed are left out; a scenario in which many do is given up."""
        if "error" in episode:
            record["errors"].append(f"repetition {repetition}: {episode['error']}")
            say("   error: " + record["errors"][-1])
            if len(record["errors"]) >= ERRORS_MOST:
                raise BenchError("given up after so many errors")
            return
        record["episodes"].append({"repetition": repetition, **episode})
        episodes.tell(repetition, episode)
        self.save()

    def save(self):
        partial = self._save_to.with_suffix(".part")
        partial.write_text(json.dumps(self._results), encoding="utf-8")
        partial.replace(self._save_to)

    # ------------------------------------------------------------ inside

    def _measure_one(self, site, scenario):
        say(f"-- {scenario.name}: {scenario.title}")
        record = {"name": scenario.name, "title": scenario.title, "server": scenario.kind.name,
                  "is_aligned": scenario.is_aligned, "episodes": [], "errors": []}
        self._results["scenarios"].append(record)
        try:
            site.execute("CHECKPOINT")
            scenario.measure(self, site, record)
        except (BenchError, psycopg2.Error, OSError) as error:
            record["errors"].append(_words(error))
            say("   error: " + record["errors"][-1])
        except Exception as error:  # a mistake of ours must not lose the other scenarios
            record["errors"].append(f"{type(error).__name__}: {_words(error)}")
            traceback.print_exc()
        self.save()

    def _describe(self, site):
        if self._results["machine"] is None:
            self._results["machine"] = machine.describe(site.lab)
            self._results["machine"]["settings"] |= SETTINGS
            self._results["mode"] = dataclasses.asdict(self.mode)


def _words(error):
    return " ".join(str(error).split())
