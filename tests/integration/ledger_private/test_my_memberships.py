"""ledger_private.my_memberships: what the policies of books and transactions ask first."""

from __future__ import annotations

from tests.callers import holder
from tests.world import Household


def test_it_returns_the_books_in_which_she_has_any_role(home: Household) -> None:
    holder(home)
    books = {
        name: home.as_user(name).query("select ledger_private.my_memberships()::text[] as b")[0][
            "b"
        ]
        for name in ("alice", "carol", "heidi", "mallory")
    }
    assert books == {
        "alice": [home.book_id],
        "carol": [home.book_id],
        "heidi": [home.book_id],
        "mallory": [],
    }


def test_a_policy_asks_it_once_a_statement(home: Household) -> None:
    carol = home.as_user("carol")
    for table in ("books", "transactions"):
        explained = carol.query(
            f"explain (verbose, costs off) select * from ledger_private.{table}"
        )
        plan = [line["QUERY PLAN"].strip() for line in explained]
        asking = [line for line in plan if "my_memberships" in line]
        assert len(asking) == 1, plan
        assert asking[0].startswith("Output:"), plan


def test_a_strangers_query_asks_a_function_of_no_row(home: Household) -> None:
    for _ in range(5):
        home.fund(1)
    holder(home)
    with home.database.connect("supabase_admin") as admin:
        admin.execute(f'alter database "{home.database.name}" set track_functions = "all"')
    calls = {}
    for name in ("mallory", "carol", "heidi"):
        who = home.as_user(name)
        who.query("begin")
        who.query("select id from ledger.transactions")
        asked = who.query(
            "select calls from pg_stat_xact_user_functions where funcname = 'touches_my_accounts'"
        )
        calls[name] = asked[0]["calls"] if asked else 0
        who.query("rollback")
    assert calls == {"mallory": 0, "carol": 0, "heidi": 5}
