"""ledger.post_transactions: batches, whole or item by item."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.callers import POSTERS, answer, answers, assert_refused, holder
from tests.conftest import Cluster
from tests.stepping import after, at_once, until_waiting
from tests.world import MAX, Household, Refused, Row, Session, household, refusal


def batch(
    home: Household, who: Session, items: list[Row], mode: str = "atomic", **more: Any
) -> list[Row]:
    """Post a batch; the results in their order."""
    return who.rows(
        "post_transactions", book_id=home.book_id, transactions=items, mode=mode, **more
    )


def codes(results: list[Row]) -> list[str]:
    """What each item is told, `none` where it is posted."""
    return [result["error_code"] or "none" for result in results]


def amounts(home: Household) -> list[int]:
    """Posted in bank, cash and world."""
    return [home.posted(name) for name in ("bank", "cash", "world")]


def test_items_are_posted_in_their_order_with_running_balances(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    results = batch(
        home,
        bob,
        [
            home.item("bank", "cash", 60, description="first"),
            home.item("cash", "bank", 10, effective_on="2020-02-29"),
            {"entries": home.lines(bank=-5, cash=2, world=3), "metadata": {"a": 1}},
        ],
    )
    assert [result["ordinal"] for result in results] == [1, 2, 3]
    assert codes(results) == ["none"] * 3
    lines = [
        [(line["amount"], line["balance_after"], line["version"]) for line in r["entries"]]
        for r in (result["receipt"] for result in results)
    ]
    assert lines == [
        [(-60, 40, 2), (60, 60, 1)],
        [(-10, 50, 2), (10, 50, 3)],
        [(-5, 45, 4), (2, 52, 3), (3, -97, 2)],
    ]
    assert {result["receipt"]["kind"] for result in results} == {"transaction"}
    assert results[1]["receipt"]["effective_on"] == "2020-02-29"
    ids = [result["receipt"]["transaction_id"] for result in results]
    assert ids == sorted(ids)
    stored = bob.query("select id::text, description, metadata from ledger.transactions")
    words = {row["id"]: (row["description"], row["metadata"]) for row in stored}
    assert [words[i] for i in ids] == [("first", {}), (None, {}), (None, {"a": 1})]
    assert amounts(home) == [45, 52, -97]
    home.assert_sound()


def test_an_item_spends_what_the_one_before_brings(home: Household) -> None:
    bob = home.as_user("bob")
    brings, spends = home.item("world", "bank", 10), home.item("bank", "cash", 10)
    with pytest.raises(Refused) as refused:
        batch(home, bob, [spends, brings])
    assert (refused.value.code, refused.value.details["ordinal"]) == ("insufficient_funds", 1)
    assert codes(batch(home, bob, [spends, brings], "per_item")) == ["insufficient_funds", "none"]
    assert codes(batch(home, bob, [spends, brings, spends])) == ["none"] * 3
    assert amounts(home) == [0, 20, -20]
    home.assert_sound()


def test_a_ceiling_holds_between_the_items_too(home: Household) -> None:
    alice = home.as_user("alice")
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    alice.call("set_balance_limits", **cash, min_balance=0, max_balance=10)
    fills, empties = home.item("world", "cash", 10), home.item("cash", "world", 10)
    assert codes(batch(home, alice, [fills, empties, fills])) == ["none"] * 3
    assert refusal(batch, home, alice, [fills, empties]) == "limit_exceeded"
    told = codes(batch(home, alice, [fills, empties, fills], "per_item"))
    assert told == ["limit_exceeded", "none", "none"]
    home.assert_sound()


class TestAtomic:
    def test_the_first_refused_item_refuses_all_and_is_named(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        before = home.state()
        for items, code, ordinal in (
            (
                [home.item("bank", "cash", 60), home.item("bank", "cash", 60), {"entries": None}],
                "invalid_argument",
                3,
            ),
            ([home.item("bank", "cash", 60), home.item("bank", "cash", 60)], *_short(2)),
            ([home.item("bank", "cash", 101), home.item("bank", "yen", 1)], *_short(1)),
            ([home.item("bank", "cash", 1), home.item("bank", "yen", 1)], "unbalanced", 2),
            (
                [
                    home.item("bank", "cash", 1, idempotency_key="k"),
                    home.item("bank", "cash", 2, idempotency_key="k"),
                ],
                "idempotency_mismatch",
                2,
            ),
        ):
            with pytest.raises(Refused) as refused:
                batch(home, bob, items)
            assert (refused.value.code, refused.value.details["ordinal"]) == (code, ordinal)
            assert home.state() == before

    def test_a_refused_batch_uses_no_key(self, home: Household) -> None:
        bob = home.as_user("bob")
        items = [
            home.item("world", "bank", 5, idempotency_key="a"),
            home.item("bank", "cash", 6, idempotency_key="b"),
        ]
        assert refusal(batch, home, bob, items) == "insufficient_funds"
        home.fund(1)
        assert [r["receipt"]["replayed"] for r in batch(home, bob, items)] == [False, False]


def _short(ordinal: int) -> tuple[str, int]:
    return "insufficient_funds", ordinal


class TestPerItem:
    def test_a_refusal_stops_none_of_the_others_and_leaves_nothing(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        rows = "select count(*) from ledger_private.transactions"
        before = home.owner().query(rows)[0]["count"]
        results = batch(
            home,
            bob,
            [
                home.item("bank", "cash", 60, idempotency_key="a"),
                home.item("bank", "cash", 60, idempotency_key="b"),
                home.item("bank", "yen", 1, idempotency_key="c"),
                home.item("bank", "cash", 0, idempotency_key="d"),
                home.item("bank", "cash", 40, idempotency_key="e"),
            ],
            "per_item",
        )
        assert codes(results) == [
            *("none", "insufficient_funds", "unbalanced", "invalid_amount", "none")
        ]
        assert [r["receipt"] is None for r in results] == [False, True, True, True, False]
        assert results[1]["error_details"] == {
            "account_id": home.accounts["bank"],
            "available": 40,
            "required": 60,
        }
        assert home.owner().query(rows)[0]["count"] == before + 2
        assert amounts(home) == [0, 100, -100]
        keys = bob.query(
            "select idempotency_key as k from ledger.transactions"
            " where idempotency_key is not null order by 1"
        )
        assert [row["k"] for row in keys] == ["a", "e"]
        home.fund(60)
        again = batch(home, bob, [home.item("bank", "cash", 60, idempotency_key="b")])
        assert again[0]["receipt"]["replayed"] is False
        home.assert_sound()

    def test_a_refused_leg_takes_back_the_legs_before_it(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        results = batch(
            home,
            bob,
            [
                {"entries": home.lines(world=-50, cash=151, bank=-101)},
                home.item("cash", "bank", 1),
                home.item("bank", "cash", 1),
            ],
            "per_item",
        )
        assert codes(results) == ["insufficient_funds", "insufficient_funds", "none"]
        assert amounts(home) == [99, 1, -100]
        versions = [e["version"] for e in results[2]["receipt"]["entries"]]
        assert versions == [2, 1]
        home.assert_sound()

    @pytest.mark.parametrize("refused", list(permutations(("bank", "cash", "world"), 2)))
    def test_accounts_of_refused_items_alone_disturb_no_other(
        self, home: Household, refused: tuple[str, str]
    ) -> None:
        """Whichever place theirs have among the accounts of the batch."""
        alice = home.as_user("alice")
        for name in ("left", "right"):
            home.accounts[name] = alice.call(
                "open_account", book_id=home.book_id, name=name, type="equity", currency="EUR"
            )["id"]
        items = [
            home.item(refused[0], refused[1], 5),
            home.item("left", "right", 7),
        ]
        frozen = {"book_id": home.book_id, "account_id": home.accounts[refused[0]]}
        alice.call("freeze_account", **frozen)
        assert codes(batch(home, alice, items, "per_item")) == ["account_frozen", "none"]
        assert codes(batch(home, alice, items[1:])) == ["none"]
        assert (home.posted("left"), home.posted("right")) == (-14, 14)
        home.assert_sound()

    def test_where_all_are_refused_nothing_changes(self, home: Household) -> None:
        bob = home.as_user("bob")
        before = home.state()
        items = [home.item("bank", "cash", n, idempotency_key=f"k{n}") for n in (0, 1, 2)]
        told = codes(batch(home, bob, items, "per_item"))
        assert told == ["invalid_amount", "insufficient_funds", "insufficient_funds"]
        assert home.state() == before


class TestIdempotency:
    def test_a_repeated_batch_replays_each_item(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        items = [home.item("bank", "cash", n, idempotency_key=f"k{n}") for n in (1, 2, 3)]
        for mode in ("atomic", "per_item"):
            first = batch(home, bob, items, mode)
            again = batch(home, bob, items, mode)
            assert [r["receipt"] for r in again] == [
                {**r["receipt"], "replayed": True} for r in first
            ]
        assert amounts(home) == [94, 6, -100]

    def test_a_batch_may_be_new_in_part(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        items = [home.item("bank", "cash", n, idempotency_key=f"k{n}") for n in (1, 2, 3, 4)]
        batch(home, bob, items[1:3])
        results = batch(home, bob, items[::-1])
        assert [r["receipt"]["replayed"] for r in results] == [False, True, True, False]
        assert amounts(home) == [90, 10, -100]
        home.assert_sound()

    def test_an_item_may_be_repeated_alone_and_the_other_way_round(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        words = {
            "idempotency_key": "k",
            "effective_on": "2026-02-03",
            "description": "d",
            "external_id": "x",
            "metadata": {"a": None},
        }
        alone: Row = {"book_id": home.book_id, "entries": home.lines(bank=-5, cash=5)}
        first = batch(home, bob, [{"entries": alone["entries"], **words}])[0]["receipt"]
        assert bob.call("post_transaction", **alone, **words) == {**first, "replayed": True}

        other = bob.call("post_transaction", **alone, idempotency_key="l")
        again = batch(home, bob, [{"entries": alone["entries"], "idempotency_key": "l"}])
        assert again[0]["receipt"] == {**other, "replayed": True}
        assert amounts(home)[:2] == [90, 10]

    def test_another_item_under_the_key_is_a_mismatch(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        batch(home, bob, [home.item("bank", "cash", 5, idempotency_key="k")])
        for item in (
            home.item("bank", "cash", 6, idempotency_key="k"),
            home.item("bank", "cash", 5, idempotency_key="k", description="d"),
            {"entries": home.lines(cash=5, bank=-5), "idempotency_key": "k"},
        ):
            assert refusal(batch, home, bob, [item]) == "idempotency_mismatch"
            result = batch(home, bob, [item], "per_item")[0]
            assert result["error_code"] == "idempotency_mismatch"
            assert result["error_details"] == {"idempotency_key": "k"}
        assert home.posted("cash") == 5

    @pytest.mark.parametrize("mode", ["atomic", "per_item"])
    @pytest.mark.parametrize("dry_run", [False, True])
    def test_a_key_that_is_used_twice_is_posted_once(
        self, home: Household, mode: str, dry_run: bool
    ) -> None:
        home.fund(100)
        item = home.item("bank", "cash", 5, idempotency_key="k")
        results = batch(
            home, home.as_user("bob"), [item, home.item("bank", "cash", 1), item], mode,
            dry_run=dry_run,
        )  # fmt: skip
        first, _, second = (result["receipt"] for result in results)
        assert second == {**first, "replayed": True}
        assert home.posted("cash") == (0 if dry_run else 6)
        home.assert_sound()

    def test_a_malformed_item_leaves_its_key_to_the_next(self, home: Household) -> None:
        home.fund(100)
        bob = home.as_user("bob")
        bad = home.item("bank", "cash", 0, idempotency_key="k")
        good = home.item("bank", "cash", 5, idempotency_key="k")
        results = batch(home, bob, [bad, good, good], "per_item")
        assert codes(results) == ["invalid_amount", "none", "none"]
        assert [r["receipt"]["replayed"] for r in results[1:]] == [False, True]
        assert home.posted("cash") == 5

    def test_of_concurrent_batches_each_item_is_posted_once(self, home: Household) -> None:
        """Keys in opposite order, accounts too: no deadlock."""
        home.fund(10_000)
        pairs = [("bank", "cash"), ("cash", "world"), ("world", "bank")]
        items = [
            home.item(*pairs[n % 3], n // 3 + 1, idempotency_key=f"k{n:02}") for n in range(30)
        ]
        sessions = [home.as_user("bob") for _ in range(6)]
        told = at_once(
            *(
                lambda who=who, step=1 - 2 * (n % 2): batch(home, who, items[::step], "per_item")
                for n, who in enumerate(sessions)
            )
        )
        assert told == ["none"] * 6
        stored = home.owner().query("select count(*) from ledger.transactions")
        assert stored[0]["count"] == 31
        home.assert_sound()

    def test_a_batch_waits_for_a_key_that_is_being_used(self, home: Household) -> None:
        home.fund(100)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        for commit, key in ((False, "k"), (True, "l")):
            item = home.item("bank", "cash", 5, idempotency_key=key)
            results = after(
                alice,
                partial(batch, home, alice, [item]),
                bob,
                partial(batch, home, bob, [item, home.item("bank", "cash", 1)]),
                commit=commit,
            )
            assert [r["receipt"]["replayed"] for r in results] == [commit, False]
        assert home.posted("cash") == 12

    def test_keys_are_claimed_in_one_order(self, home: Household) -> None:
        """Whatever the order of the items: who waits for the first key has no later one yet."""
        home.fund(100)
        blocker, bob, other = home.owner(), home.as_user("bob"), home.as_user("bob")
        a, b = (home.item("bank", "cash", 1, idempotency_key=key) for key in "ab")
        blocker.query("begin")
        blocker.query(
            "insert into ledger_private.transactions"
            " (book_id, id, kind, effective_on, idempotency_key)"
            " values (%s, gen_random_uuid(), 'transaction', '2026-01-01', 'a')",
            [home.book_id],
        )
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(batch, home, bob, [b, a])
            until_waiting(blocker, bob, waiting)
            assert batch(home, other, [b])[0]["receipt"]["replayed"] is False
            blocker.query("rollback")
            assert [r["receipt"]["replayed"] for r in waiting.result()] == [True, False]

    def test_a_key_that_does_not_come_free_is_busy(self, home: Household) -> None:
        home.fund(100)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        item = home.item("bank", "cash", 5, idempotency_key="k")
        alice.query("begin")
        batch(home, alice, [item])
        assert refusal(batch, home, bob, [item], "per_item") == "busy"
        alice.query("rollback")
        assert batch(home, bob, [item])[0]["receipt"]["replayed"] is False


def test_accounts_are_locked_in_one_order_whatever_the_order_of_the_items(home: Household) -> None:
    low, high = sorted(("bank", "cash"), key=lambda name: home.accounts[name])
    blocker, bob, third = home.owner(), home.as_user("bob"), home.owner()
    lock = "select from ledger_private.balances where account_id = %s for no key update {}"
    items = [home.item("world", high, 1), home.item("world", low, 1)]
    with ThreadPoolExecutor(1) as pool:
        blocker.query("begin")
        blocker.query(lock.format(""), [home.accounts[low]])
        waiting = pool.submit(batch, home, bob, items)
        until_waiting(blocker, bob, waiting)
        third.query(lock.format("nowait"), [home.accounts[high]])
        blocker.query("commit")
        assert codes(waiting.result()) == ["none", "none"]


def test_funds_are_read_after_the_locks(home: Household) -> None:
    home.fund(100)
    alice, bob = home.as_user("alice"), home.as_user("bob")
    told = after(
        alice,
        lambda: home.pay(alice, "bank", "cash", 80),
        bob,
        lambda: codes(
            batch(home, bob, [home.item("bank", "cash", n) for n in (21, 20)], "per_item")
        ),
    )
    assert told == ["insufficient_funds", "none"]
    home.assert_sound()


def test_a_batch_of_ten_thousand_and_not_one_more(newest: Cluster) -> None:
    database = newest.database("ledger")
    with household(database) as home:
        home.fund(10_000)
        bob = home.as_user("bob")
        items = [home.item("bank", "cash", 1, idempotency_key=f"k{n}") for n in range(10_000)]
        one_more = [*items, home.item("bank", "cash", 1)]
        assert refusal(batch, home, bob, one_more) == "invalid_argument"
        assert len(batch(home, bob, items)) == 10_000
        again = batch(home, bob, items, "per_item")
        assert {r["receipt"]["replayed"] for r in again} == {True}
        refused = [home.item("bank", "cash", 1) for _ in range(10_000)]
        assert set(codes(batch(home, bob, refused, "per_item"))) == {"insufficient_funds"}
        assert amounts(home) == [0, 10_000, -10_000]
        home.assert_sound()
    newest.drop(database)


class TestGroups:
    """A joint floor counts in item order."""

    def test_the_floor_runs_with_the_items(self, home: Household) -> None:
        home.fund(100)
        home.fund(50, "cash")
        _group(home, ["bank", "cash"], 100)
        bob = home.as_user("bob")
        out = [home.item("bank", "world", 30), home.item("cash", "world", 30)]
        before = home.state()
        with pytest.raises(Refused) as refused:
            batch(home, bob, out)
        assert refused.value.code == "group_floor"
        details = refused.value.details
        assert (details["ordinal"], details["available"], details["required"]) == (2, 20, 30)
        assert home.state() == before

        back = home.item("world", "cash", 10)
        results = batch(home, bob, [*out, home.item("bank", "cash", 70), back, out[1]], "per_item")
        assert codes(results) == ["none", "group_floor", "none", "none", "none"]
        assert amounts(home) == [0, 100, -100]
        home.assert_sound()

    def test_what_moves_inside_the_group_and_what_comes_in_is_free(self, home: Household) -> None:
        home.fund(100)
        group = _group(home, ["bank", "cash"], 100)
        bob = home.as_user("bob")
        results = batch(home, bob, [home.item("bank", "cash", 100), home.item("world", "bank", 1)])
        assert codes(results) == ["none", "none"]
        version = "select version from ledger_private.account_groups where id = %s"
        before = home.owner().query(version, [group])[0]["version"]
        batch(home, bob, [home.item("world", "bank", 1)])
        assert home.owner().query(version, [group])[0]["version"] > before

    def test_an_account_of_two_groups_obeys_both(self, home: Household) -> None:
        home.fund(100)
        home.fund(100, "cash")
        _group(home, ["bank", "cash"], 150)
        alone = _group(home, ["bank"], 80)
        with pytest.raises(Refused) as refused:
            batch(home, home.as_user("bob"), [home.item("bank", "world", 30)])
        assert refused.value.details["group_id"] == alone
        told = codes(
            batch(
                home,
                home.as_user("bob"),
                [home.item("cash", "world", 50), home.item("bank", "world", 1)],
                "per_item",
            )
        )
        assert told == ["none", "group_floor"]

    def test_a_holder_is_not_told_what_the_group_has(self, home: Household) -> None:
        home.fund(100)
        home.fund(50, "cash")
        group = _group(home, ["bank", "cash"], 140)
        world = {"book_id": home.book_id, "account_id": home.accounts["world"]}
        home.as_user("alice").call("update_account", **world, payable=True)
        heidi = holder(home)
        item = home.item("bank", "world", 60)
        sides = {"to_account_id": home.accounts["world"], "amount": 60}
        transfer = {"from_account_id": home.accounts["bank"], **sides}
        calls: dict[str, Row] = {
            "transfer": transfer,
            "transfer_up_to": transfer,
            "transfer_serializable": transfer,
            "post_transaction": item,
            "post_transactions": {"transactions": [item]},
            "create_hold": {"account_id": home.accounts["bank"], **sides},
        }
        for function, arguments in calls.items():
            level = "serializable" if function == "transfer_serializable" else "read committed"
            heidi.query(f"set default_transaction_isolation = '{level}'")
            with pytest.raises(Refused) as refused:
                heidi.rows(function, book_id=home.book_id, **arguments)
            assert (function, refused.value.code) == (function, "group_floor")
            details = {k: v for k, v in refused.value.details.items() if k != "ordinal"}
            assert details == {"group_id": group, "required": 60}

    @pytest.mark.parametrize("batch_first", [True, False])
    def test_a_batch_and_a_transfer_on_another_member_wait_for_each_other(
        self, home: Household, batch_first: bool
    ) -> None:
        home.fund(200)
        home.fund(110, "cash")
        _group(home, ["bank", "cash"], 250)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        home.accounts["outside"] = alice.call(
            "open_account", book_id=home.book_id, name="outside", type="equity", currency="EUR"
        )["id"]
        out = [home.item("bank", "outside", 60)]
        first: Callable[[], object] = partial(batch, home, alice, out)
        second: Callable[[], object] = partial(home.pay, bob, "cash", "world", 60)
        if not batch_first:
            first = partial(home.pay, alice, "cash", "world", 60)
            second = partial(batch, home, bob, out)
        assert after(alice, first, bob, partial(answer, second)) == "group_floor"
        home.assert_sound()


def _group(home: Household, names: list[str], min_total: int) -> str:
    return str(
        home.as_user("alice").call(
            "set_account_group",
            book_id=home.book_id,
            name="joint",
            account_ids=[home.accounts[name] for name in names],
            min_total=min_total,
        )["id"]
    )


def test_a_locked_period_refuses_the_items_in_it(home: Household) -> None:
    alice = home.as_user("alice")
    alice.call("lock_period", book_id=home.book_id, from_date="2026-01-01", to_date="2026-01-31")
    items = [
        home.item("world", "bank", 1, effective_on=day)
        for day in ("2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01")
    ]
    told = codes(batch(home, alice, items, "per_item"))
    assert told == ["none", "period_locked", "period_locked", "none"]


def test_who_may_post(home: Household) -> None:
    home.fund(100)
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    home.as_user("alice").call("update_account", **cash, payable=True)
    items = [home.item("bank", "cash", 1)]
    assert answers(home, "post_transactions", book_id=home.book_id, transactions=items) == POSTERS


def test_a_holder_is_refused_item_by_item_and_sees_her_own_lines(home: Household) -> None:
    home.fund(100)
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    home.as_user("alice").call("update_account", **cash, payable=True)
    heidi = holder(home)
    good = home.item("bank", "cash", 1, idempotency_key="k")
    items = [good, home.item("cash", "bank", 1), home.item("bank", "world", 1), good]
    results = batch(home, heidi, items, "per_item")
    assert codes(results) == ["none", "account_not_found", "account_not_found", "none"]
    for result in (results[0], results[3]):
        lines = result["receipt"]["entries"]
        assert [line["account_id"] for line in lines] == [home.accounts["bank"]]


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    home.fund(100)
    good: Row = {
        "book_id": home.book_id,
        "transactions": [home.item("bank", "cash", 5)],
        "mode": "atomic",
    }
    for mode in ("atomic", "per_item"):
        assert_refused(
            home,
            home.as_user("alice"),
            "post_transactions",
            {**good, "mode": mode},
            [
                ({"book_id": None}, "book_not_found"),
                ({"transactions": None}, "invalid_argument"),
                ({"transactions": []}, "invalid_argument"),
                ({"mode": None}, "invalid_argument"),
                ({"mode": "best effort"}, "invalid_argument"),
            ],
        )
    cases: list[tuple[Row, str]] = [
        ({"entries": None}, "invalid_argument"),
        ({"entries": []}, "invalid_argument"),
        ({"entries": home.lines(bank=-5)}, "invalid_argument"),
        (home.item("bank", "cash", 0), "invalid_amount"),
        (home.item("bank", "cash", MAX + 1), "invalid_amount"),
        ({"entries": home.lines(bank=-5) * 2}, "same_account"),
        ({"entries": [*home.lines(bank=-5), {"amount": 5}]}, "account_not_found"),
        (home.item("bank", "cash", 5, idempotency_key=""), "invalid_argument"),
        (home.item("bank", "cash", 5, description="d" * 1001), "invalid_argument"),
        (home.item("bank", "cash", 5, metadata=[]), "invalid_argument"),
        (home.item("bank", "cash", 5, effective_on="infinity"), "invalid_argument"),
    ]
    bob = home.as_user("bob")
    before = home.state()
    items = [item for item, _ in cases]
    assert codes(batch(home, bob, items, "per_item")) == [code for _, code in cases]
    for item, code in cases:
        assert (item, refusal(batch, home, bob, [item])) == (item, code)
    assert home.state() == before


NAMES = ("world", "bank", "cash")
ITEMS = st.lists(
    st.tuples(
        st.permutations(NAMES).map(lambda names: names[:2]),
        st.integers(0, 12),
        st.sampled_from([None, None, "a", "b", "c"]),
    ),
    min_size=1,
    max_size=12,
)


def expected(items: list[tuple[list[str], int, str | None]]) -> tuple[list[str], dict[str, int]]:
    """What each item is told, and the balances after; of equal keys the first is judged."""
    balances = {"world": -20, "bank": 10, "cash": 10}
    told: list[str] = []
    first: dict[str | None, tuple[Any, str]] = {}
    for names, amount, key in items:
        giver, taker = names
        request = (giver, taker, amount)
        if amount == 0:
            told.append("invalid_amount")
            continue
        if key in first and key is not None:
            known, code = first[key]
            told.append(code if known == request else "idempotency_mismatch")
            continue
        short = giver != "world" and balances[giver] < amount
        told.append("insufficient_funds" if short else "none")
        first[key] = (request, told[-1])
        if not short:
            balances[giver] -= amount
            balances[taker] += amount
    return told, balances


def test_per_item_is_one_call_after_the_other(newest: Cluster) -> None:
    """A model in Python, a batch, and single calls: the same answers and balances."""
    database = newest.database("ledger")
    with household(database) as home:
        home.fund(10)
        home.fund(10, "cash")
        bob = home.as_user("bob")

        def balances() -> dict[str, int]:
            rows = bob.rows("get_balances", book_id=home.book_id)
            posted = {row["account_id"]: row["posted"] for row in rows}
            return {name: posted[home.accounts[name]] for name in NAMES}

        def one_by_one(records: list[Row]) -> list[str]:
            """Of a key that was refused a later call may be posted: so it is not called again."""
            told: list[str] = []
            known: dict[str, tuple[Row, str]] = {}
            for record in records:
                key = record["idempotency_key"]
                if key in known and known[key][1] != "none":
                    told.append(
                        known[key][1] if known[key][0] == record else "idempotency_mismatch"
                    )
                    if record["entries"][1]["amount"] == 0:
                        told[-1] = "invalid_amount"
                    continue
                bob.query("savepoint one")
                code = refusal(bob.call, "post_transaction", book_id=home.book_id, **record)
                if code != "none":
                    bob.query("rollback to one")
                told.append(code)
                if key is not None and code in ("none", "insufficient_funds"):
                    known.setdefault(key, (record, code))
            return told

        @settings(derandomize=True, deadline=None, max_examples=60, database=None)
        @given(ITEMS)
        def compare(items: list[tuple[list[str], int, str | None]]) -> None:
            records = [
                home.item(names[0], names[1], amount, idempotency_key=key)
                for names, amount, key in items
            ]
            attempts: tuple[Callable[[], list[str]], ...] = (
                lambda: codes(batch(home, bob, records, "per_item")),
                lambda: one_by_one(records),
            )
            for attempt in attempts:
                bob.query("begin")
                try:
                    assert (attempt(), balances()) == expected(items)
                finally:
                    bob.query("rollback")

        compare()
    newest.drop(database)


def test_a_replay_opens_an_archived_book_for_nothing_else(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    first = home.item("bank", "cash", 5, idempotency_key="k")
    assert codes(batch(home, alice, [first])) == ["none"]
    alice.call("update_book", book_id=home.book_id, archived=True)
    before = home.state()
    assert codes(batch(home, alice, [first])) == ["none"]
    for mode in ("atomic", "per_item"):
        more = [first, home.item("bank", "cash", 6)]
        assert refusal(batch, home, alice, more, mode=mode) == "book_archived"
    assert home.state() == before


@pytest.mark.parametrize("amount", [2**63 - 1, -(2**63)])
def test_an_amount_that_is_no_amount_refuses_its_item_alone(home: Household, amount: int) -> None:
    home.fund(100)
    bad = {"entries": home.lines(bank=amount, cash=1)}
    results = batch(home, home.as_user("bob"), [bad, home.item("bank", "cash", 5)], mode="per_item")
    assert codes(results) == ["invalid_amount", "none"]


def test_what_a_holder_is_refused_locks_nothing(home: Household) -> None:
    home.fund(100)
    heidi = holder(home, "cash")
    heidi.query("begin")
    results = batch(home, heidi, [home.item("bank", "world", 5)], mode="per_item")
    assert codes(results) == ["account_not_found"]
    free = "select 1 as one from ledger_private.balances where account_id = %s for update nowait"
    assert home.owner().query(free, [home.accounts["bank"]])
    heidi.query("rollback")


def test_no_expectation_and_an_empty_list_are_one_request(home: Household) -> None:
    home.fund(100)
    alice = home.as_user("alice")
    first = home.pay(alice, "bank", "cash", 5, idempotency_key="k")
    again = home.pay(alice, "bank", "cash", 5, idempotency_key="k", expect=[])
    assert (again["replayed"], again["transaction_id"]) == (True, first["transaction_id"])
