"""Books and accounts, for people and for scripts.

Amounts are typed and shown as decimals of the currency; `--json` has minor units, as the API.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tillroll import money
from tillroll.cli.lookup import BookArgument, find_book, minor, places_of, user_id
from tillroll.cli.output import USAGE, Failure, Json, emit, failures, say, write_table
from tillroll.cli.target import DataDir, Email, Key, Target, Token, connected, translate
from tillroll.local.household import TYPES
from tillroll.models import Account

__all__ = ["account_app", "book_app"]

book_app = typer.Typer(help="Create and list books.", no_args_is_help=True)
account_app = typer.Typer(help="Open and list accounts.", no_args_is_help=True)


@book_app.command("create")
def create_book(
    name: str,
    currency: Annotated[str, typer.Option(help="Its base currency, such as EUR.")],
    owner: Annotated[str | None, typer.Option(help="User id of an owner, besides you.")] = None,
    target: Target = None,
    key: Key = None,
    token: Token = None,
    email: Email = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Create a book; whoever signs in with --email or --token becomes its owner.

    Without a user the service role acts, and the book has no member until --owner names one.
    """
    with (
        failures(as_json, translate),
        connected(target, key, token, email, data_dir) as client,
    ):
        another = user_id(owner) if owner else None
        made = client.create_book(name=name, base_currency=currency)
        book = client.book(made.id)
        if another:
            book.set_member(user_id=another, role="owner")
        emit(made, as_json, lambda: typer.echo(made.id))
        if next(iter(book.members()), None) is None:
            say("nobody is a member of this book yet: only the service role sees it")


@book_app.command("list")
def list_books(
    target: Target = None,
    key: Key = None,
    token: Token = None,
    email: Email = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List the books that you may see."""
    with (
        failures(as_json, translate),
        connected(target, key, token, email, data_dir) as client,
    ):
        books = list(client.books())
        rows = [
            (each.name, each.base_currency, "archived" if each.archived_at else "", each.id)
            for each in books
        ]
        emit(books, as_json, lambda: write_table(("name", "currency", "state", "id"), rows))


@account_app.command("open")
def open_account(
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
    target: Target = None,
    key: Key = None,
    token: Token = None,
    email: Email = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Open an account. Without --floor an asset stops at zero, the others nowhere."""
    kind = kind or TYPES.get(code.partition(":")[0])
    with (
        failures(as_json, translate),
        connected(target, key, token, email, data_dir) as client,
    ):
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
        )
        if floor == "none" and account.min_balance is not None:
            account = found.set_balance_limits(
                account_id=account.id, min_balance=None, max_balance=highest
            )
        emit(account, as_json, lambda: typer.echo(account.id))


@account_app.command("list")
def list_accounts(
    book: BookArgument,
    target: Target = None,
    key: Key = None,
    token: Token = None,
    email: Email = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """List a book's accounts with their balances."""
    with (
        failures(as_json, translate),
        connected(target, key, token, email, data_dir) as client,
    ):
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
        emit(accounts, as_json, lambda: write_table(columns, rows, right=("balance", "floor")))
