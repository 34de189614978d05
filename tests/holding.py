"""Holds by the names of their accounts."""

from __future__ import annotations

from typing import Any

from tests.world import Household, Row, Session


def hold(
    home: Household,
    who: Session,
    amount: Any,
    giver: str = "bank",
    taker: str = "cash",
    **more: Any,
) -> Row:
    """Set money of one account aside for another."""
    return who.call(
        "create_hold",
        book_id=home.book_id,
        account_id=home.accounts[giver],
        to_account_id=home.accounts[taker],
        amount=amount,
        **more,
    )


def capture(home: Household, who: Session, held: Row, amount: Any = None, **more: Any) -> Row:
    """Post a hold, all of it unless told."""
    return who.call("capture_hold", book_id=home.book_id, hold_id=held["id"], amount=amount, **more)


def release(home: Household, who: Session, held: Row) -> Row:
    """Give a hold back."""
    return who.call("release_hold", book_id=home.book_id, hold_id=held["id"])


def expire(home: Household, who: Session) -> int:
    """Expire the overdue holds of the book; how many."""
    return int(
        who.query("select ledger.expire_holds(%s) as n", [home.book_id])[0]["n"],
    )


def overdue(home: Household, *held: Row) -> None:
    """Turn the clock: these holds expire now."""
    home.owner().query(
        "update ledger_private.holds set expires_at = clock_timestamp() where id = any(%s)",
        [[row["id"] for row in held]],
    )


def now(home: Household, held: Row) -> Row:
    """A hold as it is."""
    shown = home.owner().query(
        "select to_json(h) as h from ledger.holds as h where id = %s", [held["id"]]
    )
    return dict(shown[0]["h"])


def state(home: Household, held: Row) -> tuple[str, int, int]:
    """State, captured and released of a hold."""
    row = now(home, held)
    return row["state"], row["captured"], row["released"]


def money(home: Household, account: str = "bank") -> tuple[int, int, int | None]:
    """Posted, held and available of an account by name."""
    row = home.owner().call("get_balance", book_id=home.book_id, account_id=home.accounts[account])
    return row["posted"], row["held"], row["available"]


def open_account(home: Household, name: str, **more: Any) -> str:
    """One more account, in euros and without floor unless told."""
    home.accounts[name] = home.as_user("alice").call(
        "open_account",
        **{"book_id": home.book_id, "name": name, "type": "equity", "currency": "EUR", **more},
    )["id"]
    return home.accounts[name]


def group(home: Household, min_total: int, *names: str) -> Row:
    """A joint floor of accounts by name."""
    return home.as_user("alice").call(
        "set_account_group",
        book_id=home.book_id,
        name="Joint",
        account_ids=[home.accounts[name] for name in names],
        min_total=min_total,
    )


def rule(
    home: Household, function: str, account: str, who: Session | None = None, **more: Any
) -> Row:
    """A change of an account's rules, by its owner unless told."""
    return (who or home.as_user("alice")).call(
        function, book_id=home.book_id, account_id=home.accounts[account], **more
    )


def reverse(home: Household, who: Session, receipt: Row, amount: Any = None, **more: Any) -> Row:
    """Reverse a transaction, all that is left of it unless told."""
    return who.call(
        "reverse_transaction",
        book_id=home.book_id,
        transaction_id=receipt["transaction_id"],
        amount=amount,
        **more,
    )


def swap(
    home: Household, who: Session, giver: str, taker: str, sell: Any, buy: Any, **more: Any
) -> Row:
    """Exchange between two accounts by name."""
    return who.call(
        "exchange",
        book_id=home.book_id,
        from_account_id=home.accounts[giver],
        to_account_id=home.accounts[taker],
        sell_amount=sell,
        buy_amount=buy,
        **more,
    )


def close(home: Household, who: Session, account: str, sweep_to: str | None = None) -> Row:
    """Close an account by name."""
    return who.call(
        "close_account",
        book_id=home.book_id,
        account_id=home.accounts[account],
        sweep_to=None if sweep_to is None else home.accounts[sweep_to],
    )
