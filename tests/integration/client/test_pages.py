"""A server that gives fewer rows than asked for, without a word, loses nobody anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.integration.client.conftest import Home
from tillroll.transports import Page


def test_views_are_read_to_their_end(capped: Home) -> None:
    for amount in range(1, 6):
        capped.fund(amount)
    assert [len(list(read())) for read in (capped.book.accounts, capped.book.transactions)] == [
        3,
        5,
    ]
    entries = list(capped.book.entries())
    places = [(str(entry.account_id), entry.slot, entry.version) for entry in entries]
    assert len(places) == 10
    assert places == sorted(set(places))
    assert [entry.version for entry in capped.book.entries(account_id=capped.bank)] == [
        *range(1, 6)
    ]
    assert len(list(capped.client.currencies())) == 165
    assert [member.user_id for member in capped.book.members()] == [capped.alice]


def test_balances_and_registers_are_read_to_their_end(capped: Home) -> None:
    capped.fund(1)
    capped.fund(2)
    capped.fund(3)
    assert len(capped.book.get_balances()) == 3
    some = [capped.cash, capped.bank, capped.world]
    assert {b.account_id for b in capped.book.get_balances(account_ids=some)} == set(some)
    lines = list(capped.book.iter_register(account_id=capped.bank))
    assert [line.amount for line in lines] == [3, 2, 1]


def test_pages_follow_each_other_without_gap_or_repetition(home: Home) -> None:
    for amount in range(1, 4):
        home.fund(amount)
    transport = home.client._calls.transport
    page = Page(
        source="entries",
        columns=("account_id", "slot", "booked_at", "version"),
        key=("account_id", "slot", "booked_at", "version"),
        equals={"book_id": home.book.id},
        limit=2,
    )
    seen: list[tuple[Any, ...]] = []
    last = False
    while not last:
        answer = transport.page(page, timeout=5)
        rows, last = answer if isinstance(answer, tuple) else home.run(answer)
        assert len(rows) <= 2
        seen += [tuple(row.values()) for row in rows]
        page = replace(page, after=seen[-1])
    assert len(seen) == 6
    assert seen == sorted(set(seen))
