"""A race in the terminal: a column for each session, waits drawn while the others go on.

Nothing is said by colour alone: a double line is a wait, `!!` an anomaly, a cross a refusal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tillroll.races.lanes import ANOMALY, KINDS, Lane, Row, amounts, plain, rows, says
from tillroll.races.record import ActRecord, Moment, RaceRecord

__all__ = ["WIDTH", "write_timeline"]

WIDTH = 100  # columns at most: longer lines are harder to follow
_NARROWEST = 24  # columns of a session; below, the lanes stand close together before one text
_GUTTER = 7

_DIM, _BOLD = "dim", "bold"
_STYLES: dict[Lane, str] = {"out": "", "open": "cyan", "wait": "yellow"}


@dataclass(frozen=True)
class _Signs:
    begin: str = "┌"
    within: str = "├"
    end: str = "└"
    alone: str = "•"
    open: str = "│"
    stop: str = "╔"
    wait: str = "║"
    go: str = "╚"
    gives: str = "→"
    holds: str = "✓"
    fails: str = "✗"
    rule: str = "─"


_ASCII = _Signs("+", "+", "+", "*", "|", "#", "#", "#", "->", "ok", "x", "-")


def write_timeline(record: RaceRecord, console: Console) -> None:
    """Write a race; at most as wide as the console, and as `WIDTH`."""
    picture = _Picture(console)
    for part in picture.race(record):
        console.print(part, width=picture.width, highlight=False)


class _Picture:
    """Draws for a console: its width, and the characters that it can show."""

    def __init__(self, console: Console) -> None:
        self.width = min(WIDTH, console.width)
        self._console = console
        self._signs = _ASCII if console.options.ascii_only else _Signs()

    def race(self, record: RaceRecord) -> Iterator[RenderableType]:
        where = f"{record.name}, Postgres {record.postgres}"
        yield from self._ends(self._text(record.title, _BOLD), self._text(where, _DIM))
        yield from self._prose(record.question)
        for act in record.acts:
            yield ""
            yield from self._act(act)
        yield ""
        yield self._text("What to take home", _BOLD)
        yield from self._prose(record.lesson)
        for what, url in record.sources:
            yield from self._prose(f"{what}: {url}", _DIM)
        yield ""

    def _act(self, act: ActRecord) -> Iterator[RenderableType]:
        signs = self._signs
        sign, word, style = (
            (signs.holds, "holds", "green") if act.rule_holds else (signs.fails, "BROKEN", "red")
        )
        title = self._text(f"{KINDS[act.kind]}: {act.title} ", _BOLD)
        outcome = self._text(f" {sign} {word}", f"bold {style}")
        yield from self._ends(title, outcome, signs.rule)
        yield from self._prose(act.story)
        yield ""
        yield from self._moments(act)
        yield ""
        yield self._left(act)
        yield ""
        rule = Text.assemble((f"{sign} {word}: ", f"bold {style}"), self._text(act.rule))
        yield from self._wrapped(rule, self.width)
        yield from self._prose(act.verdict)
        for surprise in act.surprises:
            yield from self._prose(f"{ANOMALY} not as claimed: {surprise}", "bold red")

    def _moments(self, act: ActRecord) -> Iterator[Text]:
        width = (self.width - _GUTTER) // max(1, len(act.sessions))
        if width < _NARROWEST:
            yield from self._graph(act)
            return
        names = (self._cell(self._text(name, _BOLD), width) for name in act.sessions)
        head = Text.assemble(" " * _GUTTER, *names)
        head.rstrip()
        yield head
        for row in rows(act):
            cells = [self._lines(row, name, width - 3) for name in act.sessions]
            for number in range(max(map(len, cells))):
                line = self._gutter(row, number)
                for name, cell in zip(act.sessions, cells, strict=True):
                    drawn = cell[number] if number < len(cell) else self._lane(row.after[name])
                    line.append_text(self._cell(drawn, width))
                line.rstrip()
                yield line

    def _graph(self, act: ActRecord) -> Iterator[Text]:
        """All lanes side by side, then one text: for many sessions, or a narrow terminal."""
        lanes = 2 * len(act.sessions)
        for row in rows(act):
            name = row.moment.session
            own = self._lines(row, name, max(10, self.width - _GUTTER - lanes - 4))
            for number, text in enumerate(own):
                line = self._gutter(row, number)
                for each in act.sessions:
                    lane = text[:1] if each == name else self._lane(row.after[each])
                    line.append_text(self._cell(lane, 2))
                line.append(f"{plain(name)}: " if number == 0 else "   ", _BOLD)
                line.append_text(text[2:])
                line.rstrip()
                yield line

    def _lines(self, row: Row, name: str, width: int) -> list[Text]:
        """What stands in a session's column: two characters of its lane, then what it did."""
        moment = row.moment
        if name != moment.session:
            return []
        before, after = row.before[name], row.after[name]
        parts = [self._wrapped(part, width) for part in self._said(moment)]
        lines = [line for part in parts for line in part]
        waits, signs = moment.what == "waits", self._signs
        lanes = [self._lane(before if waits else after)] * len(lines)
        lanes[0] = self._first(before, after)
        if waits:
            begin = len(parts[0])
            lanes[begin:] = [self._lane("wait")] * len(parts[1])
            lanes[begin] = Text(signs.stop, _STYLES["wait"])
        elif before == "wait":
            lanes[0] = Text(signs.go, _STYLES["wait"])
        return [Text.assemble(lane, " ", line) for lane, line in zip(lanes, lines, strict=True)]

    def _said(self, moment: Moment) -> list[Text]:
        signs = self._signs
        parts = [self._text(moment.sql) if moment.sql else self._text("goes on", _STYLES["wait"])]
        if moment.what == "waits":
            return [
                *parts,
                self._text(f"waits for {' and '.join(moment.waits_for)}", "bold yellow"),
            ]
        if moment.code:
            told = Text(f"{signs.fails} ", "red").append(plain(moment.code), "bold red")
            parts.append(told.append_text(self._text(f" {moment.answer}", "red")))
        elif answer := says(moment):
            parts.append(self._text(f"{signs.gives} {answer}", "green"))
        if moment.note:
            sign, style = (f"{ANOMALY} ", "bold red reverse") if moment.anomaly else ("", _DIM)
            parts.append(self._text(f"{sign}{moment.note}", style))
        return parts

    def _first(self, before: Lane, after: Lane) -> Text:
        signs = self._signs
        if before == "open":
            return Text(signs.end if after == "out" else signs.within, _STYLES["open"])
        return Text(signs.begin if after == "open" else signs.alone, _STYLES["open"])

    def _lane(self, lane: Lane) -> Text:
        drawn = {"out": " ", "open": self._signs.open, "wait": self._signs.wait}
        return Text(drawn[lane], _STYLES[lane])

    def _gutter(self, row: Row, line: int) -> Text:
        if line:
            return Text(" " * _GUTTER)
        sign = ANOMALY if row.moment.anomaly else "  "
        return Text.assemble((f"{row.number:>3} ", _DIM), (sign, "bold red"), " ")

    def _left(self, act: ActRecord) -> Padding:
        table = Table(box=None, pad_edge=False, header_style=_DIM)
        for name, right in zip(act.columns, amounts(act), strict=True):
            justify: Literal["left", "right"] = "right" if right else "left"
            table.add_column(self._text(name), justify=justify, overflow="fold")
        for row in act.left:
            table.add_row(*(self._text(str(value)) for value in row))
        return Padding(table, (0, 0, 0, _GUTTER), expand=False)

    def _prose(self, text: str, style: str = "") -> list[Text]:
        return self._wrapped(self._text(text, style), self.width)

    def _wrapped(self, text: Text, width: int) -> list[Text]:
        lines = text.wrap(self._console, width)
        for line in lines:
            line.rstrip()
        return list(lines)

    def _ends(self, left: Text, right: Text, between: str = " ") -> list[Text]:
        """Two texts at the ends of a line, or one after the other where they do not fit."""
        gap = self.width - left.cell_len - right.cell_len
        whole = Text.assemble(left, (between * max(gap, 1), _DIM), right)
        return self._wrapped(whole, self.width)

    def _cell(self, text: Text, width: int) -> Text:
        cell = text.copy()
        cell.truncate(width, pad=True)
        return cell

    def _text(self, text: str, style: str = "") -> Text:
        """A text as it stands, never markup; what the console cannot encode becomes `?`."""
        encoding = self._console.encoding
        return Text(plain(text).encode(encoding, "replace").decode(encoding), style)
