"""ledger.transfer_serializable, and joint floors: against transfer, and each alone."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.callers import POSTERS, answer, everybody
from tests.conftest import BINARIES, Cluster, Database, missing
from tests.integration.gateway.conftest import serve, token
from tests.stepping import after, at_once
from tests.world import Household, Refused, Row, Session, household, refusal
from tillroll.server import Server

FORMS = ("transfer", "transfer_serializable")
POSTS = (*FORMS, "transfer_up_to", "post_transaction", "post_transactions", "create_hold")


@pytest.fixture
def home(home: Household) -> Household:
    """bank and cash have 100 each, and together at least 140; two doors lead out."""
    stocked(home)
    return home


def stocked(home: Household) -> None:
    alice = home.as_user("alice")
    home.fund(100)
    home.fund(100, "cash")
    home.accounts["outside"] = alice.call(
        "open_account", book_id=home.book_id, name="outside", type="equity", currency="EUR"
    )["id"]
    members = [home.accounts["bank"], home.accounts["cash"]]
    alice.call(
        "set_account_group",
        book_id=home.book_id,
        name="joint",
        account_ids=members,
        min_total=140,
    )


def pay(
    home: Household,
    who: Session,
    function: str,
    giver: str,
    amount: int,
    taker: str = "world",
    **more: Any,
) -> Row:
    """One posting of money out of the group, in the transaction that is open."""
    item = home.item(giver, taker, amount)
    giver_id, taker_id = home.accounts[giver], home.accounts[taker]
    special: dict[str, Row] = {
        "post_transaction": item,
        "post_transactions": {"transactions": [item]},
        "create_hold": {"account_id": giver_id, "to_account_id": taker_id, "amount": amount},
    }
    sides = {"from_account_id": giver_id, "to_account_id": taker_id, "amount": amount}
    return who.call(function, book_id=home.book_id, **special.get(function, sides), **more)


def serializable(who: Session) -> Session:
    who.query("set default_transaction_isolation = 'serializable'")
    return who


def caller(home: Household, function: str) -> Session:
    """An editor whose transactions have the level that the function declares."""
    who = home.as_user("bob")
    return serializable(who) if function == "transfer_serializable" else who


def total(home: Household) -> int:
    return home.posted("bank") + home.posted("cash")


def test_it_is_a_transfer(home: Household) -> None:
    who = caller(home, "transfer_serializable")
    receipt = pay(home, who, "transfer_serializable", "bank", 10, idempotency_key="k")
    assert (receipt["kind"], receipt["replayed"]) == ("transfer", False)
    again = pay(home, who, "transfer_serializable", "bank", 10, idempotency_key="k")
    assert again == {**receipt, "replayed": True}
    told = refusal(pay, home, home.as_user("bob"), "transfer", "bank", 10, idempotency_key="k")
    assert told == "idempotency_mismatch"
    assert home.posted("bank") == 90
    home.assert_sound()


@pytest.mark.parametrize("level", ["read committed", "repeatable read"])
def test_a_weaker_level_is_refused(home: Household, level: str) -> None:
    before = home.state()
    bob = home.as_user("bob")
    bob.query(f"set default_transaction_isolation = '{level}'")
    with pytest.raises(Refused) as refused:
        pay(home, bob, "transfer_serializable", "bank", 1)
    assert refused.value.code == "wrong_isolation"
    assert refused.value.details == {"isolation": level, "required": "serializable"}
    assert home.state() == before


def test_refusals_are_those_of_a_transfer(home: Household) -> None:
    who = caller(home, "transfer_serializable")
    for giver, taker, amount, code in (
        ("bank", "world", 0, "invalid_amount"),
        ("bank", "bank", 1, "same_account"),
        ("bank", "yen", 1, "currency_mismatch"),
        ("bank", "world", 101, "insufficient_funds"),
        ("bank", "world", 61, "group_floor"),
    ):
        told = refusal(pay, home, who, "transfer_serializable", giver, amount, taker)
        assert (giver, taker, told) == (giver, taker, code)


def test_who_may_transfer(home: Household) -> None:
    cash = {"book_id": home.book_id, "account_id": home.accounts["cash"]}
    home.as_user("alice").call("update_account", **cash, payable=True)
    told = {
        name: answer(
            partial(pay, home, serializable(who), "transfer_serializable", "bank", 1, "cash")
        )
        for name, who in everybody(home).items()
    }
    assert told == POSTERS


@pytest.mark.parametrize(("first", "second"), list(product(FORMS, FORMS)))
@pytest.mark.parametrize("giver", ["bank", "cash"])
def test_of_two_that_together_break_the_floor_one_is_refused(
    home: Household, first: str, second: str, giver: str
) -> None:
    """Stepped. A transfer waits for the group; the other form never does."""
    one, two = caller(home, first), caller(home, second)
    hold = partial(pay, home, one, first, "bank", 60)
    attempt = partial(answer, partial(pay, home, two, second, giver, 40, "outside"))
    if second == "transfer":
        assert after(one, hold, two, attempt) == "group_floor"
    elif giver == "bank":
        assert after(one, hold, two, attempt) == "serialization_conflict"
    else:
        one.query("begin")
        hold()
        assert attempt() == "serialization_conflict"
        one.query("commit")
    assert total(home) == 140
    home.assert_sound()


@pytest.mark.parametrize("first", POSTS)
def test_a_snapshot_that_is_older_than_a_posting_on_another_member_conflicts(
    home: Household, first: str
) -> None:
    """That every posting raises the version of the group is what tells."""
    one, two = caller(home, first), caller(home, "transfer_serializable")
    two.query("begin")
    two.query("select 1 from ledger.books")
    pay(home, one, first, "bank", 60)
    assert refusal(pay, home, two, "transfer_serializable", "cash", 40, "outside") == (
        "serialization_conflict"
    )
    two.query("rollback")
    told = refusal(pay, home, two, "transfer_serializable", "cash", 40, "outside")
    assert told == "group_floor"


def test_what_comes_in_raises_the_version_too(home: Household) -> None:
    one, two = caller(home, "transfer"), caller(home, "transfer_serializable")
    two.query("begin")
    two.query("select 1 from ledger.books")
    home.pay(one, "world", "bank", 1)
    told = refusal(pay, home, two, "transfer_serializable", "cash", 40, "outside")
    assert told == "serialization_conflict"


@pytest.mark.parametrize(
    "forms", [FORMS[:1] * 2, FORMS[1:] * 2, FORMS], ids=["transfer", "serializable", "mixed"]
)
def test_in_many_rounds_at_once_the_floor_never_breaks(
    home: Household, forms: tuple[str, str]
) -> None:
    rounds(home, forms, 12)


def rounds(home: Household, forms: tuple[str, str], number: int) -> None:
    """Two members give 40 each, four callers at once, where 60 may go."""
    alice = home.as_user("alice")
    callers = [(form, giver, caller(home, form)) for form in forms for giver in ("bank", "cash")]
    seen = Counter[str]()
    for _ in range(number):
        jobs: list[Callable[[], object]] = [
            partial(_whole, home, who, form, giver) for form, giver, who in callers
        ]
        told = at_once(*jobs)
        seen.update(told)
        assert told.count("none") <= 1
        assert total(home) == 200 - 40 * told.count("none")
        for name in ("bank", "cash"):
            if home.posted(name) < 100:
                home.pay(alice, "world", name, 100 - home.posted(name))
    allowed = {"none", "group_floor", "serialization_conflict", "40001 at commit"}
    assert set(seen) <= allowed, seen
    assert seen["none"] > 0
    home.assert_sound()
    for who in (alice, *(session for _, _, session in callers)):
        who.connection.close()


def _whole(home: Household, who: Session, form: str, giver: str) -> None:
    """One whole transaction: a 40001 may come of its COMMIT, and of nothing else."""
    who.query("begin")
    try:
        pay(home, who, form, giver, 40, {"bank": "world", "cash": "outside"}[giver])
    except Refused:
        who.query("rollback")
        raise
    try:
        who.query("commit")
    except psycopg.errors.SerializationFailure as error:
        raise _AtCommit(str(error)) from None


class _AtCommit(psycopg.Error):
    sqlstate = "40001 at commit"


def test_transfers_and_serializable_ones_of_one_account_never_deadlock(home: Household) -> None:
    """One takes the group and then the account, the other the account: it must not wait then."""
    home.fund(10_000)

    def work(form: str) -> Counter[str]:
        who = caller(home, form)
        return Counter(
            answer(partial(pay, home, who, form, "bank", 1, "outside")) for _ in range(60)
        )

    with ThreadPoolExecutor(4) as pool:
        told = sum(pool.map(work, FORMS * 2), Counter[str]())
    assert set(told) <= {"none", "serialization_conflict"}, told
    home.assert_sound()


class TestSmallServer:
    """Where the pool of serializable transactions is exhausted, Postgres lets write skew pass."""

    @pytest.fixture(params=["15", "17", "18"], ids="pg{}".format)
    def small(self, request: pytest.FixtureRequest) -> Iterator[Database]:
        binaries = BINARIES[request.param]
        if binaries is not None and not (binaries / "postgres").exists():
            missing(f"Postgres {request.param}")
        folder = Path(tempfile.mkdtemp(prefix="tillroll-test-small-"))
        folder.chmod(0o755)
        settings = {"max_connections": "20"}
        server = Server(folder, bin_dir=binaries, durable=False, settings=settings).start()
        try:
            yield Cluster(server).database("ledger")
        finally:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)

    def test_the_floor_holds_where_serializable_alone_does_not(self, small: Database) -> None:
        assert skewed(small), "serializable would have sufficed: nothing is shown"
        with household(small) as home:
            stocked(home)
            one, two = caller(home, FORMS[1]), caller(home, FORMS[1])
            two.query("begin")
            two.query("select 1 from ledger.books")
            pay(home, one, FORMS[1], "bank", 60)
            crowd(small)
            told = refusal(pay, home, two, FORMS[1], "cash", 40, "outside")
            two.query("rollback")
            assert told == "serialization_conflict"
            home.fund(60)
            with ThreadPoolExecutor(1) as pool:
                crowding = pool.submit(crowd, small)
                rounds(home, FORMS, 6)
                rounds(home, (FORMS[1], FORMS[1]), 6)
                crowding.result()

    def test_duplicates_at_serializable_are_posted_once(self, small: Database) -> None:
        """ON CONFLICT takes no predicate lock."""
        with household(small) as home:
            stocked(home)
            callers = [caller(home, FORMS[1]) for _ in range(4)]
            keys = [f"k{number}" for number in range(8)]
            with ThreadPoolExecutor(1) as pool:
                crowding = pool.submit(crowd, small)
                for key in keys:
                    jobs: list[Callable[[], object]] = [
                        partial(pay, home, who, FORMS[1], "bank", 1, idempotency_key=key)
                        for who in callers
                    ]
                    assert set(at_once(*jobs)) <= {"none", "serialization_conflict", "40001"}
                crowding.result()
            for key in keys:
                pay(home, callers[0], FORMS[1], "bank", 1, idempotency_key=key)
            assert home.posted("bank") == 100 - len(keys)
            home.assert_sound()


def crowd(database: Database) -> None:
    """More serializable transactions than the server remembers."""
    with database.connect() as many:
        for _ in range(700):
            many.execute("begin isolation level serializable")
            many.execute("select 1")
            many.execute("commit")


def skewed(database: Database) -> bool:
    """Whether two serializable transactions that each read what the other writes both commit."""
    one, two = database.connect(), database.connect()
    one.execute("create table public.skew (name text primary key, amount int)")
    one.execute("insert into public.skew values ('a', 1), ('b', 1)")
    try:
        for who in (one, two):
            who.execute("begin isolation level serializable")
            who.execute("select sum(amount) from public.skew")
        one.execute("update public.skew set amount = 0 where name = 'a'")
        one.execute("commit")
        crowd(database)
        two.execute("update public.skew set amount = 0 where name = 'b'")
        two.execute("commit")
    except psycopg.errors.SerializationFailure:
        return False
    finally:
        one.close()
        two.close()
    return True


def test_over_http_it_has_its_level_and_a_conflict_is_503(newest: Cluster) -> None:
    database = newest.database("ledger")
    with household(database) as home, serve(database, schemas=("ledger",)) as api:
        stocked(home)
        body = {
            "book_id": home.book_id,
            "from_account_id": home.accounts["bank"],
            "to_account_id": home.accounts["world"],
            "amount": 10,
        }
        bob = token(sub=home.users["bob"])
        done = api.rpc("transfer_serializable", body, **bob)
        assert (done.status_code, done.json()["kind"]) == (200, "transfer")

        blocker = home.as_user("alice")
        blocker.query("begin")
        home.pay(blocker, "cash", "outside", 1)
        conflict = api.rpc("transfer_serializable", body, **bob)
        assert (conflict.status_code, conflict.json()["code"]) == (503, "serialization_conflict")
        assert conflict.headers["retry-after"]
        blocker.query("rollback")
        assert api.rpc("transfer_serializable", body, **bob).status_code == 200
        home.assert_sound()
    newest.drop(database)
