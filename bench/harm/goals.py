"""What is to be reached with one default configuration, and what was."""

from dataclasses import dataclass
from statistics import median

from harm import traces
from harm.summary import P99

INFLATION_MOST = 1.25
MEDIAN_INFLATION_MOST = 1.15
SHARE_OF_BEST_LEAST = 0.85
DAY_TIMES_LEAST = 2.0
YIELD_MOST_S = 2.0
LOCK_WAIT_MOST_S = 1.0
IDLE_SHARE_LEAST = 0.95
IDLE_WITHIN_S = 60
OTHER_HARM = ("lock_holder", "replica_lag")  # scenarios in which the p99 is not about us


@dataclass(frozen=True)
class Goal:
    scenario: str
    claim: str
    figure: str
    limit: str
    is_reached: bool | None  # None: not measured, or not to be told


def goals_of(results, rows):
    """`rows` are the summary's of each scenario, by name."""
    found, inflations = [], []
    for scenario in results["scenarios"]:
        of_ours = [row for row in rows[scenario["name"]] if row.kind == "ours"]
        if not of_ours:
            continue
        for row in of_ours:
            figure = row.inflation.get(P99)
            if figure is not None and scenario["name"] not in OTHER_HARM:
                inflations.append(figure.value)
                found.append(_at_most(scenario, f"p99 with {row.name}, to none", figure,
                                      INFLATION_MOST))
        found += _by_scenario(scenario, of_ours[0], rows[scenario["name"]])
    if inflations:
        middle = median(inflations)
        found.append(Goal("all", "p99 with ours, to none: median scenario", f"{middle:.2f}",
                          f"≤ {MEDIAN_INFLATION_MOST}", middle <= MEDIAN_INFLATION_MOST))
    return found


def _by_scenario(scenario, ours, rows):
    name = scenario["name"]
    if name.startswith("steady"):
        for row in [ours, *(row for row in rows if row.kind == "later")]:
            yield _at_least(scenario, f"rate of {row.name}, to the best fixed setting's",
                            row.share_of_best, SHARE_OF_BEST_LEAST)
            yield from _against_classic(scenario, row, rows)
    if name == "day":
        yield _at_least(scenario, "rate to the best fixed setting's at the same p99",
                        ours.share_of_best, DAY_TIMES_LEAST)
        yield from _against_bounded(scenario, ours, rows)
    if name == "step":
        yield _yielded(scenario)
    if name == "idle":
        yield from _idle(scenario)
    if name in ("hot_rows", "lock_holder"):
        waits = [episode["facts"].get("longest_lock_wait_s", 0)
                 for episode in traces.episodes_of(scenario, "ours")]
        longest = max(waits, default=0)
        yield Goal(name, "longest wait of a user for a lock of ours, s", f"{longest:.2f}",
                   f"≤ {LOCK_WAIT_MOST_S:g}", longest <= LOCK_WAIT_MOST_S)
    if name == "replica_lag":
        for run in traces.lag_figures(scenario):
            yield Goal(name, "rows written while the lag was more than 10 % beyond its limit",
                       f"{run['rows_beyond_limit']:,} in {run['seconds_beyond_limit']:g} s", "0",
                       run["rows_beyond_limit"] == 0 if run["seconds_beyond_limit"] else None)
    if name == "two_at_once":
        yield from _fairness(scenario)
    if name == "sensor_lost":
        ended = [episode["facts"]["sessions_ended"] for episode in scenario["episodes"]
                 if "sessions_ended" in episode["facts"]]
        yield Goal(name, "sensor sessions that were found and ended", str(sum(ended)), "≥ 1",
                   sum(ended) > 0 if ended else None)


def _against_classic(scenario, ours, rows):
    classic = next((row for row in rows if row.name == "classic script"), None)
    if classic is None or P99 not in classic.inflation or P99 not in ours.inflation:
        return
    times = ours.rows_per_s.value / classic.rows_per_s.value if classic.rows_per_s.value else 0
    harm = ours.inflation[P99].value / classic.inflation[P99].value
    is_overlapping = (ours.inflation[P99].least <= classic.inflation[P99].most)
    yield Goal(scenario["name"], f"rate, and p99, of {ours.name}, to the classic script's",
               f"{times:.2f} at {harm:.2f}", "> 1 at ≤ 1",
               times > 1 and (harm <= 1 or is_overlapping))


def _against_bounded(scenario, ours, rows):
    """The one fixed setting that spares users all day long and gets the most done."""
    kept = [row for row in rows if row.kind == "fixed" and P99 in row.inflation
            and row.inflation[P99].value <= INFLATION_MOST]
    if not kept:
        yield Goal(scenario["name"], "rate to the best fixed setting's within +25 %",
                   "no fixed setting is", f"≥ {DAY_TIMES_LEAST:g}", None)
        return
    best = max(kept, key=lambda row: row.rows_per_s.value)
    times = ours.rows_per_s.value / best.rows_per_s.value if best.rows_per_s.value else 0
    yield Goal(scenario["name"], f"rate to that of {best.name}, the best within +25 %",
               f"{times:.2f}", f"≥ {DAY_TIMES_LEAST:g}", times >= DAY_TIMES_LEAST)


def _yielded(scenario):
    times = traces.yield_times(scenario)
    never = sum(1 for time in times if time is None)
    seen = [time for time in times if time is not None]
    words = f"{median(seen):.1f} (most {max(seen):.1f})" if seen else ""
    if never:
        words += f"{'; ' if words else ''}{never} of {len(times)} never"
    return Goal("step", "s after the step until the rate was below 20 % of before", words,
                f"≤ {YIELD_MOST_S:g}",
                (never == 0 and median(seen) <= YIELD_MOST_S) if times else None)


def _idle(scenario):
    end, times = traces.idle_figures(scenario)
    if end is None:
        return
    yield Goal("idle", "rate at the end to the unthrottled one", f"{end:.2f}",
               f"≥ {IDLE_SHARE_LEAST}", end >= IDLE_SHARE_LEAST)
    seen = [time for time in times if time is not None]
    words = f"{median(seen):.1f}" if seen else "never"
    if seen and len(seen) < len(times):
        words += f", never in {len(times) - len(seen)} of {len(times)}"
    yield Goal("idle", "s until 95 % of the unthrottled rate", words, f"≤ {IDLE_WITHIN_S}",
               len(seen) == len(times) and median(seen) <= IDLE_WITHIN_S if times else None)


def _fairness(scenario):
    """Jain's index: 1 when both get the same, 0.5 when one gets everything."""
    found = []
    for episode in scenario["episodes"]:
        rows = episode["facts"].get("rows_of_each")
        if rows and sum(rows):
            found.append(sum(rows) ** 2 / (len(rows) * sum(each * each for each in rows)))
    if found:
        yield Goal("two_at_once", "fairness between the two (Jain)", f"{median(found):.2f}", "",
                   None)


def _at_most(scenario, claim, figure, limit):
    return Goal(scenario["name"], claim, interval(figure), f"≤ {limit:g}", figure.value <= limit)


def _at_least(scenario, claim, figure, limit):
    if figure is None:
        return Goal(scenario["name"], claim, "no harm, or no fixed setting, to hold it against",
                    f"≥ {limit:g}", None)
    return Goal(scenario["name"], claim, interval(figure), f"≥ {limit:g}", figure.value >= limit)


def interval(figure):
    """A figure with its interval, where there is one."""
    if figure is None:
        return ""
    if figure.least == float("-inf"):
        return f"{figure.value:.2f}"
    return f"{figure.value:.2f} ({figure.least:.2f}–{figure.most:.2f})"
