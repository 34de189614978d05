"""What people type, as what the API takes: books and accounts by name or code, decimals."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Annotated

import typer

from tillroll import Book, Tillroll, money
from tillroll.cli.output import USAGE, Failure
from tillroll.models import Account

__all__ = ["BookArgument", "find_account", "find_book", "minor", "places_of", "user_id"]

BookArgument = Annotated[str, typer.Argument(metavar="BOOK", help="Its id, or its name.")]


def find_book(client: Tillroll, named: str) -> Book:
    """Return a book by its id, or by a name that only one has."""
    id = _uuid(named)
    found = [each.id for each in client.books() if each.id == id or each.name == named]
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


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def user_id(text: str) -> uuid.UUID:
    """Return a user's id."""
    found = _uuid(text)
    if found is None:
        raise Failure(f"{text!r} is no user id", code="user_not_found", exit_code=USAGE)
    return found


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
