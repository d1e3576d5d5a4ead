"""The charts of a measurement, as one SVG: for each scenario, rows a second against harm.

Each point is a subject; up is more work done, right is more harm to the users' p99. The line joins
the best fixed settings. A thin bar spans the interval of ours.
"""

from html import escape

from comparison.chart import STYLE, text_at
from harm import summary
from harm.summary import P99

PANEL_WIDTH, PANEL_HEIGHT = 400, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 20, 40, 38
COLUMNS = 2
HEAD = 44
INFLATION_SHOWN = 4.0  # beyond that, points stand at the edge
FURTHER_STYLE = """
  .rule { fill: #bf8700; }
  .axis { stroke: #8b949e; stroke-width: 1; }
  .best { stroke: #8b949e; stroke-width: 1.5; fill: none; }
  .limit { stroke: #cf222e; stroke-width: 1; stroke-dasharray: 3 3; }
  .interval { stroke: #1f6feb; stroke-width: 2; }
"""
STYLES = {"check": "faint", "ours": "ours", "later": "ours", "variant": "ours",
          "unthrottled": "ours", "rule": "rule", "fixed": "theirs"}


def draw(results):
    """The chart as text."""
    shown = [(scenario, [row for row in summary.rows_of(scenario) if row.inflation.get(P99)])
             for scenario in results["scenarios"]]
    shown = [(scenario, rows) for scenario, rows in shown if rows]
    lines = (len(shown) + COLUMNS - 1) // COLUMNS
    width, height = COLUMNS * PANEL_WIDTH, HEAD + lines * PANEL_HEIGHT + 10
    panels = [_panel(scenario, rows, number % COLUMNS * PANEL_WIDTH,
                     HEAD + number // COLUMNS * PANEL_HEIGHT)
              for number, (scenario, rows) in enumerate(shown)]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" '
        'aria-label="Rows a second against the harm to live users">',
        f"<style>{STYLE}{FURTHER_STYLE}</style>",
        text_at(0, 16, "Rows a second against the harm to live users", "head"),
        text_at(0, 34, "thousand rows a second, by p99 of the users to that without a backfill; "
                "blue is ours, grey fixed sleeps, yellow other rules", "faint"),
        *panels, "</svg>", ""])


class Scale:
    """From figures to places within a panel."""

    def __init__(self, x, y, rows):
        self._x, self._y = x + LEFT, y + TOP
        self._width = PANEL_WIDTH - LEFT - RIGHT
        self._height = PANEL_HEIGHT - TOP - BOTTOM
        most = max(row.inflation[P99].value for row in rows)
        self.inflation_most = min(INFLATION_SHOWN, max(1.5, most * 1.05))
        self.rate_most = max(max(row.rows_per_s.value for row in rows) * 1.1, 1)

    def x(self, inflation):
        inflation = min(max(inflation, 0.9), self.inflation_most)
        return self._x + self._width * (inflation - 0.9) / (self.inflation_most - 0.9)

    def y(self, rate):
        return self._y + self._height * (1 - rate / self.rate_most)


def _panel(scenario, rows, x, y):
    scale = Scale(x, y, rows)
    lines = [text_at(x + 4, y + 20, scenario["name"].replace("_", " "), "title"),
             text_at(x + 110, y + 20, scenario["title"][:42], "faint"), *_axes(scale)]
    taken = summary.Taken(scenario)
    frontier = taken.frontier()
    if len(frontier) > 1:
        points = " ".join(f"{scale.x(i):.1f},{scale.y(rate):.1f}" for i, rate in frontier
                          if i <= scale.inflation_most)
        lines.append(f'<polyline points="{points}" class="best"/>')
    for row in sorted(rows, key=lambda row: row.kind == "ours"):
        lines += _point(scale, row)
    return "\n".join(lines)


def _axes(scale):
    bottom, top = scale.y(0), scale.y(scale.rate_most)
    left, right = scale.x(0.9), scale.x(scale.inflation_most)
    lines = [f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}" class="axis"/>',
             f'<line x1="{left}" y1="{bottom}" x2="{left}" y2="{top}" class="axis"/>',
             f'<line x1="{scale.x(1.25):.1f}" y1="{bottom}" x2="{scale.x(1.25):.1f}" y2="{top}" '
             'class="limit"/>']
    for inflation in (1, 1.25, 1.5, 2, 3, 4):
        if inflation <= scale.inflation_most:
            lines.append(text_at(round(scale.x(inflation)) - 8, bottom + 16, f"×{inflation:g}",
                                 "faint"))
    for share in (0.5, 1):
        rate = scale.rate_most / 1.1 * share
        lines.append(text_at(round(left) - 40, round(scale.y(rate)) + 4, f"{rate / 1000:,.1f}",
                             "faint"))
    return lines


def _point(scale, row):
    figure = row.inflation[P99]
    x, y = scale.x(figure.value), scale.y(row.rows_per_s.value)
    style = STYLES[row.kind]
    lines = []
    if row.kind == "ours" and figure.least != float("-inf"):
        lines.append(f'<line x1="{scale.x(figure.least):.1f}" y1="{y:.1f}" '
                     f'x2="{scale.x(figure.most):.1f}" y2="{y:.1f}" class="interval"/>')
    size = 5 if row.kind == "ours" else 3.5
    lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" class="{style}">'
                 f"<title>{escape(row.name)}</title></circle>")
    if row.kind != "fixed" or row.name == "classic script":
        lines.append(text_at(round(x) + 7, round(y) + 4, row.name, "faint"))
    return lines
