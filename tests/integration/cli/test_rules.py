"""Holders, joint floors and locked periods from the command line."""

from __future__ import annotations

import uuid

import psycopg
import pytest

from tests.integration.cli.conftest import PASSWORD, Run
from tillroll.local.stack import StackInfo


@pytest.fixture
def user_id(stack: StackInfo, user: str) -> str:
    with psycopg.connect(stack.db_url) as db:
        row = db.execute("select id::text from auth.users where email = %s", [user]).fetchone()
    assert row is not None
    return str(row[0])


def test_a_holder_sees_and_spends_from_her_account_alone(
    run: Run, book: str, user: str, user_id: str
) -> None:
    as_her = ("--email", user)
    told = run("holders", "set", book, "assets:bank", user_id, "view", "--json")
    assert (told.code, told.json["access"]) == (0, "view")
    seen = run("account", "list", book, *as_her, "--json", TILLROLL_PASSWORD=PASSWORD)
    assert [each["code"] for each in seen.json] == ["assets:bank"]
    assert run("holders", "set", book, "assets:bank", user_id, "spend").code == 0
    shop = run("account", "open", book, "shop", "--type", "income", "--currency", "EUR",
               "--payable").out.strip()  # fmt: skip
    for command in (("transfer",), ("hold", "create")):
        paid = run(*command, book, "assets:bank", shop, "1", *as_her, TILLROLL_PASSWORD=PASSWORD)
        assert paid.code == 0, paid.talk
    shown = run("hold", "list", book, *as_her, TILLROLL_PASSWORD=PASSWORD)
    assert shop in shown.out
    (listed,) = run("holders", "list", book, "--account", "assets:bank", "--json").json
    assert (listed["user_id"], listed["access"]) == (user_id, "spend")
    assert user_id in run("holders", "list", book).out
    assert run("holders", "remove", book, "assets:bank", user_id).code == 0
    gone = run("account", "list", book, *as_her, "--json", TILLROLL_PASSWORD=PASSWORD)
    assert gone.error == "book_not_found"


def test_an_access_that_is_none_is_a_wrong_usage(run: Run, book: str, user_id: str) -> None:
    assert run("holders", "set", book, "assets:bank", user_id, "steal").code == 2
    assert run("holders", "set", book, "assets:bank", "ada", "view", "--json").code == 2


def test_a_group_has_a_joint_floor(run: Run, book: str) -> None:
    assert run(
        "account", "open", book, "assets:card", "--currency", "EUR", "--floor", "-50"
    ).code == 0  # fmt: skip
    made = run("groups", "set", book, "Household", "60", "assets:bank", "assets:card", "--json")
    assert (made.code, made.json["min_total"]) == (0, 6000)
    short = run("transfer", book, "assets:bank", "equity:opening", "40.01", "--json")
    assert (short.code, short.error) == (1, "group_floor")
    group = made.json["id"]
    changed = run("groups", "set", book, "Household", "0", "assets:bank", "--id", group)
    assert changed.out.strip() == group
    assert "assets:bank" in run("groups", "list", book).out
    assert run("groups", "remove", book, group).code == 0
    assert run("groups", "list", book, "--json").json == []
    gone = run("groups", "remove", book, str(uuid.uuid4()), "--json")
    assert (gone.code, gone.error) == (1, "group_not_found")


def test_a_locked_period_takes_no_booking(run: Run, book: str) -> None:
    days = ("2026-01-01", "2026-03-31")
    assert run("periods", "lock", book, *days, "--json").json["to_date"] == days[1]
    late = ("transfer", book, "assets:bank", "equity:opening", "1", "--on", "2026-03-31", "--json")
    told = run(*late)
    assert (told.code, told.error) == (1, "period_locked")
    assert days[0] in run("periods", "list", book).out
    assert run("periods", "unlock", book, *days).code == 0
    assert run("periods", "list", book, "--json").json == []
    assert run(*late).code == 0


def test_a_period_that_ends_before_it_begins_is_a_wrong_usage(run: Run, book: str) -> None:
    for command in ("lock", "unlock"):
        told = run("periods", command, book, "2026-03-31", "2026-01-01", "--json")
        assert (told.code, told.error) == (2, "usage")
