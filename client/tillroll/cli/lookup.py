"""What people type, as what the API takes: books and accounts by name or code, decimals."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import typer

from tillroll import Book, Tillroll, money
from tillroll.cli.output import USAGE, Failure
from tillroll.models import Account, Expectation

__all__ = [
    "AccountArgument",
    "BookArgument",
    "expectations",
    "find_account",
    "find_book",
    "find_payee",
    "given_id",
    "minor",
    "places_of",
    "split_pair",
    "user_id",
]

AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its id, code or name.")]
BookArgument = Annotated[str, typer.Argument(metavar="BOOK", help="Its id, or its name.")]


def find_book(client: Tillroll, named: str) -> Book:
    """Return a book by its id, or by a name that only one has.

    An id goes before any name: a stranger who gives her book your book's id as a name and lets you
    in is not found by it.
    """
    id = _uuid(named)
    books = list(client.books())
    found = [each.id for each in books if each.id == id] or [
        each.id for each in books if each.name == named
    ]
    if len(found) != 1:
        raise Failure(
            f"{len(found) or 'none'} of the books that you may see is {named!r}",
            fix="take an id: tillroll book list",
            code="book_not_found",
        )
    return client.book(found[0])


def find_account(book: Book, named: str) -> Account:
    """Return an account by its id, by its code, or by a name that only one has."""
    id = _uuid(named)
    found = [
        each
        for each in (book.accounts() if id else book.accounts(code=named))
        if id is None or each.id == id
    ]
    if not found and id is None:
        found = [each for each in book.accounts() if each.name == named]
    if len(found) > 1:
        raise Failure(
            f"{len(found)} accounts of this book are called {named!r}",
            fix=f"take a code or an id: tillroll account list {book.id}",
            code="account_not_found",
        )
    if not found:
        raise Failure(
            f"there is no account {named} in this book, or you may not see it",
            fix=f"tillroll account list {book.id}",
            code="account_not_found",
        )
    return found[0]


def find_payee(book: Book, named: str) -> tuple[uuid.UUID, tuple[Account, ...]]:
    """Return the id of an account that is paid into, and the account where it was looked up.

    An id is taken as it is: a holder pays into accounts that she does not see.
    """
    if (id := _uuid(named)) is not None:
        return id, ()
    found = find_account(book, named)
    return found.id, (found,)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def given_id(text: str, what: str) -> uuid.UUID:
    """Return the id of something that has no other name: a user, a hold, a transaction."""
    found = _uuid(text)
    if found is None:
        raise Failure(f"{text!r} is no {what} id", code=f"{what}_not_found", exit_code=USAGE)
    return found


def user_id(text: str) -> uuid.UUID:
    """Return a user's id."""
    return given_id(text, "user")


def split_pair(pair: str, form: str) -> tuple[str, str]:
    """Return both parts of ACCOUNT:SOMETHING; the account may have colons of its own."""
    account, colon, rest = pair.rpartition(":")
    if not (account and colon and rest):
        raise Failure(f"{pair!r} is not of the form {form}", code="usage", exit_code=USAGE)
    return account, rest


def expectations(
    book: Book, typed: Iterable[str], places: Mapping[str, int]
) -> Sequence[Expectation] | None:
    """Return what `--expect ACCOUNT:CONDITION` says; None where nothing is expected."""
    found = []
    for pair in typed:
        named, condition = split_pair(pair, "ACCOUNT:CONDITION")
        match = re.fullmatch(r"(version|available_gte|posted_eq)=(.+)", condition)
        if match is None or (match[1] == "version" and not re.fullmatch("[0-9]{1,18}", match[2])):
            raise Failure(
                f"{condition!r} is no condition",
                fix="version=N, available_gte=AMOUNT or posted_eq=AMOUNT",
                code="usage",
                exit_code=USAGE,
            )
        account = find_account(book, named)
        if match[1] == "version":
            found.append(Expectation(account.id, version=int(match[2])))
        else:
            amount = minor(match[2], account.currency, places)
            found.append(Expectation(account.id, **{match[1]: amount}))
    return found or None


def places_of(client: Tillroll) -> Mapping[str, int]:
    """Return the decimal places of each currency."""
    return {each.code: each.exponent for each in client.currencies()}


def minor(text: str, currency: str, places: Mapping[str, int]) -> int:
    """Return the minor units of a typed decimal; too many places are refused."""
    try:
        return money.parse(text, places[currency])
    except KeyError:
        reason = f"{currency!r} is no currency here: use a code such as EUR"
    except ValueError as wrong:
        reason = str(wrong)
    raise Failure(reason, code="invalid_amount", exit_code=USAGE)
