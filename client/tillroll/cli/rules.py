"""The rules of a book: who holds an account, joint floors, locked periods."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from tillroll.cli.lookup import AccountArgument, BookArgument, find_account, given_id, user_id
from tillroll.cli.options import spread
from tillroll.cli.output import USAGE, Failure, emit, write_table
from tillroll.cli.postings import Desk, desk
from tillroll.cli.target import Caller
from tillroll.models import AccountGroup, Holder, Period

__all__ = ["group_app", "holder_app", "period_app"]

holder_app = typer.Typer(help="Let users see and use single accounts.", no_args_is_help=True)
group_app = typer.Typer(help="Give accounts a joint floor.", no_args_is_help=True)
period_app = typer.Typer(help="Lock value dates.", no_args_is_help=True)

User = Annotated[str, typer.Argument(metavar="USER", help="A user's id.")]
First = Annotated[datetime, typer.Argument(metavar="FROM", formats=["%Y-%m-%d"])]
Last = Annotated[datetime, typer.Argument(metavar="TO", formats=["%Y-%m-%d"], help="Inclusive.")]


class Access(StrEnum):
    """What a holder may do with an account."""

    view = "view"
    spend = "spend"


@holder_app.command("set")
@spread
def set_holder(
    caller: Caller, book: BookArgument, account: AccountArgument, user: User, access: Access
) -> None:
    """Let a user see an account, or also spend from it; a stranger becomes a holder."""
    with desk(caller, book) as at:
        held = at.book.set_holder(
            account_id=find_account(at.book, account).id,
            user_id=user_id(user),
            access=access.value,
        )
        emit(held, caller.as_json, lambda: _tell_holders(at, [held]))


@holder_app.command("remove")
@spread
def remove_holder(caller: Caller, book: BookArgument, account: AccountArgument, user: User) -> None:
    """Take a user's access to an account away; with the last, her membership ends."""
    with desk(caller, book) as at:
        removed = at.book.remove_holder(
            account_id=find_account(at.book, account).id, user_id=user_id(user)
        )
        emit(removed, caller.as_json, lambda: _tell_holders(at, [removed]))


@holder_app.command("list")
@spread
def list_holders(
    caller: Caller,
    book: BookArgument,
    account: Annotated[str | None, typer.Option(help="Only of this one.")] = None,
) -> None:
    """List who holds which account."""
    with desk(caller, book) as at:
        chosen = None if account is None else find_account(at.book, account).id
        found = list(at.book.holders(account_id=chosen))
        emit(found, caller.as_json, lambda: _tell_holders(at, found))


def _tell_holders(at: Desk, holders: Sequence[Holder]) -> None:
    codes = {each.id: each.code for each in at.book.accounts()}
    rows = [
        (codes.get(each.account_id) or each.account_id, each.user_id, each.access)
        for each in holders
    ]
    write_table(("account", "user", "access"), rows)


@group_app.command("set")
@spread
def set_group(
    caller: Caller,
    book: BookArgument,
    name: str,
    least: Annotated[str, typer.Argument(help="What they must have together, such as 0.")],
    accounts: Annotated[
        list[str], typer.Argument(metavar="ACCOUNT", help="Their ids, codes or names.")
    ],
    group_id: Annotated[
        str | None, typer.Option("--id", help="The group to change, or yours for a new one.")
    ] = None,
) -> None:
    """Give accounts of one currency a joint floor, or change one."""
    with desk(caller, book) as at:
        members = [find_account(at.book, each) for each in accounts]
        group = at.book.set_account_group(
            name=name,
            account_ids=[each.id for each in members],
            min_total=at.minor(least, members[0].currency),
            group_id=given_id(group_id, "group") if group_id else None,
        )
        emit(group, caller.as_json, lambda: typer.echo(group.id))


@group_app.command("remove")
@spread
def remove_group(
    caller: Caller,
    book: BookArgument,
    group: Annotated[str, typer.Argument(help="Its id.")],
) -> None:
    """Let the accounts of a group be without their joint floor."""
    with desk(caller, book) as at:
        removed = at.book.remove_account_group(group_id=given_id(group, "group"))
        emit(removed, caller.as_json, lambda: typer.echo(removed.id))


@group_app.command("list")
@spread
def list_groups(caller: Caller, book: BookArgument) -> None:
    """List the joint floors."""
    with desk(caller, book) as at:
        found = list(at.book.groups())
        emit(found, caller.as_json, lambda: _tell_groups(at, found))


def _tell_groups(at: Desk, groups: Sequence[AccountGroup]) -> None:
    accounts = {each.id: each for each in at.book.accounts()}
    rows = [
        (
            each.name,
            at.shown(each.min_total, members[0].currency),
            members[0].currency,
            " ".join(member.code or str(member.id) for member in members),
            each.id,
        )
        for each in groups
        for members in ([accounts[id] for id in each.account_ids],)
    ]
    write_table(("name", "floor", "currency", "accounts", "id"), rows, right=("floor",))


@period_app.command("lock")
@spread
def lock_period(caller: Caller, book: BookArgument, first: First, last: Last) -> None:
    """Let nothing be booked with a value date between two days."""
    with desk(caller, book) as at:
        _in_order(first, last)
        locked = at.book.lock_period(from_date=first.date(), to_date=last.date())
        emit(locked, caller.as_json, lambda: _tell_periods([locked]))


@period_app.command("unlock")
@spread
def unlock_period(caller: Caller, book: BookArgument, first: First, last: Last) -> None:
    """Open a locked period again, named by the same two days."""
    with desk(caller, book) as at:
        _in_order(first, last)
        opened = at.book.unlock_period(from_date=first.date(), to_date=last.date())
        emit(opened, caller.as_json, lambda: _tell_periods([opened]))


@period_app.command("list")
@spread
def list_periods(caller: Caller, book: BookArgument) -> None:
    """List the locked periods."""
    with desk(caller, book) as at:
        found = list(at.book.periods())
        emit(found, caller.as_json, lambda: _tell_periods(found))


def _in_order(first: datetime, last: datetime) -> None:
    if first > last:
        raise Failure(
            f"{first.date()} is after {last.date()}",
            fix="name the earlier day first",
            code="usage",
            exit_code=USAGE,
        )


def _tell_periods(periods: Sequence[Period]) -> None:
    write_table(("from", "to"), [(each.from_date, each.to_date) for each in periods])
