"""Every constraint and unique index is needed: a row that breaks it alone is refused by it.

The functions refuse the same with a code first; these hold for the owner of the schema too.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.callers import holder
from tests.holding import group, hold
from tests.world import Household

NULLS = {
    "accounts": {"code", "external_id"},
    "balances": {"min_balance", "max_balance"},
    "books": {"archived_at"},
    "entries": {"dated"},
    "holds": {"created_by", "description", "expires_at"},
    "transactions": {
        *("created_by", "description", "external_id", "idempotency_key", "request_hash"),
        "reverses_id",
    },
}

OUT_OF_RANGE = ("-9007199254740992", "9007199254740992")
LONG = "repeat('é', 128)"
TOO_LONG = ("''", LONG)
PATHS = ("''", "':'", "'a:'", "':a'", "'a::b'", "E'a\\tb'", "repeat('c', 256)", LONG)
OBJECTS = ("'[]'", "'1'", "'null'", "jsonb_build_object('k', repeat('v', 16384))")

STRANGER = ("gen_random_uuid()",)
OWNER = "(select user_id from ledger_private.book_members where role = 'owner')"

# Constraint: table, column, values that break it and nothing else.
BREAKING: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "books_name_length": ("books", "name", TOO_LONG),
    "books_base_currency_fkey": ("books", "base_currency", ("'NONE'",)),
    "books_pkey": ("books", "id", ("'00000000-0000-0000-0000-000000000002'",)),
    "book_members_role_known": ("book_members", "role", ("'guest'", "''")),
    "book_members_book_id_fkey": ("book_members", "book_id", STRANGER),
    "book_members_user_id_fkey": ("book_members", "user_id", STRANGER),
    "book_members_pkey": ("book_members", "user_id", (OWNER,)),
    "currencies_code_is_ascii": ("currencies", "code", ("''", "'€€€'", "'eur'", "'E'", "'E R'")),
    "currencies_exponent_range": ("currencies", "exponent", ("-1", "9")),
    "currencies_name_length": ("currencies", "name", TOO_LONG),
    "currencies_pkey": ("currencies", "code", ("'JPY'",)),
    "accounts_code_is_path": ("accounts", "code", PATHS),
    "accounts_code_key": ("accounts", "code", ("'asset:cash'",)),
    "accounts_name_length": ("accounts", "name", TOO_LONG),
    "accounts_type_known": ("accounts", "type", ("'wallet'", "''")),
    "account_status_known": ("balances", "status", ("'locked'",)),
    "accounts_external_id_length": ("accounts", "external_id", TOO_LONG),
    "accounts_metadata_is_object": ("accounts", "metadata", OBJECTS),
    "accounts_currency_fkey": ("accounts", "currency", ("'NONE'",)),
    "account_groups_name_length": ("account_groups", "name", TOO_LONG),
    "account_group_members_account_fkey": ("account_group_members", "account_id", STRANGER),
    "account_group_members_group_fkey": ("account_group_members", "group_id", STRANGER),
    "account_holders_access_known": ("account_holders", "access", ("'none'", "''")),
    "account_holders_account_fkey": ("account_holders", "account_id", STRANGER),
    "account_holders_member_fkey": ("account_holders", "user_id", STRANGER),
    "holds_account_fkey": ("holds", "account_id", STRANGER),
    "holds_to_account_fkey": ("holds", "to_account_id", STRANGER),
    "holds_description_length": ("holds", "description", ("repeat('é', 501)",)),
    "holds_metadata_is_object": ("holds", "metadata", OBJECTS),
    "period_locks_book_id_fkey": ("period_locks", "book_id", STRANGER),
    "period_locks_in_order": ("period_locks", "to_date", ("from_date - 1",)),
    "error_catalogue_code_format": ("error_catalogue", "code", ("''", "'Busy'", "'a__b'")),
    "error_catalogue_status_range": ("error_catalogue", "http_status", ("200", "600")),
    "error_catalogue_pkey": ("error_catalogue", "code", ("'forbidden'",)),
}
# Those that look at several columns: what is set.
SEVERAL = {
    "holds_state_known": ("state = 'lost', released = amount", "state = '', released = amount"),
    "holds_add_up": (
        *("amount = 0", "amount = -1", "captured = -1", "captured = 3", "released = 1"),
        *("state = 'captured'", "state = 'captured', captured = 2", "state = 'released'"),
        *("state = 'captured', released = 3", "state = 'expired', captured = 3"),
        "state = 'released', captured = 4, released = -1",
    ),
}
AMOUNTS = {
    "account_groups": ("min_total",),
    "balances": ("posted", "held", "min_balance", "max_balance"),
    "holds": ("amount", "captured", "released"),
}
ONE = {
    "accounts": "name = 'bank'",
    "balances": "account_id = (select id from ledger_private.accounts where name = 'bank')",
    "books": "name = 'Household'",
    "book_members": "role = 'viewer'",
    "currencies": "code = 'XAF'",
    "error_catalogue": "code = 'busy'",
    **dict.fromkeys(
        ("account_groups", "account_group_members", "account_holders", "holds", "period_locks"),
        "true",
    ),
}
LINES = """
insert into ledger_private.entries (
    book_id, account_id, transaction_id, version, amount, balance_after, booked_at, slot, leg,
    currency, hash
)
select e.book_id, {account}, {transaction}, {version}, sign(e.amount) * {amount}, {balance},
    {booked}, 0, {leg}, e.currency, sha256('')
from ledger_private.entries as e
"""


def _statements() -> list[tuple[str, str]]:
    """Each constraint with a statement that breaks it."""
    lines = {
        "account": "e.account_id",
        "transaction": "(select id from made)",
        "version": "7",
        "amount": "5",
        "balance": "5",
        "booked": "now()",
        "leg": "e.leg",
    }
    made = (
        "with made as (insert into ledger_private.transactions (book_id, id, kind, effective_on)"
        " select id, gen_random_uuid(), 'transfer', '2026-01-01' from ledger_private.books"
        " limit 1 returning id)"
    )
    broken: list[tuple[str, dict[str, Any]]] = [
        ("minor_units_range", {"amount": 2**53}),
        *(("minor_units_range", {"balance": value}) for value in OUT_OF_RANGE),
        ("entries_pkey", {"version": 1, "booked": "e.booked_at"}),
        ("entries_leg_key", {"leg": 1}),
    ]
    transactions = (
        "insert into ledger_private.transactions (book_id, id, kind, effective_on, idempotency_key)"
        " select book_id, {}, kind, effective_on, {} from ledger_private.transactions"
    )
    return [
        *(
            (name, f"update ledger_private.{table} set {column} = {value} where {ONE[table]}")
            for name, (table, column, values) in BREAKING.items()
            for value in values
        ),
        *(
            (name, f"update ledger_private.{table} set {change} where {ONE[table]}")
            for name, changes in SEVERAL.items()
            for table in [name.split("_")[0]]
            for change in changes
        ),
        *(
            (
                "minor_units_range",
                f"update ledger_private.{table} set {column} = {value} where {ONE[table]}",
            )
            for table, columns in AMOUNTS.items()
            for column in columns
            for value in OUT_OF_RANGE
        ),
        *((name, made + LINES.format(**{**lines, **change})) for name, change in broken),
        ("transactions_pkey", transactions.format("id", "'other'")),
        ("transactions_idempotency_key_key", transactions.format("gen_random_uuid()", "'k'")),
        *(
            (f"{t}_pkey", f"insert into ledger_private.{t} select * from ledger_private.{t}")
            for t in (
                *("accounts", "account_groups", "account_group_members", "account_holders"),
                *("balances", "holds", "period_locks", "value_shifts"),
            )
        ),
        (
            "account_groups_book_id_fkey",
            "insert into ledger_private.account_groups (book_id, id, name, min_total)"
            " values (gen_random_uuid(), gen_random_uuid(), 'n', 0)",
        ),
        (
            "accounts_book_id_fkey",
            "insert into ledger_private.accounts (book_id, id, name, type, currency, request_hash)"
            " values (gen_random_uuid(), gen_random_uuid(), 'n', 'asset', 'EUR', '')",
        ),
        (
            "balances_account_fkey",
            "insert into ledger_private.balances (book_id, account_id, currency)"
            " select id, gen_random_uuid(), 'EUR' from ledger_private.books",
        ),
    ]


@pytest.fixture
def owner(home: Household) -> psycopg.Connection[dict[str, Any]]:
    """The owner of the schema, beside a book with a row of each kind."""
    words = {"idempotency_key": "k", "effective_on": "2026-01-01"}
    home.pay(home.as_user("bob"), "world", "bank", 5, **words)
    hold(home, home.as_user("bob"), 3)
    group(home, 0, "bank")
    holder(home)
    period = {"from_date": "2020-01-01", "to_date": "2020-01-31"}
    home.as_user("alice").call("lock_period", book_id=home.book_id, **period)
    owner = home.owner().connection
    second = "insert into ledger_private.books (id, name, base_currency, request_hash)"
    owner.execute(second + " values ('00000000-0000-0000-0000-000000000002', 'n', 'EUR', '')")
    return owner


def test_each_is_broken_by_a_row_that_breaks_nothing_else(
    owner: psycopg.Connection[dict[str, Any]],
) -> None:
    told = []
    for _, statement in _statements():
        with pytest.raises(psycopg.errors.IntegrityError) as refused, owner.transaction():
            owner.execute(statement)
        told.append((refused.value.diag.constraint_name, statement))
    assert told == _statements()


def test_there_is_no_constraint_and_no_unique_index_besides(
    owner: psycopg.Connection[dict[str, Any]],
) -> None:
    rows = owner.execute(
        """
        select conname as name from pg_constraint
        where connamespace = 'ledger_private'::regnamespace and contype not in ('n', 't')
        union
        select c.relname from pg_index as i join pg_class as c on c.oid = i.indexrelid
        where c.relnamespace = 'ledger_private'::regnamespace and i.indisunique
        """
    ).fetchall()
    assert {row["name"] for row in rows} == {name for name, _ in _statements()}


def test_columns_are_null_only_where_something_may_be_missing(
    owner: psycopg.Connection[dict[str, Any]],
) -> None:
    rows = owner.execute(
        """
        select c.relname as name, array_agg(a.attname::text) as columns
        from pg_class as c join pg_attribute as a on a.attrelid = c.oid
        where c.relnamespace = 'ledger_private'::regnamespace and c.relkind = 'r'
            and a.attnum > 0 and not a.attisdropped and not a.attnotnull
        group by 1
        """
    ).fetchall()
    assert {row["name"]: set(row["columns"]) for row in rows} == NULLS
