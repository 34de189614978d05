"""Every constraint and unique index is needed: a row that breaks it alone is refused by it.

The functions refuse the same with a code first; these hold for the owner of the schema too.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.world import Household

NULLS = {
    "books": {"id", "name", "base_currency", "created_at", "request_hash"},
    "book_members": {"book_id", "user_id", "role", "created_at"},
    "currencies": {"code", "exponent", "name"},
    "accounts": {
        *("book_id", "id", "name", "type", "currency", "payable", "slots", "status", "metadata"),
        *("created_at", "request_hash"),
    },
    "balances": {
        *("book_id", "account_id", "slot", "posted", "held", "version", "booked_at", "hash"),
    },
    "transactions": {
        *("book_id", "id", "kind", "effective_on", "posted_at", "metadata", "xid"),
    },
    "entries": {
        *("book_id", "account_id", "transaction_id", "version", "amount", "balance_after"),
        *("booked_at", "slot", "leg", "hash"),
    },
    "error_catalogue": {"code", "http_status", "retryable", "message", "hint"},
}

OUT_OF_RANGE = ("-9007199254740992", "9007199254740992")
LONG = "repeat('é', 128)"
TOO_LONG = ("''", LONG)
PATHS = ("''", "':'", "'a:'", "':a'", "'a::b'", "E'a\\tb'", "repeat('c', 256)", LONG)
OBJECTS = ("'[]'", "'1'", "'null'", "jsonb_build_object('k', repeat('v', 16384))")

OWNER = "(select user_id from ledger_private.book_members where role = 'owner')"

# Constraint: table, column, values that break it and nothing else.
BREAKING: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "books_name_length": ("books", "name", TOO_LONG),
    "books_base_currency_fkey": ("books", "base_currency", ("'NONE'",)),
    "books_pkey": ("books", "id", ("'00000000-0000-0000-0000-000000000002'",)),
    "book_members_role_known": ("book_members", "role", ("'holder'", "''")),
    "book_members_book_id_fkey": ("book_members", "book_id", ("gen_random_uuid()",)),
    "book_members_user_id_fkey": ("book_members", "user_id", ("gen_random_uuid()",)),
    "book_members_pkey": ("book_members", "user_id", (OWNER,)),
    "currencies_code_is_ascii": ("currencies", "code", ("''", "'€€€'", "'eur'", "'E'", "'E R'")),
    "currencies_exponent_range": ("currencies", "exponent", ("-1", "9")),
    "currencies_name_length": ("currencies", "name", TOO_LONG),
    "currencies_pkey": ("currencies", "code", ("'JPY'",)),
    "accounts_code_is_path": ("accounts", "code", PATHS),
    "accounts_code_key": ("accounts", "code", ("'asset:cash'",)),
    "accounts_name_length": ("accounts", "name", TOO_LONG),
    "accounts_type_known": ("accounts", "type", ("'wallet'", "''")),
    "accounts_status_known": ("accounts", "status", ("'locked'",)),
    "accounts_one_slot": ("accounts", "slots", ("0", "2")),
    "accounts_external_id_length": ("accounts", "external_id", TOO_LONG),
    "accounts_metadata_is_object": ("accounts", "metadata", OBJECTS),
    "accounts_currency_fkey": ("accounts", "currency", ("'NONE'",)),
    "error_catalogue_code_format": ("error_catalogue", "code", ("''", "'Busy'", "'a__b'")),
    "error_catalogue_status_range": ("error_catalogue", "http_status", ("200", "600")),
    "error_catalogue_pkey": ("error_catalogue", "code", ("'forbidden'",)),
}
# Those that look at several columns: what is set.
SEVERAL = {
    "accounts_limits_in_order": ("min_balance = 1, max_balance = 0",),
}
AMOUNTS = {"accounts": ("min_balance", "max_balance"), "balances": ("posted", "held")}
ONE = {
    "accounts": "name = 'bank'",
    "balances": "account_id = (select id from ledger_private.accounts where name = 'bank')",
    "books": "name = 'Household'",
    "book_members": "role = 'viewer'",
    "currencies": "code = 'XAF'",
    "error_catalogue": "code = 'busy'",
}
LINES = """
insert into ledger_private.entries
select e.book_id, {account}, {transaction}, {version}, sign(e.amount) * {amount}, {balance},
    now(), 0, {leg}, sha256('')
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
        ("entries_pkey", {"version": 1}),
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
        (
            "accounts_pkey",
            "insert into ledger_private.accounts select * from ledger_private.accounts",
        ),
        (
            "balances_pkey",
            "insert into ledger_private.balances select * from ledger_private.balances",
        ),
        (
            "accounts_book_id_fkey",
            "insert into ledger_private.accounts (book_id, id, name, type, currency, request_hash)"
            " values (gen_random_uuid(), gen_random_uuid(), 'n', 'asset', 'EUR', '')",
        ),
        (
            "balances_account_fkey",
            "insert into ledger_private.balances (book_id, account_id)"
            " select id, gen_random_uuid() from ledger_private.books",
        ),
    ]


@pytest.fixture
def owner(home: Household) -> psycopg.Connection[dict[str, Any]]:
    """The owner of the schema, beside a book that holds a posting."""
    home.pay(home.as_user("bob"), "world", "bank", 5, idempotency_key="k")
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
            and a.attnum > 0 and a.attnotnull
        group by 1
        """
    ).fetchall()
    assert {row["name"]: set(row["columns"]) for row in rows} == NULLS
