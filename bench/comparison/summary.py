"""Medians, spread and ratios of measured runs: what tables and the chart show.

Works on the plain values of the JSON file, so that figures can be shown again later.
"""

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float


def spread(values):
    """None when there is no value."""
    values = [value for value in values if value is not None]
    return Spread(median(values), min(values), max(values)) if values else None


def of_runs(subject, metric):
    return spread(run.get(metric) for run in subject["runs"])


def rest_share(subject):
    """The part of our workers' time that the throttle kept them at rest."""
    shares = []
    for run in subject["runs"]:
        status = run.get("status")
        if status and status["elapsed_s"]:
            shares.append(status["throttled_s"] / (status["elapsed_s"] * status["workers"]))
    return spread(shares)


def goal_figure(case, goal):
    """The figure that a goal is about; with a reference, the ratio of each round's two runs."""
    ours = _by_round(case, goal["subject"], goal["metric"])
    if not goal["reference"]:
        return spread(ours.values())
    theirs = _by_round(case, goal["reference"], goal["metric"])
    return spread(ours[number] / theirs[number] for number in ours if number in theirs)


def is_reached(goal, figure):
    """None when the goal has no limit, or was not measured."""
    if figure is None or goal["at_least"] is goal["at_most"] is None:
        return None
    shown = round(figure.median, 2)  # as it is printed
    if goal["at_least"] is not None:
        return shown >= goal["at_least"]
    return shown <= goal["at_most"]


def _by_round(case, name, metric):
    for subject in case["subjects"]:
        if subject["name"] == name:
            return {run["round"]: run[metric] for run in subject["runs"] if metric in run}
    return {}
