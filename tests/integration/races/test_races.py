"""Every race, live: it goes as its page claims, the page is current, no claim goes unchecked."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.conftest import BINARIES, ROOT, missing
from tillroll.races import (
    RACES,
    Act,
    ActRecord,
    Lab,
    Race,
    RaceRecord,
    Step,
    run,
    session,
    stepper,
)

Labs = Callable[[str], Lab]

# One process for each version: the lab's server is started once.
VERSIONS = [pytest.param(v, marks=pytest.mark.xdist_group(f"races-{v}")) for v in BINARIES]
every_version = pytest.mark.parametrize("version", VERSIONS, ids="pg{}".format)
newest_version = pytest.mark.parametrize("version", VERSIONS[-1:], ids="pg{}".format)

a, b, c = session("A"), session("B"), session("C")
TAKE = "update accounts set balance = balance - 60 where balance >= 60 returning balance"
TRUTH = Act(
    kind="naive",
    title="take what is there",
    story="One takes, the other waits.",
    setup="create table accounts (balance int primary key); insert into accounts values (100)",
    steps=(
        a("begin"),
        a(TAKE, gives=40),
        b(TAKE, waits=True, gives=[]),
        a("commit"),
        b("insert into accounts values (40)", fails="23505"),
    ),
    final="select balance from accounts",
    leaves=[(40,)],
    rule="nothing is below zero",
    check="select bool_and(balance >= 0) from accounts",
    verdict="The second found too little.",
)
CIRCLE = replace(
    TRUTH,
    title="two that wait for each other",
    setup="create table accounts (id int primary key, balance int); "
    "insert into accounts values (1, 100), (2, 100)",
    steps=(
        a("begin"),
        b("begin"),
        a("update accounts set balance = 99 where id = 1"),
        b("update accounts set balance = 98 where id = 2"),
        a("update accounts set balance = 97 where id = 2", waits=True),
        b("update accounts set balance = 96 where id = 1", fails="40P01"),
        a("commit"),
        b("rollback"),
    ),
    final="select id, balance from accounts order by id",
    leaves=[(1, 99), (2, 97)],
)
QUEUE = replace(
    TRUTH,
    title="two that wait in one queue",
    steps=(
        a("begin"),
        a("select pg_advisory_xact_lock(1)"),
        c("select pg_advisory_xact_lock(1), 'c'", waits=True, gives=[("", "c")]),
        b("select pg_advisory_xact_lock(1), 'b'", waits=True, gives=[("", "b")]),
        a("commit"),
    ),
    final="select 1",
    leaves=[(1,)],
)


def race(act: Act) -> Race:
    return Race("by-hand", "By hand", "Does it see what happens?", (act,), "It does.")


def claiming(number: int, **claims: Any) -> Act:
    """The true act with another claim at one step."""
    steps: list[Step] = list(TRUTH.steps)
    steps[number] = replace(steps[number], **claims)
    return replace(TRUTH, steps=tuple(steps))


@pytest.fixture(scope="session")
def labs() -> Iterator[Labs]:
    """A lab of each version, started at first use."""
    started: dict[str, Lab] = {}
    with ExitStack() as cleanup:

        def lab_of(version: str) -> Lab:
            if version not in started:
                binaries = BINARIES[version]
                if binaries is not None and not (binaries / "postgres").exists():
                    missing(f"Postgres {version}")
                started[version] = cleanup.enter_context(Lab(binaries))
            return started[version]

        yield lab_of


@pytest.fixture(scope="session")
def record_of(labs: Labs) -> Callable[[str, Race], RaceRecord]:
    """How a race goes on a version; run once for all tests that look at it."""
    records: dict[tuple[str, str], RaceRecord] = {}

    def record(version: str, race: Race) -> RaceRecord:
        key = (version, race.name)
        if key not in records:
            records[key] = run(race, labs(version))
        return records[key]

    return record


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    path = ROOT / "client" / "tools" / "generate_races.py"
    spec = importlib.util.spec_from_file_location("generate_races", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@every_version
@pytest.mark.parametrize("race", RACES, ids=lambda race: race.name)
def test_a_race_goes_as_its_page_claims(
    record_of: Callable[[str, Race], RaceRecord], version: str, race: Race
) -> None:
    record = record_of(version, race)
    assert [(act.title, act.surprises) for act in record.acts if act.surprises] == []
    assert record.postgres == int(version)
    shown = [act.title for act in race.acts if act.since <= int(version)]
    assert [act.title for act in record.acts] == shown
    assert shown


@newest_version
def test_the_pages_are_current(
    record_of: Callable[[str, Race], RaceRecord], generator: ModuleType, version: str
) -> None:
    wanted = generator.pages([record_of(version, race) for race in RACES])
    folder = ROOT / "docs" / "explanation" / "races"
    assert {path.name: path.read_text() for path in folder.glob("*")} == wanted


@every_version
@pytest.mark.parametrize("act", [TRUTH, CIRCLE, QUEUE], ids=["wait", "deadlock", "queue"])
def test_a_run_goes_as_the_one_before(labs: Labs, version: str, act: Act) -> None:
    records = [run(race(act), labs(version)) for _ in range(4)]
    assert records[0].as_claimed, records[0].acts[0].surprises
    assert records[1:] == records[:1] * 3


FALSE = {
    "rows": claiming(1, gives=41),
    "rows, where there are none": claiming(2, gives=40),
    "a success": claiming(4, fails=""),
    "another code": claiming(4, fails="23503"),
    "a refusal": claiming(1, fails="40001"),
    "a wait": claiming(1, waits=True),
    "no wait": claiming(2, waits=False),
    "what is left": replace(TRUTH, leaves=[(100,)]),
    "more than is left": replace(TRUTH, leaves=[(40,), (100,)]),
    "a broken rule": replace(TRUTH, breaks=True),
    "a rule that holds": replace(TRUTH, check="select bool_and(balance > 40) from accounts"),
    "a rule about nothing": replace(TRUTH, check="select null::boolean"),
}


@newest_version
@pytest.mark.parametrize("act", FALSE.values(), ids=FALSE)
def test_a_false_claim_is_a_surprise(labs: Labs, version: str, act: Act) -> None:
    record = run(race(act), labs(version))
    assert not record.as_claimed
    assert len(record.acts[0].surprises) == 1


@newest_version
def test_a_session_that_still_waits_at_the_end_is_a_surprise(labs: Labs, version: str) -> None:
    stuck = replace(TRUTH, steps=TRUTH.steps[:3], final="select 1", leaves=[(1,)])
    assert len(run(race(stuck), labs(version)).acts[0].surprises) == 1


@newest_version
def test_an_act_ends_where_a_session_should_send_that_still_waits(labs: Labs, version: str) -> None:
    early = (*TRUTH.steps[:3], b("select 1", gives=1), a("commit"))
    record = run(race(replace(TRUTH, steps=early)), labs(version)).acts[0]
    assert record.surprises
    assert "select 1" not in [moment.sql for moment in record.moments]


def test_answers_are_written_down_in_the_order_in_which_they_were_freed() -> None:
    """However the threads are scheduled: here the last of the queue has its answer first."""
    play = stepper._Play.__new__(stepper._Play)
    play.record = ActRecord.of(QUEUE)
    first, last = (stepper._Actor.__new__(stepper._Actor) for _ in "CB")
    for number, actor in enumerate((first, last), 1):
        actor.name, actor.waits_since, actor.flight = "CB"[number - 1], number, Future()
        actor.step = session(actor.name)("select 1")
    play._actors = {"B": last, "C": first}
    assert last.flight is not None
    assert first.flight is not None
    last.flight.set_result(stepper._Answer([(1,)], "1"))
    assert not play._collect({})
    first.flight.set_result(stepper._Answer([(1,)], "1"))
    assert play._collect({})
    assert [moment.session for moment in play.record.moments] == ["C", "B"]


def test_no_two_sessions_share_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    pids = iter([7, 23, 39, 8])
    monkeypatch.setattr(stepper, "_Actor", lambda *_: SimpleNamespace(pid=next(pids)))
    play = stepper._Play.__new__(stepper._Play)
    play._actors = {}
    with ExitStack() as cleanup:
        play._actors["A"] = play._enter("A", TRUTH, "", cleanup)
        assert play._enter("B", TRUTH, "", cleanup).pid == 8


@newest_version
def test_what_other_acts_left_is_gone(labs: Labs, version: str) -> None:
    twice = replace(race(TRUTH), acts=(TRUTH, TRUTH))
    first, second = run(twice, labs(version)).acts
    assert first == second


def test_a_stale_page_is_found_and_mended(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = RaceRecord("a", "A", "?", "!", [], 18)
    monkeypatch.setattr(generator, "live", lambda: [record])
    folder = tmp_path / "docs" / "explanation" / "races"
    folder.mkdir(parents=True)
    (folder / "a.md").write_text("old\n")
    (folder / "left-over.md").write_text("")
    assert generator.main(["--check"], tmp_path) == 1
    assert (folder / "a.md").read_text() == "old\n"
    assert generator.main([], tmp_path) == 0
    assert generator.main(["--check"], tmp_path) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "a.md"]


@newest_version
def test_no_page_is_written_of_a_race_that_went_otherwise(
    labs: Labs,
    generator: ModuleType,
    version: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = run(race(FALSE["what is left"]), labs(version))
    monkeypatch.setattr(generator, "live", lambda: [odd])
    assert generator.main([], tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
