"""Reversals, exchanges and closings while others do so too: both orders, and in a crowd."""

from __future__ import annotations

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest

from tests.callers import answer
from tests.holding import capture, close, hold, money, open_account, reverse, rule, swap
from tests.stepping import after, at_once, until_waiting
from tests.world import Household, Row, Session

PERIOD = {"from_date": "2020-01-01", "to_date": "9999-12-31"}


def _pid(who: Session) -> int:
    """What chooses the session's slot."""
    return who.connection.info.backend_pid


class TestReversals:
    def test_of_two_whole_reversals_one_happens(self, home: Household) -> None:
        first = home.fund(100)
        home.fund(100)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        told = after(
            alice,
            partial(reverse, home, alice, first, idempotency_key="a"),
            bob,
            lambda: answer(partial(reverse, home, bob, first, idempotency_key="b")),
        )
        assert told == "already_reversed"
        assert home.posted("bank") == 100
        home.assert_sound()

    def test_where_the_first_is_undone_the_second_happens(self, home: Household) -> None:
        first = home.fund(100)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        after(
            alice,
            partial(reverse, home, alice, first),
            bob,
            partial(reverse, home, bob, first),
            commit=False,
        )
        assert home.posted("bank") == 0
        home.assert_sound()

    @pytest.mark.parametrize(("part", "told"), [(40, "none"), (41, "already_reversed")])
    def test_parts_add_up_to_at_most_the_original(
        self, home: Household, part: int, told: str
    ) -> None:
        first = home.fund(100)
        home.fund(100)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        assert told == after(
            alice,
            partial(reverse, home, alice, first, 60),
            bob,
            lambda: answer(partial(reverse, home, bob, first, part)),
        )
        home.assert_sound()

    def test_accounts_with_slots_meet_in_the_original(self, home: Household) -> None:
        """Two sessions may write different slots: the balances would not make one of them wait."""
        one, two = (open_account(home, name, slots=2) for name in ("one", "two"))
        assert one != two
        alice, bob = home.as_user("alice"), home.as_user("bob")
        while (_pid(alice) - _pid(bob)) % 2 == 0:
            bob = home.as_user("bob")
        first = home.pay(alice, "one", "two", 100)
        told = after(
            alice,
            partial(reverse, home, alice, first),
            bob,
            lambda: answer(partial(reverse, home, bob, first)),
        )
        assert told == "already_reversed"

        second = home.pay(alice, "one", "two", 100)
        bob.query("begin isolation level repeatable read")
        bob.query("select 1 as one")
        reverse(home, alice, second)
        with pytest.raises(psycopg.errors.SerializationFailure):
            reverse(home, bob, second)
        bob.query("rollback")
        assert home.posted("two") == 0
        home.assert_sound()

    def test_many_parts_at_once_reverse_all_and_no_more(self, home: Household) -> None:
        first = home.fund(100)
        home.fund(100)
        told = at_once(
            *(
                partial(reverse, home, home.as_user("bob"), first, 20, idempotency_key=str(number))
                for number in range(8)
            )
        )
        assert (told.count("none"), told.count("already_reversed")) == (5, 3)
        assert home.posted("bank") == 100
        home.assert_sound()

    def test_of_concurrent_duplicates_one_reverses_and_the_rest_replay(
        self, home: Household
    ) -> None:
        first = home.fund(100)
        receipts: list[Row] = []

        def job(who: Session) -> None:
            receipts.append(reverse(home, who, first, idempotency_key="k"))

        assert at_once(*(partial(job, home.as_user("bob")) for _ in range(6))) == ["none"] * 6
        assert sorted(receipt["replayed"] for receipt in receipts) == [False] + [True] * 5
        assert len({receipt["transaction_id"] for receipt in receipts}) == 1

    def test_a_dry_run_waits_for_the_reversal_that_is_under_way(self, home: Household) -> None:
        first = home.fund(100)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        told = after(
            alice,
            partial(reverse, home, alice, first),
            bob,
            lambda: answer(partial(reverse, home, bob, first, dry_run=True)),
        )
        assert told == "already_reversed"

    def test_an_original_that_stays_locked_is_busy(self, home: Household) -> None:
        first = home.fund(100)
        blocker, bob = home.owner(), home.as_user("bob")
        blocker.query("begin")
        blocker.query("select from ledger_private.transactions for no key update")
        assert answer(partial(reverse, home, bob, first)) == "busy"
        blocker.query("rollback")

    def test_a_locked_period_and_a_reversal_come_one_after_the_other(self, home: Household) -> None:
        first = home.fund(100)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        lock = partial(alice.call, "lock_period", book_id=home.book_id, **PERIOD)
        told = after(
            bob, partial(reverse, home, bob, first, 10), alice, lambda: answer(lock), commit=False
        )
        assert told == "none"
        alice.call("unlock_period", book_id=home.book_id, **PERIOD)
        told = after(alice, lock, bob, lambda: answer(partial(reverse, home, bob, first, 10)))
        assert told == "period_locked"
        home.assert_sound()

    @pytest.mark.parametrize(
        ("function", "too_soon", "too_late"),
        [
            ("freeze_account", "none", "account_frozen"),
            ("close_account", "account_not_empty", "account_closed"),
        ],
    )
    def test_the_end_of_an_account_and_a_reversal_come_one_after_the_other(
        self, home: Household, function: str, too_soon: str, too_late: str
    ) -> None:
        first = home.fund(100)
        alice, bob = home.as_user("alice"), home.as_user("bob")
        second = home.pay(bob, "bank", "cash", 100)
        rule(home, "set_balance_limits", "bank", min_balance=None, max_balance=None)
        end = partial(rule, home, function, "bank", who=alice)
        told = after(bob, partial(reverse, home, bob, first), alice, lambda: answer(end))
        assert told == too_soon
        rule(home, "unfreeze_account", "bank")
        home.pay(bob, "cash", "bank", 100)
        told = after(alice, end, bob, lambda: answer(partial(reverse, home, bob, second)))
        assert told == too_late
        home.assert_sound()


class TestExchanges:
    @pytest.mark.parametrize("commit", [True, False], ids=["kept", "undone"])
    def test_two_first_ones_share_the_conversion_accounts(
        self, home: Household, commit: bool
    ) -> None:
        home.fund(100)
        rule(home, "set_balance_limits", "yen", min_balance=None, max_balance=None)
        open_account(home, "other yen", currency="JPY")
        alice, bob = home.as_user("alice"), home.as_user("bob")
        after(
            alice,
            partial(swap, home, alice, "bank", "yen", 10, 10),
            bob,
            partial(swap, home, bob, "other yen", "cash", 10, 10),
            commit=commit,
        )
        made = bob.query("select 1 as one from ledger.accounts where name like 'Conversion %%'")
        assert len(made) == 2
        assert home.posted("yen") == (10 if commit else 0)
        home.assert_sound()

    def test_many_first_ones_in_both_directions_never_deadlock(self, home: Household) -> None:
        for number, currency in enumerate(("EUR", "JPY", "USD") * 2):
            open_account(home, f"{currency}{number // 3}", currency=currency)
        names = [("EUR", "JPY"), ("JPY", "EUR"), ("JPY", "USD"), ("USD", "EUR"), ("EUR", "USD")]
        told = at_once(
            *(
                partial(swap, home, home.as_user("bob"), f"{sell}{n % 2}", f"{buy}{n % 2}", 10, 10)
                for n, (sell, buy) in enumerate(names * 2)
            )
        )
        assert told == ["none"] * 10
        made = home.owner().query("select 1 as one from ledger.accounts where slots = 16")
        assert len(made) == 3
        home.assert_sound()

    def test_conversion_accounts_are_opened_in_one_order(self, home: Household) -> None:
        """Both callers wait for the account that sorts first, and neither has opened the other."""
        home.fund(100)
        rule(home, "set_balance_limits", "yen", min_balance=None, max_balance=None)
        blocker, alice, bob = home.owner(), home.as_user("alice"), home.as_user("bob")
        (low, first), (high, second) = (
            (row["id"], row["currency"])
            for row in blocker.query(
                "select ledger_private.conversion_account_id(%s, c)::text as id, c as currency"
                " from unnest(array['EUR', 'JPY']) as c order by 1",
                [home.book_id],
            )
        )

        def take(who: Session, place: str, currency: str) -> None:
            who.query("begin")
            who.call(
                "open_account",
                book_id=home.book_id,
                name=f"Conversion {currency}",
                type="equity",
                currency=currency,
                id=place,
                slots=16,
            )

        with ThreadPoolExecutor(2) as pool:
            take(blocker, low, first)
            calls = [
                pool.submit(swap, home, who, *pair, 10, 10)
                for who, pair in ((alice, ("bank", "yen")), (bob, ("yen", "bank")))
            ]
            for who, call in zip((alice, bob), calls, strict=True):
                until_waiting(blocker, who, call)
            other = home.owner()
            take(other, high, second)
            other.query("rollback")
            blocker.query("commit")
            assert [call.result()["kind"] for call in calls] == ["exchange"] * 2
        home.assert_sound()


class TestClosings:
    @pytest.mark.parametrize(("giver", "taker"), [("bank", "cash"), ("cash", "bank")])
    def test_a_closing_sees_the_transfer_that_is_under_way(
        self, home: Household, giver: str, taker: str
    ) -> None:
        home.fund(100)
        home.fund(50, "cash")
        alice, bob = home.as_user("alice"), home.as_user("bob")
        closed = after(
            bob,
            partial(home.pay, bob, giver, taker, 30),
            alice,
            partial(close, home, alice, "bank", "cash"),
        )
        assert (closed["status"], closed["posted"]) == ("closed", 0)
        assert home.posted("cash") == 150
        home.assert_sound()

    @pytest.mark.parametrize(("giver", "taker"), [("bank", "cash"), ("cash", "bank")])
    def test_a_transfer_sees_the_closing_that_is_under_way(
        self, home: Household, giver: str, taker: str
    ) -> None:
        home.fund(100)
        home.fund(50, "cash")
        alice, bob = home.as_user("alice"), home.as_user("bob")
        told = after(
            alice,
            partial(close, home, alice, "bank", "cash"),
            bob,
            lambda: answer(partial(home.pay, bob, giver, taker, 30)),
        )
        assert told == "account_closed"
        assert home.posted("cash") == 150
        home.assert_sound()

    def test_a_payment_into_another_slot_is_swept_or_refused(self, home: Household) -> None:
        open_account(home, "hot", slots=3)
        alice = home.as_user("alice")
        bobs: dict[int, Session] = {}
        while len(bobs) < 3:
            bob = home.as_user("bob")
            bobs.setdefault((_pid(bob) - _pid(alice)) % 3, bob)
        closed = after(
            bobs[1],
            partial(home.pay, bobs[1], "world", "hot", 7),
            alice,
            partial(close, home, alice, "hot", "cash"),
        )
        assert closed["posted"] == 0
        assert money(home, "cash")[0] == 7
        for bob in bobs.values():
            assert answer(partial(home.pay, bob, "world", "hot", 7)) == "account_closed"
        home.assert_sound()

    def test_two_closings_in_opposing_directions_leave_the_money_somewhere(
        self, home: Household
    ) -> None:
        home.fund(100)
        home.fund(50, "cash")
        alice, other = home.as_user("alice"), home.as_user("alice")
        told = after(
            alice,
            partial(close, home, alice, "bank", "cash"),
            other,
            lambda: answer(partial(close, home, other, "cash", "bank")),
        )
        assert told == "account_closed"
        assert home.posted("cash") == 150
        home.assert_sound()

    def test_at_a_stronger_level_a_transfer_that_began_before_aborts(self, home: Household) -> None:
        home.fund(100, "cash")
        alice, bob = home.as_user("alice"), home.as_user("bob")
        bob.query("begin isolation level repeatable read")
        bob.query("select 1 as one")
        close(home, alice, "bank")
        with pytest.raises(psycopg.errors.SerializationFailure):
            home.pay(bob, "cash", "bank", 1)
        bob.query("rollback")

    def test_balances_that_stay_locked_are_busy(self, home: Household) -> None:
        blocker, alice = home.owner(), home.as_user("alice")
        blocker.query("begin")
        blocker.query("select from ledger_private.balances for no key update")
        assert answer(partial(close, home, alice, "bank")) == "busy"
        blocker.query("rollback")


def test_opposing_orders_of_everything_never_deadlock(home: Household) -> None:
    home.fund(100_000)
    home.fund(100_000, "cash")
    open_account(home, "yens", currency="JPY")

    def job(seed: int, who: Session) -> None:
        chance = random.Random(seed)
        for _ in range(15):
            giver, taker = chance.sample(["bank", "cash"], 2)
            match chance.randrange(5):
                case 0:
                    reverse(home, who, home.pay(who, giver, taker, 2), 1)
                case 1:
                    swap(home, who, giver, "yens", 10, 1)
                case 2:
                    swap(home, who, "yens", taker, 1, 10)
                case 3:
                    capture(home, who, hold(home, who, 1, giver, taker))
                case _:
                    name = str(uuid.UUID(int=chance.getrandbits(128)))
                    open_account(home, name)
                    home.pay(who, giver, name, 5)
                    close(home, home.as_user("alice"), name, taker)

    told = at_once(*(partial(job, seed, home.as_user("bob")) for seed in range(6)))
    assert told == ["none"] * 6
    home.assert_sound()
