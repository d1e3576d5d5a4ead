"""What episodes amount to: inflation of the users' latency, rates, and what can be told apart.

Works on the plain values of the JSON file. An inflation is the median over one-second windows
with a subject, each divided by the quiet episodes just before and after it, since a machine drifts
within minutes; its interval comes from drawing repetitions anew (bootstrap over repetitions,
95 %). In an aligned scenario, where the load changes, each second is divided by the same second of
the runs without.
"""

import random
from dataclasses import dataclass, field
from statistics import geometric_mean, median

from harm.traces import rows_at

P50, P95, P99, LONGEST, MEAN = 2, 3, 4, 5, 6  # places in a window; older files have no mean
ORDER = {"none": 0, "check": 0, "ours": 1, "later": 1, "variant": 2, "unthrottled": 3, "rule": 4,
         "fixed": 5}
DRAWS = 1000
DRAW_SEED = 1
START_S = 10  # of an episode of ours, in which the throttle feels its way
AROUND = 1  # seconds either side, of an aligned scenario's quiet runs


@dataclass(frozen=True)
class Figure:
    value: float
    least: float  # of the 95 % interval
    most: float

    def is_apart_from(self, value):
        return not self.least <= value <= self.most


@dataclass
class Row:
    """A subject of a scenario."""

    name: str
    kind: str
    rows_per_s: Figure
    windows: int
    latency: dict = field(default_factory=dict)  # P50, … to a Figure, in ms
    inflation: dict = field(default_factory=dict)  # P50, … to a Figure
    share_of_best: Figure | None = None  # of fixed settings, at the same inflation of the p99
    share_of_best_by_mean: Figure | None = None


def rows_of(scenario):
    """A Row for each subject, the quiet runs first."""
    taken = Taken(scenario)
    rows = [taken.row(name) for name in taken.names]
    ours = [row for row in rows if row.kind in ("ours", "later", "variant", "rule")]
    for row in ours:
        row.share_of_best = taken.share_of_best(row.name, P99)
        if MEAN in row.inflation:
            row.share_of_best_by_mean = taken.share_of_best(row.name, MEAN)
    return sorted(rows, key=lambda row: (ORDER[row.kind], -row.rows_per_s.value
                                         if row.kind == "fixed" else 0, row.name))


class Taken:
    """A scenario's episodes, by subject and repetition."""

    def __init__(self, scenario):
        self._is_aligned = scenario["is_aligned"]
        self._episodes = {}
        self._kinds = {}
        for episode in with_neighbours(scenario["episodes"]):
            self._add(episode)
            if episode["kind"] == "ours" and not self._is_aligned:
                self._add_without_start(episode)
        self.names = list(self._episodes)
        self._repetitions = sorted({e["repetition"] for e in scenario["episodes"]})
        self._quiet = next((name for name, kind in self._kinds.items() if kind == "none"), None)
        self._fixed = [name for name, kind in self._kinds.items() if kind == "fixed"]
        dice = random.Random(DRAW_SEED)
        self._draws = [[dice.choice(self._repetitions) for _ in self._repetitions]
                       for _ in range(DRAWS)] if self._repetitions else []
        self._cache = {}

    def row(self, name):
        windows = sum(len(found) for found in
                      (self._windows(name, number) for number in self._repetitions))
        row = Row(name, self._kinds[name], self._figure(lambda draw: self.rate(name, draw)),
                  windows)
        for place in self._places() if windows else ():
            row.latency[place] = self._figure(lambda draw: self._latency(name, draw, place))
            if self._quiet is not None and name != self._quiet:
                row.inflation[place] = self._figure(
                    lambda draw: self.inflation(name, draw, place))
        return row

    def rate(self, name, draw):
        found = [episode for number in draw for episode in self._episodes[name].get(number, [])]
        seconds = sum(episode["seconds"] for episode in found)
        return sum(episode["rows"] for episode in found) / seconds if seconds else None

    def inflation(self, name, draw, place=P99):
        if self._quiet is None or name not in self._episodes:
            return None
        key = ("inflation", name, tuple(draw), place)
        if key not in self._cache:
            self._cache[key] = self._inflation(name, draw, place)
        return self._cache[key]

    def share_of_best(self, name, place):
        """The rate as a part of the best fixed setting's at the same inflation."""
        if len(self._fixed) < 2 or self._quiet is None:
            return None
        return self._figure(lambda draw: self._share_of_best(name, draw, place))

    def frontier(self, draw=None, place=P99):
        """The upper hull of the fixed settings, from no work and no harm upwards: what any mixture
        of two of them would reach lies on or below it."""
        draw = draw or self._repetitions
        points = [(self.inflation(name, draw, place), self.rate(name, draw))
                  for name in self._fixed]
        hull = [(1.0, 0.0)]
        for inflation, rate in sorted(point for point in points if None not in point):
            point = (max(inflation, 1.0), rate)
            if rate <= hull[-1][1]:
                continue
            while len(hull) > 1 and _slope(hull[-2], point) >= _slope(hull[-2], hull[-1]):
                hull.pop()
            hull.append(point)
        return hull

    # ------------------------------------------------------------ inside

    def _add(self, episode):
        self._kinds.setdefault(episode["subject"], episode["kind"])
        by_repetition = self._episodes.setdefault(episode["subject"], {})
        by_repetition.setdefault(episode["repetition"], []).append(episode)

    def _add_without_start(self, episode):
        """The same once more, as if it had begun later: what a long run is like."""
        series = episode["series"]
        if not series or series[-1][0] < 1.5 * START_S:
            return
        rows = series[-1][1] - rows_at(series, START_S)
        self._add(dict(episode, subject=f"{episode['subject']}, from second {START_S}",
                       kind="later", skip=START_S, rows=rows, seconds=series[-1][0] - START_S))

    def _share_of_best(self, name, draw, place):
        inflation, rate = self.inflation(name, draw, place), self.rate(name, draw)
        if inflation is None or rate is None:
            return None
        best = rate_at(self.frontier(draw, place), inflation)
        return rate / best if best else None

    def _places(self):
        every = (window for by_repetition in self._episodes.values()
                 for episodes in by_repetition.values() for episode in episodes
                 for window in episode["windows"])
        has_mean = all(len(window) > MEAN for window in every)
        return (P50, P95, P99, MEAN) if has_mean else (P50, P95, P99)

    def _windows(self, name, number):
        return [window for episode in self._episodes[name].get(number, [])
                for window in windows_of(episode)]

    def _drawn(self, name, draw):
        return [window for number in draw for window in self._windows(name, number)]

    def _latency(self, name, draw, place):
        key = ("latency", name, tuple(draw), place)
        if key not in self._cache:
            found = self._drawn(name, draw)
            self._cache[key] = median(window[place] for window in found) if found else None
        return self._cache[key]

    def _ratios(self, name, number, place):
        """Each window to the quiet episodes around its own."""
        key = ("ratios", name, number, place)
        if key not in self._cache:
            ratios = []
            for episode in self._episodes[name].get(number, []):
                around = [median(values) for values in
                          ([window[place] for window in windows_of(quiet)]
                           for quiet in episode["neighbours"]) if values]
                if around:
                    quiet = geometric_mean(around)
                    ratios += [window[place] / quiet for window in windows_of(episode)]
            self._cache[key] = ratios
        return self._cache[key]

    def _quiet_seconds(self, draw, place):
        """What each second of the runs without a backfill was like."""
        key = ("quiet", tuple(draw), place)
        if key not in self._cache:
            around = {}
            for window in self._drawn(self._quiet, draw):
                for second in range(window[0] - AROUND, window[0] + AROUND + 1):
                    around.setdefault(second, []).append(window[place])
            self._cache[key] = {second: median(values) for second, values in around.items()}
        return self._cache[key]

    def _inflation(self, name, draw, place):
        if not self._is_aligned:
            ratios = [ratio for number in draw for ratio in self._ratios(name, number, place)]
            return median(ratios) if ratios else None
        quiet = self._quiet_seconds(draw, place)
        ratios = [window[place] / quiet[window[0]] for window in self._drawn(name, draw)
                  if window[0] in quiet]
        return median(ratios) if ratios else None

    def _figure(self, measure):
        """A figure with its interval; one repetition has none, so it spans everything."""
        value = measure(self._repetitions)
        if value is None:
            return None
        if len(self._repetitions) < 2:
            return Figure(value, float("-inf"), float("inf"))
        drawn = sorted(found for found in map(measure, self._draws) if found is not None)
        if not drawn:
            return None
        return Figure(value, drawn[int(0.025 * len(drawn))], drawn[int(0.975 * (len(drawn) - 1))])


def windows_of(episode):
    return [window for window in episode["windows"] if window[0] >= episode["skip"]]


def with_neighbours(episodes):
    """Each with the quiet ones next to it, in the order in which they were taken."""
    before, found = None, []
    for episode in episodes:
        found.append(dict(episode, neighbours=[before] if before else []))
        if episode["kind"] == "none":
            before = episode
    after = None
    for episode in reversed(found):
        if after is not None:
            episode["neighbours"].append(after)
        if episode["kind"] == "none":
            after = episode
    return found


def _slope(begin, end):
    width = end[0] - begin[0]
    return (end[1] - begin[1]) / width if width else float("inf")


def rate_at(frontier, inflation):
    """Between two points of the frontier, the rate on the line that joins them."""
    inflation = max(inflation, 1.0)
    before = frontier[0]
    for point in frontier[1:]:
        if point[0] >= inflation:
            if point[0] == before[0]:
                before = point
                continue
            part = (inflation - before[0]) / (point[0] - before[0])
            return before[1] + part * (point[1] - before[1])
        before = point
    return before[1]
