"""`tillroll batch`: a file of transactions, as one call of the ledger or as few as it takes.

A CSV has a heading: from, to, amount, and where wanted currency, date, description, external_id,
idempotency_key. Of JSON lines each is an object with the same names, or with `entries` (a list of
`{"account", "amount"}`) in place of from, to and amount, and with `metadata`. Amounts are texts
with decimals of the currency. A line without a key gets one from what it says, and from how many
equal ones are above it: a file that is sent again replays.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from tillroll import Book
from tillroll.cli.lookup import BookArgument, expectations
from tillroll.cli.options import DryRun, Expect, spread
from tillroll.cli.output import DONE, FAILED, USAGE, Failure, emit, jsonable, say, write_table
from tillroll.cli.postings import Desk, desk
from tillroll.cli.target import Caller, told
from tillroll.errors import LedgerError, TillrollError
from tillroll.models import Account, EntryInput, PostingResult, TransactionInput

__all__ = ["batch"]

MOST = 1000  # in one call over HTTP, which answers no more rows
_PAIR = {"from", "to", "amount", "currency"}
_WORDS = {"date", "description", "external_id", "idempotency_key"}


class Mode(StrEnum):
    """Whether a refusal stops the rest."""

    atomic = "atomic"
    per_item = "per_item"


@dataclass(frozen=True)
class _Line:
    number: int
    says: Mapping[str, Any]


@spread
def batch(
    caller: Caller,
    book: BookArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .csv, or JSON lines.")],
    mode: Annotated[
        Mode, typer.Option(help="atomic: all or nothing. per_item: what can be posted is.")
    ] = Mode.atomic,
    name: Annotated[
        str, typer.Option(help="Of this batch: tells it from another with equal lines.")
    ] = "",
    expect: Expect = None,
    dry_run: DryRun = False,
) -> None:
    """Post a file of transactions; exit 1 when one is refused.

    A CSV has the columns from, to, amount, and as wanted currency, date, description, external_id,
    idempotency_key. JSON lines have these names too, or "entries": [{"account", "amount"}, ...] and
    "metadata". Amounts are texts such as "12.34".

    A line without an idempotency_key gets one from its content and the --name, and equal lines are
    told apart by their order: sending a file again posts nothing twice, also after refused lines
    were mended and others added.
    """
    refused = False
    with desk(caller, book) as at:
        lines = list(_read(file))
        _check_size(lines, file, dry_run=dry_run, mode=mode, expecting=bool(expect))
        items = _with_keys(list(_items(at, lines, file)), name)
        expected = expectations(at.book, expect or (), at.places)
        results = []
        for start in range(0, len(items), MOST):
            try:
                some = at.book.post_transactions(
                    transactions=items[start : start + MOST],
                    mode=mode.value,
                    expect=expected,
                    dry_run=dry_run,
                )
            except TillrollError as broken:
                if start:
                    say(f"{start} are done, and replay when the command is repeated")
                if isinstance(broken, LedgerError):
                    raise _of_line(broken, lines[start:], file) from broken
                raise
            results += [replace(each, ordinal=start + each.ordinal) for each in some]
        outcomes = Counter(_outcome(each) for each in results)
        refused = outcomes["refused"] > 0
        document = {
            "dry_run": dry_run,
            **{name: outcomes[name] for name in ("posted", "replayed", "refused")},
            "results": [
                {"line": line.number, **jsonable(result)}
                for line, result in zip(lines, results, strict=True)
            ],
        }
        rows = [
            (line.number, _outcome(each), _subject(each))
            for line, each in zip(lines, results, strict=True)
        ]
        emit(
            document, caller.as_json, lambda: write_table(("line", "outcome", "transaction"), rows)
        )
        say(
            f"{outcomes['posted']} {'would be posted' if dry_run else 'posted'}, "
            f"{outcomes['replayed']} replayed, {outcomes['refused']} refused"
        )
    raise typer.Exit(FAILED if refused else DONE)


def _of_line(refused: LedgerError, lines: Sequence[_Line], file: Path) -> Exception:
    """Say which line the ledger means, where it means one."""
    ordinal = refused.details.get("ordinal")
    if not isinstance(ordinal, int):
        return refused
    number = lines[ordinal - 1].number
    details = dict(refused.details)
    return Failure(
        f"{file}, line {number}: {refused.message}",
        fix=refused.hint or "",
        code=refused.code,
        facts={"line": number, "details": details},
        note=told(details),
    )


def _outcome(result: PostingResult) -> str:
    if result.receipt is None:
        return "refused"
    return "replayed" if result.receipt.replayed else "posted"


def _subject(result: PostingResult) -> object:
    if result.receipt is None:
        return f"{result.error_code} {json.dumps(jsonable(result.error_details or {}))}"
    return result.receipt.transaction_id


def _check_size(
    lines: Sequence[_Line], file: Path, *, dry_run: bool, mode: Mode, expecting: bool
) -> None:
    if not lines:
        raise Failure(f"{file} has no transactions", code="empty_file", exit_code=USAGE)
    if len(lines) > MOST and (dry_run or expecting or mode is Mode.atomic):
        # No command to copy: one that lacks an option of this one would post what it must not.
        fix = "split the file, with a --name of its own for each part and the other options as here"
        if not (dry_run or expecting):
            fix += "; or add --mode per_item"
        raise Failure(
            f"{file} has {len(lines)} transactions, and one call takes {MOST}",
            fix=fix,
            code="too_many",
            exit_code=USAGE,
        )


def _read(file: Path) -> Iterator[_Line]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as wrong:
        raise Failure(f"{file} cannot be read: {wrong}", code="no_file", exit_code=USAGE) from wrong
    if file.suffix.lower() == ".csv":
        yield from _read_csv(text, file)
    else:
        yield from _read_json(text, file)


def _read_csv(text: str, file: Path) -> Iterator[_Line]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = rows.fieldnames or ()
        absent = {"from", "to", "amount"} - set(columns)
        surplus = set(columns) - _PAIR - _WORDS
        if absent or surplus or len(set(columns)) < len(columns):
            raise _bad_line(file, 1, f"its columns are {', '.join(columns) or 'none'}")
        for row in rows:
            if None in row or None in row.values():
                raise _bad_line(file, rows.line_num, "it has not as many fields as the heading")
            yield _Line(rows.line_num, {name: value for name, value in row.items() if value})
    except csv.Error as wrong:
        raise _bad_line(file, rows.line_num, str(wrong)) from wrong


def _read_json(text: str, file: Path) -> Iterator[_Line]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            says = json.loads(line)
            _check_sendable(says)
        except (ValueError, RecursionError) as wrong:
            raise _bad_line(file, number, f"it is no JSON: {wrong}") from wrong
        if not isinstance(says, dict):
            raise _bad_line(file, number, "it is no JSON object")
        known = {"entries", "metadata"} | _WORDS | (set() if "entries" in says else _PAIR)
        if surplus := set(says) - known:
            raise _bad_line(file, number, f"{', '.join(sorted(surplus))} is not known here")
        yield _Line(number, says)


def _check_sendable(value: object, levels: int = 100) -> None:
    """Refuse what this language reads as JSON, but can neither send nor tell."""
    if levels == 0:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str):
        value.encode()  # a surrogate without its other half is no character
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number there")
    elif isinstance(value, dict | list):
        for each in (*value, *value.values()) if isinstance(value, dict) else value:
            _check_sendable(each, levels - 1)


def _bad_line(file: Path, number: int, reason: str) -> Failure:
    return Failure(
        f"{file}, line {number}: {reason}", fix="tillroll batch --help", code="bad_file",
        exit_code=USAGE, facts={"line": number},
    )  # fmt: skip


def _items(at: Desk, lines: Sequence[_Line], file: Path) -> Iterator[TransactionInput]:
    accounts = _accounts(at.book)
    for line in lines:
        try:
            yield _item(at, line.says, accounts)
        except (Failure, ValueError) as wrong:
            raise _bad_line(file, line.number, str(wrong)) from wrong


def _accounts(book: Book) -> Mapping[str, Account]:
    """Return the accounts by all that a line may call them: an id, a code, a name of one only."""
    every = list(book.accounts())
    names = Counter(each.name for each in every)
    return {
        **{each.name: each for each in every if names[each.name] == 1},
        **{each.code: each for each in every if each.code},
        **{str(each.id): each for each in every},
    }


def _item(at: Desk, says: Mapping[str, Any], accounts: Mapping[str, Account]) -> TransactionInput:
    def account(where: Mapping[str, Any], name: str) -> Account:
        if (found := accounts.get(_text(where, name))) is None:
            raise ValueError(f"there is no account {where[name]!r}, or several have this name")
        return found

    if "entries" in says:
        listed = says["entries"]
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise ValueError('entries is a list of {"account", "amount"}')
        entries = [
            EntryInput(found.id, at.minor(_text(each, "amount"), found.currency))
            for each in listed
            for found in (account(each, "account"),)
        ]
    else:
        giver, taker = account(says, "from"), account(says, "to")
        currency = says.get("currency", giver.currency)
        if currency != giver.currency:
            raise ValueError(f"{says['from']} is in {giver.currency}, not in {currency}")
        amount = at.minor(_text(says, "amount"), giver.currency)
        if amount <= 0:
            raise ValueError("the amount is not above zero")
        entries = [EntryInput(giver.id, -amount), EntryInput(taker.id, amount)]
    words = {name: _text(says, name) for name in _WORDS if says.get(name) is not None}
    on = words.pop("date", None)
    return TransactionInput(
        entries,
        effective_on=None if on is None else date.fromisoformat(on),
        metadata=says.get("metadata"),
        **words,
    )


def _text(where: Mapping[str, Any], name: str) -> str:
    value = where.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is missing, or no text")
    return value


def _with_keys(items: Sequence[TransactionInput], name: str) -> Sequence[TransactionInput]:
    """Give a key to what has none: it depends on what the ledger is asked for, and on the order
    among equal items, but neither on the file's name nor on its other lines."""
    seen: Counter[str] = Counter()
    keyed = []
    for item in items:
        if item.idempotency_key is None:
            content = json.dumps([name, _content(item)], sort_keys=True)
            seen[content] += 1
            digest = hashlib.sha256(f"{seen[content]} {content}".encode()).hexdigest()
            item = replace(item, idempotency_key=f"batch-{digest}")
        keyed.append(item)
    return keyed


def _content(item: TransactionInput) -> Mapping[str, Any]:
    """Return what a key is derived from: named here one by one, so that a field which the API gets
    later does not change the keys of files that were sent before."""
    return {
        "entries": [[str(each.account_id), each.amount] for each in item.entries],
        "effective_on": jsonable(item.effective_on),
        "description": item.description,
        "external_id": item.external_id,
        "metadata": jsonable(item.metadata),
    }
