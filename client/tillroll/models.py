"""What the ledger returns: frozen, typed, with the field names of the SQL types.

Amounts are minor units, times carry their zone. Results have ids of named types, so that a type
checker tells an account from a transaction; arguments take any UUID, or its text.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

BookId = NewType("BookId", UUID)
AccountId = NewType("AccountId", UUID)
TransactionId = NewType("TransactionId", UUID)
UserId = NewType("UserId", UUID)


@dataclass(frozen=True, slots=True)
class BookInfo:
    """A set of books: one tenant, with its own accounts and members."""

    id: BookId
    name: str
    base_currency: str
    archived_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A user's role in a book: owner, editor or viewer."""

    book_id: BookId
    user_id: UserId
    role: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """An account and its balance: `available` is None where there is no floor."""

    id: AccountId
    book_id: BookId
    code: str | None
    name: str
    type: str
    currency: str
    min_balance: int | None
    max_balance: int | None
    payable: bool
    slots: int
    status: str
    external_id: str | None
    metadata: Mapping[str, Any] = field(hash=False)
    created_at: datetime
    posted: int
    held: int
    available: int | None
    version: int


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's balance: posted, held, and what may still be taken."""

    account_id: AccountId
    currency: str
    posted: int
    held: int
    available: int | None
    version: int | None


@dataclass(frozen=True, slots=True)
class ReceiptEntry:
    """One leg of a posting, and the account's balance right after it."""

    account_id: AccountId
    amount: int
    balance_after: int | None
    version: int | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A posting that happened; `replayed` says that an earlier call with this key made it."""

    transaction_id: TransactionId | None
    book_id: BookId
    kind: str
    posted_at: datetime
    effective_on: date
    replayed: bool
    dry_run: bool
    entries: tuple[ReceiptEntry, ...]


@dataclass(frozen=True, slots=True)
class RegisterLine:
    """One entry of an account, with the running balance."""

    transaction_id: TransactionId
    leg: int
    kind: str
    booked_at: datetime
    effective_on: date
    description: str | None
    amount: int
    running_balance: int
    version: int | None
    cursor: str


@dataclass(frozen=True, slots=True)
class Statement:
    """An account between two value dates, both inclusive."""

    account_id: AccountId
    currency: str
    opening: int
    closing: int
    lines: tuple[RegisterLine, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of `verify_book`."""

    check_name: str
    ok: bool
    details: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A row of `ledger.transactions`."""

    id: TransactionId
    book_id: BookId
    kind: str
    effective_on: date
    posted_at: datetime
    description: str | None
    idempotency_key: str | None
    external_id: str | None
    reverses_id: TransactionId | None
    metadata: Mapping[str, Any] = field(hash=False)
    created_by: UserId | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of `ledger.entries`."""

    book_id: BookId
    account_id: AccountId
    slot: int
    version: int
    transaction_id: TransactionId
    leg: int
    amount: int
    balance_after: int
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency and its number of decimal places."""

    code: str
    exponent: int
    name: str


Model = TypeVar("Model")

_known: dict[type[Any], dict[str, Callable[[Any], Any]]] = {}


def columns(model: type[Any]) -> tuple[str, ...]:
    """Return a model's field names, in order."""
    return tuple(each.name for each in fields(model))


def parse(model: type[Model], data: object) -> Model:
    """Return the model of a JSON object.

    Fields that this release does not know are ignored: a newer ledger may have more.

    Raises:
        ValueError: A field is missing or of another type; an amount with a point is.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{model.__name__}: expected an object, got {data!r}")
    values: dict[str, Any] = {}
    for name, convert in _converters(model).items():
        try:
            values[name] = convert(data[name])
        except (KeyError, TypeError, ValueError) as wrong:
            reason = "missing" if isinstance(wrong, KeyError) else wrong
            raise ValueError(f"{model.__name__}.{name}: {reason}") from wrong
    return model(**values)


def _converters(model: type[Any]) -> dict[str, Callable[[Any], Any]]:
    if model not in _known:
        hints = get_type_hints(model)
        _known[model] = {name: _converter(hints[name]) for name in columns(model)}
    return _known[model]


def _converter(hint: Any) -> Callable[[Any], Any]:
    hint = getattr(hint, "__supertype__", hint)  # NewType
    if get_origin(hint) in (Union, types.UnionType):
        inner = _converter(next(arg for arg in get_args(hint) if arg is not type(None)))
        return lambda value: None if value is None else inner(value)
    if get_origin(hint) is tuple:
        item = _converter(get_args(hint)[0])
        return lambda value: tuple(item(each) for each in _exactly(list, value))
    if get_origin(hint) is not None:  # Mapping[str, Any]
        return lambda value: _exactly(dict, value)
    if hint in (UUID, datetime, date):
        make = UUID if hint is UUID else hint.fromisoformat
        return lambda value: make(_exactly(str, value))
    if hint in (str, int, bool):
        return lambda value: _exactly(hint, value)
    return lambda value: parse(hint, value)


def _exactly(kind: type[Model], value: object) -> Model:
    if type(value) is not kind:  # not isinstance: True is no int here
        raise ValueError(f"expected {kind.__name__}, got {value!r}")
    return value
