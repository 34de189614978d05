"""Books, accounts, transfers and statements from the command line, against a running stack."""

from __future__ import annotations

import uuid

import pytest

from tests.integration.cli.conftest import PASSWORD, Run


def test_a_user_who_creates_a_book_owns_it_and_a_stranger_does_not_see_it(
    run: Run, user: str
) -> None:
    made = run(
        "book", "create", "Mine", "--currency", "EUR", "--email", user, "--json",
        TILLROLL_PASSWORD=PASSWORD,
    )  # fmt: skip
    assert made.code == 0
    assert "nobody" not in made.talk
    listed = run("book", "list", "--email", user, "--json", TILLROLL_PASSWORD=PASSWORD)
    assert [book["id"] for book in listed.json] == [made.json["id"]]


def test_the_service_role_is_told_that_its_book_has_no_member_and_can_name_an_owner(
    run: Run, user: str
) -> None:
    assert "nobody" in run("book", "create", "Nobody's", "--currency", "EUR").talk
    refused = run("book", "create", "Hers", "--currency", "EUR", "--owner", "ada", "--json")
    assert (refused.code, refused.error) == (2, "user_not_found")


def test_a_wrong_password_is_one_line(run: Run, user: str) -> None:
    told = run("book", "list", "--email", user, "--json", TILLROLL_PASSWORD="wrong")
    assert (told.code, told.error) == (1, "sign_in")


def test_a_password_is_not_asked_for_where_nobody_can_answer(run: Run, user: str) -> None:
    told = run("book", "list", "--email", user, "--json")
    assert (told.code, told.error) == (2, "no_password")


def test_an_account_takes_its_type_and_its_floor_from_its_code(run: Run, book: str) -> None:
    accounts = {each["code"]: each for each in run("account", "list", book, "--json").json}
    assert accounts["assets:bank"]["type"] == "asset"
    assert accounts["assets:bank"]["min_balance"] == 0
    assert accounts["equity:opening"]["min_balance"] is None


@pytest.mark.parametrize(("floor", "least"), [("-12.5", -1250), ("none", None)])
def test_a_floor_is_typed_as_a_decimal_or_as_none(
    run: Run, book: str, floor: str, least: int | None
) -> None:
    told = run(
        "account", "open", book, "assets:low", "--currency", "EUR", "--floor", floor, "--json"
    )
    assert told.json["min_balance"] == least


def test_a_code_that_says_no_type_needs_one(run: Run, book: str) -> None:
    told = run("account", "open", book, "bank", "--currency", "EUR", "--json")
    assert (told.code, told.error) == (2, "no_type")
    assert run("account", "open", book, "x", "--currency", "EUR", "--type", "asset").code == 0


def test_a_transfer_takes_decimals_and_repeats_by_its_key(run: Run, book: str) -> None:
    arguments = ("transfer", book, "assets:bank", "equity:opening", "12.34", "--json")
    first = run(*arguments, "--idempotency-key", "k", "--on", "2025-03-01")
    again = run(*arguments, "--idempotency-key", "k", "--on", "2025-03-01")
    assert [entry["amount"] for entry in first.json["entries"]] == [-1234, 1234]
    assert (first.json["replayed"], again.json["replayed"]) == (False, True)
    assert first.json["transaction_id"] == again.json["transaction_id"]


@pytest.mark.parametrize("amount", ["1.001", "1,00", "1e3", "", "99999999999999999999"])
def test_an_amount_that_the_currency_cannot_hold_is_refused(
    run: Run, book: str, amount: str
) -> None:
    told = run("transfer", book, "assets:bank", "equity:opening", amount, "--json")
    assert (told.code, told.error) == (2, "invalid_amount")


def test_yen_have_no_places(run: Run, book: str) -> None:
    told = run("transfer", book, "assets:yen", "assets:bank", "1.5", "--json")
    assert (told.code, told.error) == (2, "invalid_amount")


def test_what_the_ledger_refuses_keeps_its_code(run: Run, book: str) -> None:
    short = run("transfer", book, "assets:bank", "equity:opening", "100.01", "--json")
    assert (short.code, short.error) == (1, "insufficient_funds")
    assert "100.00 EUR" in short.talk
    other = run("transfer", book, "assets:bank", "assets:yen", "1", "--json")
    assert (other.code, other.error) == (1, "currency_mismatch")


def test_what_is_not_there_is_named(run: Run, book: str) -> None:
    nowhere = run("transfer", book, "assets:bank", "expenses:none", "1", "--json")
    assert (nowhere.code, nowhere.error) == (1, "account_not_found")
    for command in (("account", "list"), ("verify",)):
        told = run(*command, str(uuid.uuid4()), "--json")
        assert (told.code, told.error) == (1, "book_not_found")


def test_an_account_answers_to_its_name_where_only_one_has_it(run: Run, book: str) -> None:
    for code in ("assets:a", "assets:b"):
        run("account", "open", book, code, "--currency", "EUR", "--name", "Twin")
    named = run("transfer", book, "opening", "bank", "1", "--json")
    coded = run("transfer", book, "equity:opening", "assets:bank", "1", "--json")
    accounts = [[entry["account_id"] for entry in told.json["entries"]] for told in (named, coded)]
    assert accounts[0] == accounts[1]
    twin = run("transfer", book, "opening", "Twin", "1", "--json")
    assert (twin.code, twin.error) == (1, "account_not_found")


def test_a_statement_opens_and_closes_on_value_dates(run: Run, book: str) -> None:
    day = "2025-03-01"
    run("transfer", book, "equity:opening", "assets:bank", "1", "--on", day, "--description", "[a]")
    told = run("statement", book, "assets:bank", "--from", day, "--to", day, "--json")
    assert (told.json["opening"], told.json["closing"]) == (0, 100)
    assert [line["description"] for line in told.json["lines"]] == ["[a]"]
    shown = run("statement", book, "assets:bank", "--from", day, "--to", day).out
    assert "[a]" in shown
    assert "1.00" in shown


def test_verify_prints_every_check_and_exits_0_where_all_hold(run: Run, book: str) -> None:
    told = run("verify", book, "--json")
    assert told.code == 0
    assert all(check["ok"] for check in told.json)
    assert "holds" in run("verify", book).out


def test_verify_exits_1_where_a_check_fails(run: Run, book: str, tamper: None) -> None:
    told = run("verify", book, "--json")
    assert told.code == 1
    assert not all(check["ok"] for check in told.json)


def test_a_book_with_anothers_id_as_its_name_is_not_taken_for_it(run: Run, book: str) -> None:
    made = run("book", "create", book, "--currency", "EUR").out.strip()
    listed = run("account", "list", book, "--json")
    assert listed.code == 0
    assert "assets:bank" in [each["code"] for each in listed.json]
    assert run("account", "list", made, "--json").json == []


def test_of_several_books_with_a_name_none_is_taken(run: Run, book: str) -> None:
    name = uuid.uuid4().hex
    for _ in range(2):
        run("book", "create", f"Twin {name}", "--currency", "EUR")
    told = run("account", "list", f"Twin {name}", "--json")
    assert (told.code, told.error) == (1, "book_not_found")
    assert "id" in told.json["error"]["fix"]
