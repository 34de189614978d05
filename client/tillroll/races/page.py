"""Races as one self-contained page: no script, no network, light and dark, on paper too."""

from __future__ import annotations

from collections.abc import Sequence

from tillroll.races.lanes import ANOMALY, KINDS, Row, amounts, rows, says
from tillroll.races.markup import Markup, join, link, prose, sql, tag
from tillroll.races.record import ActRecord, Moment, RaceRecord
from tillroll.races.style import STYLE

__all__ = ["page"]

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # the browser's word for self-contained


def page(records: Sequence[RaceRecord]) -> str:
    """Return the page of some races."""
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", "Tillroll: races"),
        tag("style", Markup(STYLE)),
    )
    body = join(
        _top(records),
        _index(records) if len(records) > 1 else "",
        tag("main", *map(_race, records)),
    )
    return f"<!doctype html>\n{tag('html', tag('head', head), tag('body', body), lang='en')}\n"


def _top(records: Sequence[RaceRecord]) -> Markup:
    versions = " and ".join(str(each) for each in sorted({r.postgres for r in records}))
    count = "One race" if len(records) == 1 else f"{len(records)} races"
    odd = [record for record in records if not record.as_claimed]
    told = (
        tag("p", f"{ANOMALY} Not as claimed: {', '.join(r.name for r in odd)}", class_="bad alarm")
        if odd
        else tag("p", "Each went as its page claims.", class_="soft")
    )
    return tag(
        "header",
        tag("p", "Tillroll", class_="brand"),
        tag("h1", "What goes wrong when money moves at the same time"),
        tag("p", f"{count}, run live and step by step on Postgres {versions}. Time goes down."),
        told,
        _legend(),
        class_="top",
    )


def _legend() -> Markup:
    signs = (
        (tag("i", class_="key open"), "a transaction is open"),
        (tag("i", class_="key wait"), "the session waits for another"),
        (tag("b", ANOMALY, class_="flag"), "the anomaly"),
        (tag("b", "✗", class_="bad"), "an error, or a broken rule"),
    )
    return tag("ul", *(tag("li", sign, f" {what}") for sign, what in signs), class_="legend")


def _index(records: Sequence[RaceRecord]) -> Markup:
    head = tag("tr", *(tag("th", name, scope="col") for name in ("Race", *KINDS.values())))
    lines = []
    for record in records:
        name = tag("th", tag("a", record.title, href=f"#{record.name}"), scope="row")
        cells = [
            tag("td", *(_outcome(a) for a in record.acts if a.kind == kind), data_kind=title)
            for kind, title in KINDS.items()
        ]
        lines.append(tag("tr", name, *cells))
    table = tag("table", tag("thead", head), tag("tbody", *lines))
    return tag("nav", tag("h2", "The races"), _scroll(table, "The races"), class_="index")


def _outcome(act: ActRecord) -> Markup:
    return tag("p", _badge(act), " ", prose(act.title), class_="outcome")


def _badge(act: ActRecord) -> Markup:
    if act.rule_holds:
        return tag("span", "✓ holds", class_="badge good")
    return tag("span", "✗ broken", class_="badge bad")


def _race(record: RaceRecord) -> Markup:
    sources = [tag("li", link(what, url)) for what, url in record.sources]
    return tag(
        "article",
        tag("h2", record.title, " ", tag("a", "#", href=f"#{record.name}", aria_label="Link")),
        tag("p", prose(record.question), class_="question"),
        *(_act(act) for act in record.acts),
        tag(
            "aside",
            tag("h3", "What to take home"),
            tag("p", prose(record.lesson)),
            tag("ul", *sources, class_="sources") if sources else "",
            tag("p", "Run it: ", tag("code", f"tillroll races run {record.name}"), class_="soft"),
        ),
        id=record.name,
        class_="race",
    )


def _act(act: ActRecord) -> Markup:
    asked = tag("details", tag("summary", "How that is asked"), tag("pre", sql(act.check)))
    setup = tag("details", tag("summary", "What it begins with"), tag("pre", sql(act.setup)))
    return tag(
        "section",
        tag("p", KINDS[act.kind], class_="kind"),
        tag("h3", prose(act.title), " ", _badge(act)),
        tag("p", prose(act.story)),
        setup if act.setup else "",
        _scroll(_timeline(act), f"Timeline: {act.title}"),
        tag(
            "div",
            _left(act),
            tag(
                "div",
                tag(
                    "p",
                    tag("b", "✓ The rule holds: " if act.rule_holds else "✗ The rule is broken: "),
                    prose(act.rule),
                    class_=f"rule {'good' if act.rule_holds else 'bad'}",
                ),
                tag("p", prose(act.verdict), class_="verdict"),
                *(
                    tag("p", f"{ANOMALY} not as claimed: {each}", class_="bad alarm")
                    for each in act.surprises
                ),
                asked if act.check else "",
            ),
            class_="end",
        ),
        class_=f"act {act.kind}",
    )


def _scroll(table: Markup, name: str) -> Markup:
    """A table that may be wider than the screen: scrolled by itself, also from the keyboard."""
    return tag("div", table, class_="scroll", role="region", aria_label=name, tabindex="0")


def _timeline(act: ActRecord) -> Markup:
    heads = [tag("th", name, scope="col") for name in act.sessions]
    step = tag("th", tag("span", "Step", class_="hidden"), scope="col")
    timeline = list(rows(act))
    lines = [_line(row, act.sessions, _spans(timeline, row)) for row in timeline]
    caption = tag("caption", "What each session does, step by step", class_="hidden")
    return tag(
        "table",
        caption,
        tag("thead", tag("tr", step, *heads)),
        tag("tbody", *lines),
        class_="timeline",
        style=f"--sessions: {len(act.sessions)}",
    )


def _spans(timeline: Sequence[Row], row: Row) -> int:
    """How many rows the wait that begins in a row goes on for."""
    name = row.moment.session
    later = timeline[row.number :]
    return 1 + next((n for n, each in enumerate(later) if each.moment.session == name), len(later))


def _line(row: Row, sessions: Sequence[str], span: int) -> Markup:
    sign = tag("b", ANOMALY, class_="flag") if row.moment.anomaly else ""
    cells = [tag("th", str(row.number), sign, scope="row")]
    for name in sessions:
        if name == row.moment.session:
            # A wait is one cell, as high as all that happens meanwhile.
            more = {"rowspan": str(span)} if row.moment.what == "waits" else {}
            cells.append(tag("td", _moment(row.moment), class_=_classes(row), **more))
        elif row.after[name] != "wait":
            cells.append(tag("td", class_=f"lane {row.after[name]}"))
    return tag("tr", *cells, **({"class_": "anomaly"} if row.moment.anomaly else {}))


def _classes(row: Row) -> str:
    name, moment = row.moment.session, row.moment
    before, after = row.before[name], row.after[name]
    if moment.what == "waits":
        return f"lane moment wait {'within' if before == 'open' else 'alone'}"
    if row.mark in ("commit", "rollback"):
        return f"lane moment {row.mark}"
    if moment.what == "resumed":
        return f"lane moment resumed {after}"
    if after == "open":
        return f"lane moment {'within' if before == 'open' else 'begin'}"
    return "lane moment alone"


def _moment(moment: Moment) -> Markup:
    parts: list[str] = []
    if moment.what == "resumed":
        parts.append(tag("p", "goes on", class_="goes"))
    else:
        parts.append(tag("p", tag("code", sql(moment.sql)), class_="sent"))
    if moment.what == "waits":
        parts.append(tag("p", f"waits for {' and '.join(moment.waits_for)}", class_="waits"))
    elif moment.code:
        code = tag("b", f"✗ {moment.code}")
        parts.append(tag("p", code, f" {moment.answer}", class_="error"))
    elif answer := says(moment):
        parts.append(tag("p", f"→ {answer}", class_="answer"))
    if moment.note:
        sign = tag("b", f"{ANOMALY} ") if moment.anomaly else ""
        parts.append(tag("p", sign, prose(moment.note), class_="wrong" if sign else "note"))
    return join(*parts)


def _left(act: ActRecord) -> Markup:
    """What is left, as the till prints it."""
    kinds = ["amount" if each else "word" for each in amounts(act)]
    heads = [
        tag("th", name, scope="col", class_=kind)
        for name, kind in zip(act.columns, kinds, strict=True)
    ]
    lines = [
        tag("tr", *(tag("td", str(v), class_=k) for v, k in zip(row, kinds, strict=True)))
        for row in act.left
    ]
    head = tag("tr", *heads)
    caption = tag("caption", "What is left")
    table = tag("table", caption, tag("thead", head), tag("tbody", *lines))
    return tag("div", table, class_="receipt")
