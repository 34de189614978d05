"""What a holder sees and may do: every view and every function as a table.

heidi holds `bank` with spend and `cash` with view. `shop` is payable; `world`, `yen` and `till` are
no business of hers. In a book of mallory's she holds accounts that were opened under the ids of
those: an id is the caller's to choose.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.callers import answer, holder
from tests.conftest import Database
from tests.world import Household, Refused, Row, Session, household

POSTS = (
    *("transfer", "transfer_up_to", "transfer_serializable", "post_transaction"),
    *("post_transactions", "create_hold"),
)
UNKNOWN = str(uuid.UUID(int=1))
# Both pairs of what she holds, in a condition on columns book_id and account_id.
HELD = """
(book_id, {account}) in (select h.book_id, h.account_id from ledger_private.account_holders as h
where h.user_id = %(heidi)s)
"""
TOUCHED = f"""
(book_id, {{transaction}}) in (select e.book_id, e.transaction_id
from (select * from ledger_private.entries where {HELD.format(account="account_id")}) as e)
"""
HERS = "user_id = %(heidi)s"
NOTHING = "false"
BY_ACCOUNT = HELD.format(account="account_id")
VISIBLE = {
    "ledger.accounts": HELD.format(account="id"),
    "ledger.books": (
        "id in (select m.book_id from ledger_private.book_members as m where m.user_id = %(heidi)s)"
    ),
    "ledger.currencies": "true",
    "ledger.entries": BY_ACCOUNT,
    "ledger.groups": NOTHING,
    "ledger.holders": HERS,
    "ledger.holds": BY_ACCOUNT,
    "ledger.members": HERS,
    "ledger.periods": NOTHING,
    "ledger.transactions": TOUCHED.format(transaction="id"),
    "ledger_private.account_group_members": NOTHING,
    "ledger_private.account_groups": NOTHING,
    "ledger_private.account_holders": HERS,
    "ledger_private.balances": BY_ACCOUNT,
    "ledger_private.book_members": HERS,
    "ledger_private.entries": BY_ACCOUNT,
    "ledger_private.holds": BY_ACCOUNT,
    "ledger_private.period_locks": NOTHING,
    "ledger_private.receipt_lines": HELD.format(account="(line).account_id"),
    "ledger_private.register": BY_ACCOUNT,
    "ledger_private.transactions": TOUCHED.format(transaction="id"),
    "ledger_private.value_shifts": BY_ACCOUNT,
}
VISIBLE["ledger_private.accounts"] = VISIBLE["ledger.accounts"]
VISIBLE["ledger_private.books"] = VISIBLE["ledger.books"]
VISIBLE["ledger_private.currencies"] = VISIBLE["ledger.currencies"]
READABLE = """
select n.nspname || '.' || c.relname as name
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
where n.nspname in ('ledger', 'ledger_private') and c.relkind in ('r', 'v', 'm', 'p', 'f')
    and has_table_privilege('authenticated', c.oid, 'select')
"""


@pytest.fixture
def home(db: Database) -> Iterator[Household]:
    """A book in which there is more than heidi may see, of every kind."""
    with household(db) as made:
        alice = made.as_user("alice")
        book = {"book_id": made.book_id}
        for name, more in (
            ("shop", {"payable": True, "type": "asset"}),
            ("till", {"type": "asset"}),
        ):
            made.accounts[name] = alice.call(
                "open_account", **book, name=name, currency="EUR", **more
            )["id"]
        holder(made, "bank", "spend")
        holder(made, "cash", "view")
        alice.call(
            "set_holder",
            **book,
            account_id=made.accounts["shop"],
            user_id=made.user("ivan"),
            access="spend",
        )
        for giver, taker, amount, key, day in (
            ("world", "bank", 1000, "fund", "2026-02-03"),
            ("bank", "cash", 10, "inside", None),
            ("bank", "shop", 5, "out", None),
            ("world", "shop", 500, "theirs", "2026-02-03"),
        ):
            made.pay(alice, giver, taker, amount, idempotency_key=key, effective_on=day)
        for giver, taker in (("bank", "shop"), ("shop", "bank"), ("shop", "till")):
            alice.call("create_hold", **_hold(made, giver, taker, 7))
        _group(made, ["bank", "till"], 0)
        alice.call("lock_period", **book, from_date="2020-01-01", to_date="2020-01-31")
        _trap(made)
        alice.call("create_book", name="other", base_currency="EUR")
        yield made


def _hold(home: Household, giver: str, taker: str, amount: int) -> Row:
    return {
        "book_id": home.book_id,
        "account_id": home.accounts[giver],
        "to_account_id": home.accounts[taker],
        "amount": amount,
    }


def _group(home: Household, accounts: list[str], min_total: int) -> Row:
    return home.as_user("alice").call(
        "set_account_group",
        book_id=home.book_id,
        name="Reserve",
        account_ids=[home.accounts[name] for name in accounts],
        min_total=min_total,
    )


def _trap(home: Household) -> None:
    """mallory opens accounts under foreign ids, in a book of her own, and lets heidi hold them."""
    mallory = home.as_user("mallory")
    book = {"book_id": mallory.call("create_book", name="trap", base_currency="EUR")["id"]}
    for name in ("shop", "till", "world"):
        account = {"id": home.accounts[name], "type": "equity", "currency": "EUR"}
        mallory.call("open_account", **book, name=name, **account)
        mallory.call(
            "set_holder",
            **book,
            account_id=account["id"],
            user_id=home.users["heidi"],
            access="spend",
        )
    mallory.call(
        "transfer",
        **book,
        from_account_id=home.accounts["till"],
        to_account_id=home.accounts["world"],
        amount=1,
        effective_on="2026-02-03",
    )


def test_she_sees_what_she_holds_and_nothing_else(home: Household) -> None:
    owner, heidi = home.owner(), home.as_user("heidi")
    assert {row["name"] for row in owner.query(READABLE)} == set(VISIBLE)
    who = {"heidi": home.users["heidi"]}
    for relation, condition in VISIBLE.items():
        read = f"select r::text as row from {relation} as r"
        everything = [row["row"] for row in owner.query(read)]
        expected = [row["row"] for row in owner.query(f"{read} where {condition}", who)]
        seen = [row["row"] for row in heidi.query(read)]
        assert (relation, sorted(seen)) == (relation, sorted(expected))
        if not relation.endswith("currencies"):
            assert (relation, len(seen) < len(everything)) == (relation, True)
        assert (relation, len(seen) == 0) == (relation, condition == NOTHING)


def _name(home: Household, arguments: Row) -> Row:
    """The arguments with accounts by name and the book."""
    named = {"book_id": home.book_id, **arguments}
    for name, value in named.items():
        if name.endswith("account_id") or name == "sweep_to":
            named[name] = home.accounts.get(value, value)
        if name == "account_ids":
            named[name] = [home.accounts.get(each, each) for each in value]
        if name == "user_id":
            named[name] = home.user(value)
    return named


def _hold_of(home: Household, account: str) -> str:
    read = "select id::text from ledger.holds where account_id = %s limit 1"
    return str(home.owner().query(read, [home.accounts[account]])[0]["id"])


def _transaction(home: Household, key: str) -> str:
    read = "select id::text from ledger.transactions where idempotency_key = %s"
    return str(home.owner().query(read, [key])[0]["id"])


def _calls(home: Household) -> dict[str, list[tuple[Row, str]]]:
    """What she is told by each function that does not post."""
    bank, cash, shop = ({"account_id": name} for name in ("bank", "cash", "shop"))
    user, days = {"user_id": "ivan"}, {"from_date": "2020-01-01", "to_date": "2020-01-31"}
    held, theirs = ({"hold_id": _hold_of(home, name)} for name in ("bank", "shop"))
    opened = {"name": "n", "type": "asset", "currency": "EUR"}
    limits = {"min_balance": None, "max_balance": None}
    swap = {"from_account_id": "bank", "to_account_id": "yen", "sell_amount": 1, "buy_amount": 1}
    group = {"group_id": str(home.owner().query("select id from ledger.groups")[0]["id"])}
    joint = {"name": "n", "account_ids": ["bank"], "min_total": 0}
    forbidden: dict[str, list[Row]] = {
        "capture_hold": [held, theirs, {"hold_id": UNKNOWN}],
        "close_account": [bank, {**bank, "sweep_to": "cash"}, shop],
        "exchange": [swap],
        "expire_holds": [{}],
        "export_checkpoint": [{}],
        "freeze_account": [bank, shop],
        "lock_period": [days],
        "open_account": [opened],
        "release_hold": [held, theirs, {"hold_id": UNKNOWN}],
        "remove_account_group": [group, {"group_id": UNKNOWN}],
        "remove_holder": [{**bank, "user_id": "heidi"}, {**shop, **user}],
        "remove_member": [{"user_id": "heidi"}, user],
        "reverse_transaction": [
            {"transaction_id": _transaction(home, key)} for key in ("inside", "theirs")
        ],
        "set_account_group": [joint],
        "set_balance_limits": [{**bank, **limits}],
        "set_holder": [
            {**bank, "user_id": "heidi", "access": "spend"},
            {**shop, "user_id": "heidi", "access": "view"},
        ],
        "set_member": [{"user_id": "heidi", "role": "owner"}],
        "trial_balance": [{}],
        "unfreeze_account": [bank],
        "unlock_period": [days],
        "update_account": [{**bank, "name": "mine"}],
        "update_book": [{"name": "mine"}],
        "verify_book": [{}],
    }
    reads = [
        (bank, "none"),
        (cash, "none"),
        *(({"account_id": name}, "account_not_found") for name in ("shop", "world", UNKNOWN)),
    ]
    return {
        **{name: [(case, "forbidden") for case in cases] for name, cases in forbidden.items()},
        "account_register": reads,
        "changes_since": [({}, "none")],
        "create_book": [],
        "find_transaction": [
            *(({"idempotency_key": key}, "none") for key in ("fund", "inside", "out")),
            *(({"idempotency_key": key}, "transaction_not_found") for key in ("theirs", "none")),
        ],
        "get_balance": reads,
        "get_balances": [({}, "none"), ({"account_ids": ["shop"]}, "none")],
        "statement": [({**case, **days}, told) for case, told in reads],
    }


def test_every_function_tells_her_what_the_table_says(home: Household) -> None:
    heidi = home.as_user("heidi")
    calls = _calls(home)
    exposed = home.owner().query(
        "select proname as name from pg_proc where pronamespace = 'ledger'::regnamespace"
    )
    assert {row["name"] for row in exposed} == {*calls, *POSTS}
    before = home.state()
    for function, cases in calls.items():
        for arguments, code in cases:
            named = _name(home, arguments)
            told = answer(partial(heidi.rows, function, **named))
            assert (function, arguments, told) == (function, arguments, code)
            elsewhere = {**named, "book_id": UNKNOWN}
            assert answer(partial(heidi.rows, function, **elsewhere)) == "book_not_found"
    assert home.state() == before
    heidi.call("create_book", name="mine", base_currency="EUR")


def _post(home: Household, who: Session, function: str, giver: str, taker: str, amount: int) -> str:
    """What a posting of any kind is told."""
    ids = [home.accounts.get(name, name) for name in (giver, taker)]
    lines = [
        {"account_id": ids[0], "amount": -amount},
        {"account_id": ids[1], "amount": amount},
    ]
    arguments: Row
    if function == "post_transaction":
        arguments = {"entries": lines}
    elif function == "post_transactions":
        arguments = {"transactions": [{"entries": lines}]}
    else:
        first = "account_id" if function == "create_hold" else "from_account_id"
        arguments = {first: ids[0], "to_account_id": ids[1], "amount": amount}
    serializable = function == "transfer_serializable"
    who.query("begin isolation level " + ("serializable" if serializable else "read committed"))
    told = answer(partial(who.rows, function, book_id=home.book_id, **arguments))
    who.query("commit" if told == "none" else "rollback")
    return told


@pytest.mark.parametrize("function", POSTS)
def test_she_gives_only_from_what_she_may_spend_into_what_she_may_pay(
    home: Household, function: str
) -> None:
    heidi = home.as_user("heidi")
    refused = {
        ("cash", "bank"): "forbidden",
        ("cash", "shop"): "forbidden",
        ("shop", "bank"): "account_not_found",
        ("world", "bank"): "account_not_found",
        ("shop", "world"): "account_not_found",
        ("bank", "world"): "account_not_found",
        ("bank", "till"): "account_not_found",
        ("bank", UNKNOWN): "account_not_found",
        (UNKNOWN, "bank"): "account_not_found",
        # What is hidden says nothing of itself: yen is of another currency.
        ("bank", "yen"): "account_not_found",
    }
    before = home.state()
    told = {pair: _post(home, heidi, function, *pair, 1) for pair in refused}
    assert told == refused
    assert home.state() == before
    for taker in ("shop", "cash"):
        assert _post(home, heidi, function, "bank", taker, 1) == "none"
    home.assert_sound()


@pytest.mark.parametrize("function", POSTS)
def test_access_and_payable_decide(home: Household, function: str) -> None:
    alice, heidi = home.as_user("alice"), home.as_user("heidi")
    post = partial(_post, home, heidi, function)
    holder(home, "bank", "view")
    assert post("bank", "shop", 1) == "forbidden"
    holder(home, "bank", "spend")
    shop = {"book_id": home.book_id, "account_id": home.accounts["shop"]}
    alice.call("update_account", **shop, payable=False)
    assert post("bank", "shop", 1) == "account_not_found"
    holder(home, "shop", "view")
    assert post("bank", "shop", 1) == "none"
    assert post("shop", "bank", 1) == "forbidden"
    holder(home, "shop", "spend")
    assert post("shop", "bank", 1) == "none"


@pytest.mark.parametrize("function", POSTS)
def test_her_rights_in_one_book_are_none_in_another(home: Household, function: str) -> None:
    """In mallory's book she may spend from `till`, `shop` and `world`: not in this one."""
    heidi = home.as_user("heidi")
    for giver, taker in (("till", "bank"), ("world", "bank"), ("bank", "till")):
        assert _post(home, heidi, function, giver, taker, 1) == "account_not_found"


def _own(home: Household, lines: list[Row]) -> bool:
    return {line["account_id"] for line in lines} <= {home.accounts[n] for n in ("bank", "cash")}


def test_what_she_is_given_holds_only_her_own_entries(home: Household) -> None:
    heidi, book = home.as_user("heidi"), {"book_id": home.book_id}
    words = {"idempotency_key": "hers", "description": "d"}
    first = home.pay(heidi, "bank", "shop", 1, **words)
    found = heidi.call("find_transaction", **book, idempotency_key="hers")
    again = home.pay(heidi, "bank", "shop", 1, **words)
    dry = home.pay(heidi, "bank", "shop", 1, dry_run=True)
    assert (again, found) == ({**first, "replayed": True}, {**first, "replayed": True})
    for receipt in (first, found, again, dry):
        assert [e["account_id"] for e in receipt["entries"]] == [home.accounts["bank"]]
    inside = home.pay(heidi, "bank", "cash", 1)
    assert len(inside["entries"]) == 2

    batch = heidi.rows(
        "post_transactions",
        **book,
        transactions=[
            home.item("bank", "shop", 1),
            home.item("till", "bank", 1),
            home.item("cash", "bank", 1),
        ],
        mode="per_item",
    )
    assert [item["error_code"] for item in batch] == [None, "account_not_found", "forbidden"]
    assert _own(home, batch[0]["receipt"]["entries"])

    changes = heidi.rows("changes_since", **book)
    assert changes
    assert all(_own(home, change["entries"]) for change in changes)
    touched = {change["transaction_id"] for change in changes}
    assert _transaction(home, "theirs") not in touched
    balances = heidi.rows("get_balances", **book)
    assert len(balances) == 2
    assert _own(home, balances)
    assert heidi.rows("get_balances", **book, account_ids=[home.accounts["shop"]]) == []


def _details(home: Household, who: Session, giver: str, taker: str, **more: Any) -> Row:
    with pytest.raises(Refused) as told:
        home.pay(who, giver, taker, 3, **more)
    return {"code": told.value.code, **told.value.details}


def test_a_refusal_tells_her_nothing_of_what_others_have(home: Household) -> None:
    alice, heidi = home.as_user("alice"), home.as_user("heidi")
    shop = {"book_id": home.book_id, "account_id": home.accounts["shop"]}
    alice.call("set_balance_limits", **shop, min_balance=0, max_balance=505)
    told = [
        _details(home, heidi, "bank", "shop"),
        _details(home, heidi, "bank", "cash", effective_on="2020-01-02"),
        _details(home, heidi, "bank", "till"),
    ]
    _group(home, ["bank", "shop"], 1469)
    told.append(_details(home, heidi, "bank", "cash"))
    alice.call("freeze_account", **shop)
    told.append(_details(home, heidi, "bank", "shop"))
    assert [each["code"] for each in told] == [
        *("limit_exceeded", "period_locked", "account_not_found", "group_floor"),
        "account_frozen",
    ]
    # `required` is what she asked for.
    allowed = {"code", "account_id", "group_id", "required", "effective_on"}
    assert [set(each) - allowed for each in told] == [set()] * len(told), json.dumps(told)


def test_what_she_expects_is_of_her_own_accounts(home: Household) -> None:
    heidi = home.as_user("heidi")
    for account, told in (("shop", "account_not_found"), ("bank", "version_conflict")):
        expect = [{"account_id": home.accounts[account], "version": 99}]
        attempt = partial(home.pay, heidi, "bank", "shop", 1, expect=expect)
        assert answer(attempt) == told


def test_a_removed_holder_sees_and_does_nothing(home: Household) -> None:
    alice, heidi = home.as_user("alice"), home.as_user("heidi")
    for account in ("bank", "cash"):
        alice.call(
            "remove_holder",
            book_id=home.book_id,
            account_id=home.accounts[account],
            user_id=home.users["heidi"],
        )
    assert answer(partial(home.pay, heidi, "bank", "shop", 1)) == "book_not_found"
    seen = "select 1 as one from ledger.{} where book_id = %s"
    for view in ("accounts", "entries", "transactions", "holds", "members", "holders"):
        assert heidi.query(seen.format(view), [home.book_id]) == []


@pytest.mark.parametrize("first", ["giver", "taker"])
def test_a_huge_amount_tells_her_of_her_own_funds_only(home: Household, first: str) -> None:
    heidi = home.as_user("heidi")
    amount = 9007199254740991
    sides = [
        {"account_id": home.accounts["bank"], "amount": -amount},
        {"account_id": home.accounts["shop"], "amount": amount},
    ]
    lines = sides if first == "giver" else sides[::-1]
    for name, arguments in (
        ("post_transaction", {"entries": lines}),
        ("post_transactions", {"transactions": [{"entries": lines}]}),
    ):
        with pytest.raises(Refused) as refused:
            heidi.rows(name, book_id=home.book_id, dry_run=True, **arguments)
        assert refused.value.code == "insufficient_funds"
        assert refused.value.details["account_id"] == home.accounts["bank"]
