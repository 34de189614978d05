"""Each code of the catalogue is reached: a call that is refused with it, in SQL and over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.callers import answer
from tests.conftest import cluster_of
from tests.holding import hold, overdue, release
from tests.integration.gateway.conftest import Api, serve, token
from tests.world import MAX, Household, Refused, Row, household

UNKNOWN = str(uuid.UUID(int=1))
Call = tuple[str, Row]
Case = Callable[[Household], Call]


def _at(home: Household, account: str = "bank") -> Row:
    return {"account_id": home.accounts[account]}


def _pay(home: Household, giver: str = "bank", taker: str = "cash", amount: int = 1) -> Call:
    accounts = home.accounts
    return "transfer", {
        "from_account_id": accounts[giver],
        "to_account_id": accounts[taker],
        "amount": amount,
    }


def _prepared(prepare: Callable[[Household], object], call: Callable[[Household], Call]) -> Case:
    def case(home: Household) -> Call:
        prepare(home)
        return call(home)

    return case


def _by_alice(function: str, **arguments: object) -> Callable[[Household], object]:
    def prepare(home: Household) -> object:
        of_bank = _at(home) if function.endswith("_account") else {}
        more = {k: v(home) if callable(v) else v for k, v in arguments.items()}
        return home.as_user("alice").rows(function, book_id=home.book_id, **of_bank, **more)

    return prepare


def _refused_hold(home: Household, spoil: Callable[[Row], object]) -> Call:
    held = hold(home, home.as_user("alice"), 5)
    spoil(held)
    return "capture_hold", {"hold_id": held["id"]}


def _closed(home: Household) -> Call:
    alice = home.as_user("alice")
    book = {"book_id": home.book_id}
    old = alice.call("open_account", **book, name="old", type="asset", currency="EUR")["id"]
    alice.call("close_account", **book, account_id=old)
    return "transfer", {**_pay(home)[1], "to_account_id": old}


def _reversed(home: Household) -> Call:
    alice = home.as_user("alice")
    arguments = {"transaction_id": home.pay(alice, "bank", "cash", 1)["transaction_id"]}
    alice.call("reverse_transaction", book_id=home.book_id, **arguments)
    return "reverse_transaction", arguments


def _blocked(home: Household) -> None:
    """alice changes the bank, and does not come to an end."""
    alice = home.as_user("alice")
    alice.query("begin")
    home.pay(alice, "world", "bank", 1)


def _opening(code: str) -> Row:
    return {"name": "n", "type": "asset", "currency": "EUR", "code": code}


def _ceiling(home: Household) -> None:
    limits = {"min_balance": 0, "max_balance": 0}
    home.as_user("alice").call(
        "set_balance_limits", book_id=home.book_id, **_at(home, "cash"), **limits
    )


def _contended(home: Household) -> Call:
    """Somebody else is posting on another account of the group."""
    alice = home.as_user("alice")
    home.fund(1, "cash")
    home.accounts["shop"] = alice.call(
        "open_account", book_id=home.book_id, name="shop", type="asset", currency="EUR"
    )["id"]
    joint = [home.accounts["bank"], home.accounts["cash"]]
    alice.call("set_account_group", book_id=home.book_id, name="n", account_ids=joint, min_total=0)
    _blocked(home)
    return "transfer_serializable", _pay(home, "cash", "shop")[1]


EVER = {"from_date": "0001-01-01", "to_date": "9999-12-31"}
CASES: dict[str, Case] = {
    "account_closed": _closed,
    "account_frozen": _prepared(_by_alice("freeze_account"), _pay),
    "account_not_empty": lambda home: ("close_account", _at(home)),
    "account_not_found": lambda home: ("get_balance", {"account_id": UNKNOWN}),
    "already_reversed": _reversed,
    "amount_out_of_range": _prepared(
        lambda home: home.pay(home.as_user("alice"), "world", "cash", MAX - 100),
        lambda home: _pay(home, "world", "cash", 101),
    ),
    "book_archived": _prepared(_by_alice("update_book", archived=True), _pay),
    "book_not_found": lambda home: ("get_balances", {"book_id": UNKNOWN}),
    "busy": _prepared(_blocked, _pay),
    "currency_mismatch": lambda home: _pay(home, "bank", "yen"),
    "duplicate_code": lambda home: ("open_account", _opening("asset:bank")),
    "forbidden": lambda home: ("set_member", {"user_id": home.users["bob"], "role": "viewer"}),
    "group_floor": _prepared(
        _by_alice(
            "set_account_group",
            name="n",
            account_ids=lambda home: [home.accounts["bank"]],
            min_total=100,
        ),
        _pay,
    ),
    "group_not_found": lambda home: ("remove_account_group", {"group_id": UNKNOWN}),
    "hold_expired": lambda home: _refused_hold(home, partial(overdue, home)),
    "hold_not_found": lambda home: ("release_hold", {"hold_id": UNKNOWN}),
    "hold_state": lambda home: _refused_hold(home, partial(release, home, home.as_user("alice"))),
    "idempotency_mismatch": _prepared(
        lambda home: home.pay(home.as_user("alice"), "bank", "cash", 2, idempotency_key="k"),
        lambda home: ("transfer", {**_pay(home)[1], "idempotency_key": "k"}),
    ),
    "insufficient_funds": lambda home: _pay(home, amount=101),
    "invalid_amount": lambda home: _pay(home, amount=0),
    "invalid_argument": lambda home: ("open_account", {**_opening("c"), "name": ""}),
    "invalid_cursor": lambda home: ("account_register", {**_at(home), "before": "yesterday"}),
    "last_owner": lambda home: ("remove_member", {"user_id": home.users["alice"]}),
    "limit_exceeded": _prepared(_ceiling, _pay),
    "member_not_found": lambda home: ("remove_member", {"user_id": home.users["mallory"]}),
    "period_locked": _prepared(_by_alice("lock_period", **EVER), _pay),
    "same_account": lambda home: _pay(home, "bank", "bank"),
    "serialization_conflict": _contended,
    "transaction_not_found": lambda home: ("find_transaction", {"idempotency_key": "none"}),
    "unbalanced": lambda home: ("post_transaction", {"entries": home.lines(bank=-1, cash=2)}),
    "user_not_found": lambda home: ("set_member", {"user_id": UNKNOWN, "role": "viewer"}),
    "version_conflict": lambda home: (
        "transfer",
        {**_pay(home)[1], "expect": [{**_at(home), "version": 9}]},
    ),
    "wrong_isolation": lambda home: ("transfer_serializable", _pay(home)[1]),
}
BY = {"forbidden": "bob", "busy": "bob", "serialization_conflict": "bob"}
LEVELS = {"serialization_conflict": "serializable"}


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """A gateway before a migrated database: each test makes its own book."""
    cluster = cluster_of("18")
    database = cluster.database("ledger")
    with serve(database, schemas=("ledger",)) as running:
        yield running
    cluster.drop(database)


def test_the_table_is_complete(api: Api) -> None:
    rows = api.sql("select code from ledger_private.error_catalogue")
    assert set(CASES) == {code for (code,) in rows}


def _told_over_http(api: Api, home: Household, code: str, call: Call) -> tuple[int, str, bool]:
    function, arguments = call
    body = {"book_id": home.book_id, **arguments}
    if code != "wrong_isolation":
        told = api.rpc(function, body, **token(sub=home.users[BY.get(code, "alice")]))
        return told.status_code, told.json()["code"], "retry-after" in told.headers
    # Of a function that has lost its declaration the gateway cannot know the level.
    alter = f"alter function ledger.{function} {{}} default_transaction_isolation {{}}"
    api.sql(alter.format("reset", ""))
    try:
        with serve(api.database, schemas=("ledger",)) as careless:
            told = careless.rpc(function, body, **token(sub=home.users["alice"]))
    finally:
        api.sql(alter.format("set", "= 'serializable'"))
    return told.status_code, told.json()["code"], "retry-after" in told.headers


@pytest.mark.parametrize("code", sorted(CASES))
def test_it_is_reached_in_sql_and_over_http_and_changes_nothing(api: Api, code: str) -> None:
    with household(api.database) as home:
        home.fund(100)
        function, arguments = CASES[code](home)
        before = home.state()
        who = home.as_user(BY.get(code, "alice"))
        who.query(f"set default_transaction_isolation = '{LEVELS.get(code, 'read committed')}'")
        with pytest.raises(Refused) as refused:
            who.rows(function, **{"book_id": home.book_id, **arguments})
        status, retryable = api.sql(
            "select http_status, retryable from ledger_private.error_catalogue"
            f" where code = '{code}'"
        )[0]
        assert (refused.value.code, refused.value.status) == (code, status)
        told = _told_over_http(api, home, code, (function, arguments))
        assert told == (status, code, retryable)
        assert home.state() == before
        assert answer(partial(home.reader.rows, "verify_book", book_id=home.book_id)) == "none"
