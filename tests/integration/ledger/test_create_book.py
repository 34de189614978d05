from __future__ import annotations

import uuid
from functools import partial

from tests.callers import answer, answers, assert_refused
from tests.stepping import after
from tests.world import Household, refusal

GOOD = {"name": "Shop", "base_currency": "USD"}


def test_the_caller_becomes_its_owner(home: Household) -> None:
    dora = home.as_user("dora")
    book = dora.call("create_book", **GOOD)
    assert set(book) == {"id", "name", "base_currency", "archived_at", "created_at"}
    assert (book["name"], book["base_currency"], book["archived_at"]) == ("Shop", "USD", None)
    assert uuid.UUID(book["id"]).version == 7
    members = dora.query("select book_id::text, user_id::text, role from ledger.members")
    assert members == [{"book_id": book["id"], "user_id": home.users["dora"], "role": "owner"}]


def test_without_a_user_the_book_has_no_member_until_one_is_set(home: Household) -> None:
    service = home.as_role("service_role")
    for maker in (service, home.owner()):
        book = maker.call("create_book", **GOOD)
        owned = "select 1 as one from ledger.members where book_id = %s"
        assert service.query(owned, [book["id"]]) == []
        service.call("set_member", book_id=book["id"], user_id=home.user("dora"), role="owner")
        home.as_user("dora").call("update_book", book_id=book["id"], name="mine")


def test_whoever_is_signed_in_may(home: Household) -> None:
    told = answers(home, "create_book", **GOOD)
    assert {name for name, code in told.items() if code == "none"} == {
        *("stranger", "holder", "viewer", "editor", "owner", "service_role", "postgres")
    }
    assert (told["anon"], told["no sub"]) == ("42501", "forbidden")


def test_a_user_who_is_gone_creates_nothing_with_her_old_token(home: Household) -> None:
    ghost = home.as_role("authenticated", {"role": "authenticated", "sub": str(uuid.uuid4())})
    assert_refused(home, ghost, "create_book", GOOD, [({}, "user_not_found")])


def test_bad_input_is_refused_by_code_and_changes_nothing(home: Household) -> None:
    assert_refused(
        home,
        home.as_user("alice"),
        "create_book",
        GOOD,
        [
            ({"name": None}, "invalid_argument"),
            ({"name": ""}, "invalid_argument"),
            ({"name": "n" * 256}, "invalid_argument"),
            ({"name": "é" * 128}, "invalid_argument"),
            ({"base_currency": None}, "invalid_argument"),
            ({"base_currency": ""}, "invalid_argument"),
            ({"base_currency": "usd"}, "invalid_argument"),
            ({"base_currency": "NONE"}, "invalid_argument"),
            ({"id": home.book_id}, "idempotency_mismatch"),
        ],
    )


def test_a_name_may_have_255_bytes_of_any_script(home: Household) -> None:
    for name in ("n" * 255, "é" * 127 + "n", "家計簿 💶"):
        book = home.as_user("alice").call("create_book", name=name, base_currency="JPY")
        assert book["name"] == name


def test_a_repeat_under_an_id_returns_the_book_as_it_is_now(home: Household) -> None:
    alice = home.as_user("alice")
    mine = {**GOOD, "id": str(uuid.uuid4())}
    first = alice.call("create_book", **mine)
    assert first["id"] == mine["id"]
    assert alice.call("create_book", **mine) == first
    renamed = alice.call("update_book", book_id=mine["id"], name="Renamed")
    assert alice.call("create_book", **mine) == renamed


def test_another_request_under_the_id_is_refused(home: Household) -> None:
    alice = home.as_user("alice")
    mine = {**GOOD, "id": uuid.uuid4()}
    alice.call("create_book", **mine)
    changes = ({"name": "Other"}, {"base_currency": "EUR"})
    assert_refused(home, alice, "create_book", mine, [(c, "idempotency_mismatch") for c in changes])
    before = home.state()
    for other in (home.as_user("bob"), home.as_user("mallory"), home.as_role("service_role")):
        assert refusal(partial(other.call, "create_book", **mine)) == "idempotency_mismatch"
    assert home.state() == before


def test_a_concurrent_repeat_waits_and_returns_the_same_book(home: Household) -> None:
    mine = {**GOOD, "id": str(uuid.uuid4())}
    first, twin, other = home.as_user("alice"), home.as_user("alice"), home.as_user("bob")
    create = partial(first.call, "create_book", **mine)
    assert after(first, create, twin, partial(twin.call, "create_book", **mine)) == create()

    theirs = {**GOOD, "id": str(uuid.uuid4())}
    attempt = partial(other.call, "create_book", **theirs)
    told = after(
        first, partial(first.call, "create_book", **theirs), other, partial(answer, attempt)
    )
    assert told == "idempotency_mismatch"


def test_a_repeat_creates_the_book_when_the_first_call_is_rolled_back(home: Household) -> None:
    mine = {**GOOD, "id": str(uuid.uuid4())}
    first, twin = home.as_user("alice"), home.as_user("bob")
    create = partial(first.call, "create_book", **mine)
    repeat = partial(twin.call, "create_book", **mine)
    assert after(first, create, twin, repeat, commit=False)["id"] == mine["id"]
    assert twin.query("select 1 as one from ledger.books where id = %s", [mine["id"]]) == [
        {"one": 1}
    ]
    assert first.query("select 1 as one from ledger.books where id = %s", [mine["id"]]) == []


def test_who_was_removed_from_her_book_does_not_get_it_back_by_repeating_the_call(
    home: Household,
) -> None:
    alice, bob = home.as_user("alice"), home.as_user("bob")
    mine = {"id": str(uuid.uuid4()), "name": "Mine", "base_currency": "EUR"}
    bob.call("create_book", **mine)
    bob.call("set_member", book_id=mine["id"], user_id=home.user("alice"), role="owner")
    alice.call("remove_member", book_id=mine["id"], user_id=home.user("bob"))
    assert refusal(bob.call, "create_book", **mine) == "idempotency_mismatch"
