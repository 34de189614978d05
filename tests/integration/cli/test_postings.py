"""Postings, holds and what a book's owner closes, from the command line."""

from __future__ import annotations

import uuid

import pytest

from tests.integration.cli.conftest import Run
from tillroll import Book, Unreachable
from tillroll.cli import postings


def posted(run: Run, book: str, account: str = "assets:bank") -> int:
    (balance,) = run("balance", book, account, "--json").json
    return int(balance["posted"])


@pytest.fixture
def shop(run: Run, book: str) -> str:
    """The code of an account that money goes to."""
    assert run("account", "open", book, "expenses:shop", "--currency", "EUR").code == 0
    return "expenses:shop"


def test_a_posting_is_pairs_of_account_and_amount(run: Run, book: str, shop: str) -> None:
    told = run("post", book, "assets:bank:-10.00", f"{shop}:7.50", "equity:opening:2.5", "--json")
    assert [entry["amount"] for entry in told.json["entries"]] == [-1000, 750, 250]
    assert told.json["kind"] == "transaction"
    assert posted(run, book) == 9000


@pytest.mark.parametrize("pair", ["assets:bank", "assets:bank:", ":1", "1"])
def test_what_is_no_pair_is_a_wrong_usage(run: Run, book: str, pair: str) -> None:
    told = run("post", book, pair, "equity:opening:1", "--json")
    assert told.code in (1, 2)
    assert told.error in ("usage", "account_not_found", "invalid_amount")


def test_what_does_not_sum_to_zero_is_refused(run: Run, book: str, shop: str) -> None:
    told = run("post", book, "assets:bank:-1.00", f"{shop}:0.99", "--json")
    assert (told.code, told.error) == (1, "unbalanced")


def test_a_dry_run_says_what_would_happen_and_posts_nothing(run: Run, book: str, shop: str) -> None:
    arguments = ("transfer", book, "assets:bank", shop, "10", "--idempotency-key", "k", "--json")
    tried = run(*arguments, "--dry-run")
    assert (tried.json["transaction_id"], tried.json["dry_run"]) == (None, True)
    assert tried.json["entries"][0]["balance_after"] == 9000
    assert posted(run, book) == 10000
    assert run(*arguments).json["replayed"] is False
    again = run(*arguments, "--dry-run")
    assert (again.json["transaction_id"], again.json["replayed"]) == (None, True)


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ("version=1", 0),
        ("version=2", 1),
        ("posted_eq=100", 0),
        ("posted_eq=99.99", 1),
        ("available_gte=100.00", 0),
        ("available_gte=100.01", 1),
    ],
)
def test_a_posting_happens_only_as_expected(
    run: Run, book: str, shop: str, condition: str, code: int
) -> None:
    told = run(
        "transfer", book, "assets:bank", shop, "1", "--expect", f"assets:bank:{condition}", "--json"
    )
    assert told.code == code
    if code:
        assert told.error == "version_conflict"
    assert posted(run, book) == (10000 if code else 9900)


@pytest.mark.parametrize("condition", ["version=x", "version=", "posted=1", "1"])
def test_what_is_no_condition_is_a_wrong_usage(run: Run, book: str, condition: str) -> None:
    told = run(
        "transfer", book, "assets:bank", "equity:opening", "1",
        "--expect", f"assets:bank:{condition}", "--json",
    )  # fmt: skip
    assert (told.code, told.error) == (2, "usage")


def test_up_to_moves_what_there_is(run: Run, book: str, shop: str) -> None:
    told = run("transfer", book, "assets:bank", shop, "1000", "--up-to", "--json")
    assert told.json["entries"][0]["amount"] == -10000


def test_an_exchange_takes_both_amounts_or_a_rate(run: Run, book: str) -> None:
    both = run("exchange", book, "assets:bank", "assets:yen", "10.00", "1600", "--json")
    assert both.code == 0, both.out
    assert both.json["kind"] == "exchange"
    assert posted(run, book, "assets:yen") == 1600
    rated = run("exchange", book, "assets:bank", "assets:yen", "10.01", "--rate", "160.77")
    assert rated.code == 0
    assert posted(run, book, "assets:yen") == 1600 + 1609
    assert posted(run, book) == 10000 - 1000 - 1001


@pytest.mark.parametrize(
    ("more", "error"),
    [((), "usage"), (("1", "--rate", "1"), "usage"), (("--rate", "much"), "invalid_amount")],
)
def test_an_exchange_without_one_price_is_a_wrong_usage(
    run: Run, book: str, more: tuple[str, ...], error: str
) -> None:
    told = run("exchange", book, "assets:bank", "assets:yen", "1", *more, "--json")
    assert (told.code, told.error) == (2, error)


def test_a_transaction_is_reversed_in_part_and_then_whole(run: Run, book: str, shop: str) -> None:
    first = run("transfer", book, "assets:bank", shop, "10", "--json").json["transaction_id"]
    part = run("reverse", book, first, "2.50", "--json")
    assert (part.json["kind"], posted(run, book)) == ("reversal", 9250)
    assert run("reverse", book, first).code == 0
    assert posted(run, book) == 10000
    over = run("reverse", book, first, "--json")
    assert (over.code, over.error) == (1, "already_reversed")


def test_what_cannot_be_reversed_is_named(run: Run, book: str) -> None:
    for more in ((), ("1",)):
        told = run("reverse", book, str(uuid.uuid4()), *more, "--json")
        assert (told.code, told.error) == (1, "transaction_not_found")
    assert run("reverse", book, "last", "--json").code == 2


def test_a_hold_is_captured_in_parts_and_the_rest_let_go(run: Run, book: str, shop: str) -> None:
    made = run("hold", "create", book, "assets:bank", shop, "30", "--description", "room", "--json")
    hold = made.json["id"]
    assert (made.json["amount"], made.json["state"]) == (3000, "pending")
    short = run("transfer", book, "assets:bank", shop, "70.01", "--json")
    assert (short.code, short.error) == (1, "insufficient_funds")
    assert run("hold", "capture", book, hold, "10", "--keep-rest").code == 0
    assert [each["id"] for each in run("hold", "list", book, "--state", "pending", "--json").json]
    assert run("hold", "capture", book, hold, "15.00").code == 0
    (after,) = run("hold", "list", book, "--account", "assets:bank", "--json").json
    assert (after["state"], after["captured"], after["released"]) == ("captured", 2500, 500)
    shown = run("hold", "list", book).out
    assert "25.00" in shown
    assert posted(run, book) == 7500


def test_a_hold_is_released_once(run: Run, book: str, shop: str) -> None:
    hold = run("hold", "create", book, "assets:bank", shop, "30").out.strip()
    assert run("hold", "release", book, hold, "--json").json["state"] == "released"
    again = run("hold", "release", book, hold, "--json")
    assert (again.code, again.error) == (1, "hold_state")


def test_a_hold_with_an_id_is_made_once(run: Run, book: str, shop: str) -> None:
    id = str(uuid.uuid4())
    until = ("--expires-at", "2100-01-01T00:00", "--id", id)
    for _ in range(2):
        told = run("hold", "create", book, "assets:bank", shop, "30", *until, "--json")
        assert (told.code, told.json["id"]) == (0, id)
    assert len(run("hold", "list", book, "--json").json) == 1
    assert run("hold", "expire", book, "--json").json == {"expired": 0}


def test_what_is_no_hold_is_named(run: Run, book: str) -> None:
    for more in ((), ("1",)):
        told = run("hold", "capture", book, str(uuid.uuid4()), *more, "--json")
        assert (told.code, told.error) == (1, "hold_not_found")
    when = run("hold", "create", book, "opening", "bank", "1", "--expires-at", "soon", "--json")
    assert (when.code, when.error) == (2, "usage")


def test_an_account_that_is_not_empty_closes_into_another(run: Run, book: str) -> None:
    full = run("close", book, "assets:bank", "--json")
    assert (full.code, full.error) == (1, "account_not_empty")
    told = run("close", book, "assets:bank", "--sweep-to", "equity:opening", "--json")
    assert told.code == 0, told.out
    assert (told.json["status"], told.json["posted"]) == ("closed", 0)


def test_an_account_with_slots_has_no_balance_in_the_receipt(run: Run, book: str) -> None:
    assert run(
        "account", "open", book, "income:fees", "--currency", "EUR", "--slots", "4"
    ).code == 0  # fmt: skip
    told = run("transfer", book, "assets:bank", "income:fees", "1", "--json")
    assert [entry["balance_after"] for entry in told.json["entries"]] == [9900, None]
    assert run("transfer", book, "assets:bank", "income:fees", "1").code == 0
    assert posted(run, book, "income:fees") == 200


def test_a_posting_that_happened_is_told_also_where_its_table_lacks_the_codes(
    run: Run, book: str, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run("transfer", book, "assets:bank", shop, "10", "--json").json
    with monkeypatch.context() as broken:
        broken.setattr(Book, "accounts", unreachable)
        told = run("reverse", book, made["transaction_id"])
    assert told.code == 0
    assert "posted: " in told.talk
    assert made["entries"][0]["account_id"] in told.out
    assert "(minor units)" in told.out
    assert posted(run, book) == 10000


def test_that_it_was_posted_is_told_before_its_table(
    run: Run, book: str, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(postings, "say", said.append)
    monkeypatch.setattr(postings, "emit", lambda *_: said.append("table"))
    run("transfer", book, "assets:bank", shop, "10")
    assert [each.partition(":")[0] for each in said] == ["posted", "table"]


def test_people_are_shown_the_details_of_a_refusal(run: Run, book: str, shop: str) -> None:
    told = run("transfer", book, "assets:bank", shop, "10", "--description", "x" * 5000)
    assert (told.code, told.out) == (1, "")
    assert "  details: argument description, reason " in told.talk
    missing = str(uuid.uuid4())
    assert f"account_id {missing}" in run("transfer", book, "assets:bank", missing, "10").talk


def unreachable(*_: object, **__: object) -> None:
    raise Unreachable("the network is gone")
