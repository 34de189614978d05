"""What must hold after the demo, each proven from more than one side."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from supabase import AsyncClient

from tillroll import AsyncBook
from tillroll.errors import NotFound, TillrollError
from tillroll.local.tally import Tally
from tillroll.models import AccountId, EntryInput, TransactionId, TransactionInput

__all__ = ["VIEWS", "Finding", "attempts", "check_book", "check_stranger"]

VIEWS = (
    *("accounts", "books", "entries", "groups", "holders", "holds", "members", "periods"),
    "transactions",
)
SHOWN = 10


@dataclass(frozen=True)
class Finding:
    """Whether one rule holds, and what contradicts it."""

    name: str
    ok: bool
    wrong: tuple[str, ...]


async def check_book(
    book: AsyncBook, tally: Tally, expected: Mapping[AccountId, int]
) -> list[Finding]:
    """Compare the book, read back through the API, with the demo's own bookkeeping.

    Args:
        book: As one of its members.
        tally: What was sent and answered.
        expected: What the file's accounts must hold, in minor units, by a simulation without a
            server.
    """
    balances = {each.account_id: each for each in await book.get_balances()}
    transactions = {each.id: each async for each in book.transactions()}
    entries = [each async for each in book.entries()]
    verified = await book.verify_book()

    sums: Counter[str] = Counter()
    for balance in balances.values():
        sums[balance.currency] += balance.posted
    by_account: Counter[AccountId] = Counter()
    legs: defaultdict[TransactionId, dict[AccountId, int]] = defaultdict(dict)
    for entry in entries:
        by_account[entry.account_id] += entry.amount
        legs[entry.transaction_id][entry.account_id] = entry.amount
    posted = {id: balance.posted for id, balance in balances.items()}
    own_legs = {
        id: {sent.giver: -sent.amount, sent.taker: sent.amount}
        for id, sent in tally.transactions.items()
    }
    keys = Counter(each.idempotency_key for each in transactions.values())
    low = [
        f"account {entry.account_id} at {entry.balance_after}"
        for entry in entries
        if entry.balance_after < tally.floors.get(entry.account_id, entry.balance_after)
    ]
    low += [
        f"account {id} at {held}"
        for id, held in posted.items()
        if held < tally.floors.get(id, held)
    ]
    return [
        _check("the book sums to zero", [f"{c}: {n}" for c, n in sums.items() if n]),
        _check("balances equal entries", _differences(posted, by_account)),
        _check(
            "balances equal what was sent",
            _differences(posted, tally.balances)
            + [f"account {id}" for id, held in expected.items() if posted.get(id) != held],
        ),
        _check(
            "chains verify",
            [f"{each.check_name}: {each.details}" for each in verified if not each.ok]
            or ([] if verified else ["verify_book checked nothing"]),
        ),
        _check(
            "nothing doubled",
            [f"key {key}: {count} transactions" for key, count in keys.items() if count > 1]
            + [f"unknown transaction {id}" for id in transactions.keys() - own_legs.keys()]
            + tally.faults,
        ),
        _check(
            "nothing lost",
            [f"transaction {id} is gone" for id in own_legs.keys() - transactions.keys()]
            + [
                f"transaction {id}: {legs.get(id)}"
                for id in own_legs
                if legs.get(id) != own_legs[id]
            ],
        ),
        _check("nobody below the floor", low),
    ]


async def check_stranger(supabase: AsyncClient, book: AsyncBook, member: AsyncBook) -> Finding:
    """Try as somebody who is signed in and no member: every view empty, every function a 404.

    Args:
        supabase: The stranger, signed in.
        book: The book, as the stranger reaches for it.
        member: The same, as a member: there is something that could be seen.
    """
    seen: list[str] = []
    for view in VIEWS:
        answer = await supabase.schema("ledger").table(view).select("*").execute()
        if answer.data:
            seen.append(f"{view}: {len(answer.data)} rows")
    first, second = [account.id async for account in member.accounts()][:2]
    for name, call in attempts(book, first, second).items():
        try:
            answer = await call()
        except NotFound:
            continue
        except TillrollError as other:
            seen.append(f"{name}: {type(other).__name__} where a 404 is due")
        else:
            if answer is not None:  # find_transaction: no receipt
                seen.append(f"{name} was answered")
    return _check("a stranger sees nothing", seen)


def attempts(
    book: AsyncBook, first: AccountId, second: AccountId
) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Return a call of each function that takes a book."""
    day, somebody, something = date(2025, 1, 1), UUID(int=1), UUID(int=2)
    period = {"from_date": day, "to_date": day}
    sides: dict[str, Any] = {"from_account_id": first, "to_account_id": second}
    lines = [EntryInput(account_id=first, amount=-1), EntryInput(account_id=second, amount=1)]
    return {
        "update_book": lambda: book.update_book(name="Mine"),
        "set_member": lambda: book.set_member(user_id=somebody, role="owner"),
        "remove_member": lambda: book.remove_member(user_id=somebody),
        "set_holder": lambda: book.set_holder(account_id=first, user_id=somebody, access="spend"),
        "remove_holder": lambda: book.remove_holder(account_id=first, user_id=somebody),
        "lock_period": lambda: book.lock_period(**period),
        "unlock_period": lambda: book.unlock_period(**period),
        "open_account": lambda: book.open_account(name="Mine", type="asset", currency="EUR"),
        "update_account": lambda: book.update_account(account_id=first, name="Mine"),
        "set_balance_limits": lambda: book.set_balance_limits(
            account_id=first, min_balance=None, max_balance=None
        ),
        "freeze_account": lambda: book.freeze_account(account_id=first),
        "unfreeze_account": lambda: book.unfreeze_account(account_id=first),
        "close_account": lambda: book.close_account(account_id=first, sweep_to=second),
        "set_account_group": lambda: book.set_account_group(
            name="Mine", account_ids=[first], min_total=0
        ),
        "remove_account_group": lambda: book.remove_account_group(group_id=something),
        "transfer": lambda: book.transfer(**sides, amount=1),
        "transfer_up_to": lambda: book.transfer_up_to(**sides, amount=1),
        "transfer_serializable": lambda: book.transfer_serializable(**sides, amount=1),
        "post_transaction": lambda: book.post_transaction(entries=lines),
        "post_transactions": lambda: book.post_transactions(
            transactions=[TransactionInput(entries=lines)]
        ),
        "exchange": lambda: book.exchange(**sides, sell_amount=1, buy_amount=1),
        "reverse_transaction": lambda: book.reverse_transaction(transaction_id=something),
        "create_hold": lambda: book.create_hold(account_id=first, to_account_id=second, amount=1),
        "capture_hold": lambda: book.capture_hold(hold_id=something),
        "release_hold": lambda: book.release_hold(hold_id=something),
        "expire_holds": lambda: book.expire_holds(),
        "get_balance": lambda: book.get_balance(account_id=first),
        "get_balances": lambda: book.get_balances(),
        "trial_balance": lambda: book.trial_balance(),
        "account_register": lambda: book.account_register(account_id=first),
        "statement": lambda: book.statement(account_id=first, **period),
        "find_transaction": lambda: book.find_transaction(idempotency_key="line-2"),
        "changes_since": lambda: book.changes_since(),
        "export_checkpoint": lambda: book.export_checkpoint(),
        "verify_book": lambda: book.verify_book(),
    }


def _differences(one: Mapping[AccountId, int], other: Mapping[AccountId, int]) -> list[str]:
    return [
        f"account {id}: {one.get(id, 0)} and {other.get(id, 0)}"
        for id in one.keys() | other.keys()
        if one.get(id, 0) != other.get(id, 0)
    ]


def _check(name: str, wrong: list[str]) -> Finding:
    more = [f"and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else []
    return Finding(name, not wrong, tuple(wrong[:SHOWN] + more))
