"""What is read: balances of now and of the past, statements, the feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from typing import Annotated

import typer

from tillroll.cli.lookup import AccountArgument, BookArgument, find_account
from tillroll.cli.options import day, moment, spread
from tillroll.cli.output import emit, say, write_table
from tillroll.cli.postings import Desk, desk
from tillroll.cli.target import Caller
from tillroll.models import Account, AccountId, Balance

__all__ = ["balance", "changes", "statement", "trial_balance"]

EffectiveOn = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="What has a value date up to this day."),
]


@spread
def balance(
    caller: Caller,
    book: BookArgument,
    accounts: Annotated[
        list[str] | None, typer.Argument(metavar="ACCOUNT", help="Else all.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="What was booked by then: 2026-03-31T12:00; UTC unless it has a zone."),
    ] = None,
    effective_on: EffectiveOn = None,
) -> None:
    """Print balances: the present ones, or past ones by booking or by value date."""
    with desk(caller, book) as at:
        chosen = [find_account(at.book, named) for named in accounts or ()]
        balances = at.book.get_balances(
            account_ids=[each.id for each in chosen] if accounts else None,
            as_of=moment(as_of),
            effective_on=day(effective_on),
        )
        _tell(at, balances, chosen)


@spread
def trial_balance(caller: Caller, book: BookArgument, effective_on: EffectiveOn = None) -> None:
    """Print all balances and their sum in each currency, which is zero."""
    with desk(caller, book) as at:
        balances = at.book.trial_balance(effective_on=day(effective_on))
        _tell(at, balances, ())
        sums: dict[str, int] = {}
        for each in balances:
            sums[each.currency] = sums.get(each.currency, 0) + each.posted
        for currency, total in sorted(sums.items()):
            say(f"sum {at.shown(total, currency)} {currency}")


@spread
def statement(
    caller: Caller,
    book: BookArgument,
    account: AccountArgument,
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="Else the first of this month."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Inclusive; else today.")
    ] = None,
) -> None:
    """Print an account between two value dates."""
    last: date = day(until) or datetime.now(UTC).date()
    first = day(since) or last.replace(day=1)
    with desk(caller, book) as at:
        chosen = find_account(at.book, account)
        paper = at.book.statement(account_id=chosen.id, from_date=first, to_date=last)
        rows: list[tuple[object, ...]] = [
            (first, "opening balance", None, at.shown(paper.opening, paper.currency))
        ]
        rows += [
            (
                line.effective_on,
                line.description,
                at.shown(line.amount, paper.currency),
                at.shown(line.running_balance, paper.currency),
            )
            for line in paper.lines
        ]
        rows.append((last, "closing balance", None, at.shown(paper.closing, paper.currency)))
        columns = ("date", "description", "amount", f"balance {paper.currency}")
        emit(paper, caller.as_json, lambda: write_table(columns, rows, right=columns[2:]))


@spread
def changes(
    caller: Caller,
    book: BookArgument,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Of the last one that you have.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
) -> None:
    """Print the transactions since a cursor, in an order that skips none.

    Give the last line's cursor to the next call: what commits late comes behind it.
    """
    with desk(caller, book) as at:
        found = list(islice(at.book.changes(after=after, page_size=min(limit, 1000)), limit))
        rows = [
            (each.cursor, each.posted_at, each.effective_on, each.kind, each.transaction_id)
            for each in found
        ]
        columns = ("cursor", "posted", "value date", "kind", "transaction")
        emit(found, caller.as_json, lambda: write_table(columns, rows))


def _tell(at: Desk, balances: Sequence[Balance], known: Sequence[Account]) -> None:
    def show() -> None:
        accounts: Mapping[AccountId, Account] = {
            each.id: each for each in known or at.book.accounts()
        }

        def code(balance: Balance) -> str:
            account = accounts.get(balance.account_id)
            return (account and account.code) or str(balance.account_id)

        rows = [
            (
                code(each),
                *(at.shown(amount, each.currency) for amount in (each.posted, each.held)),
                at.shown(each.available, each.currency),
                each.currency,
            )
            for each in sorted(balances, key=code)
        ]
        columns = ("account", "posted", "held", "available", "currency")
        write_table(columns, rows, right=columns[1:4])

    emit(balances, at.as_json, show)
