"""Whatever was booked, whenever and for whichever day: what is told of the past is what a list of
the postings says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Cluster
from tests.past import post_at
from tests.world import Household, Row, Session, household

START = datetime(2026, 1, 30, 22, tzinfo=UTC)
ACCOUNTS = ("world", "bank", "cash", "wide")


class Posting(NamedTuple):
    giver: str
    taker: str
    amount: int
    slot: int
    wait: timedelta
    """After the one before."""
    shift: int | None
    """Days from its booking to its value date; None: not named."""


POSTINGS = st.builds(
    lambda accounts, *rest: Posting(*accounts, *rest),
    st.permutations(ACCOUNTS).map(lambda names: names[:2]),
    st.integers(1, 10**6),
    st.integers(0, 2),
    st.one_of(
        st.just(timedelta(0)),
        st.just(timedelta(microseconds=1)),
        st.timedeltas(timedelta(0), timedelta(days=20)),
    ),
    st.one_of(st.none(), st.integers(-70, 70)),
)


class Entry(NamedTuple):
    account: str
    amount: int
    at: datetime
    day: date


@pytest.fixture
def home(newest: Cluster) -> Iterator[Household]:
    """On one Postgres: each example is a book of its own in the same database."""
    database = newest.database("ledger")
    with household(database) as made:
        yield made
    newest.drop(database)


@pytest.fixture
def alice(home: Household) -> Session:
    """One connection for all examples."""
    return home.as_user("alice")


def _new_book(home: Household, alice: Session) -> None:
    home.book_id = alice.call("create_book", name="b", base_currency="EUR")["id"]
    home.accounts = {
        name: alice.call(
            "open_account",
            book_id=home.book_id,
            name=name,
            type="equity",
            currency="EUR",
            slots=3 if name == "wide" else 1,
        )["id"]
        for name in ACCOUNTS
    }


def _book(home: Household, alice: Session, postings: list[Posting]) -> list[Entry]:
    """Post them, the last three by ledger.transfer itself; the list to compare with."""
    entries: list[Entry] = []
    at = START
    for each in postings[:-3]:
        at += each.wait
        day = at.date() + timedelta(days=each.shift or 0)
        named = None if each.shift is None else day
        post_at(home, at, each.giver, each.taker, each.amount, named, each.slot)
        entries.append(Entry(each.giver, -each.amount, at, day))
        entries.append(Entry(each.taker, each.amount, at, day))
    for each in postings[-3:]:
        named = None if each.shift is None else datetime.now(UTC).date() + timedelta(each.shift)
        receipt = home.pay(alice, each.giver, each.taker, each.amount, effective_on=named)
        (row,) = home.reader.query(
            "select distinct booked_at as at from ledger_private.entries"
            " where book_id = %s and transaction_id = %s",
            [home.book_id, receipt["transaction_id"]],
        )
        day = date.fromisoformat(receipt["effective_on"])
        assert named in (None, day)
        entries.append(Entry(each.giver, -each.amount, row["at"], day))
        entries.append(Entry(each.taker, each.amount, row["at"], day))
    return entries


def _told(home: Household, rows: list[Row]) -> dict[str, int]:
    names = {account: name for name, account in home.accounts.items()}
    return {names[row["account_id"]]: row["posted"] for row in rows}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(postings=st.lists(POSTINGS, min_size=1, max_size=12), data=st.data())
def test_the_past_is_what_the_list_of_postings_says(
    home: Household, alice: Session, postings: list[Posting], data: st.DataObject
) -> None:
    _new_book(home, alice)
    entries = _book(home, alice, postings)
    book = {"book_id": home.book_id}

    moments = {e.at + tick * timedelta(microseconds=1) for e in entries for tick in (-1, 0, 1)}
    for moment in moments:
        expected = {
            name: sum(e.amount for e in entries if e.account == name and e.at <= moment)
            for name in ACCOUNTS
        }
        assert _told(home, alice.rows("get_balances", **book, as_of=moment)) == expected

    days = {e.day + timedelta(days=ahead) for e in entries for ahead in (-31, -1, 0, 1, 31)}
    for day in days | {e.at.astimezone(UTC).date() for e in entries}:
        expected = {
            name: sum(e.amount for e in entries if e.account == name and e.day <= day)
            for name in ACCOUNTS
        }
        rows = alice.rows("trial_balance", **book, effective_on=day)
        assert _told(home, rows) == expected
        assert sum(expected.values()) == 0

    first, last = sorted(data.draw(st.lists(st.sampled_from(sorted(days)), min_size=2, max_size=2)))
    for name in ACCOUNTS:
        own = [e for e in entries if e.account == name]
        inside = [e for e in own if first <= e.day <= last]
        told = alice.call(
            "statement", **book, account_id=home.accounts[name], from_date=first, to_date=last
        )
        assert told["opening"] == sum(e.amount for e in own if e.day < first)
        assert told["closing"] == sum(e.amount for e in own if e.day <= last)
        order = [(line["effective_on"], line["booked_at"]) for line in told["lines"]]
        assert order == sorted(order)
        amounts = sorted(line["amount"] for line in told["lines"])
        assert amounts == sorted(e.amount for e in inside)
        balance = told["opening"]
        for line in told["lines"]:
            balance += line["amount"]
            assert line["running_balance"] == balance
    home.assert_sound()
