"""ledger_private.register: what registers and statements cost."""

from __future__ import annotations

from tests.world import Household


def plan(home: Household, statement: str) -> str:
    """The plan of a query as a member of the book sees it."""
    rows = home.as_user("carol").query(
        f"explain {statement}", [home.book_id, home.accounts["bank"]]
    )
    return "\n".join(row["QUERY PLAN"] for row in rows)


def test_each_entry_costs_one_probe_for_its_transaction_also_without_statistics(
    home: Household,
) -> None:
    """Planned as one join, it read every transaction of the book for each entry of a statement."""
    home.fund(1)
    query = "select * from ledger_private.register where book_id = %s and account_id = %s"
    shown = plan(home, query)
    assert "Join Filter" not in shown
    assert "(id = e.transaction_id)" in shown or "AND (x.id" in shown, shown


def test_a_page_of_a_register_is_read_from_its_end_of_the_index(home: Household) -> None:
    home.fund(1)
    shown = plan(
        home,
        "select * from ledger_private.register where book_id = %s and account_id = %s"
        " and slot = 0 and (booked_at, version) < ('infinity'::timestamptz, 1000::bigint)"
        " order by booked_at desc, version desc limit 100",
    )
    assert "Index Scan Backward using entries_pkey" in shown
    assert "AND (ROW(booked_at, version) < ROW(" in shown
    assert "Sort" not in shown
