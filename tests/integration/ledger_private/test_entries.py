"""The hash chain of entries against a second implementation, written from the contract's text.

That each field counts is shown by tampering with it, in test_verify_book.py.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
import uuid

from tests.world import MAX, Household, Row

EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)


def entry_hash(previous: bytes, entry: Row) -> bytes:
    """One link of an account's chain."""
    fields = (
        entry["book_id"].bytes,
        entry["account_id"].bytes,
        struct.pack("!h", entry["slot"]),
        struct.pack("!q", entry["version"]),
        entry["transaction_id"].bytes,
        struct.pack("!h", entry["leg"]),
        struct.pack("!q", entry["amount"]),
        struct.pack("!q", entry["balance_after"]),
        struct.pack("!q", (entry["booked_at"] - EPOCH) // MICROSECOND),
        struct.pack("!i", (entry["effective_on"] - EPOCH.date()).days),
        entry["currency"].encode(),
    )
    content = b"\x01" + previous + b"".join(struct.pack("!i", len(f)) + f for f in fields)
    return hashlib.sha256(content).digest()


def _entries(home: Household) -> list[Row]:
    return home.owner().query(
        """
        select e.*, t.effective_on, a.currency
        from ledger_private.entries as e
        join ledger_private.transactions as t on t.book_id = e.book_id and t.id = e.transaction_id
        join ledger_private.accounts as a on a.book_id = e.book_id and a.id = e.account_id
        order by e.account_id, e.slot, e.version
        """
    )


def test_a_books_chains_are_those_of_the_contract(home: Household) -> None:
    alice = home.as_user("alice")
    home.accounts["abroad"] = alice.call(
        "open_account", book_id=home.book_id, name="abroad", type="equity", currency="JPY"
    )["id"]
    home.pay(alice, "abroad", "yen", MAX, effective_on="9999-12-31")
    home.pay(alice, "world", "bank", 5)
    for day in ("0001-01-01", "1999-12-31", "2000-01-01", "2024-02-29"):
        home.pay(alice, "bank", "cash", 1, effective_on=day, description="words", metadata={"a": 1})

    entries = _entries(home)

    assert len(entries) == 12
    assert any(entry["booked_at"].microsecond % 1000 for entry in entries)
    heads: dict[uuid.UUID, bytes] = {}
    for entry in entries:
        heads[entry["account_id"]] = entry_hash(heads.get(entry["account_id"], bytes(32)), entry)
        assert entry["hash"] == heads[entry["account_id"]]
    balances = home.owner().query("select account_id, hash from ledger_private.balances")
    assert {b["account_id"]: b["hash"] for b in balances} == heads
