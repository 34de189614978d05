"""Books and accounts, for people and for scripts.

Amounts are typed and shown as decimals of the currency; `--json` has minor units, as the API.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tillroll import money
from tillroll.cli.lookup import BookArgument, find_book, minor, places_of, user_id
from tillroll.cli.options import spread
from tillroll.cli.output import USAGE, Failure, emit, say, write_table
from tillroll.cli.target import Caller
from tillroll.local.household import TYPES
from tillroll.models import Account

__all__ = ["account_app", "book_app"]

book_app = typer.Typer(help="Create and list books.", no_args_is_help=True)
account_app = typer.Typer(help="Open and list accounts.", no_args_is_help=True)


@book_app.command("create")
@spread
def create_book(
    caller: Caller,
    name: str,
    currency: Annotated[str, typer.Option(help="Its base currency, such as EUR.")],
    owner: Annotated[str | None, typer.Option(help="User id of an owner, besides you.")] = None,
) -> None:
    """Create a book; whoever signs in with --email or --token becomes its owner.

    Without a user the service role acts, and the book has no member until --owner names one.
    """
    with caller.client() as client:
        another = user_id(owner) if owner else None
        made = client.create_book(name=name, base_currency=currency)
        book = client.book(made.id)
        if another:
            book.set_member(user_id=another, role="owner")
        emit(made, caller.as_json, lambda: typer.echo(made.id))
        if next(iter(book.members()), None) is None:
            say("nobody is a member of this book yet: only the service role sees it")


@book_app.command("list")
@spread
def list_books(caller: Caller) -> None:
    """List the books that you may see."""
    with caller.client() as client:
        books = list(client.books())
        rows = [
            (each.name, each.base_currency, "archived" if each.archived_at else "", each.id)
            for each in books
        ]
        emit(books, caller.as_json, lambda: write_table(("name", "currency", "state", "id"), rows))


@account_app.command("open")
@spread
def open_account(
    caller: Caller,
    book: BookArgument,
    code: Annotated[str, typer.Argument(help="A path such as assets:bank:checking.")],
    currency: Annotated[str, typer.Option(help="Such as EUR; fixed for ever.")],
    name: Annotated[str | None, typer.Option(help="Else the code's last part.")] = None,
    kind: Annotated[
        str | None, typer.Option("--type", help="Else by the code's first part.")
    ] = None,
    floor: Annotated[
        str | None, typer.Option(help="The least it may hold, such as -500.00, or none.")
    ] = None,
    ceiling: Annotated[str | None, typer.Option(help="The most it may hold.")] = None,
    payable: Annotated[
        bool, typer.Option("--payable", help="Holders of other accounts may pay into it.")
    ] = False,
    slots: Annotated[int, typer.Option(help="Up to 64, for a busy account without limits.")] = 1,
) -> None:
    """Open an account. Without --floor an asset stops at zero, the others nowhere."""
    kind = kind or TYPES.get(code.partition(":")[0])
    with caller.client() as client:
        if kind is None:
            raise Failure(
                f"{code} does not say its type",
                fix="--type, or a code that begins with " + ", ".join(TYPES),
                code="no_type",
                exit_code=USAGE,
            )
        places = places_of(client)
        lowest = None if floor in (None, "none") else minor(floor, currency, places)
        highest = None if ceiling is None else minor(ceiling, currency, places)
        found = find_book(client, book)
        account = found.open_account(
            name=name or code.rpartition(":")[2],
            type=kind,
            currency=currency,
            code=code,
            min_balance=lowest,
            max_balance=highest,
            payable=payable,
            slots=slots,
        )
        if floor == "none" and account.min_balance is not None:
            account = found.set_balance_limits(
                account_id=account.id, min_balance=None, max_balance=highest
            )
        emit(account, caller.as_json, lambda: typer.echo(account.id))


@account_app.command("list")
@spread
def list_accounts(caller: Caller, book: BookArgument) -> None:
    """List a book's accounts with their balances."""
    with caller.client() as client:
        places = places_of(client)
        accounts = sorted(find_book(client, book).accounts(), key=lambda each: each.code or "")

        def shown(account: Account, amount: int | None) -> str | None:
            return None if amount is None else money.format(amount, places[account.currency])

        rows = [
            (
                each.code,
                each.name,
                each.type,
                shown(each, each.posted),
                each.currency,
                shown(each, each.min_balance),
                "" if each.status == "open" else each.status,
                each.id,
            )
            for each in accounts
        ]
        columns = ("code", "name", "type", "balance", "currency", "floor", "state", "id")
        emit(
            accounts, caller.as_json, lambda: write_table(columns, rows, right=("balance", "floor"))
        )
