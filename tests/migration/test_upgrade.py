"""A database of v0.1.0 with rows in it, after the migration of v0.2.0: what callers read is what
they read before, the new questions have answers, and the books go on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.callers import answer
from tests.conftest import ROOT, Database
from tests.world import Household, Row, household, refusal
from tillroll.migrate import Runner

FOLDER = ROOT / "supabase" / "migrations"
FIRST = FOLDER / "20261122120000_initial.sql"
# As v0.1.0 shows them.
VIEWS = {
    **dict.fromkeys(("accounts", "books", "currencies", "members", "transactions"), "*"),
    "entries": "book_id, account_id, slot, version, transaction_id, leg, amount, balance_after,"
    " booked_at",
}
DAYS = (None, "2026-01-31", "2026-01-31", "2026-02-01", "2020-02-29", "2099-12-31", None)
RANGES = (
    *(("2026-01-01", "2026-01-31"), ("2026-01-31", "2026-02-01"), ("2020-03-01", "2099-12-31")),
    ("0001-01-01", "9999-12-31"),
)
WORDS: Row = {
    "idempotency_key": "words",
    "effective_on": "2026-02-03",
    "description": "Miete ü",
    "external_id": "x",
    "metadata": {"a": [1, None]},
}


@pytest.fixture
def home(empty: Database, tmp_path: Path) -> Iterator[Household]:
    """What people did with v0.1.0."""
    shutil.copy(FIRST, tmp_path)
    Runner(empty.dsn(), tmp_path).up()
    with household(empty) as made:
        _use(made)
        yield made


def _use(home: Household) -> None:
    alice, book = home.as_user("alice"), {"book_id": home.book_id}
    for name, more in (
        ("credit", {"type": "liability", "min_balance": -500, "max_balance": 0}),
        ("ice", {"type": "asset", "payable": True, "code": "assets:ice", "metadata": {"b": 1}}),
        ("unused", {"type": "income"}),
    ):
        home.accounts[name] = alice.call("open_account", **book, name=name, currency="EUR", **more)[
            "id"
        ]
    home.pay(alice, "credit", "bank", 100)
    for number, day in enumerate(DAYS, 1):
        key = f"in-{number}"
        home.pay(alice, "world", "bank", 10**number, effective_on=day, idempotency_key=key)
        home.pay(home.as_user("bob"), "bank", "ice", number, effective_on=day)
    home.pay(alice, "bank", "cash", 7, **WORDS)
    for function, account in (
        ("freeze_account", "ice"),
        ("freeze_account", "cash"),
        ("unfreeze_account", "cash"),
    ):
        alice.call(function, **book, account_id=home.accounts[account])
    alice.call(
        "set_balance_limits",
        **book,
        account_id=home.accounts["cash"],
        min_balance=None,
        max_balance=1000,
    )
    mallory = home.as_user("mallory")
    other = mallory.call("create_book", name="old", base_currency="JPY")["id"]
    mallory.call("update_book", book_id=other, archived=True)


def _upgrade(home: Household) -> None:
    done = Runner(home.database.dsn(), FOLDER).up()
    assert [file.name for file in done.applied][:1] == ["ledger_engine"]


def _uncut(lines: list[Row]) -> list[Row]:
    """Without cursors: what they hold is nobody's business."""
    return [{name: line[name] for name in line.keys() - {"cursor"}} for line in lines]


def _told(home: Household) -> dict[str, Any]:
    """Everything that v0.1.0 tells somebody who views the book, and the owner of the schema."""
    carol, book = home.as_user("carol"), {"book_id": home.book_id}
    told: dict[str, Any] = {}
    for name, who in (("carol", carol), ("owner", home.owner())):
        for view, columns in VIEWS.items():
            read = f"(select {columns} from ledger.{view}) as v"
            rows = who.query(f"select to_jsonb(v)::text as row from {read} order by 1")
            told[f"{view} for {name}"] = [row["row"] for row in rows]
    told["balances"] = carol.rows("get_balances", **book)
    for key in ("in-1", "in-5", "words"):
        told[key] = carol.call("find_transaction", **book, idempotency_key=key)
    for name, id in home.accounts.items():
        account = {**book, "account_id": id}
        told[f"balance of {name}"] = carol.call("get_balance", **account)
        told[f"register of {name}"] = _uncut(carol.rows("account_register", **account))
        for first, last in RANGES:
            shown = carol.call("statement", **account, from_date=first, to_date=last)
            told[f"statement of {name} {first} {last}"] = {**shown, "lines": _uncut(shown["lines"])}
    return told


def test_what_was_told_before_is_told_after(home: Household) -> None:
    before = _told(home)
    assert len(before["register of bank"]) > 10
    _upgrade(home)
    after = _told(home)
    assert {name for name in before if before[name] != after[name]} == set()
    home.assert_sound()
    others = home.owner().query("select id::text from ledger.books where name = 'old'")
    checks = home.owner().rows("verify_book", book_id=others[0]["id"])
    assert all(check["ok"] for check in checks)


def test_the_past_of_what_was_booked_before_can_be_asked_for(home: Household) -> None:
    _upgrade(home)
    carol, book = home.as_user("carol"), {"book_id": home.book_id}
    entries = home.owner().query(
        "select account_id::text, amount, effective_on::text as day, booked_at::text as at"
        " from ledger.entries where book_id = %s",
        [home.book_id],
    )
    days = {each["day"] for each in entries} | {"2026-02-28", "2026-03-01"}
    moments = {each["at"] for each in entries}
    for given, values, column in (("effective_on", days, "day"), ("as_of", moments, "at")):
        for value in values:
            due = dict.fromkeys(home.accounts.values(), 0)
            for each in entries:
                if each[column] <= value:
                    due[each["account_id"]] += each["amount"]
            told = carol.rows("get_balances", **book, **{given: value})
            assert (value, {row["account_id"]: row["posted"] for row in told}) == (value, due)


def test_what_bound_a_posting_before_binds_it_after(home: Household) -> None:
    alice = home.as_user("alice")
    transfers = {
        ("credit", "bank", 401): "insufficient_funds",
        ("bank", "credit", 101): "limit_exceeded",
        ("bank", "cash", 994): "limit_exceeded",
        ("bank", "ice", 1): "account_frozen",
        ("ice", "bank", 1): "account_frozen",
        ("bank", "yen", 1): "currency_mismatch",
    }
    assert {move: refusal(home.pay, alice, *move) for move in transfers} == transfers
    _upgrade(home)
    assert {move: refusal(home.pay, alice, *move) for move in transfers} == transfers
    for giver, taker, amount in (
        ("credit", "bank", 400),
        ("bank", "cash", 993),
        ("cash", "bank", 2000),
    ):
        home.pay(alice, giver, taker, amount)
    home.assert_sound()


def test_a_key_of_before_replays_and_never_posts_again(home: Household) -> None:
    alice = home.as_user("alice")
    key = {"idempotency_key": "in-2", "effective_on": DAYS[1]}
    plain = {"idempotency_key": "in-1"}
    calls: list[tuple[str, str, int, Row]] = [
        ("bank", "cash", 7, WORDS),
        ("world", "bank", 100, key),
        ("world", "bank", 10, plain),
    ]
    before = [home.pay(alice, *call[:3], **call[3]) for call in calls]
    assert all(receipt["replayed"] for receipt in before)
    _upgrade(home)
    state = home.state()
    assert [home.pay(alice, *call[:3], **call[3]) for call in calls] == before
    assert refusal(home.pay, alice, "world", "bank", 101, **key) == "idempotency_mismatch"
    assert refusal(home.pay, alice, "bank", "cash", 7, **{**WORDS, "metadata": {"a": [1]}}) == (
        "idempotency_mismatch"
    )
    assert home.state() == state


def test_a_register_that_was_begun_before_begins_anew(home: Household) -> None:
    """Never at a wrong place, and never as if it had ended."""
    carol = home.as_user("carol")
    bank = {"book_id": home.book_id, "account_id": home.accounts["bank"], "page_size": 3}
    before = carol.rows("account_register", **bank)
    _upgrade(home)
    told = refusal(carol.rows, "account_register", **bank, before=before[-1]["cursor"])
    assert told == "invalid_cursor"
    after = carol.rows("account_register", **bank)
    assert _uncut(after) == _uncut(before)
    assert carol.rows("account_register", **bank, before=after[-1]["cursor"]) != []


def test_a_book_of_before_goes_on_as_one_that_was_made_after(home: Household) -> None:
    alice, book = home.as_user("alice"), {"book_id": home.book_id}
    old = home.fund(1)
    posted = home.owner().query(
        "select id::text from ledger.transactions where book_id = %s order by id", [home.book_id]
    )
    _upgrade(home)
    feed = alice.rows("changes_since", **book)
    assert [change["transaction_id"] for change in feed] == [row["id"] for row in posted]
    reversal = alice.call(
        "reverse_transaction", **book, transaction_id=old["transaction_id"], effective_on=DAYS[1]
    )
    (change,) = alice.rows("changes_since", **book, after=feed[-1]["cursor"])
    assert change["transaction_id"] == reversal["transaction_id"]
    alice.call(
        "set_account_group",
        **book,
        name="joint",
        account_ids=[home.accounts[name] for name in ("bank", "cash")],
        min_total=0,
    )
    alice.call("lock_period", **book, from_date="2020-01-01", to_date="2020-12-31")
    assert refusal(home.pay, alice, "bank", "cash", 1, effective_on=DAYS[4]) == "period_locked"
    held = alice.call(
        "create_hold",
        **book,
        account_id=home.accounts["bank"],
        to_account_id=home.accounts["cash"],
        amount=5,
    )
    alice.call("capture_hold", **book, hold_id=held["id"])
    empty = {**book, "account_id": home.accounts["unused"]}
    assert alice.call("close_account", **empty)["status"] == "closed"
    checkpoint = alice.call("export_checkpoint", **book)
    entries = home.owner().query("select count(*) from ledger.entries")
    assert checkpoint["entries"] == entries[0]["count"]
    home.assert_sound()


def test_what_was_final_is_final_again(home: Household) -> None:
    """The migration writes to entries, which nobody may."""
    _upgrade(home)
    owner = home.owner()
    for table in ("entries", "transactions"):
        for statement in (
            f"update ledger_private.{table} set book_id = book_id",
            f"delete from ledger_private.{table}",
            f"truncate ledger_private.{table}",
        ):
            assert answer(partial(owner.query, statement)) != "none", statement
