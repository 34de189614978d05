"""Transfers, statements and checks, for people and for scripts.

Amounts are typed and shown as decimals of the currency; `--json` has minor units, as the API.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from tillroll import money
from tillroll.cli.lookup import BookArgument, find_account, find_book, minor, places_of
from tillroll.cli.output import DONE, FAILED, Failure, Json, emit, failures, say, write_table
from tillroll.cli.target import DataDir, Email, Key, Target, Token, connected, translate
from tillroll.errors import InsufficientFunds
from tillroll.models import Account

__all__ = ["statement", "transfer", "verify"]

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Value date; else today.")]


def transfer(
    book: BookArgument,
    giver: Annotated[str, typer.Argument(metavar="FROM", help="An account's id, code or name.")],
    taker: Annotated[str, typer.Argument(metavar="TO", help="An account's id, code or name.")],
    amount: Annotated[str, typer.Argument(help="Such as 12.34.")],
    idempotency_key: Annotated[
        str | None, typer.Option(help="Yours: repeating it returns the first receipt.")
    ] = None,
    on: Day = None,
    description: str | None = None,
    target: Target = None,
    key: Key = None,
    token: Token = None,
    email: Email = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Move money from one account to another."""
    with (
        failures(as_json, translate),
        connected(target, key, token, email, data_dir) as client,
    ):
        found, places = find_book(client, book), places_of(client)
        source, sink = find_account(found, giver), find_account(found, taker)
        try:
            receipt = found.transfer(
                from_account_id=source.id,
                to_account_id=sink.id,
                amount=minor(amount, source.currency, places),
                idempotency_key=idempotency_key,
                effective_on=on.date() if on else None,
                description=description,
            )
        except InsufficientFunds as refused:
            raise _short_of(refused, source, places) from refused
        after = {entry.account_id: entry.balance_after for entry in receipt.entries}
        rows = [
            (
                each.code or each.id,
                "" if held is None else money.format(held, places[each.currency]),
                each.currency,
            )
            for each in (source, sink)
            for held in (after[each.id],)
        ]
        emit(
            receipt,
            as_json,
            lambda: write_table(("account", "balance", "currency"), rows, right=("balance",)),
        )
        say(f"{'replayed' if receipt.replayed else 'posted'}: {receipt.transaction_id}")


def statement(
    book: BookArgument,
    account: Annotated[str, typer.Argument(help="Its id, code or name.")],
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="Else the first of this month."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Inclusive; else today.")
    ] = None,
    target: Target = None,
    key: Key = None,
    token: Token = None,
    email: Email = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Print an account between two value dates."""
    last: date = until.date() if until else datetime.now(UTC).date()
    first = since.date() if since else last.replace(day=1)
    with (
        failures(as_json, translate),
        connected(target, key, token, email, data_dir) as client,
    ):
        found, places = find_book(client, book), places_of(client)
        chosen = find_account(found, account)
        paper = found.statement(account_id=chosen.id, from_date=first, to_date=last)
        exponent = places[paper.currency]
        rows: list[tuple[object, ...]] = [
            (first, "opening balance", None, money.format(paper.opening, exponent))
        ]
        rows += [
            (
                line.effective_on,
                line.description,
                money.format(line.amount, exponent),
                money.format(line.running_balance, exponent),
            )
            for line in paper.lines
        ]
        rows.append((last, "closing balance", None, money.format(paper.closing, exponent)))
        columns = ("date", "description", "amount", f"balance {paper.currency}")
        emit(paper, as_json, lambda: write_table(columns, rows, right=columns[2:]))


def verify(
    book: BookArgument,
    target: Target = None,
    key: Key = None,
    token: Token = None,
    email: Email = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Check a whole book: sums, chains, balances against entries; exit 1 when one fails."""
    with (
        failures(as_json, translate),
        connected(target, key, token, email, data_dir) as client,
    ):
        checks = find_book(client, book).verify_book()
        rows = [
            (each.check_name, "holds" if each.ok else "FAILS", json.dumps(dict(each.details or {})))
            for each in checks
        ]
        emit(checks, as_json, lambda: write_table(("check", "", "details"), rows))
        holds = bool(checks) and all(each.ok for each in checks)
    raise typer.Exit(DONE if holds else FAILED)


def _short_of(refused: InsufficientFunds, source: Account, places: Mapping[str, int]) -> Failure:
    """Say the facts in the currency, not in minor units."""
    facts = {
        name: money.format(amount, places[source.currency]) + f" {source.currency}"
        for name in ("available", "required")
        if isinstance(amount := refused.details.get(name), int)
    }
    told = ", ".join(f"{name} {amount}" for name, amount in facts.items())
    return Failure(
        f"{source.code or source.id} cannot give this: {told}",
        fix="give less, or move money there first",
        code=refused.code,
        facts={"details": dict(refused.details)},
    )
