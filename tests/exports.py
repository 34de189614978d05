"""Exports made without a ledger, hashed by the tests' own implementation of the format."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

from tests.integration.ledger_private.test_entries import entry_hash
from tillroll import verify

Posting = list[tuple[int, int]]

BEGIN = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
CODES = ("EUR", "EUR", "EUR", "JPY", "JPY")
POSTINGS: list[Posting] = [
    [(0, -500), (1, 500)],
    [(0, -7), (1, 3), (2, 4)],
    [(1, -100), (2, 100)],
    [(1, -50), (2, 50), (3, -8000), (4, 8000)],
    [(2, -1), (1, 1)],
]


def _id(source: random.Random) -> uuid.UUID:
    return uuid.UUID(int=source.getrandbits(128), version=4)


def made(postings: list[Posting] = POSTINGS, *, seed: int = 1) -> list[str]:
    """The lines of an export of these postings, amounts by number of account.

    Account 0 has two slots, and every third posting a value date of its own.
    """
    source = random.Random(seed)
    book_id = _id(source)
    accounts = [_id(source) for _ in CODES]
    chains: dict[tuple[uuid.UUID, int], list[dict[str, object]]] = {}
    for number, posting in enumerate(postings):
        transaction_id = _id(source)
        booked_at = BEGIN + timedelta(seconds=number, microseconds=number * 7)
        own = number % 3 == 2
        for leg, (which, amount) in enumerate(posting, 1):
            slot = number % 2 if which == 0 else 0
            chain = chains.setdefault((accounts[which], slot), [])
            before = chain[-1]["balance_after"] if chain else 0
            assert isinstance(before, int)
            entry: dict[str, object] = {
                "account_id": accounts[which],
                "slot": slot,
                "version": len(chain) + 1,
                "transaction_id": transaction_id,
                "leg": leg,
                "amount": amount,
                "balance_after": before + amount,
                "booked_at": booked_at,
                "effective_on": date(1999, 12, 31) if own else booked_at.date(),
            }
            hashed = entry | {"book_id": book_id, "currency": CODES[which]}
            previous = bytes.fromhex(str(chain[-1]["hash"])) if chain else bytes(32)
            entry["hash"] = entry_hash(previous, hashed).hex()
            chain.append(entry)
    return list(_lines(book_id, dict(zip(accounts, CODES, strict=True)), chains))


def _lines(
    book_id: uuid.UUID,
    codes: dict[uuid.UUID, str],
    chains: dict[tuple[uuid.UUID, int], list[dict[str, object]]],
) -> Iterator[str]:
    yield verify.header_line(book_id)
    for account_id in sorted({account_id for account_id, _ in chains}):
        yield verify.account_line(account_id, codes[account_id])
    for key in sorted(chains):
        for entry in chains[key]:
            yield verify.entry_line(**entry)  # type: ignore[arg-type]
    leaves = []
    for account_id, slot in sorted(chains):
        version, head = len(chains[account_id, slot]), str(chains[account_id, slot][-1]["hash"])
        yield verify.head_line(account_id, slot, version, head)
        leaves.append(
            account_id.bytes
            + slot.to_bytes(2, "big")
            + version.to_bytes(8, "big")
            + bytes.fromhex(head)
        )
    entries = sum(map(len, chains.values()))
    yield verify.checkpoint_line(entries, merkle_root(leaves).hex())


def merkle_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()
