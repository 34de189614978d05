"""A ledger with people in it, called as PostgREST would: as a role, with a token's claims."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.conftest import Database

Row = dict[str, Any]
MAX = 9007199254740991
RECORDS = {
    "entries": "ledger.entry_input",
    "transactions": "ledger.transaction_input",
    "expect": "ledger.expectation",
}
TABLES = (
    *("books", "book_members", "accounts", "account_holders", "balances", "transactions"),
    *("entries", "value_shifts", "holds", "account_groups", "account_group_members"),
    "period_locks",
)


class Refused(Exception):
    """A catalogue error, as a client sees it."""

    def __init__(self, error: psycopg.Error) -> None:
        body = json.loads(error.diag.message_primary or "{}")
        answer = json.loads(error.diag.message_detail or "{}")
        super().__init__(body["code"])
        self.code: str = body["code"]
        self.details: Row = json.loads(body["details"])
        self.status: int = answer["status"]
        self.headers: Row = answer["headers"]


@dataclass
class Session:
    """One connection that acts as one caller."""

    connection: psycopg.Connection[Row]

    def call(self, function: str, **arguments: Any) -> Row:
        """Call a function of `ledger` with named arguments; one row. Records are dicts."""
        rows = self.rows(function, **arguments)
        assert len(rows) == 1
        return rows[0]

    def rows(self, function: str, **arguments: Any) -> list[Row]:
        """Call a function of `ledger` with named arguments; all rows, as the JSON of the API."""
        named, values = [], {}
        for name, value in arguments.items():
            place, values[name] = f"%({name})s", value
            if isinstance(value, dict):
                values[name] = Jsonb(value)
            elif name in RECORDS and isinstance(value, list) and value:
                values[name] = Jsonb(value)
                records = f"jsonb_populate_recordset(null::{RECORDS[name]}, {place})"
                place = f"(select array_agg(x) from {records} as x)"
            named.append(f"{name} => {place}")
        answers = self.query(
            f"select to_json(r) as row from ledger.{function}({', '.join(named)}) as r", values
        )
        return [answer["row"] for answer in answers]

    def query(self, statement: str, values: Any = None) -> list[Row]:
        try:
            done = self.connection.execute(statement, values)
        except psycopg.Error as error:
            if error.sqlstate == "PGRST":
                raise Refused(error) from None
            raise
        return done.fetchall() if done.description else []


@dataclass
class World:
    """Users, one book and its accounts, made through the functions under test."""

    database: Database
    users: dict[str, str] = field(default_factory=dict)
    _open: list[psycopg.Connection[Row]] = field(default_factory=list)

    def user(self, name: str) -> str:
        """The id of a signed-up user, made at first mention."""
        if name not in self.users:
            self.users[name] = str(uuid.uuid4())
            with self.database.connect() as owner:
                owner.execute("insert into auth.users (id) values (%s)", [self.users[name]])
        return self.users[name]

    def owner(self) -> Session:
        """The owner of the schema, without claims."""
        return Session(self._connect("postgres"))

    def as_user(self, name: str) -> Session:
        """A signed-in user."""
        return self.as_role("authenticated", {"sub": self.user(name), "role": "authenticated"})

    def as_role(self, role: str, claims: Row | None = None) -> Session:
        """A role of the API, with these claims."""
        connection = self._connect("authenticator")
        connection.execute(f"set role {role}")
        connection.execute(
            "select set_config('request.jwt.claims', %s, false)", [json.dumps(claims or {})]
        )
        return Session(connection)

    def close(self) -> None:
        for connection in self._open:
            connection.close()

    def _connect(self, login: str) -> psycopg.Connection[Row]:
        connection = psycopg.connect(
            self.database.dsn(login), autocommit=True, row_factory=dict_row
        )
        self._open.append(connection)
        return connection


class Household(World):
    """alice owns the book, bob edits, carol views, mallory is a stranger."""

    book_id: str
    accounts: dict[str, str]

    @classmethod
    def make(cls, database: Database) -> Household:
        home = cls(database)
        alice = home.as_user("alice")
        home.book_id = alice.call("create_book", name="Household", base_currency="EUR")["id"]
        for name, role in (("bob", "editor"), ("carol", "viewer")):
            alice.call("set_member", book_id=home.book_id, user_id=home.user(name), role=role)
        home.user("mallory")
        home.accounts = {}
        for name, kind, currency in (
            ("world", "equity", "EUR"),
            ("bank", "asset", "EUR"),
            ("cash", "asset", "EUR"),
            ("yen", "asset", "JPY"),
        ):
            home.accounts[name] = alice.call(
                "open_account",
                book_id=home.book_id,
                name=name,
                type=kind,
                currency=currency,
                code=f"{kind}:{name}",
            )["id"]
        return home

    def pay(self, who: Session, giver: str, taker: str, amount: Any, **more: Any) -> Row:
        """Transfer between two accounts by name."""
        return who.call(
            "transfer",
            book_id=self.book_id,
            from_account_id=self.accounts[giver],
            to_account_id=self.accounts[taker],
            amount=amount,
            **more,
        )

    def lines(self, **amounts: int) -> list[Row]:
        """Entries over accounts by name, in minor units."""
        return [
            {"account_id": self.accounts[name], "amount": amount}
            for name, amount in amounts.items()
        ]

    def item(self, giver: str, taker: str, amount: int, **more: Any) -> Row:
        """A transaction of a batch, between two accounts by name."""
        return {"entries": self.lines(**{giver: -amount, taker: amount}), **more}

    def fund(self, amount: int = 100_00, account: str = "bank") -> Row:
        """Let money come in from outside."""
        return self.pay(self.as_user("alice"), "world", account, amount)

    @cached_property
    def reader(self) -> Session:
        """The owner of the schema, to look at what is stored."""
        return self.owner()

    def posted(self, account: str) -> int:
        """Posted balance of an account by name, in minor units."""
        row = self.reader.call(
            "get_balance", book_id=self.book_id, account_id=self.accounts[account]
        )
        return int(row["posted"])

    def state(self) -> list[Any]:
        """Everything that the ledger stores, to show that a refusal changed nothing."""
        return [
            self.reader.query(f"select t::text from ledger_private.{t} as t order by 1")
            for t in TABLES
        ]

    def assert_sound(self) -> None:
        """Every check of verify_book holds."""
        broken = [
            row
            for row in self.reader.rows("verify_book", book_id=self.book_id)
            if row["ok"] is not True
        ]
        assert broken == [], broken


def refusal(attempt: Callable[..., object], *args: Any, **named: Any) -> str:
    """The catalogue code that the attempt is refused with, `none` where it succeeds."""
    try:
        attempt(*args, **named)
    except Refused as error:
        return error.code
    return "none"


@contextmanager
def household(database: Database) -> Iterator[Household]:
    """A household whose connections are closed afterwards."""
    home = Household.make(database)
    try:
        yield home
    finally:
        home.close()
