"""A small book with something of every shape in it, and its rows as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

import psycopg
from psycopg.abc import Buffer
from psycopg.rows import dict_row
from psycopg.types.datetime import TimestamptzLoader

from tests import holding
from tests.world import Household, Row

KEYS = {
    "books": ("id",),
    "accounts": ("book_id", "id"),
    "balances": ("book_id", "account_id", "slot"),
    "transactions": ("book_id", "id"),
    "entries": ("book_id", "transaction_id", "leg"),
    "holds": ("book_id", "id"),
    "value_shifts": ("book_id", "account_id", "grain", "starts_on", "slot"),
    "account_groups": ("book_id", "id"),
    "book_members": ("book_id", "user_id"),
}
BEGINNING = datetime.min.replace(tzinfo=UTC)
ORDERS = {"entries": "account_id, slot, version", "transactions": "posted_at, id"}


class _Since(TimestamptzLoader):
    """A balance without entries was last booked at -infinity, which Python has not."""

    def load(self, data: Buffer) -> datetime:
        return BEGINNING if bytes(data) == b"-infinity" else super().load(data)


class Statement(NamedTuple):
    """What to execute, with its parameters."""

    text: str
    values: list[Any]


@dataclass
class Stored:
    """The rows of a book; it stays as it is, since what is done to it is rolled back.

    Attributes:
        other: The id of another book.
    """

    book_id: Any
    other: Any
    tables: dict[str, list[Row]]
    dice: Random

    def __getitem__(self, table: str) -> list[Row]:
        return self.tables[table]

    def chain(self, entry: Row) -> list[Row]:
        """The entries of the chain of an entry, or of a balance, in their order."""
        end = entry["account_id"], entry["slot"]
        return [e for e in self["entries"] if (e["account_id"], e["slot"]) == end]

    def legs(self, transaction_id: Any) -> list[Row]:
        """The entries of a transaction."""
        return [e for e in self["entries"] if e["transaction_id"] == transaction_id]


def read(connection: psycopg.Connection[Any], book_id: Any, other: Any, dice: Random) -> Stored:
    """Read what is stored of a book."""
    tables = {}
    connection.adapters.register_loader("timestamptz", _Since)
    with connection.cursor(row_factory=dict_row) as cursor:
        for table, key in KEYS.items():
            order = ORDERS.get(table, ", ".join(key))
            tables[table] = cursor.execute(
                f"select * from ledger_private.{table} where {key[0]} = %s order by {order}",
                [book_id],
            ).fetchall()
    return Stored(book_id, other, tables, dice)


def update(table: str, row: Row, **new: Any) -> Statement:
    """Change columns of a row."""
    changes = ", ".join(f"{column} = %s" for column in new)
    return Statement(
        f"update {table} set {changes} where {_where(table)}", [*new.values(), *_key(table, row)]
    )


def delete(table: str, row: Row) -> Statement:
    """Remove a row."""
    return Statement(f"delete from {table} where {_where(table)}", _key(table, row))


def insert(table: str, row: Row) -> Statement:
    """Add a row."""
    places = ", ".join(["%s"] * len(row))
    return Statement(f"insert into {table} ({', '.join(row)}) values ({places})", [*row.values()])


def _where(table: str) -> str:
    return " and ".join(f"{column} = %s" for column in KEYS[table])


def _key(table: str, row: Row) -> list[Any]:
    return [row[column] for column in KEYS[table]]


def furnish(home: Household, dice: Random, transfers: int = 24) -> str:
    """Fill a household's book; return the id of another book."""
    alice = home.as_user("alice")
    book = {"book_id": home.book_id}
    holding.open_account(home, "abroad", currency="JPY")
    holding.open_account(home, "sales", type="income", slots=4)
    holding.open_account(home, "old", type="income", slots=2)
    for account in ("bank", "cash"):
        home.fund(10_000, account)
    home.pay(alice, "abroad", "yen", 500_000)
    home.pay(alice, "bank", "cash", 50, effective_on="1999-12-31")
    home.pay(alice, "bank", "cash", 70, idempotency_key="rent")
    alice.call("post_transaction", **book, entries=home.lines(bank=-30, cash=10, world=20))
    holding.swap(home, alice, "bank", "yen", 100, 16_000)
    whole, part = (home.pay(alice, "cash", "bank", amount) for amount in (40, 60))
    holding.reverse(home, alice, whole)
    holding.reverse(home, alice, part, 25)
    pending, captured, partly, released, late = (
        holding.hold(home, alice, amount) for amount in (11, 12, 13, 14, 15)
    )
    holding.capture(home, alice, captured, 7)
    holding.capture(home, alice, partly, 5, final=False)
    holding.release(home, alice, released)
    holding.overdue(home, late)
    holding.expire(home, alice)
    assert holding.state(home, pending) == ("pending", 0, 0)
    home.pay(alice, "old", "world", 4)
    holding.close(home, alice, "old", "world")
    holding.group(home, 0, "bank", "cash")
    holding.rule(home, "set_holder", "cash", user_id=home.user("heidi"), access="spend")
    for number in range(transfers):
        giver, taker = dice.sample(("bank", "cash", "world", "sales"), 2)
        on = dice.choice((None, None, "2026-01-15", "2026-02-15"))
        home.pay(
            alice, giver, taker, dice.randint(1, 90), effective_on=on, idempotency_key=f"{number}"
        )
    alice.call("lock_period", **book, from_date="2020-01-01", to_date="2020-12-31")
    home.assert_sound()
    return str(alice.call("create_book", name="other", base_currency="EUR")["id"])
