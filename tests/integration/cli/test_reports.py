"""Balances of now and of the past, the trial balance and the feed, from the command line."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.integration.cli.conftest import Run


def test_balances_are_of_some_accounts_or_of_all(run: Run, book: str) -> None:
    run("hold", "create", book, "assets:bank", "equity:opening", "30")
    (bank,) = run("balance", book, "assets:bank", "--json").json
    assert (bank["posted"], bank["held"], bank["available"]) == (10000, 3000, 7000)
    assert len(run("balance", book, "--json").json) == 3
    shown = run("balance", book).out
    assert "100.00" in shown
    assert "70.00" in shown


def test_a_past_balance_is_by_booking_or_by_value_date(run: Run, book: str) -> None:
    moment = datetime.now(UTC)
    while datetime.now(UTC) == moment:
        time.sleep(0)
    run("transfer", book, "assets:bank", "equity:opening", "1", "--on", "2026-01-31")

    def posted(*options: str) -> int:
        (balance,) = run("balance", book, "assets:bank", *options, "--json").json
        return int(balance["posted"])

    assert posted() == 9900
    assert posted("--as-of", moment.isoformat()) == 10000
    assert posted("--as-of", "2026-01-31T12:00") == 0
    assert posted("--effective-on", "2026-01-30") == 0
    assert posted("--effective-on", "2026-01-31") == -100


def test_one_past_is_asked_for_at_a_time(run: Run, book: str) -> None:
    both = ("--as-of", "2026-01-31T12:00", "--effective-on", "2026-01-31")
    told = run("balance", book, *both, "--json")
    assert (told.code, told.error) == (1, "invalid_argument")
    when = run("balance", book, "--as-of", "yesterday", "--json")
    assert (when.code, when.error) == (2, "usage")


def test_a_trial_balance_sums_to_zero(run: Run, book: str) -> None:
    told = run("trial-balance", book, "--json")
    assert sum(each["posted"] for each in told.json) == 0
    assert "sum 0.00 EUR" in run("trial-balance", book).talk
    past = run("trial-balance", book, "--effective-on", "2020-01-01", "--json")
    assert {each["posted"] for each in past.json} == {0}


@pytest.fixture
def three(run: Run, book: str) -> list[str]:
    """The ids of three transfers."""
    return [
        run("transfer", book, "equity:opening", "assets:bank", "1", "--json").json["transaction_id"]
        for _ in range(3)
    ]


def test_changes_go_on_behind_a_cursor(run: Run, book: str, three: list[str]) -> None:
    first = run("changes", book, "--limit", "2", "--json").json
    assert len(first) == 2
    rest = run("changes", book, "--after", first[-1]["cursor"], "--json").json
    assert [each["transaction_id"] for each in first[1:] + rest] == three
    assert run("changes", book, "--after", rest[-1]["cursor"], "--json").json == []
    assert three[-1] in run("changes", book).out


def test_a_cursor_of_nothing_is_refused(run: Run, book: str) -> None:
    told = run("changes", book, "--after", "nowhere", "--json")
    assert (told.code, told.error) == (1, "invalid_cursor")
