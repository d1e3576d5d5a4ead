"""Tables of a comparison: for a terminal, and in Markdown for a README."""

from comparison import layout, summary

SUBJECT_HEAD = ("", "rows", "krows/s", "least–most", "client µs/row", "server µs/row",
                "WAL B/row", "peak MiB", "at rest")
GOAL_HEAD = ("case", "ours", "against", "figure", "least–most", "to reach", "")
METRICS = {"rows_per_s": "ratio of rates", "peak_mib": "peak MiB", "first_row_s": "s to first row",
           "last_to_first": "rate at the end to that at the start"}


def text(results):
    parts = [heading(results)]
    for case in results["cases"]:
        parts.append(f"{case['name']}: {case['title']}")
        parts.append(layout.aligned(SUBJECT_HEAD, subject_rows(case)))
        parts += [f"  error: {error}" for error in case["errors"]]
    parts.append("Ours against the others: median of the rounds")
    parts.append(layout.aligned(GOAL_HEAD, goal_rows(results)))
    return "\n\n".join(parts)


def markdown(results):
    parts = [heading(results), layout.piped(GOAL_HEAD, goal_rows(results))]
    for case in results["cases"]:
        parts.append(f"**{case['name']}**: {case['title']}")
        parts.append(layout.piped(SUBJECT_HEAD, subject_rows(case)))
    return "\n\n".join(parts)


def heading(results):
    machine = results["machine"]
    settings = ", ".join(f"{name} {value}" for name, value in machine["settings"].items())
    lines = [
        f"`{results['command']}`: {results['rows']:,} rows in the main table, "
        f"rounds: {results['rounds']}, medians shown.",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['system']}, Linux {machine['kernel']}; server and clients on this one machine.",
        f"PostgreSQL {machine['postgresql']}: {settings}.",
        f"{machine['backfill']}, commit {machine['commit']}, {machine['date']}; "
        + ("settings: " + ", ".join(results["set"]) if results["set"] else "default settings")
        + ".",
    ]
    return "\n".join(lines)


def subject_rows(case):
    for subject in case["subjects"]:
        if not subject["runs"]:
            yield (subject["name"], f"{subject['rows']:,}", subject["missing"], "", "", "", "", "",
                   "")
            continue
        rate = summary.of_runs(subject, "rows_per_s")
        yield (subject["name"], f"{subject['rows']:,}", _number(rate.median / 1000, 1),
               f"{rate.least / 1000:.1f}–{rate.most / 1000:.1f}",
               _median(subject, "client_us_per_row", 2), _median(subject, "server_us_per_row", 2),
               _median(subject, "wal_bytes_per_row", 0), _median(subject, "peak_mib", 1),
               _rest(subject))


def goal_rows(results):
    for case in results["cases"]:
        for goal in case["goals"]:
            figure = summary.goal_figure(case, goal)
            against = goal["reference"] or METRICS[goal["metric"]]
            yield (case["name"], goal["subject"], against,
                   f"{figure.median:.2f}" if figure else "not measured",
                   f"{figure.least:.2f}–{figure.most:.2f}" if figure else "",
                   _limit(goal), _verdict(summary.is_reached(goal, figure)))


def _limit(goal):
    if goal["at_least"] is not None:
        return f"≥ {goal['at_least']:g}"
    return f"≤ {goal['at_most']:g}" if goal["at_most"] is not None else ""


def _verdict(is_reached):
    return {True: "reached", False: "not reached", None: ""}[is_reached]


def _rest(subject):
    rest = summary.rest_share(subject)
    return f"{rest.median:.0%}" if rest else ""


def _median(subject, metric, digits):
    figure = summary.of_runs(subject, metric)
    return _number(figure.median, digits) if figure else ""


def _number(value, digits):
    return f"{value:,.{digits}f}"
