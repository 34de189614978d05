"""Holds: money set aside for somebody."""

from __future__ import annotations

from typing import Annotated

import typer

from tillroll.cli.lookup import BookArgument, find_account, find_payee, given_id
from tillroll.cli.options import Posting, moment, spread
from tillroll.cli.output import Failure, emit, say, write_table
from tillroll.cli.postings import Amount, Desk, From, To, desk
from tillroll.cli.target import Caller
from tillroll.models import Hold

__all__ = ["app"]

app = typer.Typer(help="Set money aside, take it or let it go.", no_args_is_help=True)

HoldArgument = Annotated[str, typer.Argument(metavar="HOLD", help="Its id.")]


@app.command("create")
@spread
def create_hold(
    caller: Caller,
    book: BookArgument,
    giver: From,
    taker: To,
    amount: Amount,
    expires_at: Annotated[
        str | None,
        typer.Option(help="Such as 2026-12-31T12:00; UTC unless it has a zone. Else it stays."),
    ] = None,
    description: str | None = None,
    hold_id: Annotated[
        str | None, typer.Option("--id", help="Yours: repeating it makes no second hold.")
    ] = None,
) -> None:
    """Set money aside: it is no longer available, and not yet posted."""
    with desk(caller, book) as at:
        source, (sink, _) = find_account(at.book, giver), find_payee(at.book, taker)
        hold = at.book.create_hold(
            account_id=source.id,
            to_account_id=sink,
            amount=at.minor(amount, source.currency),
            expires_at=moment(expires_at),
            description=description,
            id=given_id(hold_id, "hold") if hold_id else None,
        )
        emit(hold, caller.as_json, lambda: typer.echo(hold.id))


@app.command("capture")
@spread
def capture_hold(
    caller: Caller,
    posting: Posting,
    book: BookArgument,
    hold: HoldArgument,
    amount: Annotated[str | None, typer.Argument(help="Such as 12.34; else all of it.")] = None,
    keep_rest: Annotated[
        bool, typer.Option("--keep-rest", help="Hold the rest for another capture.")
    ] = False,
) -> None:
    """Post what was held, or a part of it; the rest is let go."""
    with desk(caller, book) as at:
        id = given_id(hold, "hold")
        part = None
        if amount is not None:
            found = next((each for each in at.book.holds() if each.id == id), None)
            if found is None:
                raise Failure(
                    f"there is no hold {id} in this book, or you may not see it",
                    fix=f"tillroll hold list {at.book.id}",
                    code="hold_not_found",
                )
            part = at.minor(amount, find_account(at.book, str(found.account_id)).currency)
        receipt = at.book.capture_hold(
            hold_id=id, amount=part, final=not keep_rest, **at.given(posting)
        )
        at.tell(receipt)


@app.command("release")
@spread
def release_hold(caller: Caller, book: BookArgument, hold: HoldArgument) -> None:
    """Let go of what is still held."""
    with desk(caller, book) as at:
        _tell(at, [at.book.release_hold(hold_id=given_id(hold, "hold"))], one=True)


@app.command("expire")
@spread
def expire_holds(caller: Caller, book: BookArgument) -> None:
    """Let go of all holds whose time is over; to be called now and then, as by cron."""
    with desk(caller, book) as at:
        total = 0
        while count := at.book.expire_holds():
            total += count
        emit({"expired": total}, caller.as_json, lambda: typer.echo(total))
        say(f"{total} expired")


@app.command("list")
@spread
def list_holds(
    caller: Caller,
    book: BookArgument,
    account: Annotated[str | None, typer.Option(help="Only from this one.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only pending, captured, released or expired ones.")
    ] = None,
) -> None:
    """List the holds of a book."""
    with desk(caller, book) as at:
        chosen = None if account is None else find_account(at.book, account).id
        _tell(at, list(at.book.holds(account_id=chosen, state=state)))


def _tell(at: Desk, holds: list[Hold], *, one: bool = False) -> None:
    def show() -> None:
        accounts = {each.id: each for each in at.book.accounts()}
        rows = [
            (
                giver.code or giver.id,
                taker.code if taker and taker.code else each.to_account_id,
                *(
                    at.shown(amount, giver.currency)
                    for amount in (each.amount, each.captured, each.released)
                ),
                giver.currency,
                each.state,
                each.expires_at,
                each.id,
            )
            for each in holds
            for giver, taker in ((accounts[each.account_id], accounts.get(each.to_account_id)),)
        ]
        columns = (
            "from", "to", "amount", "captured", "released", "currency", "state", "expires", "id",
        )  # fmt: skip
        write_table(columns, rows, right=columns[2:5])

    emit(holds[0] if one else holds, at.as_json, show)
