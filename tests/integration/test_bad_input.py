"""Bad input at every function of the API: always a 4xx, and nothing changes.

Each argument of each function gets each bad value of its type, the others are good. Where the
function was reached, the code is one that its header names, and SQL says the same.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.callers import answer
from tests.conftest import cluster_of
from tests.draws import raises
from tests.holding import hold
from tests.integration.gateway.conftest import Api, serve, token
from tests.world import MAX, Household, Row, Session, household

UNKNOWN = str(uuid.UUID(int=1))
LONG = "é" * 10_000
NEVER: dict[str, list[object]] = {
    "uuid": ["x", "é", 7, 1.5, True, {}, ""],
    "bigint": [MAX + 1, -MAX - 1, 2**63, 1.5, 1e300, "NaN", "Infinity", "x", "", {}, True],
    "integer": [0, -1, 2**31, 1001, 1.5, "NaN", "x", [], None],
    "boolean": ["maybe", 7, 1.5, {}],
    "text": [LONG, "\0"],
    "date": ["x", "2026-02-30", "infinity", "-infinity", "10000-01-01", "0044-03-15 BC", 7, {}],
    "timestamp with time zone": ["x", "2026-02-30T00:00:00Z", 7, {}, "300000-01-01T00:00:00Z"],
    "jsonb": [[], "x", 1, 1.5, True, {"k": "v" * 20_000}, {"k": "\0"}],
    "uuid[]": ["x", 7, {}, ["x"], [7], [None], [UNKNOWN], [[UNKNOWN], ["x"]]],
    "ledger.entry_input[]": [],
    "ledger.transaction_input[]": [],
    "ledger.expectation[]": [],
}
"""Bad whatever the argument."""
WRONG: dict[str, list[object]] = {
    "amount": [0, -1],
    "sell_amount": [0, -1, None],
    "buy_amount": [0, -1, None],
    "max_balance": [-1],
    "name": [""],
    "type": ["", "gold", "Asset", None],
    "currency": ["", "XXQ", "eur", "EURO", "€", None],
    "base_currency": ["", "XXQ", "eur", None],
    "role": ["", "king", "Owner", None],
    "access": ["", "own", None],
    "mode": ["", "each", None],
    "before": ["", "x", "é", "MQ", "0,0", UNKNOWN],
    "after": ["", "x", "é", "MQ", "0,0", UNKNOWN],
    "code": [""],
    "external_id": [""],
    "final": [None],
    "min_total": [None],
    "slots": [65],
}
"""Bad for an argument of this name."""
FINE = {
    # A filter: what is not there is not found.
    "get_balances": ([None], [UNKNOWN]),
    # From the beginning, to the end.
    "statement": ("infinity", "-infinity", "10000-01-01", "0044-03-15 BC"),
}


def lines(home: Household) -> list[object]:
    """Entries that are refused; an amount of null, one account twice, another currency."""
    bank, cash = home.accounts["bank"], home.accounts["cash"]

    def two(first: object, second: object, account: object = cash) -> list[Row]:
        return [
            {"account_id": bank, "amount": first},
            {"account_id": account, "amount": second},
        ]

    return [
        *("x", 7, {}, [], None, [7], [None], [[]], ["x"], [{}], [{}, {}]),
        [{"account_id": bank, "amount": 0}],
        two(-1, 1)[:1],
        two(-1, 2),
        two(0, 0),
        two(-1.5, 1.5),
        two("NaN", 1),
        two(-MAX - 1, MAX + 1),
        two(-(2**63), 2**63),
        two(-1, None),
        two(-1, 1, None),
        two(-1, 1, UNKNOWN),
        two(-1, 1, "é"),
        two(-1, 1, bank),
        two(-1, 1, home.accounts["yen"]),
        two(-1, 1, home.accounts["foreign"]),
        two(-MAX, MAX),
        two(-1, 1) * 501,
    ]


def records(home: Household, name: str) -> list[object]:
    """Bad values of an argument that is an array of records."""
    bank = home.accounts["bank"]
    if name == "entries":
        return lines(home)
    if name == "transactions":
        good = {"entries": home.lines(bank=-1, cash=1)}
        return [
            *("x", 7, {}, [], None, [7], [None], [{}], [good] * 10_001),
            *([{"entries": bad}] for bad in lines(home)),
            *([good, {"entries": bad}] for bad in lines(home)),
            *([{**good, "idempotency_key": bad}] for bad in ("", LONG, "\0", "é" * 128)),
            *([{**good, "effective_on": bad}] for bad in NEVER["date"]),
            *([{**good, "metadata": bad}] for bad in NEVER["jsonb"]),
            *([{**good, "description": bad}] for bad in NEVER["text"]),
            *([{**good, "external_id": bad}] for bad in ("", *NEVER["text"])),
        ]
    assert name == "expect"
    return [
        *("x", 7, {}, [7], [None], [{}], [{"account_id": bank}]),
        [{"version": 1}],
        [{"account_id": UNKNOWN, "version": 1}],
        [{"account_id": home.accounts["foreign"], "version": 0}],
        [{"account_id": bank, "version": 1}] * 1001,
        *([{"account_id": bank, "version": bad}] for bad in (-1, 1.5, "NaN", 2**63, MAX + 1)),
        *([{"account_id": bank, "posted_eq": bad}] for bad in (-1, 1.5, "NaN", 2**63)),
        *([{"account_id": bank, "available_gte": bad}] for bad in (MAX, 1.5, "NaN", 2**63)),
    ]


def good_calls(home: Household) -> dict[str, Row]:
    """A call of each function that succeeds."""
    alice = home.as_user("alice")
    accounts = home.accounts
    book = {"book_id": home.book_id}
    bank = {**book, "account_id": accounts["bank"]}
    user = {"user_id": home.users["bob"]}
    sides = {
        **book,
        "from_account_id": accounts["bank"],
        "to_account_id": accounts["cash"],
        "amount": 1,
    }
    held = hold(home, alice, 5)["id"]
    group = {"name": "n", "account_ids": [accounts["bank"]], "min_total": 0}
    group_id = alice.call("set_account_group", **book, **group)["id"]
    days = {"from_date": "2020-01-01", "to_date": "2020-01-31"}
    alice.call("lock_period", **book, **days)
    holder = {**bank, "user_id": home.user("heidi")}
    alice.call("set_holder", **holder, access="view")
    posted = home.pay(alice, "bank", "cash", 3, idempotency_key="used")["transaction_id"]
    return {
        "account_register": bank,
        "capture_hold": {**book, "hold_id": held},
        "changes_since": book,
        "close_account": {**book, "account_id": accounts["yen"]},
        "create_book": {"name": "n", "base_currency": "EUR"},
        "create_hold": {**bank, "to_account_id": accounts["cash"], "amount": 1},
        "exchange": {
            **book,
            "from_account_id": accounts["bank"],
            "to_account_id": accounts["yen"],
            "sell_amount": 1,
            "buy_amount": 1,
        },
        "expire_holds": book,
        "export_checkpoint": book,
        "find_transaction": {**book, "idempotency_key": "used"},
        "freeze_account": bank,
        "get_balance": bank,
        "get_balances": book,
        "lock_period": {**book, "from_date": "2021-01-01", "to_date": "2021-01-31"},
        "open_account": {**book, "name": "n", "type": "asset", "currency": "EUR"},
        "post_transaction": {**book, "entries": home.lines(bank=-1, cash=1)},
        "post_transactions": {**book, "transactions": [home.item("bank", "cash", 1)]},
        "release_hold": {**book, "hold_id": held},
        "remove_account_group": {**book, "group_id": group_id},
        "remove_holder": holder,
        "remove_member": {**book, **user},
        "reverse_transaction": {**book, "transaction_id": posted},
        "set_account_group": {**book, **group},
        "set_balance_limits": {**bank, "min_balance": 0, "max_balance": 1000},
        "set_holder": {**holder, "access": "spend"},
        "set_member": {**book, **user, "role": "viewer"},
        "statement": {**bank, **days},
        "transfer": sides,
        "transfer_serializable": sides,
        "transfer_up_to": sides,
        "trial_balance": book,
        "unfreeze_account": bank,
        "unlock_period": {**book, **days},
        "update_account": {**bank, "name": "n"},
        "update_book": {**book, "name": "n"},
        "verify_book": book,
    }


FUNCTIONS = """
select p.proname::text as function, p.provolatile = 'v' as writes, a.name, a.n > p.pronargs
    - p.pronargdefaults as optional, format_type(p.proargtypes[a.n - 1], null) as type
from pg_proc as p, unnest(p.proargnames[:p.pronargs]) with ordinality as a (name, n)
where p.pronamespace = 'ledger'::regnamespace order by 1, a.n
"""


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """A gateway before a migrated database."""
    cluster = cluster_of("18")
    database = cluster.database("ledger")
    with serve(database, schemas=("ledger",)) as running:
        yield running
    cluster.drop(database)


@pytest.fixture(scope="module")
def home(api: Api) -> Iterator[Household]:
    """Something of each kind in one book, and an account in another."""
    with household(api.database) as made:
        made.fund(100)
        alice = made.as_user("alice")
        other = alice.call("create_book", name="other", base_currency="EUR")["id"]
        made.accounts["foreign"] = alice.call(
            "open_account", book_id=other, name="x", type="equity", currency="EUR"
        )["id"]
        yield made


@pytest.fixture(scope="module")
def functions(home: Household) -> dict[str, dict[str, Row]]:
    """The arguments of each function, as the catalog has them."""
    found: dict[str, dict[str, Row]] = {}
    for row in home.reader.query(FUNCTIONS):
        found.setdefault(row["function"], {})[row["name"]] = row
    return found


@pytest.fixture(scope="module")
def good(home: Household) -> dict[str, Row]:
    return good_calls(home)


def bad_values(home: Household, function: str, argument: Row) -> list[object]:
    """What the function has to refuse there."""
    name, kind = argument["name"], argument["type"]
    if kind.endswith("_input[]") or kind == "ledger.expectation[]":
        return records(home, name)
    values = [*NEVER[kind], *WRONG.get(name, [])]
    if kind == "uuid" and name not in ("id", "group_id", "user_id"):
        values += [UNKNOWN, home.accounts["foreign"]]
    if kind == "uuid" and name in ("group_id", "user_id") and function != "set_account_group":
        values += [UNKNOWN]
    if not argument["optional"] and name not in ("min_balance", "max_balance", "user_id"):
        values += [None]
    if name == "amount" and argument["optional"]:
        values = [value for value in values if value is not None]
    if kind == "uuid[]" and function != "get_balances":
        bank = home.accounts["bank"]
        values += [[], None, [bank, bank], [bank] * 1001, [home.accounts["foreign"]]]
        values += [[bank, home.accounts["yen"]]]
    if name == "slots":
        values = [2 if value == 1001 else value for value in values]
    return [value for value in values if value not in FINE.get(function, ())]


def in_sql(who: Session, function: str, arguments: dict[str, Row], body: str) -> str:
    """The code that SQL gives for this body, read as PostgREST reads it."""
    given = json.loads(body)
    columns = ", ".join(f'"{name}" {arguments[name]["type"]}' for name in given)
    named = ", ".join(f'"{name}" => b."{name}"' for name in given)
    return answer(
        lambda: who.query(
            f"select r from json_to_record(%s::json) as b ({columns}),"
            f" lateral ledger.{function}({named}) as r",
            [body],
        )
    )


def test_every_function_is_tried(
    functions: dict[str, dict[str, Row]], good: dict[str, Row], home: Household
) -> None:
    assert set(good) == set(functions)
    alice = home.as_user("alice")
    for function, arguments in good.items():
        level = "serializable" if function == "transfer_serializable" else "read committed"
        alice.query(f"begin isolation level {level}")
        told = in_sql(alice, function, functions[function], json.dumps(arguments))
        alice.query("rollback")
        assert (function, told) == (function, "none")


def test_bad_input_is_a_4xx_of_the_catalogue_and_changes_nothing(
    api: Api, functions: dict[str, dict[str, Row]], good: dict[str, Row], home: Household
) -> None:
    headers = token(sub=home.users["alice"])
    alice = home.as_user("alice")
    status = dict(api.sql("select code, http_status from ledger_private.error_catalogue"))
    before = home.state()
    wrong: list[object] = []
    tried = 0
    for function, arguments in functions.items():
        level = "serializable" if function == "transfer_serializable" else "read committed"
        alice.query(f"set default_transaction_isolation = '{level}'")
        for name, argument in arguments.items():
            for value in bad_values(home, function, argument):
                tried += 1
                body = json.dumps({**good[function], name: value})
                told = api.rpc(function, body, **headers)
                code = str(told.json()["code"]) if told.status_code >= 400 else "none"
                where = (function, name, str(value)[:60], told.status_code, code)
                if not 400 <= told.status_code < 500:
                    wrong.append(where)
                elif code in status and (
                    code not in raises(function) or told.status_code != status[code]
                ):
                    wrong.append((*where, "not documented"))
                same = in_sql(alice, function, arguments, body)
                if same != code:
                    wrong.append((*where, "in SQL", same))
        if home.state() != before:
            wrong.append((function, "changed something"))
            before = home.state()
    assert wrong == [], "\n".join(map(str, wrong))
    assert tried > 1000


@pytest.mark.parametrize("body", ["", "[", "7", "[]", '{"book_id": 1e999}', '{"nothing": 1}'])
def test_a_body_that_is_no_object_of_its_arguments_reaches_no_function(
    api: Api, functions: dict[str, dict[str, Row]], home: Household, body: str
) -> None:
    before = home.state()
    for function in functions:
        told = api.rpc(function, body, **token(sub=home.users["alice"]))
        assert (function, 400 <= told.status_code < 500) == (function, True)
    assert home.state() == before
