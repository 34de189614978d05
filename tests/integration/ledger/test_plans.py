"""No query of any function scans a table: asked of the plans that really ran, in a book of 200,000
entries beside others, for its owner and for a holder.

A new function needs a line in `_calls`. Only what says so in its comment may read a whole book.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest

from tests.conftest import cluster_of
from tests.world import Row, World

SMALL = {"currencies", "error_catalogue", "users"}
"""Tables that are never large, or not ours."""
WHOLE_BOOK = {"export_checkpoint", "verify_book"}
"""Read every entry of a book: asked of one that has 5,000 of the 300,000."""
MOST = {"pages": 2500, "whole book": 6000}
"""Rows that one step of a plan may read. The book has 2,000 accounts, of which get_balances and
trial_balance tell all."""
IN_VAIN = {"pages": 200, "whole book": 6000}
"""Rows that one scan may read and drop."""

FILL = """
create function pg_temp.made(book integer, kind integer, number bigint) returns uuid
language sql immutable return (
    lpad(to_hex(kind), 8, '0') || '-' || lpad(to_hex(book), 4, '0') || '-7000-8000-'
    || lpad(to_hex(number), 12, '0')
)::uuid;

insert into ledger_private.books (
    id, name, base_currency, request_hash, has_groups, has_periods
)
select pg_temp.made(b, 0, 0), 'n', 'EUR', '', b = 0, b = 0 from generate_series(0, 400) as b;

-- Accounts: 0 has 16 slots and a quarter of all entries, 1 has one slot and a sixth.
insert into ledger_private.accounts (book_id, id, name, type, currency, payable, request_hash)
select pg_temp.made(b, 0, 0), pg_temp.made(b, 1, a), 'n', 'equity', 'EUR', a % 2 = 0, ''
from generate_series(0, 20) as b, generate_series(0, 1999) as a where b = 0 or a < 100;

create temporary table legs as
select
    s.*,
    sum(s.amount) over chain as balance_after,
    row_number() over chain as version,
    timestamptz '2026-01-01 00:00Z' + s.n * interval '4 minutes' as booked_at,
    case when s.n % 20 = 0
        then date '2026-01-01' + (s.n * 7 % 250)::integer
        else (timestamptz '2026-01-01 00:00Z' + s.n * interval '4 minutes')::date
    end as day
from (
    select
        b, n, leg,
        case
            when n % 4 < 2 and leg = 1 then 0
            when n % 3 = 0 and leg = 2 then 1
            else 2 + (n * (leg * 2 + 1)) % (case b when 0 then 1990 else 98 end)
        end as a,
        case when n % 4 < 2 and leg = 1 then n / 4 % 16 else 0 end as slot,
        case leg when 1 then -100 else 100 end as amount
    from generate_series(0, 20) as b, generate_series(1, 100000) as n, (values (1), (2)) as l (leg)
    where b = 0 or n <= 2500
) as s
window chain as (partition by s.b, s.a, s.slot order by s.n, s.leg);

insert into ledger_private.transactions (
    book_id, id, kind, effective_on, posted_at, xid, idempotency_key, external_id
)
select
    pg_temp.made(b, 0, 0), pg_temp.made(b, 2, n), 'transfer', day, booked_at,
    (3 + n / 5000)::text::xid8, 'k' || n, case when n % 2 = 0 then 'x' || n / 10 end
from legs where leg = 1;

insert into ledger_private.entries (
    book_id, account_id, transaction_id, version, amount, balance_after, booked_at, slot, leg,
    hash, dated, currency
)
select
    pg_temp.made(b, 0, 0), pg_temp.made(b, 1, a), pg_temp.made(b, 2, n), version, amount,
    balance_after, booked_at, slot, leg, '', nullif(day, booked_at::date), 'EUR'
from legs;

insert into ledger_private.balances (
    book_id, account_id, slot, slots, currency, posted, version, booked_at
)
select
    a.book_id, a.id, s.slot, case when a.is_wide then 16 else 1 end, 'EUR',
    coalesce(l.balance_after, 0), coalesce(l.version, 0), coalesce(l.booked_at, '-infinity')
from (
    select *, id::text like '%-000000000000' as is_wide
    from ledger_private.accounts
) as a
cross join generate_series(0, 15) as s (slot)
left join (
    select distinct on (b, a, slot) * from legs order by b, a, slot, version desc
) as l
    on pg_temp.made(l.b, 0, 0) = a.book_id and pg_temp.made(l.b, 1, l.a) = a.id
    and l.slot = s.slot
where s.slot = 0 or a.is_wide;

insert into ledger_private.value_shifts (book_id, account_id, slot, grain, starts_on, amount)
select
    pg_temp.made(l.b, 0, 0), pg_temp.made(l.b, 1, l.a), l.slot, g.grain,
    date_trunc(g.grain, s.at)::date, sum(s.amount)
from legs as l, (values ('day'), ('month')) as g (grain), lateral (
    values (l.day::timestamp, l.amount), (l.booked_at::date::timestamp, -l.amount)
) as s (at, amount)
where l.day <> l.booked_at::date group by 1, 2, 3, 4, 5;

insert into ledger_private.holds (
    book_id, id, account_id, to_account_id, amount, state, released, expires_at, request_hash
)
select
    pg_temp.made(b, 0, 0), pg_temp.made(b, 3, n), pg_temp.made(b, 1, 2 + n % 90),
    pg_temp.made(b, 1, 92), 10, case n % 2 when 0 then 'pending' else 'released' end,
    n % 2 * 10, case when n % 50 = 0 then timestamptz '2026-01-01' + n * interval '1 hour' end, ''
from generate_series(0, 20) as b, generate_series(1, 1000) as n;

insert into ledger_private.account_groups (book_id, id, name, min_total)
select pg_temp.made(b, 0, 0), pg_temp.made(b, 4, n), 'n', -9007199254740991
from generate_series(0, 20) as b, generate_series(1, 30) as n;
insert into ledger_private.account_group_members (book_id, account_id, group_id)
select pg_temp.made(b, 0, 0), pg_temp.made(b, 1, n * 3 + m), pg_temp.made(b, 4, n)
from generate_series(0, 20) as b, generate_series(1, 30) as n, generate_series(0, 2) as m;
insert into ledger_private.period_locks (book_id, from_date, to_date)
select pg_temp.made(b, 0, 0), d, d
from generate_series(0, 20) as b, generate_series(0, 365) as n, lateral (
    select date '2020-01-01' + n as d
) as x;

insert into ledger_private.book_members (book_id, user_id, role)
select
    pg_temp.made(b, 0, 0), pg_temp.made(b, 5, n),
    (array['editor', 'viewer', 'holder'])[n % 3 + 1]
from generate_series(0, 20) as b, generate_series(1, 150) as n;
insert into ledger_private.account_holders (book_id, account_id, user_id, access)
select pg_temp.made(b, 0, 0), pg_temp.made(b, 1, 2 + n % 90), pg_temp.made(b, 5, n), 'spend'
from generate_series(0, 20) as b, generate_series(1, 150) as n where n % 3 = 2;
"""


def _made(kind: int, number: int = 0, book: int = 0) -> str:
    """The id of a row that FILL made: 1 account, 2 transaction, 3 hold, 4 group, 5 user."""
    return f"{kind:08x}-{book:04x}-7000-8000-{number:012x}"


BOOK, LITTLE = _made(0), _made(0, book=5)
WIDE, HOT, ONE, TWO, HELD, YEN = (_made(1, number) for number in (0, 1, 2, 4, 1500, 1998))
OF_HELD = "k1826"
"""The key of a transaction in which HELD gives."""


SETTINGS = (
    "load 'auto_explain'",
    "set auto_explain.log_min_duration = 0",
    "set auto_explain.log_nested_statements = on",
    "set auto_explain.log_analyze = on",
    "set auto_explain.log_timing = off",
    "set auto_explain.log_format = json",
    "set auto_explain.log_level = notice",
)


class Call(NamedTuple):
    """A function of `ledger` and what it is called with; the cursor `middle` is filled in."""

    function: str
    arguments: dict[str, Any]
    who: str = "alice"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _record(*values: object) -> str:
    """A composite value as Postgres reads it."""
    return f"({','.join('' if value is None else _quoted(str(value)) for value in values)})"


def _array(*values: str) -> str:
    return f"{{{','.join(map(_quoted, values))}}}"


LEGS = _array(_record(ONE, -5), _record(TWO, 5))
FROM_HELD = {"from_account_id": HELD, "to_account_id": TWO, "amount": 5}
WORDS = {"idempotency_key": "new", "external_id": "x", "effective_on": "2026-02-03"}
EXPECT = {"expect": _array(_record(TWO, 25, None, None))}


def _calls() -> list[Call]:
    """Each function of `ledger` in its ways to be called."""
    bank, wide, hot, held = ({"account_id": account} for account in (ONE, WIDE, HOT, HELD))
    noon, day = {"as_of": "2026-06-15 12:00Z"}, {"effective_on": "2026-06-15"}
    june = {"from_date": "2026-06-15", "to_date": "2026-06-16"}
    pair = {"from_account_id": ONE, "to_account_id": TWO, "amount": 5}
    some = {"account_ids": [ONE, TWO, WIDE, HOT, HELD]}
    items = _array(*(_record(LEGS, key, None, None, None, None) for key in ("new", OF_HELD)))
    hold, period = {"hold_id": _made(3, 8)}, {"from_date": "2020-02-01", "to_date": "2020-02-01"}
    user = {"user_id": _made(5, 2)}
    transfers = ("transfer", "transfer_up_to", "transfer_serializable")
    return [
        *(
            Call("get_balance", {**account, **moment}, who)
            for account, who in ((wide, "alice"), (hot, "alice"), (held, "heidi"))
            for moment in ({}, noon, day)
        ),
        *(
            Call("get_balances", {**ids, **moment}, who)
            for ids in (some, {})
            for moment in ({}, noon, day)
            for who in ("alice", "heidi")
        ),
        *(Call("trial_balance", moment) for moment in ({}, day)),
        *(
            Call("account_register", {**account, "before": cursor}, who)
            for account, who in ((wide, "alice"), (hot, "alice"), (held, "heidi"))
            for cursor in (None, "middle")
        ),
        *(
            Call("statement", {**account, **june}, who)
            for account, who in ((wide, "alice"), (hot, "alice"), (held, "heidi"))
        ),
        *(
            Call("changes_since", {"after": cursor}, who)
            for who in ("alice", "heidi")
            for cursor in (None, "middle")
        ),
        *(
            Call("find_transaction", {"idempotency_key": OF_HELD}, who)
            for who in ("alice", "heidi")
        ),
        *(Call(function, {"book_id": LITTLE}) for function in sorted(WHOLE_BOOK)),
        *(
            Call(function, {**pair, **more}, who)
            for function in transfers
            for more, who in (
                ({}, "alice"),
                ({**WORDS, **EXPECT}, "alice"),
                ({"idempotency_key": "k7"}, "alice"),
                ({"dry_run": True}, "alice"),
                (FROM_HELD, "heidi"),
            )
        ),
        *(
            Call("post_transaction", {"entries": LEGS, **more})
            for more in ({}, {**WORDS, **EXPECT}, {"dry_run": True})
        ),
        *(
            Call("post_transactions", {"transactions": items, "mode": mode})
            for mode in ("atomic", "per_item")
        ),
        Call(
            "exchange",
            {"from_account_id": ONE, "to_account_id": YEN, "sell_amount": 5, "buy_amount": 800},
        ),
        *(
            Call("reverse_transaction", {"transaction_id": _made(2, 77), **more})
            for more in ({}, {"amount": 5})
        ),
        *(
            Call("create_hold", {"account_id": giver, "to_account_id": TWO, "amount": 5}, who)
            for giver, who in ((ONE, "alice"), (HELD, "heidi"))
        ),
        *(Call(f"{verb}_hold", hold) for verb in ("capture", "release")),
        Call("expire_holds", {}),
        Call("close_account", {"account_id": HELD, "sweep_to": TWO}),
        Call("create_book", {"book_id": None, "name": "n", "base_currency": "EUR"}),
        Call("update_book", {"name": "n"}),
        Call("open_account", {"name": "n", "type": "asset", "currency": "EUR", "code": "a:b"}),
        Call("update_account", {**bank, "name": "n", "code": "a:b"}),
        *(Call(f"{verb}_account", bank) for verb in ("freeze", "unfreeze")),
        Call("set_balance_limits", {**bank, "min_balance": None, "max_balance": None}),
        *(Call("set_member", {**user, "role": role}) for role in ("editor", "viewer")),
        Call("remove_member", user),
        Call("set_holder", {**bank, **user, "access": "view"}),
        Call("remove_holder", {"account_id": _made(1, 4), **user}),
        *(
            Call("set_account_group", {"name": "n", "account_ids": [ONE], "min_total": -5, **more})
            for more in ({}, {"group_id": _made(4, 3)})
        ),
        Call("remove_account_group", {"group_id": _made(4, 3)}),
        *(Call(f"{verb}_period", period) for verb in ("lock", "unlock")),
    ]


class Step(NamedTuple):
    """A node of a plan that ran."""

    query: str
    kind: str
    relation: str
    read: float
    in_vain: float


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """The book, with alice, who owns it, and heidi, who holds one account."""
    cluster = cluster_of("18")
    database = cluster.database("ledger")
    made = World(database)
    alice, heidi = made.user("alice"), made.user("heidi")
    with database.connect("supabase_admin") as admin:
        admin.execute("set session_replication_role = replica")
        admin.execute("set time zone 'UTC'")
        admin.execute(FILL)
        admin.execute(
            """
            insert into ledger_private.book_members (book_id, user_id, role) values
            (%(book)s, %(alice)s, 'owner'), (%(little)s, %(alice)s, 'owner'),
            (%(book)s, %(heidi)s, 'holder')
            """,
            {"book": BOOK, "little": LITTLE, "alice": alice, "heidi": heidi},
        )
        admin.execute(
            "insert into ledger_private.account_holders (book_id, account_id, user_id, access)"
            " values (%s, %s, %s, 'spend')",
            [BOOK, HELD, heidi],
        )
        for table, column in (("accounts", "id"), ("balances", "account_id")):
            admin.execute(
                f"update ledger_private.{table} set currency = 'JPY' where {column} = %s", [YEN]
            )
        admin.execute("vacuum analyze")
    yield made
    made.close()
    cluster.drop(database)


def _steps(plan: Row, query: str) -> Iterator[Step]:
    """The nodes of a plan; rows over all loops."""
    loops = plan.get("Actual Loops", 0)
    dropped = sum(value for name, value in plan.items() if name.startswith("Rows Removed"))
    yield Step(
        query,
        plan["Node Type"],
        plan.get("Relation Name", ""),
        plan.get("Actual Rows", 0) * loops,
        dropped * loops,
    )
    for inner in plan.get("Plans", ()):
        yield from _steps(inner, query)


def _run(world: World, call: Call, mode: str) -> list[Step]:
    """Call as PostgREST would, and take it back; each step of each query that ran inside."""
    steps: list[Step] = []

    def note(said: psycopg.errors.Diagnostic) -> None:
        head, _, plan = (said.message_primary or "").partition("plan:\n")
        if head.startswith("duration:"):
            told = json.loads(plan)
            steps.extend(_steps(told["Plan"], told["Query Text"]))

    arguments = {"book_id": BOOK, **call.arguments}
    if call.function == "create_book":
        del arguments["book_id"]
    with world.database.connect("supabase_admin") as caller:
        for name, place in (("before", "account_register"), ("after", "changes_since")):
            if arguments.get(name) == "middle":
                arguments[name] = _middle(caller, place, arguments.get("account_id"))
        caller.add_notice_handler(note)
        for setting in SETTINGS:
            caller.execute(setting)
        caller.execute(f"set plan_cache_mode = {mode}")
        claims = json.dumps({"sub": world.users[call.who], "role": "authenticated"})
        caller.execute("select set_config('request.jwt.claims', %s, false)", [claims])
        level = "serializable" if call.function == "transfer_serializable" else "read committed"
        caller.execute(f"begin isolation level {level}")
        caller.execute("set local role authenticated")
        named = ", ".join(f"{name} => %({name})s" for name in arguments)
        caller.execute(f"select to_json(r) from ledger.{call.function}({named}) as r", arguments)
        caller.execute("rollback")
    return steps


def _middle(admin: psycopg.Connection, function: str, account: str | None) -> str:
    """A cursor from the middle of the register or of the feed."""
    if function == "changes_since":
        found = admin.execute(
            "select concat('x', xid, '-', id) from ledger_private.transactions"
            " where book_id = %s and idempotency_key = %s",
            [BOOK, OF_HELD],
        )
    else:
        found = admin.execute(
            "select cursor from ledger_private.register where book_id = %s and account_id = %s"
            " and version > 3 order by booked_at, slot, version limit 1",
            [BOOK, account],
        )
    (cursor,) = found.fetchone() or (None,)
    assert cursor
    return str(cursor)


def _title(call: Call) -> str:
    said = "-".join(name for name in call.arguments if name not in ("amount", "book_id"))
    return f"{call.function}-{said}-{call.who}"


CALLS = _calls()


def test_every_function_has_a_call(world: World) -> None:
    functions = world.owner().query(
        "select proname as name from pg_proc where pronamespace = 'ledger'::regnamespace"
    )
    assert {call.function for call in CALLS} == {row["name"] for row in functions}


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan"])
@pytest.mark.parametrize("number", range(len(CALLS)), ids=lambda number: _title(CALLS[number]))
def test_it_reads_by_index_and_no_more_than_it_needs(world: World, number: int, mode: str) -> None:
    call = CALLS[number]
    steps = _run(world, call, mode)
    assert any(step.relation for step in steps)
    scans = [step for step in steps if step.kind == "Seq Scan" and step.relation not in SMALL]
    assert scans == []
    kind = "whole book" if call.function in WHOLE_BOOK else "pages"
    assert [step for step in steps if step.read > MOST[kind]] == []
    assert [step for step in steps if step.relation and step.in_vain > IN_VAIN[kind]] == []
