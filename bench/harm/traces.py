"""What the course of an episode shows: how soon ours gave way, came back, or was held up."""

from bisect import bisect_left
from statistics import median

YIELD_SHARE = 0.2  # of the rate before a step: given way
LOOK_BACK_S = 0.5
AT_FULL_SPEED = 0.95
LAG_LIMIT_S = 10.0  # throttle.max_replica_lag where the job says nothing
LIMIT_MARGIN = 1.1


def rows_at(series, second):
    """Rows at a moment, between two looks as if at an even rate."""
    times = [point[0] for point in series]
    place = bisect_left(times, second)
    if place == 0:
        return series[0][1] if series else 0
    if place == len(series):
        return series[-1][1]
    (t0, r0), (t1, r1) = series[place - 1], series[place]
    return r0 + (r1 - r0) * (second - t0) / (t1 - t0) if t1 > t0 else r1


def rate_between(series, begin, end):
    return (rows_at(series, end) - rows_at(series, begin)) / (end - begin)


def episodes_of(scenario, kind):
    return [episode for episode in scenario["episodes"] if episode["kind"] == kind]


def phase_rows(scenario):
    """(phase, quiet p99, p99 with ours, krows/s of ours), medians over all windows of a phase."""
    for name, begin, end in scenario.get("phases", []):
        yield (name, _p99(scenario, "none", begin, end), _p99(scenario, "ours", begin, end),
               _median([rate_between(episode["series"], begin, end)
                        for episode in episodes_of(scenario, "ours") if episode["series"]]))


def yield_times(scenario):
    """For each step up, in each run of ours: seconds until the rate was below a fifth of before.

    None where that did not happen within the phase.
    """
    found = []
    for begin, length, _ in scenario["layers"][1:]:
        for episode in episodes_of(scenario, "ours"):
            series = episode["series"]
            before = rate_between(series, max(0, begin - min(5, begin / 2)), begin)
            if before > 0:
                found.append(_first(series, begin, begin + length, YIELD_SHARE * before))
    return found


def _first(series, begin, end, rate):
    second = begin + LOOK_BACK_S
    while second <= end:
        if rate_between(series, second - LOOK_BACK_S, second) < rate:
            return round(second - begin, 2)
        second += 0.1
    return None


def idle_figures(scenario):
    """(ours' rate at its end as a part of the unthrottled rate, seconds until 95 % of it)."""
    reference = _median([_running_rate(episode["series"])
                         for episode in episodes_of(scenario, "unthrottled")])
    if not reference:
        return None, []
    ends, times = [], []
    for episode in episodes_of(scenario, "ours"):
        series = _moving(episode["series"])
        if len(series) < 3:
            continue
        look = max(0.5, min(5, series[-1][0] / 4))
        ends.append(rate_between(series, series[-1][0] - look, series[-1][0]) / reference)
        times.append(_reached(series, look, AT_FULL_SPEED * reference))
    return _median(ends), times


def lag_figures(scenario):
    """Of each run beside a standby: what was done while its lag was beyond the limit."""
    for episode in episodes_of(scenario, "ours"):
        series, lags = episode["series"], episode["facts"].get("lag", [])
        usual = [lag for at, lag in lags if lag is not None and at < scenario["phases"][0][2]]
        beyond = [(at, later) for (at, lag), (later, _) in zip(lags, lags[1:])
                  if lag is not None and lag > LAG_LIMIT_S * LIMIT_MARGIN]
        unseen = [(at, later) for (at, lag), (later, _) in zip(lags, lags[1:]) if lag is None]
        yield {
            "peak_lag_as_usual_s": max(usual, default=None),
            "rows_beyond_limit": round(sum(rows_at(series, b) - rows_at(series, a)
                                           for a, b in beyond)),
            "seconds_beyond_limit": round(sum(b - a for a, b in beyond), 1),
            "rows_while_gone": round(sum(rows_at(series, b) - rows_at(series, a)
                                         for a, b in unseen)),
        }


def _reached(series, look, rate):
    second = series[0][0] + look
    while second <= series[-1][0]:
        if rate_between(series, second - look, second) >= rate:
            return round(second, 1)
        second += 0.25
    return None


def _moving(series):
    """Without the end at which nothing was left to do."""
    last = len(series)
    while last > 1 and series[last - 1][1] == series[last - 2][1]:
        last -= 1
    return series[:last]


def _running_rate(series):
    series = [point for point in _moving(series) if point[1] > 0]
    if len(series) < 2 or series[-1][0] == series[0][0]:
        return None
    return (series[-1][1] - series[0][1]) / (series[-1][0] - series[0][0])


def _p99(scenario, kind, begin, end):
    return _median([window[4] for episode in episodes_of(scenario, kind)
                    for window in episode["windows"] if begin <= window[0] < end])


def _median(values):
    values = [value for value in values if value is not None]
    return median(values) if values else None
