"""The chart of a comparison: one block of bars a case, ours in colour, as an SVG of its own.

Bars are drawn to the fastest of their block; the figure beside each is the median rate, and a
thin line spans its runs. Follows the reader's choice of a light or dark page.
"""

from html import escape

from comparison import summary

WIDTH = 760
NAME_WIDTH = 230
VALUE_WIDTH = 120
BAR_WIDTH = WIDTH - NAME_WIDTH - VALUE_WIDTH
BAR_HEIGHT = 14
ROW_HEIGHT = 20
TITLE_HEIGHT = 30
GAP = 12
TOP = 44

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .head { font-size: 15px; font-weight: 600; }
  .title { font-weight: 600; }
  .faint { fill: #6e7781; }
  .ours { fill: #1f6feb; }
  .theirs { fill: #b6bfc9; }
  .spread { stroke: #24292f; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .faint { fill: #8b949e; }
    .ours { fill: #58a6ff; }
    .theirs { fill: #57606a; }
    .spread { stroke: #e6edf3; }
  }
"""


def draw(results):
    """The chart as text. Cases with a single subject have nothing to show against each other."""
    y = TOP
    blocks = []
    for case in results["cases"]:
        bars = [(subject, summary.of_runs(subject, "rows_per_s")) for subject in case["subjects"]
                if subject["runs"]]
        if len(bars) < 2 or len({subject["ours"] for subject, _ in bars}) < 2:
            continue
        blocks.append(_block(case, bars, y))
        y += TITLE_HEIGHT + ROW_HEIGHT * len(bars) + GAP
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + GAP}" '
        f'width="{WIDTH}" height="{y + GAP}" role="img" aria-label="Rows a second, by case">',
        f"<style>{STYLE}</style>",
        text_at(0, 16, "Thousand rows a second", "head"),
        text_at(0, 34, _subtitle(results), "faint"),
        *blocks,
        "</svg>", ""])


def _subtitle(results):
    machine = results["machine"]
    return (f"median and span of the runs; {machine['cpu']}, "
            f"{machine['cores']} cores, PostgreSQL {machine['postgresql'].split()[0]}")


def _block(case, bars, y):
    fastest = max(rate.most for _, rate in bars)
    lines = [text_at(0, y + 20, case["name"].replace("_", " "), "title"),
             text_at(NAME_WIDTH, y + 20, case["title"], "faint")]
    y += TITLE_HEIGHT
    for subject, rate in bars:
        lines += _bar(subject, rate, BAR_WIDTH / fastest, y)
        y += ROW_HEIGHT
    return "\n".join(lines)


def _bar(subject, rate, scale, y):
    middle = y + BAR_HEIGHT / 2
    colour = "ours" if subject["ours"] else "theirs"
    least, most = (NAME_WIDTH + value * scale for value in (rate.least, rate.most))
    return [
        text_at(0, y + 11, subject["name"], ""),
        f'<rect x="{NAME_WIDTH}" y="{y}" width="{rate.median * scale:.1f}" '
        f'height="{BAR_HEIGHT}" rx="2" class="{colour}"/>',
        f'<line x1="{least:.1f}" y1="{middle}" x2="{most:.1f}" y2="{middle}" class="spread"/>',
        text_at(round(most + 8), y + 11, f"{rate.median / 1000:,.1f}", ""),
    ]


def text_at(x, y, words, style):
    """A line of text that begins at a point."""
    attribute = f' class="{style}"' if style else ""
    return f'<text x="{x}" y="{y}"{attribute}>{escape(words)}</text>'
