"""A book is altered in every way its tables allow, and each alteration has to be found.

By a superuser for whom no trigger fires and no foreign key holds, each in a transaction of its own
that is rolled back; the few that a unique key or a CHECK refuses even then count as not made. It is
found by a check of verify_book, or by the export under the root that was kept before. The untouched
book is looked at in between: it must raise no alarm.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.conftest import cluster_of
from tests.reliability.alterations import KINDS, Kind
from tests.reliability.proof import Run
from tests.reliability.shapes import Stored, furnish, read
from tests.world import household
from tillroll import verify

PER_KIND = {"short": 3, "long": 170}
LOOK_EVERY = 25
CHECKPOINT = "checkpoint"
CONSTRAINT = "refused by a constraint"
EXPORTED = """
select
    e.account_id, e.slot, e.version, e.transaction_id, e.leg, e.amount, e.balance_after,
    e.booked_at, coalesce(e.dated, (e.booked_at at time zone 'UTC')::date), encode(e.hash, 'hex'),
    a.currency
from entries as e
left join accounts as a on a.book_id = e.book_id and a.id = e.account_id
where e.book_id = %s
order by e.account_id, e.slot, e.version
"""


@dataclass
class Kept:
    """A checkpoint of a book, kept where the one who alters the book cannot write."""

    book_id: uuid.UUID
    root: str
    heads: list[tuple[uuid.UUID, int, int, str]]

    def holds(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether what was there then is there still, whatever came later."""
        return verify.verify(self._export(connection), root=self.root).ok

    def _export(self, connection: psycopg.Connection[Any]) -> Iterator[str]:
        versions = {(account, slot): version for account, slot, version, _ in self.heads}
        rows = [
            row
            for row in connection.execute(EXPORTED, [self.book_id])
            if row[2] <= versions.get((row[0], row[1]), 0)
        ]
        yield verify.header_line(self.book_id)
        for account_id, currency in sorted({(row[0], str(row[-1])) for row in rows}):
            yield verify.account_line(account_id, currency)
        for account, slot, version, transaction, leg, amount, after, booked, on, hash, _ in rows:
            yield verify.entry_line(
                account_id=account,
                slot=slot,
                version=version,
                transaction_id=transaction,
                leg=leg,
                amount=amount,
                balance_after=after,
                booked_at=booked,
                effective_on=on,
                hash=hash,
            )
        for head in self.heads:
            yield verify.head_line(*head)
        yield verify.checkpoint_line(sum(versions.values()), self.root)


@dataclass
class Inspector:
    """Looks at one book, altered or not.

    Attributes:
        alarms: What was found of the untouched book.
    """

    connection: psycopg.Connection[Any]
    stored: Stored
    kept: Kept
    looks: int = 0
    alarms: list[set[str]] = field(default_factory=list)

    def finds(self) -> set[str]:
        """The checks that do not hold."""
        verified = "select check_name from ledger.verify_book(%s) where ok is not true"
        broken = {str(name) for (name,) in self.connection.execute(verified, [self.stored.book_id])}
        return broken if self.kept.holds(self.connection) else {*broken, CHECKPOINT}

    def alter(self, kind: Kind) -> tuple[set[str], list[str]]:
        """Alter the book, look, take it back: what was found, and what was done."""
        statements = kind(self.stored)
        try:
            done = [self.connection.execute(*each).rowcount for each in statements]
            assert sum(done) > 0, statements
            found = self.finds()
        except psycopg.IntegrityError:
            found = {CONSTRAINT}
        self.connection.rollback()
        return found, [f"{text} {values}" for text, values in statements]

    def look(self) -> None:
        """At the untouched book."""
        self.looks += 1
        if found := self.finds():
            self.alarms.append(found)
        self.connection.rollback()


@contextmanager
def inspector(run: Run) -> Iterator[Inspector]:
    """A book of every shape, and a superuser before it."""
    cluster = cluster_of("18")
    database = cluster.database("ledger")
    try:
        with household(database) as home:
            other = furnish(home, run.dice)
            book_id = uuid.UUID(home.book_id)
            taken = home.owner().call("export_checkpoint", book_id=book_id)
        heads = [
            (uuid.UUID(each["account_id"]), each["slot"], each["version"], each["hash"])
            for each in taken["heads"]
        ]
        with psycopg.connect(database.dsn("supabase_admin")) as connection:
            connection.execute("set session_replication_role = replica")
            connection.execute("set search_path = ledger_private")
            stored = read(connection, book_id, other, run.dice)
            connection.commit()
            yield Inspector(connection, stored, Kept(book_id, taken["root"], heads))
    finally:
        cluster.drop(database)


def run(run: Run) -> None:
    """Alter by every kind in turn, round after round."""
    rounds = PER_KIND[run.size]
    results = {kind: Result() for kind in KINDS}
    run.planned(f"{rounds} rounds of {len(KINDS)} kinds of alterations, one at a time")
    with inspector(run) as book:
        run.figure("entries", len(book.stored["entries"]))
        for number in range(rounds):
            for at, (kind, alter) in enumerate(KINDS.items()):
                if at % LOOK_EVERY == 0:
                    book.look()
                results[kind].add(*book.alter(alter))
            if number % 10 == 9:
                run.happened(f"round {number + 1} of {rounds}")
        book.look()
    run.figure("looks at the untouched book", book.looks)
    refused = sum(result.by[CONSTRAINT] for result in results.values())
    run.figure(CONSTRAINT, refused)
    alone = [kind for kind, result in results.items() if set(result.by) == {CHECKPOINT}]
    run.figure("kinds that only the kept checkpoint tells", len(alone))
    run.at_least("alterations", 10_000, rounds * len(KINDS) - refused)
    run.none("false alarms", book.alarms)
    for kind, result in results.items():
        run.check(kind, bar="each found", measured=result, ok=not result.missed)


@dataclass
class Result:
    """What became of the alterations of one kind.

    Attributes:
        by: How many each check has found.
        missed: What was done where nothing was found.
    """

    rounds: int = 0
    by: Counter[str] = field(default_factory=Counter)
    missed: list[list[str]] = field(default_factory=list)

    def add(self, found: set[str], done: list[str]) -> None:
        self.rounds += 1
        self.by.update(found)
        if not found:
            self.missed.append(done)

    def __str__(self) -> str:
        by = ", ".join(f"{name} {count}" for name, count in self.by.most_common())
        told = f"{self.rounds - len(self.missed)} of {self.rounds}: {by}"
        return f"{told}; missed {self.missed[0]}" if self.missed else told
