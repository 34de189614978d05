from __future__ import annotations

from functools import partial

import pytest

from tests.callers import answer
from tests.stepping import after
from tests.world import Household, Row, Session, refusal


@pytest.fixture
def restored(home: Household) -> Household:
    """A book whose database has just been restored from a dump of one that had counted further."""
    for amount in range(1, 6):
        home.fund(amount)
    with home.database.connect("supabase_admin") as admin:
        admin.execute("set session_replication_role = replica")
        admin.execute(
            """
            update ledger_private.transactions as t set xid = x.xid
            from (
                select n.id, (case when n.n < 3 then n.n + 10 else n.n + 4000000000 end)::text::xid8
                from (select id, row_number() over (order by id) as n
                    from ledger_private.transactions) as n
            ) as x (id, xid)
            where x.id = t.id
            """
        )
    return home


def _feed(who: Session, home: Household, after: str | None = None) -> list[Row]:
    return who.rows("changes_since", book_id=home.book_id, after=after)


def test_all_that_was_restored_comes_in_the_order_of_time_and_before_what_is_new(
    restored: Household,
) -> None:
    carol, owner = restored.as_user("carol"), restored.owner()
    before = _feed(carol, restored)
    assert len(before) == 2  # The others are in the future.
    assert owner.query("select ledger_private.restart_feed() as moved") == [{"moved": 5}]
    restored.fund(6)
    feed = _feed(carol, restored)
    assert [change["entries"][1]["amount"] for change in feed] == [1, 2, 3, 4, 5, 6]
    assert _feed(carol, restored, feed[2]["cursor"]) == feed[3:]
    for change in before:
        told = refusal(_feed, carol, restored, change["cursor"])
        assert told == "invalid_cursor"
    restored.assert_sound()


def test_a_cursor_of_before_the_restore_is_refused(restored: Household) -> None:
    cursor = restored.owner().query(
        "select concat('x', xid, '-', id) as after from ledger_private.transactions"
        " order by xid desc limit 1"
    )
    told = refusal(_feed, restored.as_user("carol"), restored, cursor[0]["after"])
    assert told == "invalid_cursor"


def test_it_changes_nothing_where_nothing_lies_in_the_future(home: Household) -> None:
    home.fund(1)
    feed = _feed(home.as_user("carol"), home)
    assert home.owner().query("select ledger_private.restart_feed() as moved") == [{"moved": 0}]
    assert _feed(home.as_user("carol"), home) == feed


def test_it_waits_for_a_posting_that_is_under_way(home: Household) -> None:
    alice, owner = home.as_user("alice"), home.owner()
    moved = after(
        alice,
        partial(home.pay, alice, "world", "bank", 1),
        owner,
        partial(owner.query, "select ledger_private.restart_feed() as moved"),
    )
    assert moved == [{"moved": 0}]


def test_the_roll_is_final_again_afterwards(restored: Household) -> None:
    owner = restored.owner()
    owner.query("select ledger_private.restart_feed()")
    told = answer(lambda: owner.query("update ledger_private.transactions set xid = '4'"))
    assert told == "23001"


def test_only_the_owner_of_the_schema_may(restored: Household) -> None:
    for who in (restored.as_user("alice"), restored.as_role("service_role")):
        assert answer(lambda: who.query("select ledger_private.restart_feed()")) == "42501"  # noqa: B023
