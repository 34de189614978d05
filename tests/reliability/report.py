"""A run as a table in the terminal and in Markdown; `page` is the same at length, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from tests.reliability.bars import BARS, measured, shown
from tests.reliability.page import page
from tests.reliability.record import Record

__all__ = ["insert", "markdown", "page", "table"]

BEGIN, END = "<!-- Written by tests/reliability. Do not edit. -->", "<!-- End. -->"


def table(records: Sequence[Record]) -> Table:
    """Each part with its checks and figures, what failed in full."""
    seed = ", ".join(str(seed) for seed in sorted({record.seed for record in records}))
    made = Table(
        *("part", "checks", "seconds", "figures", ""),
        title=f"The proof, seed {seed}",
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
    )
    for number in (1, 2):
        made.columns[number].justify = "right"
    for record in records:
        figures = ", ".join(f"{name} {shown(value)}" for name, value in record.figures.items())
        made.add_row(
            record.part,
            f"{len(record.checks):,}",
            f"{record.seconds:,.0f}",
            Text(figures),
            Text("holds", "green") if record.ok else Text("FAILS", "red"),
        )
        for check in record.checks:
            if not check.ok:
                said = f"{check.name}: {check.measured} (bar: {check.bar})"
                made.add_row("", "", "", Text(said, "red"), "")
    return made


def markdown(records: Sequence[Record]) -> str:
    """The bar beside what was measured, and each part, for a document."""
    by_name = {record.part: record for record in records}
    lines = [_told_of(records), "", "| what | bar | measured | |", "| --- | --- | --- | --- |"]
    for bar in BARS:
        told, holds = measured(bar, by_name)
        lines.append(_row(bar.what, bar.ours, told, _verdict(holds)))
    lines += ["", "| part | shows | checks | time | |", "| --- | --- | ---: | ---: | --- |"]
    for record in records:
        checks, time = f"{len(record.checks):,}", f"{record.seconds:,.0f} s"
        lines.append(_row(record.part, record.title, checks, time, _verdict(record.ok)))
    lines += ["", "| part | figure | |", "| --- | --- | ---: |"]
    for record in records:
        lines += [_row(record.part, name, shown(v)) for name, v in record.figures.items()]
    return "\n".join(lines)


def _told_of(records: Sequence[Record]) -> str:
    """Seed and machine in a sentence."""
    first, last = records[0], records[-1]
    facts = first.machine
    return (
        f"Seed {first.seed}, {first.size} form, {last.ended[:10]}: {facts['cpus']} CPUs, "
        f"{facts['memory']}, {facts['kernel']}, Postgres {facts['Postgres']}, "
        f"Python {facts['Python']}, Tillroll {facts['tillroll']} ({facts['commit']})."
    )


def _verdict(holds: bool | None) -> str:
    return {True: "holds", False: "**fails**", None: ""}[holds]


def _row(*cells: str) -> str:
    escaped = [
        cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for cell in cells
    ]
    return "| " + " | ".join(" ".join(cell.split()) for cell in escaped) + " |"


def insert(text: str, file: Path) -> None:
    """Put text between the markers of a document, which has both.

    Raises:
        ValueError: It has not.
    """
    before, begin, rest = file.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{file} has no place for the table: write {BEGIN} and {END} into it")
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
