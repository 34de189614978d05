"""What moves money: transfers, postings, exchanges, reversals, closing an account.

Amounts are typed and shown as decimals of the currency; `--json` has minor units, as the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from uuid import UUID

import typer

from tillroll import Book, money
from tillroll.cli.lookup import (
    AccountArgument,
    BookArgument,
    expectations,
    find_account,
    find_book,
    find_payee,
    given_id,
    minor,
    places_of,
    split_pair,
)
from tillroll.cli.options import Posting, day, spread
from tillroll.cli.output import USAGE, Failure, emit, say, write_table
from tillroll.cli.target import Caller
from tillroll.errors import InsufficientFunds, TillrollError
from tillroll.models import Account, EntryInput, Receipt, ReceiptEntry

__all__ = ["Desk", "close", "desk", "exchange", "post", "reverse", "transfer"]

From = Annotated[str, typer.Argument(metavar="FROM", help="An account's id, code or name.")]
To = Annotated[str, typer.Argument(metavar="TO", help="An account's id, code or name.")]
Amount = Annotated[str, typer.Argument(help="Such as 12.34.")]


@dataclass(frozen=True)
class Desk:
    """A book, and what a person needs to read its amounts."""

    book: Book
    places: Mapping[str, int]
    as_json: bool

    def minor(self, typed: str, currency: str) -> int:
        """Return the minor units of a typed decimal."""
        return minor(typed, currency, self.places)

    def shown(self, amount: int | None, currency: str) -> str:
        """Return an amount as a decimal, nothing for None."""
        return "" if amount is None else money.format(amount, self.places[currency])

    def given(self, posting: Posting) -> dict[str, Any]:
        """Return the arguments that every posting takes."""
        return {
            "idempotency_key": posting.idempotency_key,
            "effective_on": day(posting.on),
            "description": posting.description,
            "external_id": posting.external_id,
            "expect": expectations(self.book, posting.expect or (), self.places),
            "dry_run": posting.dry_run,
        }

    def tell(self, receipt: Receipt, known: Sequence[Account] = ()) -> None:
        """Write a receipt, first of all that it happened; unknown accounts are looked up."""
        if receipt.dry_run:
            say("posted already" if receipt.replayed else "nothing was posted: a dry run")
        else:
            say(f"{'replayed' if receipt.replayed else 'posted'}: {receipt.transaction_id}")

        def show() -> None:
            accounts = self._looked_up(receipt, known)
            columns = ("account", "amount", "balance", "currency")
            rows = [self._row(entry, accounts.get(entry.account_id)) for entry in receipt.entries]
            write_table(columns, rows, right=columns[1:3])

        emit(receipt, self.as_json, show)

    def _looked_up(self, receipt: Receipt, known: Sequence[Account]) -> Mapping[UUID, Account]:
        accounts: dict[UUID, Account] = {each.id: each for each in known}
        if any(entry.account_id not in accounts for entry in receipt.entries):
            # The posting has happened: that its table lacks the codes must not look like a failure.
            with suppress(TillrollError):
                accounts |= {each.id: each for each in self.book.accounts()}
        return accounts

    def _row(self, entry: ReceiptEntry, account: Account | None) -> Sequence[object]:
        if account is None:
            return entry.account_id, entry.amount, entry.balance_after, "(minor units)"
        return (
            account.code or account.id,
            self.shown(entry.amount, account.currency),
            self.shown(entry.balance_after, account.currency),
            account.currency,
        )


@contextmanager
def desk(caller: Caller, book: str) -> Iterator[Desk]:
    """Give a book to work on; a lack of funds is told in the currency."""
    with caller.client() as client:
        at = Desk(find_book(client, book), places_of(client), caller.as_json)
        try:
            yield at
        except InsufficientFunds as refused:
            raise _short_of(refused, at) from refused


@spread
def transfer(
    caller: Caller,
    posting: Posting,
    book: BookArgument,
    giver: From,
    taker: To,
    amount: Amount,
    up_to: Annotated[
        bool, typer.Option("--up-to", help="Where less is available, move that.")
    ] = False,
) -> None:
    """Move money from one account to another."""
    with desk(caller, book) as at:
        source, (sink, looked_up) = find_account(at.book, giver), find_payee(at.book, taker)
        move = at.book.transfer_up_to if up_to else at.book.transfer
        receipt = move(
            from_account_id=source.id,
            to_account_id=sink,
            amount=at.minor(amount, source.currency),
            **at.given(posting),
        )
        at.tell(receipt, (source, *looked_up))


@spread
def post(
    caller: Caller,
    posting: Posting,
    book: BookArgument,
    entries: Annotated[
        list[str],
        typer.Argument(metavar="ACCOUNT:AMOUNT", help="Such as assets:bank:-12.34."),
    ],
) -> None:
    """Post several entries as one transaction: negative amounts are taken, others given.

    They sum to zero in each currency.
    """
    with desk(caller, book) as at:
        pairs = [split_pair(pair, "ACCOUNT:AMOUNT") for pair in entries]
        accounts = {named: find_account(at.book, named) for named, _ in pairs}
        receipt = at.book.post_transaction(
            entries=[
                EntryInput(accounts[named].id, at.minor(amount, accounts[named].currency))
                for named, amount in pairs
            ],
            **at.given(posting),
        )
        at.tell(receipt, tuple(accounts.values()))


@spread
def exchange(
    caller: Caller,
    posting: Posting,
    book: BookArgument,
    giver: From,
    taker: To,
    sell: Annotated[str, typer.Argument(help="What FROM gives, in its currency.")],
    buy: Annotated[str | None, typer.Argument(help="What TO gets, in its currency.")] = None,
    rate: Annotated[
        str | None, typer.Option(help="In place of BUY: what one unit sold buys; rounded down.")
    ] = None,
) -> None:
    """Change money of one currency into another."""
    with desk(caller, book) as at:
        source, sink = find_account(at.book, giver), find_account(at.book, taker)
        sold = at.minor(sell, source.currency)
        if (buy is None) == (rate is None):
            raise Failure("one of BUY and --rate is needed", code="usage", exit_code=USAGE)
        if rate is not None:
            bought = _bought(sold, rate, at.places[source.currency], at.places[sink.currency])
        else:
            bought = at.minor(str(buy), sink.currency)
        receipt = at.book.exchange(
            from_account_id=source.id,
            to_account_id=sink.id,
            sell_amount=sold,
            buy_amount=bought,
            **at.given(posting),
        )
        at.tell(receipt)


def _bought(sold: int, rate: str, sell_exponent: int, buy_exponent: int) -> int:
    try:
        return money.exchange_amount(
            sold, Decimal(rate), sell_exponent=sell_exponent, buy_exponent=buy_exponent
        )
    except (InvalidOperation, ValueError) as wrong:
        raise Failure(
            f"{rate!r} is no rate for this amount",
            fix="--rate 1.0876",
            code="invalid_amount",
            exit_code=USAGE,
        ) from wrong


@spread
def reverse(
    caller: Caller,
    posting: Posting,
    book: BookArgument,
    transaction: Annotated[str, typer.Argument(help="Its id.")],
    amount: Annotated[
        str | None, typer.Argument(help="A part, of a transaction of two entries; else the rest.")
    ] = None,
) -> None:
    """Post the opposite of a transaction: what is booked stays, and is taken back."""
    with desk(caller, book) as at:
        id = given_id(transaction, "transaction")
        part = None
        if amount is not None:
            entry = next(iter(at.book.entries(transaction_id=id)), None)
            if entry is None:
                raise Failure(
                    f"there is no transaction {id} in this book, or you may not see it",
                    code="transaction_not_found",
                )
            part = at.minor(amount, find_account(at.book, str(entry.account_id)).currency)
        at.tell(at.book.reverse_transaction(transaction_id=id, amount=part, **at.given(posting)))


@spread
def close(
    caller: Caller,
    book: BookArgument,
    account: AccountArgument,
    sweep_to: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="Gets what is left; else none may be.")
    ] = None,
) -> None:
    """Close an account for ever."""
    with desk(caller, book) as at:
        closing = find_account(at.book, account)
        heir = None if sweep_to is None else find_account(at.book, sweep_to).id
        closed = at.book.close_account(account_id=closing.id, sweep_to=heir)
        emit(closed, caller.as_json, lambda: typer.echo(closed.id))
        say(f"{closed.code or closed.id} is {closed.status}")


def _short_of(refused: InsufficientFunds, at: Desk) -> Failure:
    """Say the facts in the currency, not in minor units."""
    account = find_account(at.book, str(refused.details["account_id"]))
    facts = {
        name: f"{at.shown(amount, account.currency)} {account.currency}"
        for name in ("available", "required")
        if isinstance(amount := refused.details.get(name), int)
    }
    told = ", ".join(f"{name} {amount}" for name, amount in facts.items())
    return Failure(
        f"{account.code or account.id} cannot give this: {told}",
        fix="give less, or move money there first",
        code=refused.code,
        facts={"details": dict(refused.details)},
    )
