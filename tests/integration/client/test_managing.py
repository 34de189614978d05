"""Holds, holders, groups, periods and closing, each way; and what is not repeated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.client.conftest import Clients, Home
from tests.integration.client.proxy import Proxy
from tillroll import (
    AccountClosed,
    AccountNotEmpty,
    Forbidden,
    GroupFloor,
    GroupNotFound,
    HoldExpired,
    HoldNotFound,
    HoldState,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidArgument,
    MemberNotFound,
    OutcomeUnknown,
    PeriodLocked,
)


def hold(home: Home, amount: int, **more: Any) -> Any:
    return home.book.create_hold(
        account_id=home.bank, to_account_id=home.cash, amount=amount, **more
    )


def test_held_money_is_captured_and_what_is_left_given_back(home: Home) -> None:
    home.fund(100)
    held = hold(home, 60, description="dinner", metadata={"table": 7}, id=uuid4())
    assert hold(home, 60, description="dinner", metadata={"table": 7}, id=str(held.id)) == held
    with pytest.raises(IdempotencyMismatch):
        hold(home, 61, id=held.id)
    assert (held.state, held.amount, held.captured, held.created_by) == (
        "pending",
        60,
        0,
        home.alice,
    )
    balance = home.book.get_balance(account_id=home.bank)
    assert (balance.posted, balance.held, balance.available) == (100, 60, 40)
    with pytest.raises(InsufficientFunds):
        hold(home, 41)
    capture = home.book.capture_hold
    assert capture(hold_id=held.id, amount=10, final=False, dry_run=True).transaction_id is None
    first = capture(hold_id=held.id, amount=10, final=False, idempotency_key="c")
    assert (first.kind, first.entries[0].amount) == ("capture", -10)
    assert capture(hold_id=held.id, amount=10, final=False, idempotency_key="c").replayed
    capture(hold_id=held.id, amount=20)
    [after] = home.book.holds(account_id=home.bank)
    assert (after.state, after.captured, after.released) == ("captured", 30, 30)
    assert home.book.get_balance(account_id=home.bank).available == 70
    with pytest.raises(HoldState):
        capture(hold_id=held.id)


def test_held_money_is_released_or_expires(home: Home) -> None:
    home.fund(100)
    released = home.book.release_hold(hold_id=hold(home, 10).id)
    assert (released.state, released.released) == ("released", 10)
    with pytest.raises(HoldState):
        home.book.release_hold(hold_id=str(released.id))
    with pytest.raises(HoldNotFound):
        home.book.release_hold(hold_id=uuid4())
    soon = datetime.now(UTC) + timedelta(hours=1)
    kept = hold(home, 20, expires_at=soon)
    assert kept.expires_at == soon
    assert home.book.expire_holds() == 0
    with pytest.raises(ValueError, match="expires_at"):
        hold(home, 1, expires_at=datetime(2030, 1, 1))
    assert [each.id for each in home.book.holds(state="pending")] == [kept.id]


def test_an_expired_hold_gives_its_money_back(home: Home, clients: Clients) -> None:
    home.fund(100)
    held = hold(home, 20, expires_at=datetime.now(UTC) + timedelta(hours=1))
    clients.backend.sql(
        "update ledger_private.holds set expires_at = clock_timestamp() where id = %s", held.id
    )
    with pytest.raises(HoldExpired):
        home.book.capture_hold(hold_id=held.id)
    assert home.book.expire_holds() == 1
    assert [each.state for each in home.book.holds()] == ["expired"]
    assert home.book.get_balance(account_id=home.bank).held == 0


def test_a_holder_sees_and_spends_what_she_holds(home: Home, clients: Clients) -> None:
    home.fund(100)
    home.book.update_account(account_id=home.cash, payable=True)
    carol = clients.backend.user()
    given = home.book.set_holder(account_id=home.bank, user_id=carol, access="spend")
    assert (given.account_id, given.user_id, given.access) == (home.bank, carol, "spend")
    assert list(home.book.holders()) == list(home.book.holders(account_id=home.bank)) == [given]
    hers = clients(carol).book(home.book.id)
    assert [each.id for each in hers.accounts()] == [home.bank]
    receipt = hers.transfer(from_account_id=home.bank, to_account_id=home.cash, amount=5)
    assert [each.account_id for each in receipt.entries] == [home.bank]
    with pytest.raises(Forbidden):
        hers.trial_balance()
    assert home.book.remove_holder(account_id=home.bank, user_id=carol) == given
    with pytest.raises(MemberNotFound):
        home.book.remove_holder(account_id=home.bank, user_id=str(carol))
    assert [each.user_id for each in home.book.members()] == [home.alice]


def test_accounts_of_a_group_keep_their_joint_floor(home: Home) -> None:
    home.fund(100)
    floor = {"name": "both", "account_ids": [home.bank, str(home.cash)], "min_total": 80}
    group = home.book.set_account_group(**floor)
    assert (group.name, group.min_total) == ("both", 80)
    assert set(group.account_ids) == {home.bank, home.cash}
    home.book.transfer(from_account_id=home.bank, to_account_id=home.cash, amount=90)
    with pytest.raises(GroupFloor):
        home.book.transfer(from_account_id=home.cash, to_account_id=home.world, amount=21)
    with pytest.raises(GroupFloor):
        home.book.set_account_group(**{**floor, "min_total": 101})
    lower = home.book.set_account_group(**{**floor, "min_total": 70}, group_id=group.id)
    assert lower.id == group.id
    assert [each.min_total for each in home.book.groups()] == [70]
    assert home.book.remove_account_group(group_id=str(group.id)).id == group.id
    assert list(home.book.groups()) == []
    with pytest.raises(GroupNotFound):
        home.book.remove_account_group(group_id=group.id)


def test_in_a_locked_period_nothing_is_booked(home: Home) -> None:
    year = {"from_date": date(2025, 1, 1), "to_date": date(2025, 12, 31)}
    locked = home.book.lock_period(**year)
    assert (locked.from_date, locked.to_date) == (date(2025, 1, 1), date(2025, 12, 31))
    assert home.book.lock_period(**year) == locked
    assert list(home.book.periods()) == [locked]
    with pytest.raises(PeriodLocked):
        home.fund(1, effective_on=date(2025, 6, 1))
    assert home.book.unlock_period(**year) == locked
    home.fund(1, effective_on=date(2025, 6, 1))
    with pytest.raises(InvalidArgument):
        home.book.unlock_period(**year)


def test_a_closed_account_is_empty_for_ever(home: Home) -> None:
    home.fund(5)
    with pytest.raises(AccountNotEmpty):
        home.book.close_account(account_id=home.bank)
    closed = home.book.close_account(account_id=home.bank, sweep_to=home.cash)
    assert (closed.status, closed.posted) == ("closed", 0)
    assert home.book.close_account(account_id=home.bank, sweep_to=home.cash) == closed
    assert home.posted(home.cash) == 5
    with pytest.raises(AccountClosed):
        home.fund(1)


def test_an_account_of_several_slots_has_no_version(home: Home) -> None:
    till = home.book.open_account(name="sales", type="income", currency="EUR", slots=4)
    assert (till.slots, till.version) == (4, None)
    receipt = home.book.transfer(from_account_id=till.id, to_account_id=home.bank, amount=7)
    assert (receipt.entries[0].balance_after, receipt.entries[0].version) == (None, None)
    assert receipt.entries[1].balance_after == 7
    balance = home.book.get_balance(account_id=till.id)
    assert (balance.posted, balance.version) == (-7, None)
    [line] = home.book.account_register(account_id=till.id)
    assert (line.running_balance, line.version) == (-7, None)
    [account] = [each for each in home.book.accounts() if each.id == till.id]
    assert (account.posted, account.version) == (-7, None)


def test_balances_of_the_past_are_by_booking_or_by_value_date(home: Home) -> None:
    home.fund(1, effective_on=date(2026, 1, 31))
    home.fund(2, effective_on=date(2026, 2, 1))
    [last, first] = home.book.account_register(account_id=home.bank)
    assert home.book.get_balance(account_id=home.bank, as_of=last.booked_at).posted == 3
    past = home.book.get_balance(account_id=home.bank, as_of=first.booked_at)
    assert (past.posted, past.version, past.held, past.available) == (1, 1, None, None)
    assert home.book.get_balance(account_id=home.bank, effective_on=date(2026, 1, 31)).posted == 1
    many = home.book.get_balances(account_ids=[home.bank, home.cash], as_of=first.booked_at)
    assert {each.account_id: each.posted for each in many} == {home.bank: 1, home.cash: 0}
    many = home.book.get_balances(effective_on=date(2026, 2, 1))
    assert {each.account_id: each.posted for each in many}[home.bank] == 3
    with pytest.raises(InvalidArgument):
        home.book.get_balance(
            account_id=home.bank, as_of=first.booked_at, effective_on=date(2026, 1, 1)
        )
    with pytest.raises(ValueError, match="as_of"):
        home.book.get_balance(account_id=home.bank, as_of=datetime(2026, 1, 1))


def test_a_trial_balance_sums_to_zero(home: Home) -> None:
    home.fund(7, effective_on=date(2026, 1, 1))
    home.fund(5, effective_on=date(2026, 3, 1))
    lines = home.book.trial_balance()
    assert {each.account_id: each.posted for each in lines} == {
        home.world: -12,
        home.bank: 12,
        home.cash: 0,
    }
    early = home.book.trial_balance(effective_on=date(2026, 2, 1))
    assert sorted(each.posted for each in early) == [-7, 0, 7]


def test_the_feed_goes_on_where_it_ended(home: Home) -> None:
    assert list(home.book.changes()) == []
    receipts = [home.fund(amount) for amount in (1, 2, 3)]
    page = home.book.changes_since(page_size=2)
    assert [each.transaction_id for each in page] == [each.transaction_id for each in receipts[:2]]
    assert (page[0].kind, page[0].entries) == ("transfer", receipts[0].entries)
    every = list(home.book.changes(page_size=2))
    assert [each.transaction_id for each in every] == [each.transaction_id for each in receipts]
    late = home.fund(4)
    [change] = home.book.changes(after=every[-1].cursor)
    assert change.transaction_id == late.transaction_id


def test_a_checkpoint_has_the_head_of_each_chain(home: Home) -> None:
    home.fund(1)
    home.fund(2)
    checkpoint = home.book.export_checkpoint()
    assert (checkpoint.book_id, checkpoint.entries) == (home.book.id, 4)
    heads = {each.account_id: (each.slot, each.version) for each in checkpoint.heads}
    assert heads[home.bank] == heads[home.world] == (0, 2)
    assert len(bytes.fromhex(checkpoint.root)) == 32
    assert all(len(bytes.fromhex(each.hash)) == 32 for each in checkpoint.heads)


YEAR = {"from_date": date(2025, 1, 1), "to_date": date(2025, 12, 31)}


def test_what_is_the_same_twice_is_repeated(
    http_home: Home, http_clients: Clients, client: Any, wire: Proxy
) -> None:
    home, book = http_home, client.book(http_home.book.id)
    user = http_clients.backend.user()
    home.fund(10)
    paid = home.fund(10)
    held = hold(home, 1)
    changes: list[Callable[[], Any]] = [
        lambda: book.create_hold(account_id=home.bank, to_account_id=home.cash, amount=1),
        lambda: book.capture_hold(hold_id=held.id),
        lambda: book.expire_holds(),
        lambda: book.reverse_transaction(transaction_id=paid.transaction_id),
        lambda: book.set_holder(account_id=home.bank, user_id=user, access="view"),
        lambda: book.set_account_group(name="g", account_ids=[home.bank], min_total=-5),
        lambda: book.lock_period(**YEAR),
        lambda: book.close_account(account_id=home.cash, sweep_to=home.world),
    ]
    for change in changes:
        wire.faults = ["cut"]
        before = wire.requests
        change()
        assert wire.requests == before + 2
    assert len(list(home.book.groups())) == 1
    assert len(list(home.book.holds())) == 2


def test_what_is_not_the_same_twice_is_not_repeated(
    http_home: Home, http_clients: Clients, client: Any, wire: Proxy
) -> None:
    home, book = http_home, client.book(http_home.book.id)
    home.fund(10)
    pair = {"account_id": home.bank, "user_id": http_clients.backend.user()}
    home.book.set_holder(**pair, access="view")
    group = home.book.set_account_group(name="g", account_ids=[home.bank], min_total=0)
    home.book.lock_period(**YEAR)
    held = hold(home, 5)
    changes: list[Callable[[], Any]] = [
        lambda: book.remove_holder(**pair),
        lambda: book.remove_account_group(group_id=group.id),
        lambda: book.unlock_period(**YEAR),
        lambda: book.release_hold(hold_id=held.id),
    ]
    for change in changes:
        wire.faults = ["cut"]
        before = wire.requests
        with pytest.raises(OutcomeUnknown) as unknown:
            change()
        assert unknown.value.keys == ()
        assert wire.requests == before + 1
    assert list(home.book.holders()) == list(home.book.groups()) == []
    assert list(home.book.periods()) == []
    assert [each.state for each in home.book.holds()] == ["released"]
