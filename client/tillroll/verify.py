"""A book as a file, and its verification without a database. No I/O.

The file is JSON Lines in UTF-8, each line in exactly the form that the functions below write, so
that a change which a JSON parser would not see is one, too:

    {"format":"tillroll export 1","book_id":ID}
    {"account_id":ID,"currency":CODE}                  of each account with entries, by id
    {"account_id":ID,"slot":N,"version":N,…}           the entries, by account, slot, version
    {"account_id":ID,"slot":N,"version":N,"hash":HEX}  the end of each chain, in the same order
    {"entries":N,"root":HEX}                           how many entries, and the Merkle root

Ids are in lower case, times in UTC with six digits of a second, amounts in minor units. What the
hashes cover is told in sql/ledger_private/entries.sql, and the tree in the comment of
ledger.export_checkpoint. Nothing stands in the file that they do not cover, but for the book's id
in a file without entries: it is hashed with each entry, and there is none.

Whoever can write the file can also write another one that is consistent in itself. Only a root that
was kept where they cannot write tells the two apart.
"""

from __future__ import annotations

import hashlib
import re
import struct
from binascii import unhexlify
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from uuid import UUID

__all__ = [
    "Finding",
    "Verdict",
    "account_line",
    "checkpoint_line",
    "entry_line",
    "head_line",
    "header_line",
    "merkle_root",
    "verify",
]

FORMAT = "tillroll export 1"
SHOWN = 100

_ID = '"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"'
_SMALL = "(0|[1-9][0-9]{0,3})"
_COUNT = "(0|[1-9][0-9]{0,17})"
_AMOUNT = "(0|-?[1-9][0-9]{0,15})"
_HASH = '"([0-9a-f]{64})"'
_CODE = '"([A-Z0-9_]{2,16})"'
_TIME = r'"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6})Z"'
_DAY = '"([0-9]{4}-[0-9]{2}-[0-9]{2})"'


def _form(**fields: str) -> re.Pattern[str]:
    inside = ",".join(f'"{name}":{form}' for name, form in fields.items())
    return re.compile(r"\{" + inside + r"\}\n")


_HEADER = _form(format=f'"({FORMAT})"', book_id=_ID)
_ACCOUNT = _form(account_id=_ID, currency=_CODE)
_ENTRY = _form(
    account_id=_ID,
    slot=_SMALL,
    version=_COUNT,
    transaction_id=_ID,
    leg=_SMALL,
    amount=_AMOUNT,
    balance_after=_AMOUNT,
    booked_at=_TIME,
    effective_on=_DAY,
    hash=_HASH,
)
_HEAD = _form(account_id=_ID, slot=_SMALL, version=_COUNT, hash=_HASH)
_CHECKPOINT = _form(entries=_COUNT, root=_HASH)


def header_line(book_id: UUID) -> str:
    """Return the first line of a file."""
    return f'{{"format":"{FORMAT}","book_id":"{book_id}"}}\n'


def account_line(account_id: UUID, currency: str) -> str:
    """Return the line of an account."""
    return f'{{"account_id":"{account_id}","currency":"{currency}"}}\n'


def entry_line(
    *,
    account_id: UUID,
    slot: int,
    version: int,
    transaction_id: UUID,
    leg: int,
    amount: int,
    balance_after: int,
    booked_at: datetime,
    effective_on: date,
    hash: str,
) -> str:
    """Return the line of an entry; amounts in minor units, the hash in hexadecimal."""
    time = booked_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return (
        f'{{"account_id":"{account_id}","slot":{slot},"version":{version},'
        f'"transaction_id":"{transaction_id}","leg":{leg},"amount":{amount},'
        f'"balance_after":{balance_after},"booked_at":"{time}Z",'
        f'"effective_on":"{effective_on}","hash":"{hash}"}}\n'
    )


def head_line(account_id: UUID, slot: int, version: int, hash: str) -> str:
    """Return the line of a chain's end."""
    return f'{{"account_id":"{account_id}","slot":{slot},"version":{version},"hash":"{hash}"}}\n'


def checkpoint_line(entries: int, root: str) -> str:
    """Return the last line of a file."""
    return f'{{"entries":{entries},"root":"{root}"}}\n'


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """Return the Merkle root of RFC 6962 over leaves in order."""
    level = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    if not level:
        return hashlib.sha256().digest()
    while len(level) > 1:
        pairs = [
            hashlib.sha256(b"\x01" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was hashed.

    Attributes:
        line: Number of the line in the file, from 1.
        what: Stable name: unreadable, out_of_place, incomplete, unknown_account, unused_account,
            gap, running_balance, booking_time, hash, transaction_sum, head, entry_count, root or
            other_root.
        account_id: None where it is not about one account.
        slot: Of the account.
        version: The entry's number in its chain.
        transaction_id: None where it is not about one transaction.
    """

    line: int
    what: str
    account_id: str | None = None
    slot: int | None = None
    version: int | None = None
    transaction_id: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verification of a file has found.

    Attributes:
        book_id: The book, as the first line says.
        entries: How many entries were read.
        root: The Merkle root of the entries, recomputed; hexadecimal.
        count: How many findings there are.
        findings: The first of them.
    """

    book_id: str | None
    entries: int
    root: str
    count: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return self.count == 0


def verify(lines: Iterable[str], *, root: str | None = None) -> Verdict:
    """Verify a file.

    Memory grows with the number of chains, and of transactions of which some legs have been read
    and some not: about 200 bytes for each.

    Args:
        lines: The file's lines, each with its end.
        root: Of a checkpoint that was kept elsewhere, in hexadecimal.
    """
    check = _Check()
    count, first = 0, []
    for finding in check.findings(lines, root):
        count += 1
        if count <= SHOWN:
            first.append(finding)
    return Verdict(check.book_id, check.entries, check.root, count, tuple(first))


_EPOCH = datetime(2000, 1, 1)
# Each field behind its length; the currency, which comes last, has no fixed one.
_LINK = struct.Struct(">i16si16sihiqi16sihiqiqiqiii")
_LEAF = struct.Struct(">16shq32s")


@lru_cache(maxsize=10_000)
def _days(text: str) -> int:
    return date.fromisoformat(text).toordinal() - _EPOCH.toordinal()


def _microseconds(text: str) -> int:
    since = datetime.fromisoformat(text) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _bytes(id: str) -> bytes:
    return unhexlify(id.replace("-", ""))


class _Chain:
    """The chain that is being read."""

    def __init__(self, account_id: str, slot: int, currency: str) -> None:
        self.account_id, self.slot = account_id, slot
        self.account, self.currency = _bytes(account_id), currency.encode()
        self.version, self.balance, self.booked_at = 0, 0, -(2**63)
        self.hash = "00" * 32

    @property
    def key(self) -> tuple[str, int]:
        return self.account_id, self.slot

    @property
    def head(self) -> tuple[str, int, int, str]:
        return self.account_id, self.slot, self.version, self.hash


class _Check:
    """One reading of one file, from the header to the checkpoint."""

    def __init__(self) -> None:
        self.book_id: str | None = None
        self.book = bytes(16)
        self.entries = 0
        self.root = ""
        self.line = 0
        self.currencies: dict[str, str] = {}
        self.accounts_read = ""
        self.unused: dict[str, int] = {}
        self.chain: _Chain | None = None
        self.heads: list[tuple[str, int, int, str]] = []
        self.heads_met = 0
        self.open: dict[bytes, int] = {}

    def findings(self, lines: Iterable[str], root: str | None) -> Iterator[Finding]:
        """Read all lines, and tell of each that is not as it should be."""
        parts = (
            (_HEADER, self._header),
            (_ACCOUNT, self._account),
            (_ENTRY, self._entry),
            (_HEAD, self._head),
            (_CHECKPOINT, self._checkpoint),
        )
        now = -1
        for line in lines:
            self.line += 1
            if now == 2 and (match := _ENTRY.fullmatch(line)):  # nearly all lines
                yield from self._entry(match)
                continue
            for part in (max(now, 0), *range(len(parts))):
                match = parts[part][0].fullmatch(line)
                if match:
                    break
            if not match:
                yield Finding(self.line, "unreadable")
                continue
            # The header comes first, the checkpoint last, and each of them once.
            if part < now or (part == 0) != (now == -1) or now == len(parts) - 1:
                yield Finding(self.line, "out_of_place")
                if part < now:
                    continue
            if now < 3 <= part:
                self._end_chain()
            now = part
            yield from parts[part][1](match)
        if now != len(parts) - 1:
            yield Finding(self.line + 1, "incomplete")
            self._end_chain()
        self.root = self.root or self._computed_root()
        if root is not None and root != self.root:
            yield Finding(self.line, "other_root")
        for account_id, number in self.unused.items():
            yield Finding(number, "unused_account", account_id)
        for key in self.open:
            transaction = str(UUID(bytes=key[:16]))
            yield Finding(self.line, "transaction_sum", transaction_id=transaction)

    def _header(self, match: re.Match[str]) -> Iterator[Finding]:
        self.book_id = match[2]
        self.book = _bytes(match[2])
        yield from ()

    def _account(self, match: re.Match[str]) -> Iterator[Finding]:
        account_id, currency = match.groups()
        if account_id <= self.accounts_read:
            yield Finding(self.line, "out_of_place", account_id)
        self.accounts_read = account_id
        self.currencies[account_id] = currency
        self.unused[account_id] = self.line

    def _entry(self, match: re.Match[str]) -> Sequence[Finding]:
        (
            account_id,
            slot_,
            version_,
            transaction_id,
            leg,
            amount_,
            balance_,
            booked_,
            day,
            hash,
        ) = match.groups()
        try:
            booked_at, effective_on = _microseconds(booked_), _days(day)
        except ValueError:  # no calendar has it
            return (Finding(self.line, "unreadable"),)
        slot, version, amount, balance = int(slot_), int(version_), int(amount_), int(balance_)
        self.entries += 1
        wrong = []

        chain = self.chain
        if chain is None or chain.account_id != account_id or chain.slot != slot:
            if chain is not None and (account_id, slot) < chain.key:
                wrong.append("out_of_place")
            if account_id not in self.currencies:
                wrong.append("unknown_account")
            self._end_chain()
            self.unused.pop(account_id, None)
            chain = _Chain(account_id, slot, self.currencies.get(account_id, ""))
            self.chain = chain
        if version != chain.version + 1:
            wrong.append("gap")
        elif balance != chain.balance + amount:
            wrong.append("running_balance")
        if booked_at < chain.booked_at:
            wrong.append("booking_time")

        transaction = _bytes(transaction_id)
        link = _LINK.pack(
            16, self.book, 16, chain.account, 2, slot, 8, version, 16, transaction, 2, int(leg),
            8, amount, 8, balance, 8, booked_at, 4, effective_on, len(chain.currency),
        )  # fmt: skip
        content = b"\x01" + unhexlify(chain.hash) + link + chain.currency
        if hashlib.sha256(content).hexdigest() != hash:
            wrong.append("hash")
        chain.version, chain.balance, chain.booked_at, chain.hash = (
            version, balance, booked_at, hash,
        )  # fmt: skip

        key = transaction + chain.currency
        total = self.open.pop(key, 0) + amount
        if total:
            self.open[key] = total
        return [
            Finding(self.line, what, account_id, slot, version, transaction_id) for what in wrong
        ]

    def _end_chain(self) -> None:
        if self.chain is not None:
            self.heads.append(self.chain.head)
            self.chain = None

    def _head(self, match: re.Match[str]) -> Iterator[Finding]:
        account_id, slot, version, hash = match.groups()
        claimed = (account_id, int(slot), int(version), hash)
        yield from self._missing_heads(until=claimed[:2])
        read = self.heads[self.heads_met] if self.heads_met < len(self.heads) else None
        if read is not None and read[:2] == claimed[:2]:
            self.heads_met += 1
        if read != claimed:
            yield Finding(self.line, "head", *claimed[:3])

    def _missing_heads(self, until: tuple[str, int] | None = None) -> Iterator[Finding]:
        while self.heads_met < len(self.heads):
            account_id, slot, version, _ = self.heads[self.heads_met]
            if until is not None and (account_id, slot) >= until:
                return
            self.heads_met += 1
            yield Finding(self.line, "head", account_id, slot, version)

    def _checkpoint(self, match: re.Match[str]) -> Iterator[Finding]:
        yield from self._missing_heads()
        if int(match[1]) != self.entries:
            yield Finding(self.line, "entry_count")
        self.root = self._computed_root()
        if match[2] != self.root:
            yield Finding(self.line, "root")

    def _computed_root(self) -> str:
        return merkle_root(
            _LEAF.pack(_bytes(account_id), slot, version, unhexlify(hash))
            for account_id, slot, version, hash in self.heads
        ).hex()
