"""The reports of a run: nothing that failed is hidden, nothing is taken for HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from tests.reliability import report
from tests.reliability.__main__ import main
from tests.reliability.bars import BARS, UNSHOWN, measured
from tests.reliability.page import tag
from tests.reliability.parts import PARTS, Listed
from tests.reliability.proof import Check, Event
from tests.reliability.record import ENDS, Record, machine, write

NASTY = "<script>alert('&')</script> | \\"
HOLDS = Check("acknowledged but lost", "0", "0", True)
FAILS = Check(f"wrong balances {NASTY}", "0", f"{{'a': 1}} {NASTY}", False)


def made(part: str = "tamper", *checks: Check, **more: object) -> Record:
    """A record with something in each field."""
    fields: dict[str, object] = {
        "title": f"the title {NASTY}",
        "seed": 7,
        "size": "long",
        "ended": "2026-11-22T20:00:00+00:00",
        "seconds": 3_725.25,
        "figures": {f"orders {NASTY}": 1_234_567, "ratio": 1.0321, "kind": NASTY},
        "plan": [f"kill the server {NASTY}", "cut the wire"],
        "events": [Event(0.5, f"killed {NASTY}"), Event(1.25, "cut 3"), Event(2.5, "cut 4")],
        "files": ["history.edn"],
        "machine": dict(machine()),
        **more,
    }
    return Record(part=part, checks=checks or (HOLDS,), **fields)  # type: ignore[arg-type]


class _Reader(HTMLParser):
    """The elements of a page, and whether each is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.met: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_the_page_is_whole_and_needs_nothing_from_elsewhere() -> None:
    page = report.page([made(), made("inputs")], PARTS)
    reader = parsed(page)
    names = {name for name, _ in reader.met}
    assert not names & {"script", "link", "img", "iframe", "object"}
    assert not re.search(r"https?://|url\(|@import", page)
    targets = {str(given["href"]) for name, given in reader.met if name == "a"}
    ids = {f"#{given['id']}" for _, given in reader.met if "id" in given}
    assert targets <= ids


def test_whatever_a_part_says_stays_text() -> None:
    reader = parsed(report.page([made("tamper", FAILS)], PARTS))
    assert "script" not in {name for name, _ in reader.met}
    for said in (FAILS.name, FAILS.measured, f"kill the server {NASTY}", f"killed {NASTY}"):
        assert said in reader.text


def test_an_attribute_ends_where_it_ends() -> None:
    met = parsed(tag("a", "x", href=f'"> {NASTY}')).met
    assert met == [("a", {"href": f'"> {NASTY}'})]


def test_a_failure_stands_at_the_top_and_points_to_its_part() -> None:
    good = report.page([made(), made("inputs")], PARTS)
    bad = report.page([made(), made("inputs", HOLDS, FAILS)], PARTS)
    assert "All 2 checks hold" in good
    assert "1 of 3 checks fail" in bad
    assert '<p>Look at: <a href="#inputs">' in bad
    assert "Look at" not in good


def test_the_page_says_what_was_not_run_and_what_cannot_be_shown() -> None:
    page = parsed(report.page([made()], PARTS)).text
    assert "Not run: " in page
    assert all(f"{what}. " in page for what, _ in UNSHOWN)
    short = parsed(report.page([made(size="short")], PARTS)).text
    assert "This is the short form" in short
    assert "This is the short form" not in page


def test_each_event_is_drawn_on_the_lane_of_its_kind() -> None:
    drawn = parsed(str(report.page([made()], PARTS)))
    marks = [given for name, given in drawn.met if name == "rect"]
    assert len(marks) == 3
    assert len({mark["y"] for mark in marks}) == 2
    assert "cut (2)" in drawn.text


def test_a_bar_holds_only_where_all_that_ran_of_it_holds() -> None:
    [bar] = [bar for bar in BARS if bar.what == "tampering"]
    assert measured(bar, {}) == ("not run", None)
    assert measured(bar, {"tamper": made()}) == ("1 check holds", True)
    assert measured(bar, {"tamper": made("tamper", HOLDS, FAILS)})[1] is False
    [faults] = [bar for bar in BARS if bar.what == "kinds of faults"]
    kills = Check("kill −9 of the server", "≥ 200", "201", True)
    told, holds = measured(faults, {"crash": made("crash", kills)})
    assert told.startswith("kill −9 of the server: 201; 1 check holds; ")
    assert "not run: wire" in told
    assert holds


def test_a_bar_about_some_checks_fails_for_those_and_for_a_part_that_broke_off() -> None:
    [bar] = [bar for bar in BARS if bar.about == ("deadlocks",)]
    other, broke = Check("wrong totals", "0", "1", False), Check(ENDS, "x", "x", False)
    deadlock = Check("deadlocks", "0", "1", False)
    for checks, holds in (([HOLDS], None), ([other], None), ([deadlock], False), ([broke], False)):
        assert measured(bar, {"bank": made("bank", *checks)})[1] is holds


def test_every_part_stands_in_a_bar_and_every_bar_has_somebody_who_shows_it() -> None:
    assert {part.name for part in PARTS} <= {name for bar in BARS for name in bar.parts}
    assert all(bool(bar.parts) != bool(bar.shown_by) for bar in BARS)


def test_the_terminal_shows_what_failed_in_full() -> None:
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(report.table([made(), made("inputs", FAILS)]))
    told = console.export_text()
    assert FAILS.name in told
    assert "1,234,567" in told


def test_the_markdown_is_put_between_its_markers_and_again(tmp_path: Path) -> None:
    document = tmp_path / "reliability.md"
    document.write_text(f"# Before\n\n{report.BEGIN}\n{report.END}\n\nAfter\n")
    for records in ([made("tamper", FAILS)], [made()]):
        report.insert(report.markdown(records), document)
    text = document.read_text()
    assert text.startswith("# Before\n\n<!--")
    assert text.endswith("-->\n\nAfter\n")
    assert "**fails**" not in text
    assert "<script" not in text
    columns = [len(re.findall(r"(?<!\\)(?:\\\\)*\|", r)) for r in text.splitlines() if r[:1] == "|"]
    assert set(columns) == {4, 5, 6}
    with pytest.raises(ValueError):
        report.insert("x", _without(tmp_path))


def _without(folder: Path) -> Path:
    file = folder / "plain.md"
    file.write_text("nothing to see")
    return file


def test_a_run_is_rendered_from_what_it_has_kept(tmp_path: Path) -> None:
    write(made("fair"), tmp_path)
    page = tmp_path / "report.html"
    parts = [Listed("fair", "x", lambda _: None), Listed("other", "x", lambda _: None)]
    assert main(["report", str(tmp_path), "--html", str(page)], parts) == 0
    assert "All 1 checks hold" in page.read_text()
    write(made("other", FAILS), tmp_path)
    assert main(["report", str(tmp_path)], parts) == 1
