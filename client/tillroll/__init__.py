"""Double-entry money inside Supabase's Postgres: the Python client."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tillroll import money
    from tillroll._async._book import AsyncBook
    from tillroll._async._client import AsyncTillroll
    from tillroll._sync._book import Book
    from tillroll._sync._client import Tillroll
    from tillroll.errors import (
        AccountClosed,
        AccountFrozen,
        AccountNotEmpty,
        AccountNotFound,
        AlreadyReversed,
        AmountOutOfRange,
        BadRequest,
        BookArchived,
        BookNotFound,
        Busy,
        Conflict,
        CurrencyMismatch,
        DuplicateCode,
        Forbidden,
        GroupFloor,
        GroupNotFound,
        HoldExpired,
        HoldNotFound,
        HoldState,
        IdempotencyMismatch,
        InsufficientFunds,
        InvalidAmount,
        InvalidArgument,
        InvalidCursor,
        InvalidResponse,
        LastOwner,
        LedgerError,
        LimitExceeded,
        Locked,
        MemberNotFound,
        NoAnswer,
        NotFound,
        OutcomeUnknown,
        PeriodLocked,
        Refused,
        RequestFailed,
        SameAccount,
        SerializationConflict,
        TillrollError,
        TransactionNotFound,
        TryAgain,
        Unauthenticated,
        Unbalanced,
        Unreachable,
        UserNotFound,
        VersionConflict,
        WrongIsolation,
    )
    from tillroll.models import (
        Account,
        AccountGroup,
        AccountId,
        Balance,
        BookId,
        BookInfo,
        ChainHead,
        Change,
        Check,
        Checkpoint,
        Currency,
        Entry,
        EntryInput,
        Expectation,
        GroupId,
        Hold,
        Holder,
        HoldId,
        Member,
        Period,
        PostingResult,
        Receipt,
        ReceiptEntry,
        RegisterLine,
        Statement,
        Transaction,
        TransactionId,
        TransactionInput,
        UserId,
    )
    from tillroll.retry import Clock, RetryPolicy

__all__ = [
    "Account",
    "AccountClosed",
    "AccountFrozen",
    "AccountGroup",
    "AccountId",
    "AccountNotEmpty",
    "AccountNotFound",
    "AlreadyReversed",
    "AmountOutOfRange",
    "AsyncBook",
    "AsyncTillroll",
    "BadRequest",
    "Balance",
    "Book",
    "BookArchived",
    "BookId",
    "BookInfo",
    "BookNotFound",
    "Busy",
    "ChainHead",
    "Change",
    "Check",
    "Checkpoint",
    "Clock",
    "Conflict",
    "Currency",
    "CurrencyMismatch",
    "DuplicateCode",
    "Entry",
    "EntryInput",
    "Expectation",
    "Forbidden",
    "GroupFloor",
    "GroupId",
    "GroupNotFound",
    "Hold",
    "HoldExpired",
    "HoldId",
    "HoldNotFound",
    "HoldState",
    "Holder",
    "IdempotencyMismatch",
    "InsufficientFunds",
    "InvalidAmount",
    "InvalidArgument",
    "InvalidCursor",
    "InvalidResponse",
    "LastOwner",
    "LedgerError",
    "LimitExceeded",
    "Locked",
    "Member",
    "MemberNotFound",
    "NoAnswer",
    "NotFound",
    "OutcomeUnknown",
    "Period",
    "PeriodLocked",
    "PostingResult",
    "Receipt",
    "ReceiptEntry",
    "Refused",
    "RegisterLine",
    "RequestFailed",
    "RetryPolicy",
    "SameAccount",
    "SerializationConflict",
    "Statement",
    "Tillroll",
    "TillrollError",
    "Transaction",
    "TransactionId",
    "TransactionInput",
    "TransactionNotFound",
    "TryAgain",
    "Unauthenticated",
    "Unbalanced",
    "Unreachable",
    "UserId",
    "UserNotFound",
    "VersionConflict",
    "WrongIsolation",
    "money",
]

# Where these names stand. A module is imported once one of its names is asked for: the client
# brings HTTP and models with it, which the migration runner has no use for.
_MODULES = (
    "money",
    "errors",
    "retry",
    "models",
    "_async._book",
    "_async._client",
    "_sync._book",
    "_sync._client",
)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"tillroll.{name}")
    for module in _MODULES if name in __all__ else ():
        found = vars(import_module(f"tillroll.{module}"))
        if name in found:
            globals()[name] = found[name]
            return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
