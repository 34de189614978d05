"""Rows are locked in the global order also where the table's own order is another.

What sorts first is stored last, and the planner may not read in the order of an index: so only the
statement's ORDER BY can make the order.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.callers import answer
from tests.holding import close, expire, hold, open_account, overdue, swap
from tests.stepping import until_waiting
from tests.world import Household, Refused, Session

Call = Callable[[Household, Session], object]
LOW, HIGH = (f"00000000-0000-7000-8000-00000000000{last}" for last in "12")
BALANCES = "ledger_private.balances where account_id = %s"
GROUPS = "ledger_private.account_groups where id = %s"
HOLDS = "ledger_private.holds where id = %s"
SLOTS = "ledger_private.balances where slots > 1 and slot = %s"
UNSORTED = """
set enable_indexscan = off; set enable_indexonlyscan = off; set enable_sort = on;
set plan_cache_mode = force_custom_plan
"""


@pytest.fixture
def upside_down(home: Household) -> Household:
    """Accounts, groups of one account each and overdue holds: `high` is stored before `low`."""
    alice = home.as_user("alice")
    for name, key in (("high", HIGH), ("low", LOW)):
        open_account(home, name, id=key, type="asset")
        home.fund(100, name)
        alice.call(
            "set_account_group",
            book_id=home.book_id,
            name=name,
            account_ids=[key],
            min_total=0,
            group_id=key,
        )
        overdue(home, hold(home, alice, 1, name, "world", id=key, expires_at="2099-01-01Z"))
    return home


def wide(home: Household) -> Household:
    """An account whose slot 1 is stored before its slot 0."""
    open_account(home, "wide", slots=2)
    home.owner().query(
        "with gone as (delete from ledger_private.balances where slots > 1 and slot = 0"
        " returning *) insert into ledger_private.balances select * from gone"
    )
    return home


def post(home: Household, who: Session) -> object:
    return who.call("post_transaction", book_id=home.book_id, entries=home.lines(high=-1, low=1))


CALLS: dict[str, tuple[str, Call]] = {
    "transfer": (BALANCES, lambda home, who: home.pay(who, "high", "low", 1)),
    "post_transaction": (BALANCES, post),
    "close_account": (
        BALANCES,
        lambda home, who: answer(partial(close, home, who, "high", "low")),
    ),
    "set_account_group": (
        BALANCES,
        lambda home, who: who.call(
            "set_account_group",
            book_id=home.book_id,
            name="both",
            account_ids=[HIGH, LOW],
            min_total=0,
        ),
    ),
    "groups": (GROUPS, lambda home, who: home.pay(who, "high", "low", 1)),
    "expire_holds": (HOLDS, expire),
}


def assert_in_order(
    home: Household, tables: tuple[str, str], keys: tuple[object, object], call: Call
) -> None:
    """Who waits for the first row has not taken the second."""
    blocker, who, other = home.owner(), home.as_user("alice"), home.owner()
    who.query(UNSORTED)
    with ThreadPoolExecutor(1) as pool:
        blocker.query("begin")
        blocker.query(f"select from {tables[0]} for no key update", keys[:1])
        waiting = pool.submit(call, home, who)
        until_waiting(blocker, who, waiting)
        other.query(f"select from {tables[1]} for no key update nowait", keys[1:])
        blocker.query("commit")
        waiting.result()
    home.assert_sound()


@pytest.mark.parametrize("name", CALLS)
def test_the_row_that_sorts_first_is_locked_first(upside_down: Household, name: str) -> None:
    table, call = CALLS[name]
    assert_in_order(upside_down, (table, table), (LOW, HIGH), call)


@pytest.mark.parametrize("name", ["transfer", "post_transaction"])
def test_groups_are_locked_before_balances(upside_down: Household, name: str) -> None:
    assert_in_order(upside_down, (GROUPS, BALANCES), (HIGH, LOW), CALLS[name][1])


def test_the_slots_of_an_account_are_locked_in_their_order(home: Household) -> None:
    def freeze(home: Household, who: Session) -> None:
        account = {"book_id": home.book_id, "account_id": home.accounts["wide"]}
        who.call("freeze_account", **account)

    assert_in_order(wide(home), (SLOTS, SLOTS), (0, 1), freeze)


def test_joint_floors_are_checked_in_the_order_of_their_locks(home: Household) -> None:
    """However their rows come together: of several that would break the first is named."""
    home.fund(100)
    alice = home.as_user("alice")
    groups = [f"00000000-0000-7000-8000-0000000000{number}" for number in range(10, 30)]
    for group_id in groups[::-1]:
        alice.call(
            "set_account_group",
            book_id=home.book_id,
            name=group_id,
            account_ids=[home.accounts["bank"]],
            min_total=100,
            group_id=group_id,
        )
    for planning in ("set enable_sort = off", "set enable_hashagg = off"):
        who = home.as_user("alice")
        who.query(planning)
        with pytest.raises(Refused) as refused:
            home.pay(who, "bank", "cash", 1)
        assert refused.value.details["group_id"] == groups[0]


def test_conversion_accounts_are_opened_in_the_order_of_their_ids(home: Household) -> None:
    """Or two first exchanges, there and back, would wait for each other."""
    home.fund(100)
    open_account(home, "abroad", currency="JPY")
    home.pay(home.as_user("alice"), "abroad", "yen", 100)
    blocker, who, other = (home.as_user("alice") for _ in range(3))
    ids = home.owner().query(
        "select c as currency, ledger_private.conversion_account_id(%s, c)::text as id"
        " from unnest(array['EUR', 'JPY']) as c order by 2",
        [home.book_id],
    )
    # What is sold comes first in the function's list: it is the one that sorts last.
    sides = ("bank", "yen") if ids[1]["currency"] == "EUR" else ("yen", "bank")
    new = {"book_id": home.book_id, "name": "n", "type": "equity", "currency": "EUR"}
    with ThreadPoolExecutor(1) as pool:
        blocker.query("begin")
        blocker.call("open_account", **new, id=ids[0]["id"])
        waiting = pool.submit(swap, home, who, *sides, 1, 1)
        until_waiting(blocker, who, waiting)
        other.query("begin")
        other.call("open_account", **new, id=ids[1]["id"])
        other.query("rollback")
        blocker.query("rollback")
        waiting.result()
    home.assert_sound()
