"""One case after the other, its subjects interleaved: A B C, A B C, A B C."""

import dataclasses

import psycopg2

from comparison.errors import BenchError
from comparison.lab import say
from comparison.subject import measure


def measure_case(lab, case, rounds):
    """The case's runs and goals as plain values, as they go into the JSON file."""
    say(f"== {case.name}: {case.title}")
    record = {"name": case.name, "title": case.title, "subjects": [], "goals": [], "errors": []}
    try:
        plan = case.prepare(lab)
    except (BenchError, psycopg2.Error) as error:
        _note(record, case.name, error)
        return record
    record["goals"] = [dataclasses.asdict(goal) for goal in plan.goals]
    record["subjects"] = [
        {"name": subject.name, "ours": subject.is_ours, "rows": subject.rows,
         "missing": subject.missing, "runs": []} for subject in plan.subjects]
    for number in range(1, rounds + 1):
        for subject, kept in zip(plan.subjects, record["subjects"]):
            if not kept["missing"]:
                _run(lab, subject, kept, number, record)
    plan.clean()
    return record


def _run(lab, subject, kept, number, record):
    try:
        run = measure(lab, subject)
    except (BenchError, psycopg2.Error) as error:
        kept["missing"] = "failed"  # and is left out of later rounds
        _note(record, subject.name, error)
        return
    kept["runs"].append({"round": number, **run})
    say(f"   round {number}  {subject.name:<32} {run['rows_per_s'] / 1000:8.1f} krows/s"
        f"  {run['wall_s']:7.2f} s")


def _note(record, name, error):
    record["errors"].append(f"{name}: {str(error).strip()}")
    say("   " + record["errors"][-1])
