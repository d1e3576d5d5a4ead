"""What a subject got done in an episode."""

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """`series` is [seconds since its start, rows so far], as often as was looked."""

    rows: int = 0
    seconds: float = 0.0
    series: list = field(default_factory=list)
    facts: dict = field(default_factory=dict)
