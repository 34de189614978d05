from __future__ import annotations

import random
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.callers import READERS, answers, assert_refused, holder
from tests.world import Household, Row, Session, refusal


class Reader:
    """Somebody who follows the feed from its beginning."""

    def __init__(self, who: Session, book_id: str, page_size: int = 3) -> None:
        self.who, self.book_id, self.page_size = who, book_id, page_size
        self.cursor: str | None = None
        self.seen: list[Row] = []

    def read(self) -> list[str]:
        """The ids of what is new, page by page to its end."""
        new: list[Row] = []
        while page := self.who.rows(
            "changes_since", book_id=self.book_id, after=self.cursor, page_size=self.page_size
        ):
            assert len(page) <= self.page_size
            new += page
            self.cursor = page[-1]["cursor"]
        self.seen += new
        return [change["transaction_id"] for change in new]


def _post(home: Household, who: Session, amount: int = 1) -> str:
    return str(home.pay(who, "world", "bank", amount)["transaction_id"])


def test_it_returns_each_transaction_with_its_entries_in_order(home: Household) -> None:
    bob, carol = home.as_user("bob"), home.as_user("carol")
    receipts = [
        home.pay(bob, "world", "bank", 100, effective_on="2026-03-02"),
        home.pay(bob, "bank", "cash", 30),
        home.pay(bob, "bank", "cash", 5),
    ]
    changes = carol.rows("changes_since", book_id=home.book_id)
    for change, receipt in zip(changes, receipts, strict=True):
        assert change.pop("cursor")
        same = ("transaction_id", "kind", "posted_at", "effective_on", "entries")
        assert change == {name: receipt[name] for name in same}


def test_pages_are_gapless_and_an_empty_one_is_the_end_for_now(home: Household) -> None:
    bob = home.as_user("bob")
    reader = Reader(home.as_user("carol"), home.book_id)
    assert reader.read() == []
    posted = [_post(home, bob) for _ in range(7)]
    assert reader.read() == posted
    assert reader.read() == []
    latest = _post(home, bob)
    assert reader.read() == [latest]


def test_a_page_has_100_changes_unless_told_otherwise(home: Household) -> None:
    home.owner().query(
        "select ledger.transfer(%s, %s, %s, n) from generate_series(1, 101) as n",
        [home.book_id, home.accounts["world"], home.accounts["bank"]],
    )
    carol = home.as_user("carol")
    page = carol.rows("changes_since", book_id=home.book_id)
    assert len(page) == 100
    (last,) = carol.rows("changes_since", book_id=home.book_id, after=page[-1]["cursor"])
    # All of one database transaction: by id.
    ids = [change["transaction_id"] for change in [*page, last]]
    assert ids == sorted(ids)
    assert len(set(ids)) == 101


def _lanes(home: Household, count: int) -> list[tuple[Session, tuple[str, str]]]:
    """Sessions that each post between two accounts of their own, so that none waits for another."""
    alice = home.as_user("alice")
    for lane in range(count):
        for side in ("from", "to"):
            home.accounts[f"{side}{lane}"] = alice.call(
                "open_account", book_id=home.book_id, name="n", type="equity", currency="EUR"
            )["id"]
    return [(home.as_user("bob"), (f"from{lane}", f"to{lane}")) for lane in range(count)]


def test_what_commits_late_holds_back_what_began_after_it(home: Household) -> None:
    (late, its), (soon, others) = _lanes(home, 2)
    reader = Reader(home.as_user("carol"), home.book_id)
    late.query("begin")
    first = home.pay(late, *its, 1)["transaction_id"]
    second = home.pay(soon, *others, 1)["transaction_id"]
    assert reader.read() == []
    late.query("commit")
    assert reader.read() == [first, second]


def test_what_is_rolled_back_is_never_seen_and_holds_nothing_back(home: Household) -> None:
    (late, its), (soon, others) = _lanes(home, 2)
    reader = Reader(home.as_user("carol"), home.book_id)
    late.query("begin")
    home.pay(late, *its, 1)
    posted = home.pay(soon, *others, 1)["transaction_id"]
    late.query("rollback")
    assert reader.read() == [posted]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_skipped_and_nothing_comes_twice_in_any_order_of_commits(
    home: Household, seed: int
) -> None:
    chance = random.Random(seed)
    lanes = _lanes(home, 4)
    readers = [Reader(home.as_user("carol"), home.book_id, page_size=size) for size in (1, 3, 1000)]
    open_since: dict[int, list[str]] = {}
    committed: list[str] = []
    for _ in range(80):
        number = chance.randrange(len(lanes))
        who, (giver, taker) = lanes[number]
        if number not in open_since:
            who.query("begin")
            open_since[number] = []
            if chance.random() < 0.3:  # It has its number long before it posts.
                who.query("select pg_current_xact_id()")
        elif chance.random() < 0.6:
            posted = home.pay(who, giver, taker, 1)["transaction_id"]
            open_since[number].append(posted)
        elif chance.random() < 0.8:
            who.query("commit")
            committed += open_since.pop(number)
        else:
            who.query("rollback")
            open_since.pop(number)
        if chance.random() < 0.5:
            chance.choice(readers).read()
    for number, posted in open_since.items():
        lanes[number][0].query("commit")
        committed += posted
    for reader in readers:
        reader.read()
        assert sorted(c["transaction_id"] for c in reader.seen) == sorted(committed)
        assert [c["cursor"] for c in reader.seen] == [c["cursor"] for c in readers[0].seen]


def test_it_is_read_while_many_post(home: Household) -> None:
    lanes = _lanes(home, 4)
    reader = Reader(home.as_user("carol"), home.book_id)

    def work(lane: int) -> list[str]:
        chance = random.Random(lane)
        who, (giver, taker) = lanes[lane]
        posted: list[str] = []
        for _ in range(12):
            with who.connection.transaction():
                posted += [
                    home.pay(who, giver, taker, 1)["transaction_id"]
                    for _ in range(chance.randint(1, 3))
                ]
        return posted

    with ThreadPoolExecutor(len(lanes)) as pool:
        works = [pool.submit(work, lane) for lane in range(len(lanes))]
        while not all(each.done() for each in works):
            reader.read()
    reader.read()
    posted = sorted(each for done in works for each in done.result())
    assert sorted(change["transaction_id"] for change in reader.seen) == posted


def test_an_account_with_several_slots_shows_no_balance_and_no_version(home: Household) -> None:
    account = {"name": "w", "type": "income", "currency": "EUR", "slots": 4}
    made = home.as_user("alice").call("open_account", book_id=home.book_id, **account)
    home.accounts["wide"] = made["id"]
    bob = home.as_user("bob")
    receipt = home.pay(bob, "wide", "bank", 1, idempotency_key="k")
    (change,) = home.as_user("carol").rows("changes_since", book_id=home.book_id)
    wide, bank = change["entries"]
    assert (wide["amount"], wide["balance_after"], wide["version"]) == (-1, None, None)
    assert (bank["amount"], bank["balance_after"], bank["version"]) == (1, 1, 1)
    assert change["entries"] == receipt["entries"]
    assert home.pay(bob, "wide", "bank", 1, idempotency_key="k")["entries"] == receipt["entries"]


def test_a_holder_gets_what_touches_her_accounts_and_only_their_entries(home: Household) -> None:
    home.fund(100)
    bob = home.as_user("bob")
    paid = [home.pay(bob, "bank", "cash", amount)["transaction_id"] for amount in (1, 2, 3)]
    home.pay(bob, "world", "bank", 9)
    reader = Reader(holder(home, "cash"), home.book_id, page_size=1)
    assert reader.read() == paid
    cash = home.accounts["cash"]
    assert [[e["account_id"] for e in c["entries"]] for c in reader.seen] == [[cash]] * 3
    assert [c["entries"][0]["version"] for c in reader.seen] == [1, 2, 3]
    home.pay(bob, "world", "bank", 9)
    assert reader.read() == []
    both = Reader(holder(home, "bank"), home.book_id)
    assert len(both.read()) == 6
    assert [len(change["entries"]) for change in both.seen] == [1, 2, 2, 2, 1, 1]


def test_viewers_and_up_and_holders_of_what_they_hold(home: Household) -> None:
    home.fund()
    assert answers(home, "changes_since", book_id=home.book_id) == READERS


def test_bad_input_is_refused_by_code(home: Household) -> None:
    home.fund()
    alice = home.as_user("alice")
    other = alice.call("create_book", name="other", base_currency="EUR")["id"]
    (change,) = alice.rows("changes_since", book_id=home.book_id)
    good, known = change["cursor"], change["transaction_id"]
    xid = good[1:].split("-")[0]
    cursors = (
        *("", "x", "x0", "null", f"X{good[1:]}", f"{good} ", f"{good}\n", good.upper()),
        *(f"x0-{known}", f"x-{xid}-{known}", f"x{xid}0-{known}", f"x3-{known}", f"x-{known}"),
        *(f"x{'9' * 19}-{known}", f"x{'9' * 40}-{known}", f"x{xid}-{uuid.uuid4()}"),
    )
    assert_refused(
        home,
        alice,
        "changes_since",
        {"book_id": home.book_id, "after": good},
        [
            ({"book_id": None}, "book_not_found"),
            ({"book_id": uuid.UUID(int=1)}, "book_not_found"),
            ({"book_id": other}, "invalid_cursor"),
            *(({"page_size": size}, "invalid_argument") for size in (None, 0, -1, 1001)),
            *(({"after": cursor}, "invalid_cursor") for cursor in cursors),
        ],
    )


def test_a_cursor_of_what_she_no_longer_sees_is_refused(home: Household) -> None:
    home.fund()
    heidi = holder(home, "bank")
    holder(home, "cash")
    (change,) = heidi.rows("changes_since", book_id=home.book_id)
    hold = {"account_id": home.accounts["bank"], "user_id": home.users["heidi"]}
    home.as_user("alice").call("remove_holder", book_id=home.book_id, **hold)
    after = {"book_id": home.book_id, "after": change["cursor"]}
    assert refusal(heidi.rows, "changes_since", **after) == "invalid_cursor"
    assert heidi.rows("changes_since", book_id=home.book_id) == []
