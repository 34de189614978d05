"""What can go wrong, as a tree.

TillrollError
├── LedgerError                 the ledger refused, nothing happened; a class per code
│   ├── BadRequest        400   InvalidArgument, InvalidAmount, InvalidCursor,
│   │                           AmountOutOfRange, WrongIsolation
│   ├── Forbidden         403
│   ├── NotFound          404   BookNotFound, AccountNotFound, MemberNotFound, UserNotFound,
│   │                           TransactionNotFound, HoldNotFound, GroupNotFound
│   ├── Conflict          409   VersionConflict, HoldState, HoldExpired, AlreadyReversed,
│   │                           AccountClosed, AccountNotEmpty, BookArchived,
    │   │                           DuplicateCode, LastOwner
│   ├── Refused           422   InsufficientFunds, LimitExceeded, CurrencyMismatch, Unbalanced,
│   │                           SameAccount, IdempotencyMismatch, GroupFloor
│   ├── Locked            423   AccountFrozen, PeriodLocked
│   └── TryAgain          503   Busy, SerializationConflict: even after retries
├── RequestFailed               Postgres or PostgREST refused, nothing happened
│   └── Unauthenticated   401   the key or token is missing, malformed or expired
├── Unreachable                 nobody took the request; nothing happened
├── NoAnswer                    a read was sent and no answer came
│   └── OutcomeUnknown          a write was sent and no answer came: it may have happened
└── InvalidResponse             an answer came that is not the ledger's
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar


class TillrollError(Exception):
    """Base of everything that this package raises about a call."""


class LedgerError(TillrollError):
    """The ledger refused a call, and nothing happened.

    Attributes:
        code: The catalogue's code, such as `insufficient_funds`.
        message: What failed, for people.
        details: The facts, such as ids and the available amount in minor units.
        hint: What to do about it.
    """

    code: str = ""
    http_status: ClassVar[int] = 400
    retryable: ClassVar[bool] = False
    by_code: ClassVar[dict[str, type[LedgerError]]] = {}

    def __init_subclass__(cls, code: str = "", **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if code:
            cls.code = code
            LedgerError.by_code[code] = cls

    def __init__(
        self, message: str, *, code: str = "", details: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.code = code or type(self).code
        self.message = message
        self.details: Mapping[str, Any] = _facts(details)
        self.hint = hint


class BadRequest(LedgerError):
    """An argument is wrong in itself."""

    http_status = 400


class NotFound(LedgerError):
    """It does not exist, or you may not see it: the two look the same."""

    http_status = 404


class Conflict(LedgerError):
    """The state of the book, account or hold does not allow it."""

    http_status = 409


class Refused(LedgerError):
    """The posting would break a rule of the money."""

    http_status = 422


class Locked(LedgerError):
    """Somebody has locked it."""

    http_status = 423


class TryAgain(LedgerError):
    """Others were in the way; the same call may succeed later, with the same key."""

    http_status = 503
    retryable = True


class InvalidArgument(BadRequest, code="invalid_argument"):
    """An argument is missing, malformed or too long."""


class InvalidAmount(BadRequest, code="invalid_amount"):
    """The amount is not a positive number of minor units."""


class InvalidCursor(BadRequest, code="invalid_cursor"):
    """The cursor was not made by this function for this account."""


class AmountOutOfRange(BadRequest, code="amount_out_of_range"):
    """An amount or a balance would leave ±(2^53-1) minor units."""


class WrongIsolation(BadRequest, code="wrong_isolation"):
    """The function needs a stronger isolation level than the transaction has."""


class Forbidden(LedgerError, code="forbidden"):
    """Your role in the book is too low."""

    http_status = 403


class BookNotFound(NotFound, code="book_not_found"):
    """There is no such book for you."""


class AccountNotFound(NotFound, code="account_not_found"):
    """There is no such account in this book for you."""


class MemberNotFound(NotFound, code="member_not_found"):
    """The user is no member of this book."""


class UserNotFound(NotFound, code="user_not_found"):
    """There is no such user."""


class TransactionNotFound(NotFound, code="transaction_not_found"):
    """There is no such transaction in this book for you."""


class HoldNotFound(NotFound, code="hold_not_found"):
    """There is no such hold in this book for you."""


class GroupNotFound(NotFound, code="group_not_found"):
    """There is no such account group in this book."""


class VersionConflict(Conflict, code="version_conflict"):
    """An account is not as you expected it to be."""


class HoldState(Conflict, code="hold_state"):
    """The hold is no longer pending."""


class HoldExpired(Conflict, code="hold_expired"):
    """The hold's time is over."""


class AlreadyReversed(Conflict, code="already_reversed"):
    """The transaction has been reversed, in full or by more than is left."""


class AccountClosed(Conflict, code="account_closed"):
    """The account is closed."""


class AccountNotEmpty(Conflict, code="account_not_empty"):
    """The account still holds money."""


class BookArchived(Conflict, code="book_archived"):
    """The book is archived: it can be read and no longer written."""


class DuplicateCode(Conflict, code="duplicate_code"):
    """Another account of the book has this code."""


class LastOwner(Conflict, code="last_owner"):
    """A book keeps at least one owner."""


class InsufficientFunds(Refused, code="insufficient_funds"):
    """The giver's available balance is below the amount."""


class LimitExceeded(Refused, code="limit_exceeded"):
    """The receiver's balance would pass its ceiling."""


class CurrencyMismatch(Refused, code="currency_mismatch"):
    """The accounts are not of one currency."""


class Unbalanced(Refused, code="unbalanced"):
    """The entries do not sum to zero in each currency."""


class SameAccount(Refused, code="same_account"):
    """Giver and receiver are one account."""


class IdempotencyMismatch(Refused, code="idempotency_mismatch"):
    """The key or id has been used, with other arguments."""


class GroupFloor(Refused, code="group_floor"):
    """The accounts of a group would hold less together than they must."""


class AccountFrozen(Locked, code="account_frozen"):
    """The account is frozen: it neither gives nor receives."""


class PeriodLocked(Locked, code="period_locked"):
    """The value date lies in a locked period."""


class Busy(TryAgain, code="busy"):
    """The locks were not free in time."""


class SerializationConflict(TryAgain, code="serialization_conflict"):
    """A concurrent call changed what this one had read."""


class RequestFailed(TillrollError):
    """Postgres or PostgREST refused the request; nothing happened.

    Attributes:
        code: A SQLSTATE, a PGRST code, or the HTTP status as text.
        http_status: None over a direct connection.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        http_status: int | None = None,
        details: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}" + (f" ({hint})" if hint else ""))
        self.message, self.code, self.http_status = message, code, http_status
        self.details, self.hint = details, hint


class Unauthenticated(RequestFailed):
    """The key or the access token is missing, malformed or expired: sign in again."""


class Unreachable(TillrollError):
    """Nobody took the request, so nothing happened: refused, overloaded, or still starting."""


class NoAnswer(TillrollError):
    """The request was sent and no answer came."""


class OutcomeUnknown(NoAnswer):
    """A write was sent, no answer came, and repeating it did not settle whether it happened.

    Attributes:
        function: The function that was called.
        keys: The idempotency keys or the id of the call: of a batch one for each item, in order.
            Repeating the call with them is safe at any later time and gives the first result if
            there was one; empty where there are no such keys.
        key: The only one of them; None where there is none, or several.
    """

    def __init__(self, message: str, *, function: str, keys: tuple[str, ...]) -> None:
        super().__init__(message)
        self.function, self.keys = function, keys
        self.key = keys[0] if len(keys) == 1 else None


class InvalidResponse(TillrollError):
    """The answer is not what the function returns: is the schema of another release installed?"""


def from_answer(
    *,
    code: str | None,
    message: str | None,
    details: str | None = None,
    hint: str | None = None,
    http_status: int | None = None,
) -> TillrollError:
    """Return the exception for an error answer; the ledger's codes are words in lower case."""
    message = message or "no message"
    known = LedgerError.by_code.get(code or "")
    if known is not None:
        return known(message, details=details, hint=hint)
    if code and re.fullmatch(r"[a-z][a-z_]+", code) and (http_status or 0) < 500:
        return LedgerError(message, code=code, details=details, hint=hint)
    kind = Unauthenticated if http_status == 401 else RequestFailed
    return kind(
        message,
        code=code or str(http_status or "unknown"),
        http_status=http_status,
        details=details,
        hint=hint,
    )


def _facts(details: str | None) -> Mapping[str, Any]:
    try:
        facts = json.loads(details or "{}")
    except ValueError:
        facts = details
    return facts if isinstance(facts, dict) else {"text": facts}
