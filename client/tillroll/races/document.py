"""A race as a page of the documents: the same on each run, so that a stale page is found."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tillroll.races.lanes import ANOMALY, KINDS, Row, amounts, plain, rows, says
from tillroll.races.record import ActRecord, Moment, RaceRecord

__all__ = ["document", "index"]

_WAITS = "║"
# What differs from run to run: ids but the lab's own, which begin with zeros, and times.
_ID = re.compile(r"\b(?!00000000-)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d(:?\d\d)?)?")
_MEANT = re.compile(r"([\\`*_\[\]<>|~#])")


def index(records: Sequence[RaceRecord]) -> str:
    """Return the page that lists the races."""
    head = ("race", "the anomaly", "naive", "another level or lock", "Tillroll")
    lines = [
        (
            f"[{_cell(record.title)}]({record.name}.md)",
            _anomaly(record),
            *("<br>".join(_outcome(a) for a in record.acts if a.kind == kind) for kind in KINDS),
        )
        for record in records
    ]
    parts = [
        "# Races",
        "What goes wrong when money moves at the same time. Each race is a question with at least "
        "three answers: the code that one writes first, the same at another isolation level or "
        "under another lock, and Tillroll's own function. The sessions are stepped, so that each "
        "run goes the same way, and the tests run every race on each Postgres and compare.",
        f"The pages were written by a run on Postgres {records[0].postgres}. See one live with "
        "`tillroll races run lost-update`, all of them with `tillroll races run --all`, and as one "
        "page for the browser with `tillroll races run --all --html races.html`.",
        _table(head, lines),
    ]
    return "\n\n".join(parts) + "\n"


def document(record: RaceRecord) -> str:
    """Return the page of a race."""
    parts = [
        f"# {plain(record.title)}",
        plain(record.question),
        f"`tillroll races run {record.name}` shows it live; this is how it went on Postgres "
        f"{record.postgres}. Time goes down, `{_WAITS}` is a wait, **{ANOMALY}** the anomaly. "
        "[All races](README.md)",
    ]
    setup = ""
    for act in record.acts:
        parts += [f"## {KINDS[act.kind]}: {plain(act.title)}", plain(act.story)]
        if act.setup and act.setup != setup:
            setup = act.setup
            parts += [f"```sql\n{plain(setup, lines=True)}\n```"]
        parts += [_timeline(act), "What is left:", _left(act), f"{_rule(act)} {plain(act.verdict)}"]
    parts += ["## What to take home", plain(record.lesson)]
    if record.sources:
        parts += ["\n".join(f"- [{_literal(what)}]({plain(url)})" for what, url in record.sources)]
    return "\n\n".join(parts) + "\n"


def _outcome(act: ActRecord) -> str:
    return f"{'✓' if act.rule_holds else '✗'} {_cell(act.title)}"


def _anomaly(record: RaceRecord) -> str:
    notes = (m.note for act in record.acts for m in act.moments if m.anomaly)
    return _cell(next(notes, ""))


def _rule(act: ActRecord) -> str:
    if act.rule_holds:
        return f"**✓ The rule holds**: {plain(act.rule)}."
    return f"**✗ The rule is broken**: {plain(act.rule)}."


def _timeline(act: ActRecord) -> str:
    lines = [[str(row.number), *_cells(row, act.sessions)] for row in rows(act)]
    return _table(("", *map(_literal, act.sessions)), lines)


def _cells(row: Row, sessions: Sequence[str]) -> list[str]:
    waits = {name: _WAITS if row.after[name] == "wait" else "" for name in sessions}
    return list((waits | {row.moment.session: _moment(row.moment)}).values())


def _moment(moment: Moment) -> str:
    parts = [_code(moment.sql) if moment.sql else "_goes on_"]
    if moment.what == "waits":
        parts.append(f"{_WAITS} **waits for {_literal(' and '.join(moment.waits_for))}**")
    elif moment.code:
        parts.append(f"✗ **{_code(moment.code)}** {_literal(_stable(moment.answer))}")
    elif answer := says(moment):
        parts.append(f"→ {_code(_stable(answer))}")
    if moment.note:
        note = _cell(moment.note)
        parts.append(f"**{ANOMALY} {note}**" if moment.anomaly else f"_{note}_")
    return "<br>".join(parts)


def _left(act: ActRecord) -> str:
    marks = ["---:" if right else "---" for right in amounts(act)]
    lines = [[_literal(_stable(str(value))) for value in row] for row in act.left]
    return _table(tuple(map(_literal, act.columns)), lines, marks)


def _table(
    head: Sequence[str], lines: Sequence[Sequence[str]], marks: Sequence[str] | None = None
) -> str:
    drawn = [head, marks or ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in drawn)


def _stable(text: str) -> str:
    return _TIME.sub("(a time)", _ID.sub("(an id)", text))


def _code(text: str) -> str:
    """Return a text as code in a cell: fenced by more backticks than it has."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence, pad = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{pad}{plain(text)}{pad}{fence}".replace("|", "\\|")


def _cell(text: str) -> str:
    """Return a text of the race's own, in which backticks mean code, for a cell."""
    return plain(text).replace("|", "\\|")


def _literal(text: str) -> str:
    """Return a text of the server's with every sign that Markdown would take for its own."""
    return _MEANT.sub(r"\\\1", plain(text))
