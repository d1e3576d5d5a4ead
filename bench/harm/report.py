"""Tables of what was measured: for a terminal, and in Markdown for a README."""

from collections import Counter
from statistics import median

from comparison import layout
from harm import goals, summary, traces
from harm.goals import interval
from harm.summary import MEAN, P50, P95, P99

HEAD = ("beside the users", "windows", "p50 ms", "p95 ms", "p99 ms", "p50 to none", "p95 to none",
        "p99 to none", "told apart", "mean to none", "krows/s", "to best fixed", "by the mean")
GOAL_HEAD = ("scenario", "ours", "figure", "to reach", "")
PHASE_HEAD = ("phase", "p99 ms, none", "p99 ms, ours", "ratio", "ours krows/s")


def text(results):
    return _write(results, layout.aligned)


def markdown(results):
    return _write(results, layout.piped)


def heading(results):
    machine, mode = results["machine"], results["mode"]
    lines = [f"`{results['command']}`, seed {results['seed']}, begun {results['began']}."]
    if machine:
        settings = ", ".join(f"{name} {value}" for name, value in machine["settings"].items())
        lines += [
            f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
            f"{machine['system']}, Linux {machine['kernel']}; everything on this one machine.",
            f"PostgreSQL {machine['postgresql']}: {settings}.",
            f"{machine['backfill']}, commit {machine['commit']}; "
            + ("settings: " + ", ".join(results["set"]) if results["set"] else "default settings")
            + f". pgbench scale {mode['pgbench_scale']}, {mode['rows']:,} rows to backfill.",
        ]
    lines.append(
        "p50, p95 and p99 are medians over one-second windows, from when a transaction was due; "
        "in parentheses 95 % intervals from drawing repetitions anew. \"Told apart\" says whether "
        "the interval of the p99 excludes that of the users alone. \"To best fixed\" is the rate "
        "as a part of what fixed settings, or a mixture of two of them, reach at the same p99; "
        "\"by the mean\" at the same mean.")
    return "\n".join(lines)


def _write(results, table):
    rows = {scenario["name"]: summary.rows_of(scenario) for scenario in results["scenarios"]}
    parts = [heading(results)]
    for scenario in results["scenarios"]:
        parts.append(_title(scenario))
        parts.append(table(HEAD, [_cells(row) for row in rows[scenario["name"]]]))
        if scenario.get("phases"):
            parts.append(table(PHASE_HEAD, [_phase_cells(row)
                                            for row in traces.phase_rows(scenario)]))
        parts += [f"  error: {error}" for error in scenario["errors"]]
        parts += _notes(scenario, rows[scenario["name"]])
    parts += [f"error: {error}" for error in results["errors"]]
    found = goals.goals_of(results, rows)
    if found:
        parts.append(table(GOAL_HEAD, [(goal.scenario, goal.claim, goal.figure, goal.limit,
                                        _verdict(goal.is_reached)) for goal in found]))
    return "\n\n".join(parts)


def _title(scenario):
    words = f"{scenario['name']}: {scenario['title']}"
    if "rate" in scenario:
        words += (f" ({scenario['workload']}, {scenario['rate']:,.0f} a second of "
                  f"{scenario['knee']:,.0f}")
        words += " and more" if len(scenario.get("layers", [])) > 1 else ""
        words += f"; repetitions: {scenario['repetitions']})"
    return words


def _cells(row):
    latency = [f"{row.latency[place].value:.2f}" if row.latency.get(place) else ""
               for place in (P50, P95, P99)]
    inflation = [interval(row.inflation.get(place)) for place in (P50, P95, P99)]
    rate = f"{row.rows_per_s.value / 1000:,.1f}" if row.rows_per_s and row.kind != "none" else ""
    return (row.name, str(row.windows), *latency, *inflation, _apart(row),
            interval(row.inflation.get(MEAN)), rate, interval(row.share_of_best),
            interval(row.share_of_best_by_mean))


def _apart(row):
    figure = row.inflation.get(P99)
    if figure is None:
        return ""
    return "yes" if figure.is_apart_from(1) else "no"


def _phase_cells(row):
    name, quiet, ours, rate = row
    ratio = f"{ours / quiet:.2f}" if quiet and ours else ""
    return (name, *(f"{value:.2f}" if value else "" for value in (quiet, ours)), ratio,
            f"{rate / 1000:,.1f}" if rate is not None else "")


def _notes(scenario, rows):
    """What a reader must know before believing a difference."""
    notes = []
    ours = next((row for row in rows if row.kind == "ours"), None)
    if ours and ours.inflation.get(P99):
        mine = ours.inflation[P99]
        same = [row.name for row in rows if row is not ours and row.inflation.get(P99)
                and row.inflation[P99].least <= mine.most and mine.least <= row.inflation[P99].most]
        if same:
            notes.append(f"  p99 with {ours.name} cannot be told apart from that with: "
                         + "; ".join(same))
    slow = [episode for episode in scenario["episodes"] if episode["settled_after_s"] > 2]
    if slow:
        notes.append(f"  users were late for more than 2 s after {len(slow)} of "
                     f"{len(scenario['episodes'])} episodes")
    if scenario["name"] == "replica_lag":
        notes += [f"  lag as usual: at most {run['peak_lag_as_usual_s']} s; beyond its limit for "
                  f"{run['seconds_beyond_limit']} s: {run['rows_beyond_limit']:,} rows; standby "
                  f"gone: {run['rows_while_gone']:,} rows" for run in traces.lag_figures(scenario)]
    return notes + _batch_note(scenario) + _share_note(scenario)


def _batch_note(scenario):
    """How large batches were, where that is the question."""
    variants = traces.episodes_of(scenario, "variant")
    if not variants:
        return []
    sizes = {}
    for episode in traces.episodes_of(scenario, "ours") + variants:
        sizes.setdefault(episode["subject"], []).append(episode["facts"]["status"]["batch_size"])
    return ["  rows of a batch at the end: " + "; ".join(
        f"{name}: {median(found):g}" for name, found in sorted(sizes.items()))]


def _share_note(scenario):
    """How the throttle stood when episodes of ours were ended."""
    told = [episode["facts"].get("status") for episode in traces.episodes_of(scenario, "ours")]
    told = [status for status in told if status and status.get("share") is not None]
    if not told:
        return []
    shares = sorted(status["share"] for status in told)
    signals = Counter((status.get("pressure") or {}).get("signal") or "none" for status in told)
    return [f"  share of ours at the end: {median(shares):.2f} ({shares[0]:.2f}–{shares[-1]:.2f}); "
            "worst signals: " + ", ".join(f"{name} {count}"
                                          for name, count in signals.most_common())]


def _verdict(is_reached):
    return {True: "reached", False: "not reached", None: ""}[is_reached]
