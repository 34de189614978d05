"""Pictures of a race, from records made by hand: terminal, page, document."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from tillroll.races.catalogue import RACES
from tillroll.races.document import document, index
from tillroll.races.lanes import KINDS, rows
from tillroll.races.page import page
from tillroll.races.record import ActRecord, Moment, RaceRecord
from tillroll.races.timeline import write_timeline

WRITE = "update accounts set balance = 40 where id = 1"
EVIL = "<script>alert('x')</script> [red]markup[/red] & \x1b[2J|"


def act(
    *moments: Moment, rule_holds: bool = False, surprises: list[str] | None = None
) -> ActRecord:
    sessions = list(dict.fromkeys(moment.session for moment in moments))
    return ActRecord(
        *("naive", "write what was read", "It reads first.", sessions, "nothing is lost", "Lost."),
        *("create table t ()", "select true"),
        moments=list(moments),
        columns=["owner", "balance"],
        left=[["alice", "40"], ["bob", "100"]],
        rule_holds=rule_holds,
        surprises=surprises or [],
    )


LOST = act(
    Moment("A", "sent", "begin", "begin"),
    Moment("B", "sent", "begin", "begin"),
    Moment("A", "sent", WRITE, "update 1"),
    Moment("B", "waits", WRITE, waits_for=("A",)),
    Moment("A", "sent", "select 1", "1"),
    Moment("A", "sent", "commit", "commit", note="60 are paid out"),
    Moment("B", "resumed", "", "update 1", note="writes over A", anomaly=True),
    Moment("B", "sent", "select 1/0", "division by zero", "22012"),
    Moment("B", "sent", "commit", "rollback"),
)


def race(*acts: ActRecord) -> RaceRecord:
    return RaceRecord(
        *("lost-update", "Lost update", "How much has she spent?", "Lock first."),
        sources=[("A paper", "https://example.com/paper")],
        postgres=18,
        acts=list(acts),
    )


def terminal(record: RaceRecord, width: int = 100, *, colour: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
    )
    write_timeline(record, console)
    return out.getvalue()


def picture(text: str) -> list[str]:
    """The lines of the timeline alone."""
    lines = text.splitlines()
    begin = next(n for n, line in enumerate(lines) if re.match(r" +1 ", line))
    return lines[begin : lines.index("", begin)]


class Elements(HTMLParser):
    """The elements of a page, and whether each is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def classes(self, name: str) -> list[dict[str, str | None]]:
        return [given for _, given in self.found if name in (given.get("class") or "").split()]


def test_a_session_is_outside_in_a_transaction_or_waits() -> None:
    lanes = [(row.mark, row.after["A"], row.after["B"]) for row in rows(LOST)]
    assert lanes == [
        ("begin", "open", "out"),
        ("begin", "open", "open"),
        ("", "open", "open"),
        ("", "open", "wait"),
        ("", "open", "wait"),
        ("commit", "out", "wait"),
        ("", "out", "open"),
        ("", "out", "open"),
        ("rollback", "out", "out"),
    ]


@pytest.mark.parametrize(
    ("moment", "stays"),
    [
        (Moment("A", "sent", "rollback to savepoint s", "rollback"), "open"),
        (Moment("A", "sent", "commit", "could not serialize", "40001"), "out"),
        (Moment("A", "sent", "select 1", "deadlock detected", "40P01"), "open"),
        (Moment("A", "sent", "begin; select 1; commit", "commit"), "out"),
    ],
)
def test_a_transaction_ends_where_the_server_says_so(moment: Moment, stays: str) -> None:
    begun = Moment("A", "sent", "begin isolation level serializable", "begin")
    assert list(rows(act(begun, moment)))[-1].after == {"A": stays}


def test_what_commits_by_itself_ends_no_transaction_that_was_open() -> None:
    alone = Moment("A", "sent", "begin; select 1; commit", "commit")
    assert [(row.mark, row.after["A"]) for row in rows(act(alone))] == [("", "out")]


def test_each_moment_stands_in_its_sessions_column() -> None:
    lines = picture(terminal(race(LOST)))
    column = lines[0].index("begin")
    other = next(line for line in lines if line.startswith("  2 ")).index("begin")
    assert other - column == 46
    for line in lines:
        assert line[column - 2] in "┌├└│ "


def test_a_wait_is_drawn_beside_all_that_happens_meanwhile() -> None:
    lines = picture(terminal(race(LOST)))
    column = lines[1].index("begin") - 2
    drawn = "".join(line[column : column + 1] or " " for line in lines)
    waits = next(n for n, line in enumerate(lines) if "waits for A" in line)
    goes_on = next(n for n, line in enumerate(lines) if line.startswith("  7 "))
    assert drawn[waits] == "╔"
    assert drawn[goes_on] == "╚"
    assert set(drawn[waits + 1 : goes_on]) == {"║"}
    assert "║" not in drawn[:waits] + drawn[goes_on:]
    assert goes_on - waits > 2


def test_the_anomaly_is_marked_without_colour_and_so_is_the_broken_rule() -> None:
    told = terminal(race(LOST))
    assert "\x1b" not in told
    (number,) = [line for line in told.splitlines() if re.match(r" +\d+ !!", line)]
    assert number.startswith("  7 !!")
    assert "!! writes over A" in told
    assert "✗ BROKEN: nothing is lost" in told
    assert "✓ holds: nothing is lost" in terminal(race(replace(LOST, rule_holds=True)))


def test_an_error_shows_its_code_in_red_on_a_terminal() -> None:
    assert "✗ 22012 division by zero" in terminal(race(LOST))
    assert re.search(r"\x1b\[1;31m22012", terminal(race(LOST), colour=True))


def test_what_is_left_and_what_was_not_claimed_are_told() -> None:
    told = terminal(race(replace(LOST, surprises=["B did not wait"])))
    assert re.search(r"^ +owner +balance\n +alice +40\n +bob +100$", told, re.MULTILINE)
    assert "!! not as claimed: B did not wait" in told


@pytest.mark.parametrize("width", [30, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal_nor_than_100(width: int) -> None:
    long = [Moment(name, "sent", f"{WRITE} {'x' * 70}", "1") for name in ("A", "B", "C")]
    for each in (LOST, act(*long)):
        lines = terminal(race(each), width).splitlines()
        assert max(map(len, lines)) <= min(width, 100)
        assert [line for line in lines if line != line.rstrip()] == []
        assert "".join(lines).count("║") > 0 or each is not LOST


def test_many_sessions_share_one_column_beside_their_lanes() -> None:
    crowd = [Moment(name, "sent", "begin", "begin") for name in "ABCDE"]
    lines = picture(terminal(race(act(*crowd))))
    assert lines[0] == "  1    ┌         A: begin"
    assert lines[4] == "  5    │ │ │ │ ┌ E: begin"


def test_a_terminal_without_unicode_gets_signs_that_it_has() -> None:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii"), width=100)
    write_timeline(race(replace(LOST, verdict="Lost …")), console)
    console.file.flush()
    told = raw.getvalue().decode("ascii")
    assert "# waits for A" in told
    assert "x BROKEN" in told
    assert "Lost ?" in told


def evil() -> RaceRecord:
    said = Moment(EVIL, "sent", EVIL, EVIL, note=EVIL, anomaly=True)
    waits = [
        Moment("B", "waits", EVIL, waits_for=(EVIL,)),
        Moment("B", "resumed", "", EVIL, EVIL, note=EVIL),
    ]
    made = act(said, *waits, surprises=[EVIL])
    for name in ("title", "story", "rule", "verdict", "setup", "check"):
        setattr(made, name, EVIL)
    made.columns, made.left = [EVIL, EVIL], [[EVIL, EVIL]]
    sources = [(EVIL, "javascript:alert(1)"), (EVIL, 'https://example.com/"><script>')]
    record = race(made)
    return replace(record, title=EVIL, question=EVIL, lesson=EVIL, sources=sources)


def test_nothing_in_a_record_becomes_markup_or_rewrites_the_terminal() -> None:
    told = terminal(evil(), 200)
    assert "\x1b" not in told
    assert "[red]markup[/red]" in told
    assert terminal(evil(), 40, colour=True).count("\x1b[2J") == 0


def test_nothing_in_a_record_becomes_an_element_of_the_page() -> None:
    text = page([evil(), evil()])
    elements = Elements(text)
    assert "script" not in {name for name, _ in elements.found}
    assert "\x1b" not in text
    links = [given["href"] for name, given in elements.found if name == "a"]
    assert [link for link in links if link and link.startswith("javascript")] == []


def test_the_page_is_one_file_that_fetches_nothing() -> None:
    text = page([race(LOST), race(LOST)])
    elements = Elements(text)
    loading = {"script", "link", "img", "iframe", "object", "embed", "source", "base", "form"}
    assert loading & {name for name, _ in elements.found} == set()
    given = {key for _, attributes in elements.found for key in attributes}
    assert not given & {"src", "srcset", "background", "action", "poster", "onload", "onclick"}
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert not re.search(r"url\(|@import|https?:|<", style[1])
    policies = [each["content"] for _, each in elements.found if "http-equiv" in each]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_a_wait_is_one_cell_of_the_page_as_high_as_what_happens_meanwhile() -> None:
    elements = Elements(page([race(LOST)]))
    (wait,) = elements.classes("wait")[1:]  # the first is the legend's
    assert wait["rowspan"] == "3"
    (anomaly,) = elements.classes("anomaly")
    assert anomaly["class"] == "anomaly"
    assert len(elements.classes("commit")) == len(elements.classes("rollback")) == 1


def test_a_wait_that_never_ends_goes_on_to_the_end_of_the_page() -> None:
    stuck = act(Moment("B", "waits", WRITE, waits_for=("A",)), Moment("A", "sent", "select 1", "1"))
    (wait,) = Elements(page([race(stuck)])).classes("wait")[1:]
    assert wait["rowspan"] == "2"


def test_every_row_of_the_page_fills_the_columns() -> None:
    text = page([race(LOST)])
    timeline = re.search(r'<table class="timeline".*?</table>', text, re.DOTALL)
    assert timeline is not None
    body = timeline[0].split("<tbody>")[1]
    high = 0
    for line in body.split("<tr")[1:]:
        assert line.count("<td") + (high > 0) == 2
        span = re.search(r'rowspan="(\d+)"', line)
        high = int(span[1]) - 1 if span else max(0, high - 1)


def test_the_page_says_where_it_did_not_go_as_claimed() -> None:
    text = page([race(replace(LOST, surprises=["B did not wait"]))])
    assert "Not as claimed: lost-update" in text
    assert "not as claimed: B did not wait" in text
    assert "Not as claimed" not in page([race(LOST)])


def test_the_page_begins_with_an_index_that_leads_to_each_race() -> None:
    records = [race(LOST), replace(race(LOST), name="other")]
    elements = Elements(page(records))
    ids = {given["id"] for _, given in elements.found if "id" in given}
    links = [given["href"] for name, given in elements.found if name == "a"]
    assert ids == {"lost-update", "other"}
    assert links[:2] == ["#lost-update", "#other"]
    kinds = [given["data-kind"] for _, given in elements.found if "data-kind" in given]
    assert kinds == [*KINDS.values()] * 2


def test_a_document_has_a_column_for_each_session_and_draws_the_wait() -> None:
    lines = document(race(LOST)).splitlines()
    begin = lines.index("|  | A | B |")
    assert lines[begin + 5] == f"| 4 |  | `{WRITE}`<br>║ **waits for A** |"
    assert lines[begin + 6] == "| 5 | `select 1`<br>→ `1` | ║ |"
    assert lines[begin + 7] == "| 6 | `commit`<br>_60 are paid out_ | ║ |"
    assert lines[begin + 8] == "| 7 |  | _goes on_<br>→ `update 1`<br>**!! writes over A** |"
    assert lines[begin + 9] == "| 8 |  | `select 1/0`<br>✗ **`22012`** division by zero |"


def test_a_document_keeps_its_tables_whole() -> None:
    text = document(evil())
    assert "\x1b" not in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 4)
    assert "`` a ` b ``" in document(race(act(Moment("A", "sent", "a ` b", "1"))))


def test_a_document_is_the_same_whatever_ids_and_times_a_run_had() -> None:
    ours = "00000000-0000-7000-8000-00000000b00c"

    def run_with(some_id: str, time: str) -> str:
        said = f'({ours},{some_id},"{time}")'
        made = act(
            Moment("A", "sent", "select 1", said), Moment("A", "sent", "select 2", said, "22000")
        )
        return document(race(replace(made, columns=["id", "at"], left=[[some_id, time]])))

    first = run_with("01a204f2-97e3-7055-95c3-cce81549f25f", "2026-11-22 20:04:18.528083+00")
    assert first == run_with("01a204fa-5e3d-79ab-9fc3-64b43d5b9d3e", "2027-01-02 00:00:00+05:30")
    assert first.count(ours) == 2
    assert "2026-01-15" in document(race(act(Moment("A", "sent", "select 3", "2026-01-15"))))


def test_the_index_names_anomaly_and_outcomes() -> None:
    other = replace(LOST, kind="other", title="with a lock", rule_holds=True, moments=[])
    *_, line = index([race(LOST, other)]).splitlines()
    name, outcomes = "[Lost update](lost-update.md)", "✗ write what was read | ✓ with a lock |  |"
    assert line == f"| {name} | writes over A | {outcomes}"


def test_every_race_has_a_naive_act_another_and_the_ledgers() -> None:
    assert len({race.name for race in RACES}) == len(RACES)
    for each in RACES:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", each.name)
        kinds = [act.kind for act in each.acts]
        assert (kinds[0], kinds[-1]) == ("naive", "tillroll")
        assert {"naive", "other", "tillroll"} == set(kinds)
        assert not any(act.breaks for act in each.acts if act.kind == "tillroll")
