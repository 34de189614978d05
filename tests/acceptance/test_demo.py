"""`tillroll demo` as a person runs it: a process of its own, from start to exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tillroll import AsyncTillroll
from tillroll.assets import asset
from tillroll.local import checks
from tillroll.local.household import exponents, read
from tillroll.local.stack import Stack

# One process runs them one after the other: each has a stack of its own.
pytestmark = pytest.mark.xdist_group("demo")

ROOT = Path(__file__).parents[2]
TILLROLL = Path(sys.executable).with_name("tillroll")
CALLS = 200
CHECKS = [
    "the book sums to zero",
    "balances equal entries",
    "balances equal what was sent",
    "chains verify",
    "nothing doubled",
    "nothing lost",
    "nobody below the floor",
    "a stranger sees nothing",
]
OWN = """\
date,from,to,amount,currency,description
2025-02-03,assets:bank,expenses:food,12.5,EUR,Weekly shop
2025-02-01,equity:opening,assets:bank,100.00,EUR,"Opening, at last"
2025-02-03,equity:opening:kwd,assets:kwd,3.250,KWD,
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the demo takes for the system's temporary one."""
    made = Path(tempfile.mkdtemp(prefix="tillroll-home-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [TILLROLL, "demo", *arguments],
        env={**os.environ, "TMPDIR": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def assert_nothing_is_left(home: Path) -> None:
    assert not list(home.glob("tillroll-demo-*"))
    if sys.platform == "linux":
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            assert str(home).encode() not in command


@pytest.fixture(scope="module")
def shipped() -> tuple[int, Any]:
    """The demo with the file that ships, run once."""
    made = Path(tempfile.mkdtemp(prefix="tillroll-home-"))
    made.chmod(0o755)
    with start(made, "--calls", str(CALLS), "--json") as demo:
        told, _ = demo.communicate(timeout=240)
    assert_nothing_is_left(made)
    shutil.rmtree(made)
    return demo.returncode, json.loads(told)


def test_every_check_holds_and_so_the_exit_code_is_0(shipped: tuple[int, Any]) -> None:
    code, report = shipped
    assert [check["name"] for check in report["checks"]] == CHECKS
    assert [check["wrong"] for check in report["checks"]] == [[]] * len(CHECKS)
    assert report["ok"] is True
    assert code == 0


def test_the_accounts_end_as_the_file_says(shipped: tuple[int, Any]) -> None:
    year = read(asset("sql/seed/household.csv"))
    found = {each["code"]: each["balance"] for each in shipped[1]["accounts"]}
    assert year.closing.items() <= found.items()
    assert shipped[1]["bookings"] == len(year.bookings)
    shown = {each["code"]: each["shown"] for each in shipped[1]["accounts"]}
    assert shown["expenses:rent"] == "14160.00"


def test_the_race_counts_every_call_once(shipped: tuple[int, Any]) -> None:
    race = shipped[1]["race"]
    assert race["calls"] == CALLS
    assert race["requests"] == CALLS + CALLS // 5
    assert race["accepted"] + race["replays"] + race["refusals"] == race["requests"]
    assert race["refusals"] >= CALLS // 20
    assert race["replays"] > 0
    assert race["deadlocks"] == 0
    assert 0 < race["p50_ms"] <= race["p99_ms"]


def test_a_file_of_ones_own_is_booked_by_date(home: Path) -> None:
    file = home / "mine.csv"
    file.write_text(OWN)
    with start(home, "--file", str(file), "--calls", "20", "--json") as demo:
        told, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0
    shown = {each["code"]: each["shown"] for each in json.loads(told)["accounts"]}
    assert shown["assets:bank"] == "87.50"
    assert shown["assets:kwd"] == "3.250"


def test_a_file_that_is_wrong_names_line_and_column_and_starts_nothing(home: Path) -> None:
    file = home / "mine.csv"
    file.write_text(OWN.replace("12.5,", "12.505,").replace("3.250,KWD", "3.250,kwd"))
    with start(home, "--file", str(file), "--json") as demo:
        told, talk = demo.communicate(timeout=60)
    assert demo.returncode == 2
    error = json.loads(told)["error"]
    assert error["code"] == "invalid_file"
    assert [(each["line"], each["column"]) for each in error["problems"]] == [
        (2, "amount"),
        (4, "currency"),
    ]
    assert "line 2, column amount" in talk
    assert "start the stack" not in talk
    assert_nothing_is_left(home)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupt_stops_everything_and_exits_130(home: Path, number: signal.Signals) -> None:
    with start(home, "--calls", "100000") as demo:
        assert demo.stderr is not None
        for line in demo.stderr:
            if line.strip() == "race":
                break
        demo.send_signal(number)
        told, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert told == ""
    assert_nothing_is_left(home)


def test_the_stranger_tries_every_view_and_every_function_of_a_book() -> None:
    tried = set(checks.attempts(None, None, None))  # type: ignore[arg-type]
    functions = {file.stem for file in (ROOT / "functions/ledger").glob("*.sql")}
    assert tried == functions - {"create_book"}
    views = {file.stem for file in (ROOT / "sql/ledger").glob("*.sql")}
    assert set(checks.VIEWS) <= views


async def test_the_places_that_the_file_is_read_with_are_the_servers(home: Path) -> None:
    with Stack(home, durable=False) as info:
        key = info.service_role_key
        async with AsyncTillroll.connect(info.api_url, key) as client:
            assert exponents() == {each.code: each.exponent async for each in client.currencies()}
