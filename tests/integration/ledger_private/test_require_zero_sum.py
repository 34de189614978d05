"""No statement writes half a transaction, the owner of the schema's neither."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

import pytest

from tests.callers import answer
from tests.world import Household, Session

NOWHERE = str(uuid.UUID(int=1))
EUR = [("bank", 5), ("world", -5)]
JPY = [("yen", 7), ("abroad", -7)]


@pytest.fixture
def owner(home: Household) -> Session:
    """The owner of the schema in an open transaction, in a book with two accounts in JPY."""
    home.accounts["abroad"] = home.as_user("alice").call(
        "open_account", book_id=home.book_id, name="abroad", type="equity", currency="JPY"
    )["id"]
    owner = home.owner()
    owner.query("begin")
    return owner


def _transaction(home: Household, owner: Session) -> str:
    made = owner.query(
        "insert into ledger_private.transactions (book_id, id, kind, effective_on)"
        " values (%s, %s, 'transfer', '2026-01-01') returning id",
        [home.book_id, uuid.uuid4()],
    )
    return str(made[0]["id"])


def _told(home: Household, owner: Session, **lines: list[tuple[str, int]]) -> str:
    """What comes of one statement that inserts these lines, by transaction; it is undone."""
    values: list[Any] = []
    for transaction_id, of_transaction in lines.items():
        for account, amount in of_transaction:
            version = 100 + len(values)
            account_id = home.accounts.get(account, NOWHERE)
            currency = "JPY" if account in ("yen", "abroad") else "EUR"
            line = (home.book_id, account_id, transaction_id, version, amount, version, currency)
            values.append(line)
    row = "(%s, %s, %s, %s, %s, 0, now(), 0, %s, sha256(''), %s)"
    insert = (
        "insert into ledger_private.entries (book_id, account_id, transaction_id, version, amount,"
        " balance_after, booked_at, slot, leg, hash, currency)"
        f" values {', '.join([row] * len(values))}"
    )
    owner.query("savepoint before_lines")
    told = answer(partial(owner.query, insert, [value for line in values for value in line]))
    owner.query("rollback to before_lines")
    return told


def test_lines_sum_to_zero_in_each_currency(home: Household, owner: Session) -> None:
    made = _transaction(home, owner)
    for lines in (EUR, EUR + JPY, [("bank", 2), ("cash", 3), ("world", -5)]):
        assert (lines, _told(home, owner, **{made: lines})) == (lines, "none")
    for lines in (
        [("bank", 5), ("world", -4)],
        [("bank", 5)],
        [("bank", 5), ("yen", -5)],
        [*EUR, ("yen", 7), ("abroad", -6)],
    ):
        assert (lines, _told(home, owner, **{made: lines})) == (lines, "unbalanced")


def test_each_transaction_of_a_statement_stands_for_itself(home: Household, owner: Session) -> None:
    first, second = _transaction(home, owner), _transaction(home, owner)
    assert _told(home, owner, **{first: EUR, second: JPY}) == "none"
    assert _told(home, owner, **{first: [("bank", 5)], second: [("world", -5)]}) == "unbalanced"
    assert _told(home, owner, **{first: EUR, second: [("bank", 5)]}) == "unbalanced"


def test_nothing_is_added_to_an_older_transaction(home: Household, owner: Session) -> None:
    older = home.fund(5)["transaction_id"]
    made = _transaction(home, owner)
    before = home.state()
    assert _told(home, owner, **{older: EUR}) == "unbalanced"
    assert _told(home, owner, **{made: EUR, older: EUR}) == "unbalanced"
    assert _told(home, owner, **{NOWHERE: EUR}) == "unbalanced"
    assert home.state() == before
