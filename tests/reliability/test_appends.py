"""The short form of `appends`, and that it would notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Cluster
from tests.reliability import appends
from tests.reliability.appends import CLIENTS, Round, open_lists
from tests.reliability.clients import SqlClient
from tests.reliability.proof import Run
from tests.reliability.stage import Bank, open_bank
from tests.world import Row
from tillroll.models import AccountId


class TwiceLooking(SqlClient):
    """Reads several registers one after the other, each in a snapshot of its own."""

    def entries(self, accounts: Sequence[AccountId]) -> list[Row]:
        return [row for account in accounts for row in super(TwiceLooking, self).entries([account])]


class Stale(SqlClient):
    """Is answered by a replica that has not heard of the last entry yet."""

    def entries(self, accounts: Sequence[AccountId]) -> list[Row]:
        rows = super().entries(accounts)
        newest = {row["account_id"]: row["version"] for row in rows}
        return [row for row in rows if row["version"] < newest[row["account_id"]]]


@pytest.fixture
def book(newest: Cluster) -> Iterator[Bank]:
    database = newest.database("ledger")
    yield open_bank(database, accounts=0, funds=1)
    newest.drop(database)


def test_histories_of_transfers_show_no_anomaly(tmp_path: Path) -> None:
    run = Run("appends", 1, "short", tmp_path)
    appends.run(run)
    assert run.ok, run.checks


@pytest.mark.parametrize(
    ("reader", "kinds"),
    [
        (TwiceLooking, {"G-single", "G2-item"}),
        (Stale, {"G-single-realtime", "G2-item-realtime", "G-single", "lost", "G1b"}),
    ],
)
def test_readers_who_see_no_single_and_current_state_are_noticed(
    book: Bank, reader: type[SqlClient], kinds: set[str]
) -> None:
    with ExitStack() as stack:
        clients = [reader(book, stack) for _ in range(CLIENTS)]
        round_ = Round(book, clients, open_lists(book, 2), "1")
        round_.play(480)

    found = {anomaly.kind for anomaly in round_.anomalies()}

    assert found, "nothing"
    assert found <= kinds


def test_a_receipt_of_another_place_is_noticed(book: Bank) -> None:
    with ExitStack() as stack:
        clients = [SqlClient(book, stack) for _ in range(2)]
        round_ = Round(book, clients, open_lists(book, 2), "1")
        round_.play(40)
    assert round_.misplaced() == []

    round_.receipts[-1]["version"] += 1

    assert len(round_.misplaced()) == 1
