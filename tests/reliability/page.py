"""A run as one self-contained page: no script, no network, light and dark, on paper too."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from tests.reliability.bars import BARS, UNSHOWN, measured, shown
from tests.reliability.parts import Listed
from tests.reliability.proof import Check, Event
from tests.reliability.record import Record

STYLE = Path(__file__).with_name("page.css")
LANES = 24
LISTED = 400
WIDTH, LEFT, LANE = 960, 250, 22


class Markup(str):
    """Text that is HTML already; whatever is not gets escaped on its way in."""

    __slots__ = ()


def tag(name: str, *inside: str, **attributes: str | float) -> Markup:
    """An element. `class_` is the attribute `class`."""
    given = "".join(f' {key.rstrip("_")}="{escape(str(v))}"' for key, v in attributes.items())
    return Markup(f"<{name}{given}>{join(*inside)}</{name}>")


def join(*parts: str) -> Markup:
    """Pieces one after the other, escaped where they are mere text."""
    return Markup("".join(p if isinstance(p, Markup) else escape(p) for p in parts))


def page(records: Sequence[Record], parts: Sequence[Listed]) -> str:
    """Return the page of a run."""
    by_name = {record.part: record for record in records}
    body = join(
        _verdict(records, [listed.name for listed in parts if listed.name not in by_name]),
        _machine(records),
        _contents(records),
        tag("h2", "The bar, and what was measured"),
        _bars(records),
        *(_part(record) for record in records),
        tag("h2", "What cannot be shown here"),
        *(tag("p", tag("strong", f"{what}. "), why) for what, why in UNSHOWN),
    )
    head = join(
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width">'),
        tag("title", f"The proof, seed {records[0].seed}"),
        tag("style", Markup(STYLE.read_text())),
    )
    whole = tag("html", tag("head", head), tag("body", body), lang="en")
    return f"<!doctype html>\n{whole}\n"


def _verdict(records: Sequence[Record], missing: Sequence[str]) -> Markup:
    checks = sum(len(record.checks) for record in records)
    failed = sum(record.failed for record in records)
    seconds = sum(record.seconds for record in records)
    says = f"{failed:,} of {checks:,} checks fail" if failed else f"All {checks:,} checks hold"
    lines = [f"{len(records)} parts of the proof, {_duration(seconds)}."]
    if any(record.size == "short" for record in records):
        lines.append("This is the short form: its bars are lower than those below.")
    if missing:
        lines.append(f"Not run: {', '.join(missing)}.")
    broken = [record.part for record in records if not record.ok]
    links = [join(tag("a", name, href=f"#{name}"), " ") for name in broken]
    return tag(
        "header",
        tag("h1", says),
        tag("p", " ".join(lines)),
        *([tag("p", "Look at: ", *links)] if links else []),
        class_=f"verdict {'bad' if failed else 'good'}",
    )


def _machine(records: Sequence[Record]) -> Markup:
    facts = dict(records[-1].machine)
    commits = sorted({str(record.machine["commit"]) for record in records})
    facts["commit"] = ", ".join(commits)
    told = {
        "seed": records[0].seed,
        "ended": _moment(max(record.ended for record in records)),
        **facts,
    }
    return _facts({name: str(value) for name, value in told.items()}, "machine")


def _contents(records: Sequence[Record]) -> Markup:
    items = (
        tag(
            "li",
            tag("a", record.part, href=f"#{record.part}"),
            tag("span", " holds" if record.ok else " FAILS", class_="good" if record.ok else "bad"),
        )
        for record in records
    )
    return tag("nav", tag("ul", *items))


def _facts(facts: dict[str, str], kind: str) -> Markup:
    pairs = (tag("div", tag("dt", name), tag("dd", value)) for name, value in facts.items())
    return tag("dl", *pairs, class_=kind)


def _table(kind: str, heads: Sequence[str], rows: Sequence[Sequence[Markup]]) -> Markup:
    head = tag("thead", tag("tr", *(tag("th", name) for name in heads)))
    body = tag("tbody", *(tag("tr", *cells) for cells in rows))
    return tag("div", tag("table", head, body, class_=kind), class_="scroll")


def _state(holds: bool | None) -> Markup:
    if holds is None:
        return tag("td", "–", class_="state soft")
    return tag("td", "holds" if holds else "FAILS", class_=f"state {'good' if holds else 'bad'}")


def _bars(records: Sequence[Record]) -> Markup:
    by_name = {record.part: record for record in records}
    rows = []
    for bar in BARS:
        told, holds = measured(bar, by_name)
        shows = [
            join(tag("a", name, href=f"#{name}") if name in by_name else name, " ")
            for name in bar.parts
        ]
        best = tag("td", bar.elsewhere, class_="soft")
        rows.append(
            [
                *(tag("td", bar.what), best, tag("td", bar.ours)),
                *(tag("td", told, " ", tag("span", *shows, class_="soft")), _state(holds)),
            ]
        )
    return _table("bars", ("what", "best known elsewhere", "bar", "measured", ""), rows)


def _part(record: Record) -> Markup:
    again = f"make reliability ARGS='--seed {record.seed} --only {record.part}"
    again += " --short --again'" if record.size == "short" else " --again'"
    inside = [
        tag("h2", f"{record.part}: ", tag("span", record.title, class_="soft")),
        tag("p", f"{_duration(record.seconds)}, ended {_moment(record.ended)}.", class_="soft"),
        _checks(record.checks),
    ]
    if record.figures:
        figures = {name: shown(value) for name, value in record.figures.items()}
        inside += [tag("h3", "Figures"), _facts(figures, "figures")]
    if record.events:
        inside += [tag("h3", "What happened"), timeline(record.events, record.seconds)]
        inside.append(_list("events", [f"{e.at:,.3f} s  {e.what}" for e in record.events]))
    if record.plan:
        inside += [tag("h3", "Plan"), _list("plan", record.plan)]
    if record.files:
        inside += [tag("h3", "Kept beside it"), tag("p", tag("code", ", ".join(record.files)))]
    inside += [tag("h3", "How to repeat it"), tag("pre", again)]
    return tag("section", *inside, id=record.part)


def _checks(checks: Sequence[Check]) -> Markup:
    rows = [
        [tag("td", c.name), tag("td", c.bar), tag("td", c.measured), _state(c.ok)] for c in checks
    ]
    return _table("checks", ("check", "bar", "measured", ""), rows)


def _list(kind: str, lines: Sequence[str]) -> Markup:
    items = [tag("li", line) for line in lines[:LISTED]]
    if len(lines) > LISTED:
        items.append(tag("li", f"… and {len(lines) - LISTED:,} more, in the record"))
    count, one = len(lines), {"plan": "step", "events": "event"}[kind]
    summary = tag("summary", f"{count:,} {one if count == 1 else one + 's'}")
    return tag("details", summary, tag("ol", *items), class_=kind)


def timeline(events: Sequence[Event], seconds: float) -> Markup:
    """Events on lanes by kind, over the seconds of their part."""
    lanes: dict[str, list[Event]] = {}
    for event in events:
        lanes.setdefault(_kind(event.what), []).append(event)
    if len(lanes) > LANES:
        lanes = {"all events": list(events)}
    end = max(seconds, *(event.at for event in events), 0.001)
    scale = (WIDTH - LEFT - 20) / end
    bottom = LANE * len(lanes) + 8
    drawn = []
    for number, (kind, met) in enumerate(lanes.items()):
        y = LANE * number + LANE / 2
        drawn.append(tag("text", f"{kind[:32]} ({len(met):,})", x=0, y=y + 4))
        drawn.append(tag("line", x1=LEFT, x2=WIDTH - 20, y1=y, y2=y, class_="lane"))
        for event in met:
            told = tag("title", f"{event.at:,.3f} s  {event.what}")
            x = round(LEFT + event.at * scale - 1.5, 1)
            drawn.append(tag("rect", told, x=x, y=y - 7, width=3, height=14, class_="fault"))
    step = _round_step(end / 6)
    for number in range(int(end / step) + 1):
        x = round(LEFT + number * step * scale, 1)
        at = f"{number * step:,g} s"
        drawn.append(tag("text", at, x=x, y=bottom + 14, text_anchor="middle"))
    art = tag("svg", *drawn, viewBox=f"0 0 {WIDTH} {bottom + 22}", role="img")
    return tag("figure", Markup(art.replace("text_anchor", "text-anchor")))


def _kind(what: str) -> str:
    """What an event has in common with others: its words before the first particulars."""
    words = re.sub(r"^[\d,.]+ ", "", what)
    return re.split(r"[:,;(=#]| \d", words, maxsplit=1)[0].strip() or what


def _round_step(seconds: float) -> float:
    """The next number of seconds, from this one on, that people count in."""
    scale = 10 ** math.floor(math.log10(seconds))
    return next(float(scale * step) for step in (1, 2, 5, 10) if scale * step >= seconds)


def _moment(iso: str) -> str:
    """A moment of a record, to the minute."""
    return f"{iso[:10]} {iso[11:16]} UTC"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
