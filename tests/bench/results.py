"""What was measured: lines of a table, by round, as a table and as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich import box
from rich.table import Table

Key = tuple[str, int]
"""A line's name, and its number of clients or of entries."""


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        size: Clients for rates, entries of the book for latencies.
        unit: "per second", or "ms" for a latency.
        reference: The line that it is compared with, round by round; None: nothing.
        bar: What has to be reached: of the ratio, or of the median without a reference. A lower
            bound for rates, an upper one for latencies.
        aim: What is hoped for.
        rounds: A figure of each round; for latencies the round's median.
        tails: Of latencies, each round's 95th percentile.
    """

    name: str
    size: int
    unit: str
    reference: Key | None = None
    bar: float | None = None
    aim: float | None = None
    rounds: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return self.name, self.size

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def add(self, seconds: Sequence[float]) -> None:
        """Take a round's single latencies."""
        self.rounds.append(1000 * statistics.median(seconds))
        self.tails.append(1000 * sorted(seconds)[int(0.95 * (len(seconds) - 1))])

    def met(self, figure: float) -> bool:
        """Whether the figure that the bar is about reaches it."""
        assert self.bar is not None
        return figure <= self.bar if self.unit == "ms" else figure >= self.bar


def ratio(line: Line, lines: Sequence[Line]) -> float | None:
    """Median of the ratios to the reference, each taken within its round; None without one."""
    for other in lines:
        if other.key == line.reference:
            pairs = zip(line.rounds, other.rounds, strict=True)
            return statistics.median(ours / theirs for ours, theirs in pairs)
    return None


def short(number: float) -> str:
    """A number for a narrow place: 5M, 10k, 16."""
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= unit:
            return f"{number / unit:g}{letter}"
    return f"{number:g}"


def table(lines: Sequence[Line]) -> Table:
    """Medians, ratios, and the bars and aims beside them."""
    shown = Table(
        *("work", "clients", "entries", "median", "p95", "ratio", "bar", "aim", ""),
        title="Medians of the rounds",
        caption="Ratios, each within its round: of rates to pgbench -b tpcb-like at 8 clients, "
        "with 16 slots to random pairs; of latencies to the smallest book.",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    for column in shown.columns:
        column.no_wrap = True
        column.justify = "left" if column is shown.columns[0] else "right"
    for line in lines:
        against = ratio(line, lines)
        figure = line.median if line.reference is None else against
        latency = line.unit == "ms"
        bar, verdict = ("", ""), ""
        clients, entries = (1, short(line.size)) if line.size >= 1000 else (line.size, "")
        if line.bar is not None and figure is not None:
            bar = f"{'≤' if latency else '≥'} {short(line.bar)}", short(line.aim or 0)
            verdict = "met" if line.met(figure) else "missed"
        shown.add_row(
            line.name,
            str(clients),
            entries,
            f"{line.median:.3g} ms" if latency else f"{line.median:,.0f} /s",
            f"{statistics.median(line.tails):.3g} ms" if latency else "",
            "" if against is None else f"{against:.2f}",
            *bar,
            verdict,
        )
    return shown


def write(lines: Sequence[Line], about: dict[str, object], file: Path) -> None:
    """Keep everything, and where and how it was measured, as JSON."""
    body = {"about": about, "lines": [asdict(line) for line in lines]}
    file.write_text(json.dumps(body, indent=1) + "\n")


def read(file: Path) -> list[Line]:
    """Return the lines of a file that `write` made."""
    lines = json.loads(file.read_text())["lines"]
    return [
        Line(**{**line, "reference": tuple(line["reference"]) if line["reference"] else None})
        for line in lines
    ]
