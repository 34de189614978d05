"""A year of bookings from a CSV: read, checked whole, and tried out before anything is posted.

Columns, in any order: date, from, to, amount, currency, description. The first part of an account's
code says its type (`assets`, `liabilities`, `income`, `expenses`, `equity`), and a code has one
currency. Rows are booked in the order of their dates, and in the file's order within a day.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from tillroll import money
from tillroll.assets import asset

__all__ = [
    "TYPES",
    "Booking",
    "Household",
    "HouseholdError",
    "PlannedAccount",
    "Problem",
    "exponents",
    "read",
]

COLUMNS = ("date", "from", "to", "amount", "currency", "description")
TYPES = {
    "assets": "asset",
    "liabilities": "liability",
    "income": "income",
    "expenses": "expense",
    "equity": "equity",
}
CARD, CARD_LIMIT = "liabilities:card", 500_000
MAX_PROBLEMS = 50
MAX_BYTES = 16 * 1024 * 1024
MAX_ROWS = 100_000
_CODE_BYTES, _DESCRIPTION_BYTES = 255, 1000


@dataclass(frozen=True)
class Problem:
    """What is wrong at one place of the file; `column` is empty where it is the whole line."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return f"{place}: {self.message}"


class HouseholdError(Exception):
    """The file cannot be booked; nothing was posted.

    Args:
        problems: Those that are shown, in the order of the lines; at most 50.
        total: How many there are.
    """

    def __init__(self, problems: Iterable[Problem], total: int | None = None) -> None:
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        more = self.total - len(self.problems)
        lines = [str(problem) for problem in self.problems]
        super().__init__("\n".join(lines + ([f"and {more} more"] if more else [])))


@dataclass(frozen=True)
class Booking:
    """One row; `amount` in minor units of `currency`."""

    line: int
    day: date
    giver: str
    taker: str
    amount: int
    currency: str
    description: str


@dataclass(frozen=True)
class PlannedAccount:
    """An account to open; `floor` in minor units, None where there is none."""

    code: str
    type: str
    currency: str
    floor: int | None


@dataclass(frozen=True)
class Household:
    """A file without a fault: the bookings in the order of booking, and what they end in."""

    bookings: tuple[Booking, ...]
    accounts: Mapping[str, PlannedAccount]
    closing: Mapping[str, int]

    def batches(self, size: int) -> list[list[Booking]]:
        """Cut the bookings into batches whose rows may be posted in any order.

        Within a batch even all of an account's withdrawals before its first income keep its floor.

        Args:
            size: The most rows in a batch.
        """
        held = dict.fromkeys(self.accounts, 0)
        batches: list[list[Booking]] = []
        batch: list[Booking] = []
        spent: dict[str, int] = {}
        for booking in self.bookings:
            giver = self.accounts[booking.giver]
            spent_then = spent.get(giver.code, 0) + booking.amount
            low = giver.floor is not None and held[giver.code] - spent_then < giver.floor
            if batch and (low or len(batch) == size):
                batches.append(batch)
                _apply(held, batch)
                batch, spent, spent_then = [], {}, booking.amount
            batch.append(booking)
            spent[giver.code] = spent_then
        return [*batches, batch] if batch else batches


def exponents() -> dict[str, int]:
    """Return the decimal places of each currency that ships, without asking a server."""
    rows = asset("sql/seed/currencies.sql").read_text(encoding="utf-8")
    found = re.findall(r"\(\s*'([A-Z0-9_]{2,16})'\s*,\s*([0-8])\s*,", rows)
    return {code: int(places) for code, places in found}


def _apply(held: dict[str, int], bookings: Iterable[Booking]) -> None:
    for booking in bookings:
        held[booking.giver] -= booking.amount
        held[booking.taker] += booking.amount


def read(path: str | Path) -> Household:
    """Read a CSV and try its bookings out, without any server.

    Assets may not go below zero, nor `liabilities:card` below its credit limit of 500,000 minor
    units; every other account is unlimited.

    Args:
        path: UTF-8, separated by commas, the first line naming the columns.

    Raises:
        HouseholdError: Something is wrong; every problem is named by line and column.
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    reader = _Reader(exponents())
    if len(data) > MAX_BYTES:
        reader.wrong(1, "", f"the file is larger than {MAX_BYTES:,} bytes: split it")
    else:
        reader.read(data)
    reader.raise_problems()
    bookings = sorted(reader.bookings, key=lambda booking: booking.day)
    closing = reader.try_out(bookings)
    reader.raise_problems()
    return Household(tuple(bookings), reader.accounts, closing)


@dataclass
class _Reader:
    exponents: Mapping[str, int]
    bookings: list[Booking] = field(default_factory=list)
    accounts: dict[str, PlannedAccount] = field(default_factory=dict)
    opened: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    total: int = 0

    def wrong(self, line: int, column: str, message: str) -> None:
        self.total += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(line, column, message))

    def raise_problems(self) -> None:
        if self.total:
            raise HouseholdError(sorted(self.problems, key=lambda each: each.line), self.total)

    def read(self, data: bytes) -> None:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as bad:
            line = data.count(b"\n", 0, bad.start) + 1
            self.wrong(line, "", "not UTF-8: save the file with that encoding")
            return
        # Strict: an unclosed quote would otherwise swallow the rest of the file as one field.
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        line, names = 1, None
        try:
            for cells in rows:
                if names is None:
                    names = self._header(cells)
                    if names is None:
                        return
                elif any(cell.strip() for cell in cells):
                    self._row(line, names, cells)
                line = rows.line_num + 1
                if len(self.bookings) > MAX_ROWS:
                    self.wrong(line, "", f"more than {MAX_ROWS:,} rows: split the file")
                    return
        except csv.Error as bad:
            self.wrong(line, "", f"not a line of a CSV: {bad}")
        if not self.bookings and not self.total:
            header = ",".join(COLUMNS)
            self.wrong(line, "", f"no bookings: the file needs the line {header} and rows below it")

    def _header(self, cells: list[str]) -> list[str] | None:
        names = [cell.strip().lower() for cell in cells]
        if len(names) == 1 and ";" in names[0]:
            self.wrong(1, "", "separated by semicolons: separate the columns by commas")
            return None
        for name in COLUMNS:
            if name not in names:
                self.wrong(1, name, f"missing: the first line must name {', '.join(COLUMNS)}")
        for place, name in enumerate(names):
            if name not in COLUMNS:
                self.wrong(1, name or str(place + 1), "unknown: take this column out")
            elif name in names[:place]:
                self.wrong(1, name, "named twice")
        return None if self.total else names

    def _row(self, line: int, names: list[str], cells: list[str]) -> None:
        if len(cells) != len(names):
            self.wrong(
                line,
                names[len(cells)] if len(cells) < len(names) else str(len(names) + 1),
                f"{len(cells)} cells where {len(names)} are needed: quote cells that hold commas",
            )
            return
        cell = {name: text.strip() for name, text in zip(names, cells, strict=True)}
        before = self.total
        day = self._day(line, cell["date"])
        currency = self._currency(line, cell["currency"])
        amount = self._amount(line, cell["amount"], currency)
        for side in ("from", "to"):
            self._account(line, side, cell[side], currency)
        if cell["from"] and cell["from"] == cell["to"]:
            self.wrong(line, "to", f"{cell['to']} gives to itself: name another account")
        if len(cell["description"].encode()) > _DESCRIPTION_BYTES:
            self.wrong(line, "description", f"longer than {_DESCRIPTION_BYTES:,} bytes")
        if "\0" in cell["description"]:
            self.wrong(line, "description", "holds a NUL character: take it out")
        if self.total == before and day and amount:
            giver, taker = cell["from"], cell["to"]
            self.bookings.append(
                Booking(line, day, giver, taker, amount, currency, cell["description"])
            )

    def _day(self, line: int, text: str) -> date | None:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            try:
                return date.fromisoformat(text)
            except ValueError:
                pass
        self.wrong(line, "date", f"{_shown(text)} is no date: write it as 2025-12-31")
        return None

    def _currency(self, line: int, text: str) -> str:
        if text not in self.exponents:
            self.wrong(line, "currency", f"{_shown(text)} is no currency: use a code such as EUR")
            return ""
        return text

    def _amount(self, line: int, text: str, currency: str) -> int:
        if not currency:
            return 0
        try:
            amount = money.parse(text, self.exponents[currency])
        except ValueError as bad:
            self.wrong(line, "amount", str(bad))
            return 0
        if amount <= 0:
            self.wrong(line, "amount", f"{_shown(text)} is not above zero: swap from and to")
        return amount

    def _account(self, line: int, side: str, code: str, currency: str) -> None:
        kind, _, rest = code.partition(":")
        if kind not in TYPES or not rest or not all(rest.split(":")):
            wanted = ", ".join(TYPES)
            self.wrong(
                line, side, f"{_shown(code)} is no account: begin with one of {wanted}, then :name"
            )
        elif len(code.encode()) > _CODE_BYTES or not code.isprintable():
            self.wrong(line, side, f"longer than {_CODE_BYTES} bytes, or not printable")
        elif code not in self.accounts:
            if currency:
                limit = -CARD_LIMIT if code == CARD else None
                floor = 0 if kind == "assets" else limit
                self.accounts[code] = PlannedAccount(code, TYPES[kind], currency, floor)
                self.opened[code] = line
        elif currency and self.accounts[code].currency != currency:
            self.wrong(
                line,
                "currency",
                f"{code} is in {self.accounts[code].currency} since line {self.opened[code]}: "
                f"use another account for {currency}, such as {code}:{currency.lower()}",
            )

    def try_out(self, bookings: Iterable[Booking]) -> dict[str, int]:
        """Book without a server; return what each account holds in the end, in minor units."""
        held = dict.fromkeys(self.accounts, 0)
        for booking in bookings:
            giver = self.accounts[booking.giver]
            left = held[giver.code] - booking.amount
            if giver.floor is not None and left < giver.floor:
                holds, floor = (
                    money.format(amount, self.exponents[booking.currency])
                    for amount in (held[giver.code], giver.floor)
                )
                self.wrong(
                    booking.line,
                    "amount",
                    f"{giver.code} holds {holds} {booking.currency} on {booking.day} and may not "
                    f"go below {floor}: book what came in before, an opening balance for one",
                )
                continue
            _apply(held, [booking])
            for code in (booking.giver, booking.taker):
                if abs(held[code]) > money.MAX_AMOUNT:
                    self.wrong(booking.line, "amount", f"takes {code} beyond the largest balance")
        return held


def _shown(text: str) -> str:
    short = text if len(text) <= 40 else text[:40] + "…"
    return f"“{short}”" if text else "an empty cell"
