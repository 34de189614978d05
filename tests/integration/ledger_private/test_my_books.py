from __future__ import annotations

from functools import partial

from tests.callers import answer
from tests.world import Household

TABLES = ("book_members", "accounts", "balances", "transactions", "entries")


def test_it_returns_the_books_of_the_signed_in_user(home: Household) -> None:
    bob = home.as_user("bob")
    own = bob.call("create_book", name="own", base_currency="EUR")["id"]
    books = {
        name: set(home.as_user(name).query("select ledger_private.my_books()::text[] as b")[0]["b"])
        for name in ("alice", "bob", "carol", "mallory")
    }
    home_only = {home.book_id}
    assert books == {
        "alice": home_only,
        "bob": {home.book_id, own},
        "carol": home_only,
        "mallory": set(),
    }
    nobody = home.as_role("authenticated", {"role": "authenticated"})
    assert nobody.query("select ledger_private.my_books() as b") == [{"b": []}]


def test_a_policy_asks_it_once_a_statement(home: Household) -> None:
    carol = home.as_user("carol")
    for table in TABLES:
        explained = carol.query(
            f"explain (verbose, costs off) select * from ledger_private.{table}"
        )
        plan = [line["QUERY PLAN"].strip() for line in explained]
        asking = [number for number, line in enumerate(plan) if "my_books" in line]
        assert len(asking) == 1, plan
        assert plan[asking[0]].startswith("Output:"), plan
        assert any(line.startswith("InitPlan") for line in plan), plan


def test_a_strange_sub_sees_nothing(home: Household) -> None:
    told = {}
    for sub in ("not-a-uuid", "", "00000000-0000-0000-0000-000000000001"):
        stranger = home.as_role("authenticated", {"sub": sub, "role": "authenticated"})
        told[sub] = answer(partial(stranger.rows, "get_balances", book_id=home.book_id))
    assert [*told.values()] == ["22P02", "22P02", "book_not_found"]
