"""ledger.verify_book: a sound book passes, and each kind of tampering is named by its check.

Tampering is done as a superuser with all triggers off, in a transaction that is rolled back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.callers import READERS, answers, assert_refused
from tests.world import Household

CHECKS = (
    "book_sums_to_zero",
    "transactions_sum_to_zero",
    "transactions_have_entries",
    "entries_have_parents",
    "versions_have_no_gaps",
    "running_balances_add_up",
    "booking_times_rise",
    "hash_chains_hold",
    "balances_match_entries",
    "heads_match_chains",
    "balances_are_within_limits",
)


@pytest.fixture
def used(home: Household) -> Household:
    """A book whose accounts have several entries, one of them in a second currency."""
    alice = home.as_user("alice")
    home.accounts["abroad"] = alice.call(
        "open_account", book_id=home.book_id, name="abroad", type="equity", currency="JPY"
    )["id"]
    home.pay(alice, "abroad", "yen", 500)
    for amount in (100, 200, 300):
        home.pay(alice, "world", "bank", amount)
    home.pay(alice, "bank", "cash", 50, effective_on="1999-12-31")
    home.pay(alice, "bank", "cash", 70, idempotency_key="rent")
    return home


def test_every_check_holds_of_an_untampered_book(used: Household) -> None:
    checks = used.as_user("carol").rows("verify_book", book_id=used.book_id)
    assert [(c["check_name"], c["ok"]) for c in checks] == [(name, True) for name in CHECKS]
    assert all(c["details"] == {"offenders": 0, "first": None} for c in checks)


def test_every_check_holds_of_an_empty_book(home: Household) -> None:
    empty = home.as_user("alice").call("create_book", name="empty", base_currency="EUR")["id"]
    for book_id in (empty, home.book_id):
        checks = home.as_user("alice").rows("verify_book", book_id=book_id)
        assert [(c["check_name"], c["ok"]) for c in checks] == [(name, True) for name in CHECKS]


def test_viewers_and_up(used: Household) -> None:
    assert answers(used, "verify_book", book_id=used.book_id) == READERS


def test_bad_input_is_refused_by_code(home: Household) -> None:
    assert_refused(
        home,
        home.as_user("alice"),
        "verify_book",
        {"book_id": home.book_id},
        [({"book_id": None}, "book_not_found"), ({"book_id": uuid.UUID(int=1)}, "book_not_found")],
    )


# What is done to the books, and the checks that find it. The bank account has five entries:
# +100, +200, +300, -50, -70.
BANK = "account_id = :'bank'"
HASHED = {"hash_chains_hold"}
TAMPERING: dict[str, tuple[str, set[str]]] = {
    "an amount": (
        f"update entries set amount = amount + 1 where {BANK} and version = 2",
        {
            *HASHED,
            *("book_sums_to_zero", "transactions_sum_to_zero"),
            *("running_balances_add_up", "balances_match_entries"),
        },
    ),
    "both amounts of a transaction, balances adjusted": (
        f"""
        with t as (select transaction_id as id from entries where {BANK} and version = 5),
        e as (
            update entries set amount = amount * 2, balance_after = balance_after + amount
            from t where transaction_id = t.id returning account_id, amount / 2 as change
        )
        update balances as b set posted = posted + change from e where b.account_id = e.account_id
        """,
        HASHED,
    ),
    "a running balance": (
        f"update entries set balance_after = balance_after + 1 where {BANK} and version = 2",
        {*HASHED, "running_balances_add_up"},
    ),
    "the last running balance": (
        f"update entries set balance_after = balance_after + 1 where {BANK} and version = 5",
        {*HASHED, "running_balances_add_up", "balances_match_entries"},
    ),
    "a booking time, by a microsecond": (
        "update entries set booked_at = booked_at - interval '1 microsecond'"
        f" where {BANK} and version = 2",
        HASHED,
    ),
    "a booking time, by a day": (
        f"update entries set booked_at = booked_at - interval '1 day' where {BANK} and version = 2",
        {*HASHED, "booking_times_rise"},
    ),
    "the account of an entry, in its currency": (
        f"""
        update entries set account_id = :'cash', version = 3, balance_after = 320
        where {BANK} and version = 2
        """,
        {
            *HASHED,
            *("versions_have_no_gaps", "running_balances_add_up"),
            *("booking_times_rise", "balances_match_entries", "heads_match_chains"),
        },
    ),
    "the account of an entry, in another currency": (
        f"update entries set account_id = :'yen' where {BANK} and version = 2",
        {
            *HASHED,
            *("book_sums_to_zero", "transactions_sum_to_zero", "transactions_have_entries"),
            *("versions_have_no_gaps", "running_balances_add_up"),
            *("balances_match_entries", "heads_match_chains"),
        },
    ),
    "an entry for an account that is not there": (
        f"""
        insert into entries
        select book_id, :'nobody', transaction_id, 1, amount, amount, booked_at, slot, 9, hash
        from entries where {BANK} and version = 2
        """,
        {*HASHED, "book_sums_to_zero", "transactions_sum_to_zero", "entries_have_parents"},
    ),
    "a gap in the versions": (
        f"""
        update entries set version = version + 1 where {BANK} and version = 5;
        update balances set version = version + 1 where {BANK}
        """,
        {*HASHED, "versions_have_no_gaps"},
    ),
    "an entry deleted in the middle": (
        f"delete from entries where {BANK} and version = 3",
        {
            *HASHED,
            *("book_sums_to_zero", "transactions_sum_to_zero", "transactions_have_entries"),
            *("versions_have_no_gaps", "running_balances_add_up", "balances_match_entries"),
        },
    ),
    "a tail cut off": (
        f"""
        with t as (select transaction_id as id from entries where {BANK} and version = 5),
        e as (delete from entries using t where transaction_id = t.id)
        delete from transactions using t where transactions.id = t.id
        """,
        {"balances_match_entries", "heads_match_chains"},
    ),
    "a tail cut off, balances adjusted": (
        f"""
        with t as (select transaction_id as id from entries where {BANK} and version = 5),
        e as (delete from entries using t where transaction_id = t.id returning account_id, amount),
        b as (
            update balances as b set posted = posted - amount, version = version - 1
            from e where b.account_id = e.account_id
        )
        delete from transactions using t where transactions.id = t.id
        """,
        {"balances_match_entries", "heads_match_chains"},
    ),
    "two entries swapped": (
        f"""
        update entries set version = 99 where {BANK} and version = 2;
        update entries set version = 2 where {BANK} and version = 3;
        update entries set version = 3 where {BANK} and version = 99
        """,
        {*HASHED, "running_balances_add_up", "booking_times_rise"},
    ),
    "a bit of a hash": (
        f"update entries set hash = set_bit(hash, 77, 1 - get_bit(hash, 77)) where {BANK}"
        " and version = 2",
        HASHED,
    ),
    "a bit of the last hash": (
        f"update entries set hash = set_bit(hash, 77, 1 - get_bit(hash, 77)) where {BANK}"
        " and version = 5",
        {*HASHED, "heads_match_chains"},
    ),
    "a value date": (
        "update transactions set effective_on = effective_on + 1 where idempotency_key = 'rent'",
        HASHED,
    ),
    "a balance": (
        f"update balances set posted = posted + 1 where {BANK}",
        {"balances_match_entries"},
    ),
    "a balance's version": (
        f"update balances set version = version - 1 where {BANK}",
        {"balances_match_entries"},
    ),
    "a balance's booking time": (
        f"update balances set booked_at = booked_at - interval '1 microsecond' where {BANK}",
        {"balances_match_entries"},
    ),
    "a balance's hash": (
        f"update balances set hash = decode(repeat('00', 32), 'hex') where {BANK}",
        {"heads_match_chains"},
    ),
    "the balance of an account without entries": (
        "update balances set posted = 1 where account_id = :'unused'",
        {"balances_match_entries"},
    ),
    "a balance deleted": (
        f"delete from balances where {BANK}",
        {"balances_match_entries", "heads_match_chains"},
    ),
    "the currency of an account": (
        "update accounts set currency = 'USD' where id = :'bank'",
        {
            *HASHED,
            *("book_sums_to_zero", "transactions_sum_to_zero", "transactions_have_entries"),
        },
    ),
    "an account deleted": (
        "delete from accounts where id = :'bank'",
        {
            *HASHED,
            *("book_sums_to_zero", "transactions_sum_to_zero", "transactions_have_entries"),
            "entries_have_parents",
        },
    ),
    "a floor above the balance": (
        "update accounts set min_balance = 481 where id = :'bank'",
        {"balances_are_within_limits"},
    ),
    "a ceiling below the balance": (
        "update accounts set max_balance = 479 where id = :'bank'",
        {"balances_are_within_limits"},
    ),
    "a transaction deleted": (
        "delete from transactions where idempotency_key = 'rent'",
        {*HASHED, "entries_have_parents"},
    ),
    "a transaction without entries": (
        """
        insert into transactions (book_id, id, kind, effective_on)
        values (:'book', :'nobody', 'transfer', '2026-01-01')
        """,
        {"transactions_have_entries"},
    ),
    "the entries of a transaction deleted": (
        f"delete from entries where transaction_id ="
        f" (select transaction_id from entries where {BANK} and version = 5)",
        {"transactions_have_entries", "balances_match_entries", "heads_match_chains"},
    ),
    "an entry moved to another transaction": (
        f"""
        update entries set leg = 3, transaction_id =
            (select transaction_id from entries where {BANK} and version = 1)
        where {BANK} and version = 2
        """,
        {*HASHED, "transactions_sum_to_zero", "transactions_have_entries"},
    ),
    "the legs of a transaction exchanged": (
        """
        update entries set leg = 9 where leg = 1;
        update entries set leg = 1 where leg = 2;
        update entries set leg = 2 where leg = 9
        """,
        HASHED,
    ),
}


@pytest.fixture
def intruder(used: Household) -> Iterator[psycopg.Connection]:
    """A superuser for whom no trigger fires and no foreign key holds."""
    with used.database.connect("supabase_admin") as connection:
        connection.execute("set session_replication_role = replica")
        connection.execute("set search_path = ledger_private")
        yield connection


def _broken(connection: psycopg.Connection, book_id: str) -> set[str]:
    verified = "select check_name from ledger.verify_book(%s) where ok is not true"
    return {str(name) for (name,) in connection.execute(verified, [book_id])}


def test_each_kind_of_tampering_is_found(used: Household, intruder: psycopg.Connection) -> None:
    names = {**used.accounts, "book": used.book_id, "nobody": str(uuid.UUID(int=1))}
    names["unused"] = used.as_user("alice").call(
        "open_account", book_id=used.book_id, name="unused", type="asset", currency="EUR"
    )["id"]
    found = {}
    for kind, (statements, _) in TAMPERING.items():
        for name, value in names.items():
            statements = statements.replace(f":'{name}'", f"'{value}'")
        intruder.execute("begin")
        intruder.execute(statements)
        found[kind] = _broken(intruder, used.book_id)
        intruder.execute("rollback")
    assert found == {kind: checks for kind, (_, checks) in TAMPERING.items()}
    used.assert_sound()


def test_details_count_the_offenders_and_name_the_first(
    used: Household, intruder: psycopg.Connection
) -> None:
    intruder.execute(
        "update entries set amount = amount + 1 where account_id = %s", [used.accounts["bank"]]
    )
    checks = {c["check_name"]: c for c in used.owner().rows("verify_book", book_id=used.book_id)}
    offender = {"account_id": used.accounts["bank"], "version": 1}
    assert checks["running_balances_add_up"]["details"] == {"offenders": 5, "first": offender}
    total = {"currency": "EUR", "total": 5}
    assert checks["book_sums_to_zero"]["details"] == {"offenders": 1, "first": total}


def test_tampering_with_another_book_is_not_this_ones_trouble(
    used: Household, intruder: psycopg.Connection
) -> None:
    other = used.as_user("alice").call("create_book", name="other", base_currency="EUR")["id"]
    intruder.execute("update entries set amount = amount + 1 where book_id = %s", [used.book_id])
    assert _broken(intruder, other) == set()
    assert _broken(intruder, used.book_id) != set()
