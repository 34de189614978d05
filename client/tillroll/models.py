"""What the ledger takes and returns: frozen, typed, with the field names of the SQL types.

Amounts are minor units, times carry their zone. Results have ids of named types, so that a type
checker tells an account from a transaction; arguments take any UUID, or its text.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime
from typing import Any, NewType, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from tillroll.errors import LedgerError

BookId = NewType("BookId", UUID)
AccountId = NewType("AccountId", UUID)
TransactionId = NewType("TransactionId", UUID)
HoldId = NewType("HoldId", UUID)
GroupId = NewType("GroupId", UUID)
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
    """A user's role in a book: owner, editor, viewer or holder."""

    book_id: BookId
    user_id: UserId
    role: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """A user's access to one account: `view`, or `spend`."""

    book_id: BookId
    account_id: AccountId
    user_id: UserId
    access: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """An account and its balance.

    `available` is None where there is no floor, `version` where there are several slots.
    """

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
    version: int | None


@dataclass(frozen=True, slots=True)
class AccountGroup:
    """Accounts that must hold `min_total` together, each of which may have less."""

    id: GroupId
    book_id: BookId
    name: str
    min_total: int
    account_ids: tuple[AccountId, ...]
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Period:
    """Value dates on which nothing may be booked, both days included."""

    book_id: BookId
    from_date: date
    to_date: date
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Money set aside: `amount`, of which this much is `captured` and this much `released`."""

    id: HoldId
    book_id: BookId
    account_id: AccountId
    to_account_id: AccountId
    amount: int
    captured: int
    released: int
    expires_at: datetime | None
    state: str
    description: str | None
    metadata: Mapping[str, Any] = field(hash=False)
    created_by: UserId | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EntryInput:
    """One line of a posting: what the account gets, in minor units; negative is taken from it."""

    account_id: UUID | str
    amount: int


@dataclass(frozen=True, slots=True)
class TransactionInput:
    """One item of a batch."""

    entries: Sequence[EntryInput]
    idempotency_key: str | None = None
    effective_on: date | None = None
    description: str | None = None
    external_id: str | None = None
    metadata: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must hold of an account right before a posting; at least one of the three."""

    account_id: UUID | str
    version: int | None = None
    available_gte: int | None = None
    posted_eq: int | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's balance: posted, held, and what may still be taken.

    Of a past one only `posted` is known, and by `as_of` its `version`.
    """

    account_id: AccountId
    currency: str
    posted: int
    held: int | None
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
    """A posting that happened; `replayed` says that an earlier call with this key made it.

    Of a dry run, what would happen: it has no `transaction_id`.
    """

    transaction_id: TransactionId | None
    book_id: BookId
    kind: str
    posted_at: datetime
    effective_on: date
    replayed: bool
    dry_run: bool
    entries: tuple[ReceiptEntry, ...]


@dataclass(frozen=True, slots=True)
class PostingResult:
    """What became of one item of a batch: a receipt, or the code and facts of its refusal."""

    ordinal: int
    receipt: Receipt | None
    error_code: str | None
    error_details: Mapping[str, Any] | None = field(hash=False)

    @property
    def error(self) -> LedgerError | None:
        """The refusal as the exception that the item alone would have raised; None: posted."""
        if self.error_code is None:
            return None
        kind = LedgerError.by_code.get(self.error_code, LedgerError)
        message = f"item {self.ordinal} was refused: {self.error_code}"
        return kind(message, code=self.error_code, details=json.dumps(self.error_details or {}))


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
class Change:
    """A transaction in the feed; `cursor` is where the feed goes on after it."""

    cursor: str
    transaction_id: TransactionId
    kind: str
    posted_at: datetime
    effective_on: date
    entries: tuple[ReceiptEntry, ...]


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last entry of an account and slot: its number, and its SHA-256 in hexadecimal."""

    account_id: AccountId
    slot: int
    version: int
    hash: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All chains of a book at one moment; `root` is the Merkle root over the heads."""

    book_id: BookId
    taken_at: datetime
    entries: int
    root: str
    heads: tuple[ChainHead, ...]


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
    effective_on: date
    hash: str


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


def plain(value: Any) -> Any:
    """Return an argument as JSON: inputs become objects without their None, ids and times text."""
    if is_dataclass(value):
        named = {each.name: plain(getattr(value, each.name)) for each in fields(value)}
        return {name: each for name, each in named.items() if each is not None}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def parse(model: type[Model], data: object) -> Model:
    """Return the model of a JSON object; of a number or a text, itself.

    Fields that this release does not know are ignored: a newer ledger may have more.

    Raises:
        ValueError: A field is missing or of another type; an amount with a point is.
    """
    if not is_dataclass(model):
        return cast(Model, _converter(model)(data))
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
