"""ledger.verify_book: a sound book passes, and each kind of tampering is named by its check.

Tampering is done as a superuser with all triggers off, in a transaction that is rolled back.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.callers import WHOLE, answer, answers, assert_refused, everybody
from tests.world import Household, Row

CHECKS = (
    "book_sums_to_zero",
    "transactions_sum_to_zero",
    "transactions_have_entries",
    "entries_have_transactions",
    "value_dates_match",
    "reversals_name_their_original",
    "keys_have_hashes",
    "entries_have_accounts",
    "versions_have_no_gaps",
    "running_balances_add_up",
    "booking_times_rise",
    "hash_chains_hold",
    "balances_match_entries",
    "heads_match_chains",
    "value_shifts_match",
    "balances_match_accounts",
    "balances_are_within_limits",
    "closed_accounts_are_empty",
    "groups_keep_their_floors",
    "held_matches_holds",
    "holds_have_accounts",
    "reversals_stay_within",
    "captures_match_holds",
    "rules_are_in_force",
    "holders_are_members",
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
    home.accounts["sales"] = alice.call(
        "open_account", book_id=home.book_id, name="sales", type="income", currency="EUR", slots=4
    )["id"]
    home.pay(alice, "sales", "world", 9)
    alice.call(
        "set_account_group",
        book_id=home.book_id,
        name="both",
        account_ids=[home.accounts["bank"], home.accounts["cash"]],
        min_total=0,
    )
    alice.call(
        "set_holder",
        book_id=home.book_id,
        account_id=home.accounts["cash"],
        user_id=home.user("henry"),
        access="spend",
    )
    home.accounts["old"] = alice.call(
        "open_account", book_id=home.book_id, name="old", type="income", currency="EUR", slots=2
    )["id"]
    home.pay(alice, "old", "world", 4)
    sweep = {"account_id": home.accounts["old"], "sweep_to": home.accounts["world"]}
    alice.call("close_account", book_id=home.book_id, **sweep)
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
    assert answers(used, "verify_book", book_id=used.book_id) == WHOLE


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
SALES = "account_id = :'sales'"
OLD = "account_id = :'old'"
HASHED = {"hash_chains_hold"}
HOLD = "(book_id, id, account_id, to_account_id, amount, captured, request_hash)"
HOLD_OF = "(:'book', :'nobody', :'bank', :'cash', {amount}, {captured}, '')"
NUMBERED = f"(select transaction_id from entries where {BANK} and version = {{version}})"
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
        {*HASHED, "booking_times_rise", "value_dates_match"},
    ),
    "the account of an entry, in its currency": (
        f"""
        update entries set account_id = :'cash', version = 3, balance_after = 320
        where {BANK} and version = 2
        """,
        {
            *HASHED,
            *("versions_have_no_gaps", "booking_times_rise", "balances_match_entries"),
        },
    ),
    "the account of an entry, in another currency": (
        f"update entries set account_id = :'yen' where {BANK} and version = 2",
        {
            *HASHED,
            *("versions_have_no_gaps", "balances_match_entries", "heads_match_chains"),
            "running_balances_add_up",
        },
    ),
    "an entry for an account that is not there": (
        f"""
        insert into entries
        select
            book_id, :'nobody', transaction_id, 1, amount, amount, booked_at, slot, 9, hash,
            dated, currency
        from entries where {BANK} and version = 2
        """,
        {
            *HASHED,
            *("book_sums_to_zero", "transactions_sum_to_zero", "entries_have_accounts"),
            *("balances_match_entries", "heads_match_chains"),
        },
    ),
    "a gap in the versions": (
        f"""
        update entries set version = version + 1 where {BANK} and version = 5;
        update balances set version = version + 1 where {BANK}
        """,
        {*HASHED, "versions_have_no_gaps"},
    ),
    "a number given twice and another not": (
        f"update entries set version = 2 where {BANK} and version = 3",
        {*HASHED, "versions_have_no_gaps", "running_balances_add_up"},
    ),
    "an entry deleted in the middle": (
        f"delete from entries where {BANK} and version = 3",
        {
            *HASHED,
            *("book_sums_to_zero", "transactions_sum_to_zero", "transactions_have_entries"),
            *("versions_have_no_gaps", "balances_match_entries"),
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
        {"value_dates_match"},
    ),
    "the value date of an entry": (
        f"update entries set dated = dated + 1 where {BANK} and version = 4",
        {*HASHED, "value_dates_match", "value_shifts_match"},
    ),
    "the value dates of all entries, and the shifts with them": (
        """
        update entries set dated = dated + 1 where dated is not null;
        update value_shifts set starts_on = date '2000-01-01' where starts_on = '1999-12-31';
        update value_shifts set starts_on = date '2000-01-01' where starts_on = '1999-12-01'
        """,
        {*HASHED, "value_dates_match"},
    ),
    "a value date that goes without saying": (
        "update entries set dated = (booked_at at time zone 'UTC')::date"
        f" where {BANK} and version = 2",
        {"value_dates_match"},
    ),
    "a shift of a day": (
        f"update value_shifts set amount = amount + 1 where {BANK} and grain = 'day'",
        {"value_shifts_match"},
    ),
    "a shift of a month": (
        f"update value_shifts set amount = amount + 1 where {BANK} and grain = 'month'",
        {"value_shifts_match"},
    ),
    "a shift deleted": (
        f"delete from value_shifts where {BANK} and starts_on = '1999-12-31'",
        {"value_shifts_match"},
    ),
    "a shift out of nothing": (
        """
        insert into value_shifts (book_id, account_id, slot, grain, starts_on, amount)
        values (:'book', :'unused', 0, 'day', '2020-01-01', 1)
        """,
        {"value_shifts_match"},
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
        {
            *("balances_match_entries", "heads_match_chains", "balances_match_accounts"),
            "groups_keep_their_floors",
        },
    ),
    "the currency of an account": (
        "update accounts set currency = 'USD' where id = :'bank'",
        {*HASHED, "balances_match_accounts", "groups_keep_their_floors"},
    ),
    "an account deleted": (
        "delete from accounts where id = :'bank'",
        {
            *HASHED,
            *("balances_match_accounts", "entries_have_accounts", "groups_keep_their_floors"),
        },
    ),
    "a floor above the balance": (
        f"update balances set min_balance = 481 where {BANK}",
        {"balances_are_within_limits"},
    ),
    "a ceiling below the balance": (
        f"update balances set max_balance = 479 where {BANK}",
        {"balances_are_within_limits"},
    ),
    "a limit where there are slots": (
        f"update balances set max_balance = 1000 where {SALES}",
        {"balances_are_within_limits"},
    ),
    "a slot with more than its share": (
        f"update balances set posted = 9007199254740991 where {SALES} and version = 1",
        {"balances_match_entries", "balances_are_within_limits"},
    ),
    "a slot deleted": (
        f"delete from balances where {SALES} and version = 0 and slot in (2, 3)",
        {"balances_match_accounts"},
    ),
    "a slot too many": (
        """
        insert into balances (book_id, account_id, slot, slots, currency)
        values (:'book', :'sales', 4, 4, 'EUR')
        """,
        {"balances_match_accounts"},
    ),
    "a slot elsewhere": (
        f"update balances set slot = 9 where {SALES}"
        f" and slot = (select max(slot) from balances where {SALES} and version = 0)",
        {"balances_match_accounts"},
    ),
    "a slot before the first": (
        f"update balances set slot = -1 where {SALES}"
        f" and slot = (select min(slot) from balances where {SALES} and version = 0)",
        {"balances_match_accounts"},
    ),
    "the number of slots": (
        f"update balances set slots = 5 where {SALES}",
        {"balances_match_accounts"},
    ),
    "the number of slots, in one": (
        f"update balances set slots = 3 where {SALES} and version = 1",
        {"balances_match_accounts"},
    ),
    "the state of one slot": (
        f"update balances set status = 'frozen' where {SALES} and version = 1",
        {"balances_match_accounts"},
    ),
    "a balance's currency": (
        "update balances set currency = 'USD' where account_id = :'unused'",
        {"balances_match_accounts"},
    ),
    "one slot's currency": (
        f"update balances set currency = 'USD' where {SALES} and version = 1",
        {"balances_match_accounts"},
    ),
    "a balance of no account": (
        "insert into balances (book_id, account_id, currency) values (:'book', :'nobody', 'EUR')",
        {"balances_match_accounts"},
    ),
    "an entry in another slot": (
        f"update entries set slot = mod(slot + 1, 4) where {SALES}",
        {*HASHED, "balances_match_entries", "heads_match_chains"},
    ),
    "the currency of an entry": (
        f"update entries set currency = 'USD' where {BANK} and version = 2",
        {
            *HASHED,
            *("book_sums_to_zero", "transactions_sum_to_zero", "transactions_have_entries"),
        },
    ),
    "an entry twice": (
        f"""
        insert into entries
        select
            book_id, account_id, transaction_id, version, amount, balance_after,
            booked_at + interval '1 microsecond', slot, 9, hash, dated, currency
        from entries where {BANK} and version = 2
        """,
        {
            *HASHED,
            *("book_sums_to_zero", "transactions_sum_to_zero"),
            *("versions_have_no_gaps", "balances_match_entries"),
        },
    ),
    "a joint floor above the sum": (
        "update account_groups set min_total = 601",
        {"groups_keep_their_floors"},
    ),
    "a joint floor with something held": (
        f"update account_groups set min_total = 600; update balances set held = 1 where {BANK}",
        {"groups_keep_their_floors", "held_matches_holds"},
    ),
    "a joint floor over two currencies": (
        """
        insert into account_group_members (book_id, group_id, account_id)
        select book_id, id, :'yen' from account_groups
        """,
        {"groups_keep_their_floors"},
    ),
    "a joint floor over slots": (
        """
        insert into account_group_members (book_id, group_id, account_id)
        select book_id, id, :'sales' from account_groups
        """,
        {"groups_keep_their_floors"},
    ),
    "a joint floor over no account": (
        "delete from account_group_members; update account_groups set min_total = -9",
        {"groups_keep_their_floors"},
    ),
    "a joint floor over an account that is not there": (
        f"update account_group_members set account_id = :'nobody' where {BANK}",
        {"groups_keep_their_floors"},
    ),
    "accounts of a joint floor that is not there": (
        "insert into account_groups (book_id, id, name, min_total)"
        " values (:'book', :'nobody', 'other', 0);"
        f" update account_group_members set group_id = :'nobody' where {BANK};"
        " delete from account_groups where id <> :'nobody'",
        {"groups_keep_their_floors"},
    ),
    "joint floors that no posting looks for": (
        "update books set has_groups = false where id = :'book'",
        {"rules_are_in_force"},
    ),
    "joint floors that postings look for in vain": (
        "delete from account_groups; delete from account_group_members",
        {"rules_are_in_force"},
    ),
    "a locked period that no posting looks for": (
        "insert into period_locks (book_id, from_date, to_date)"
        " values (:'book', '1990-01-01', '1990-12-31')",
        {"rules_are_in_force"},
    ),
    "locked periods that postings look for in vain": (
        "update books set has_periods = true where id = :'book'",
        {"rules_are_in_force"},
    ),
    "an account closed with money": (
        f"update balances set status = 'closed' where {BANK}",
        {"closed_accounts_are_empty"},
    ),
    "a slot closed with money that another slot lacks": (
        f"update balances set status = 'closed', posted = posted + (slot * 2 - 1) where {OLD}",
        {"closed_accounts_are_empty", "balances_match_entries"},
    ),
    "a closed account with something held": (
        f"update balances set held = 1 where {OLD} and slot = 0",
        {"closed_accounts_are_empty", "held_matches_holds"},
    ),
    "a holder who is no member": (
        "delete from book_members where role = 'holder'",
        {"holders_are_members"},
    ),
    "a holder with another role": (
        "update book_members set role = 'editor' where role = 'holder'",
        {"holders_are_members"},
    ),
    "a holder of an account that is not there": (
        "update account_holders set account_id = :'nobody'",
        {"holders_are_members"},
    ),
    "something held by no hold": (
        f"update balances set held = 1 where {BANK}",
        {"held_matches_holds"},
    ),
    "less than nothing held": (
        f"update balances set held = case when version = 1 then -1 else 0 end where {SALES};"
        f" update balances set held = 1 where {SALES} and slot = (select min(slot)"
        f" from balances where {SALES} and version = 0)",
        {"held_matches_holds"},
    ),
    "a hold that nothing holds": (
        f"insert into holds {HOLD} values {HOLD_OF.format(amount=5, captured=0)}",
        {"held_matches_holds"},
    ),
    "a hold for an account in another currency": (
        f"""
        insert into holds {HOLD} values (:'book', :'nobody', :'bank', :'yen', 5, 0, '');
        update balances set held = 5 where {BANK}
        """,
        {"holds_have_accounts"},
    ),
    "a hold for an account that is not there": (
        f"""
        insert into holds {HOLD} values (:'book', :'nobody', :'bank', :'nobody', 5, 0, '');
        update balances set held = 5 where {BANK}
        """,
        {"holds_have_accounts"},
    ),
    "a hold for the account itself": (
        f"""
        insert into holds {HOLD} values (:'book', :'nobody', :'bank', :'bank', 5, 0, '');
        update balances set held = 5 where {BANK}
        """,
        {"holds_have_accounts"},
    ),
    "a hold captured by no transaction": (
        f"""
        insert into holds {HOLD} values {HOLD_OF.format(amount=5, captured=4)};
        update balances set held = 1 where {BANK}
        """,
        {"captures_match_holds"},
    ),
    "a capture of no hold": (
        "update transactions set kind = 'capture' where idempotency_key = 'rent'",
        {"captures_match_holds"},
    ),
    "a reversal that takes the same way again": (
        f"update transactions set kind = 'reversal', reverses_id = {NUMBERED.format(version=5)}"
        f" where id = {NUMBERED.format(version=4)}",
        {"reversals_stay_within"},
    ),
    "a reversal of nothing": (
        "update transactions set kind = 'reversal', reverses_id = :'nobody'"
        " where idempotency_key = 'rent'",
        {"reversals_stay_within"},
    ),
    "a reversal that names nothing": (
        "update transactions set kind = 'reversal' where idempotency_key = 'rent'",
        {"reversals_name_their_original"},
    ),
    "a key without a hash": (
        "update transactions set request_hash = null where idempotency_key = 'rent'",
        {"keys_have_hashes"},
    ),
    "a hash without a key": (
        "update transactions set idempotency_key = null where idempotency_key = 'rent'",
        {"keys_have_hashes"},
    ),
    "a transaction deleted": (
        "delete from transactions where idempotency_key = 'rent'",
        {"entries_have_transactions"},
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
    wrong = {}
    for kind, (statements, checks) in TAMPERING.items():
        for name, value in names.items():
            statements = statements.replace(f":'{name}'", f"'{value}'")
        intruder.execute("begin")
        intruder.execute(statements)
        found = _broken(intruder, used.book_id)
        intruder.execute("rollback")
        if found != checks:
            wrong[kind] = (found - checks, checks - found)
    assert wrong == {}
    used.assert_sound()


def _captured(used: Household, intruder: psycopg.Connection, *, amounts: tuple[int, int]) -> None:
    """A hold of 50 with two captures; what they say of it is not hashed, so it can be put here."""
    alice = used.as_user("alice")
    for amount in amounts:
        receipt = used.pay(alice, "bank", "cash", amount)
        intruder.execute(
            "update transactions set kind = 'capture', metadata = %s where id = %s",
            [Jsonb({"hold_id": str(uuid.UUID(int=1))}), receipt["transaction_id"]],
        )
    intruder.execute(
        f"insert into holds {HOLD} values (%s, %s, %s, %s, 50, 30, '')",
        [used.book_id, uuid.UUID(int=1), used.accounts["bank"], used.accounts["cash"]],
    )
    intruder.execute("update balances set held = 20 where account_id = %s", [used.accounts["bank"]])


def test_captures_add_up_to_what_the_hold_says(
    used: Household, intruder: psycopg.Connection
) -> None:
    _captured(used, intruder, amounts=(10, 20))
    assert _broken(intruder, used.book_id) == set()
    for change in (
        "update holds set captured = 29; update balances set held = held + 1 where held > 0",
        f"update holds set to_account_id = '{used.accounts['world']}'",
        "update transactions set kind = 'transfer' where kind = 'capture'",
    ):
        intruder.execute("begin")
        intruder.execute(change)
        assert _broken(intruder, used.book_id) == {"captures_match_holds"}
        intruder.execute("rollback")


def test_a_capture_is_compared_with_its_own_hold_while_its_metadata_name_it(
    used: Household, intruder: psycopg.Connection
) -> None:
    _captured(used, intruder, amounts=(10, 20))
    intruder.execute(
        """
        insert into holds (book_id, id, account_id, to_account_id, amount, captured, released,
            state, request_hash)
        select book_id, %s, account_id, to_account_id, 11, 10, 1, 'captured', '' from holds
        """,
        [uuid.UUID(int=2)],
    )
    intruder.execute("update holds set captured = 20, amount = 40 where state = 'pending'")
    assert _broken(intruder, used.book_id) == {"captures_match_holds"}
    intruder.execute("update transactions set metadata = '{}'")
    assert _broken(intruder, used.book_id) == set()


def test_a_capture_pays_whom_its_hold_says(used: Household, intruder: psycopg.Connection) -> None:
    alice, bank = used.as_user("alice"), used.accounts["bank"]
    for number, to in enumerate(("cash", "world"), 1):
        paid = used.pay(alice, "bank", to, 10)
        intruder.execute(
            "insert into holds (book_id, id, account_id, to_account_id, amount, captured, state,"
            " request_hash) values (%s, %s, %s, %s, 10, 10, 'captured', '')",
            [used.book_id, uuid.UUID(int=number), bank, used.accounts[to]],
        )
        intruder.execute(
            "update transactions set kind = 'capture', metadata = %s where id = %s",
            [Jsonb({"hold_id": str(uuid.UUID(int=number))}), paid["transaction_id"]],
        )
    assert _broken(intruder, used.book_id) == set()
    one, two = uuid.UUID(int=1), uuid.UUID(int=2)
    for before, after in ((one, uuid.UUID(int=3)), (two, one), (uuid.UUID(int=3), two)):
        intruder.execute("update holds set id = %s where id = %s", [after, before])
    assert _broken(intruder, used.book_id) == {"captures_match_holds"}


def _reversed(used: Household, intruder: psycopg.Connection, entries: list[Row], of: Row) -> None:
    made = used.as_user("alice").call("post_transaction", book_id=used.book_id, entries=entries)
    intruder.execute(
        "update transactions set kind = 'reversal', reverses_id = %s where id = %s",
        [of["transaction_id"], made["transaction_id"]],
    )


def test_two_legs_are_reversed_in_parts_up_to_the_whole(
    used: Household, intruder: psycopg.Connection
) -> None:
    paid = used.pay(used.as_user("alice"), "bank", "cash", 30)
    for part in (10, 20):
        _reversed(used, intruder, used.lines(cash=-part, bank=part), paid)
        assert _broken(intruder, used.book_id) == set()
    _reversed(used, intruder, used.lines(cash=-1, bank=1), paid)
    assert _broken(intruder, used.book_id) == {"reversals_stay_within"}


def test_more_legs_are_reversed_as_a_whole_and_no_others(
    used: Household, intruder: psycopg.Connection
) -> None:
    alice = used.as_user("alice")

    def paid() -> Row:
        legs = used.lines(bank=-30, cash=10, world=20)
        return alice.call("post_transaction", book_id=used.book_id, entries=legs)

    whole = used.lines(bank=30, cash=-10, world=-20)
    _reversed(used, intruder, whole, paid())
    assert _broken(intruder, used.book_id) == set()
    part = used.lines(bank=15, cash=-5, world=-10)
    _reversed(used, intruder, part, paid())
    assert _broken(intruder, used.book_id) == {"reversals_stay_within"}
    intruder.execute(
        "update transactions set kind = 'transaction', reverses_id = null where kind = 'reversal'"
    )
    other = used.lines(world=-10, sales=10)
    _reversed(used, intruder, other, used.pay(alice, "bank", "world", 10))
    assert _broken(intruder, used.book_id) == {"reversals_stay_within"}


# No function posts an account twice; the engine does, and reverses it.
POSTED = """
select c.transaction_id::text
from ledger_private.enter_book(%(book)s, 'owner') as d
cross join ledger_private.claim_transaction(
    %(book)s, d, 'transaction', null, null, null, null, null, null, null, false
) as c
cross join ledger_private.post_legs(%(book)s, d, c, array(
    select row(null, null, l.account_id, null, l.amount, null, null, null)::ledger_private.leg
    from unnest(%(accounts)s::uuid[], %(amounts)s::bigint[]) as l (account_id, amount)
))
"""


def test_an_account_that_a_transaction_leaves_as_it_was_is_no_leg_of_it(
    used: Household, intruder: psycopg.Connection
) -> None:
    bank, cash, world = (used.accounts[name] for name in ("bank", "cash", "world"))
    legs = {"accounts": [bank, world, cash, world], "amounts": [-30, 5, 30, -5]}
    ((first,),) = intruder.execute(POSTED, {"book": used.book_id, **legs})
    used.as_user("alice").call(
        "reverse_transaction", book_id=used.book_id, transaction_id=first, amount=10
    )
    assert _broken(intruder, used.book_id) == set()
    other = used.lines(cash=-10, world=10)
    _reversed(used, intruder, other, {"transaction_id": first})
    assert _broken(intruder, used.book_id) == {"reversals_stay_within"}


def test_a_reversal_that_forgets_what_it_reverses_is_found(
    used: Household, intruder: psycopg.Connection
) -> None:
    alice = used.as_user("alice")
    first = used.pay(alice, "bank", "cash", 10)["transaction_id"]
    alice.call("reverse_transaction", book_id=used.book_id, transaction_id=first)
    assert _broken(intruder, used.book_id) == set()
    for change in ("reverses_id = null", "kind = 'transfer'"):
        intruder.execute("begin")
        intruder.execute(f"update transactions set {change} where kind = 'reversal'")
        assert _broken(intruder, used.book_id) == {"reversals_name_their_original"}
        intruder.execute("rollback")


def test_the_engine_asks_for_itself_who_may_see_the_book(used: Household) -> None:
    statement = "select count(*) as checks from ledger_private.verify_book(%s)"
    seen = {}
    for name, session in everybody(used).items():
        seen[name] = answer(partial(session.query, statement, [used.book_id]))
    hidden = dict.fromkeys(("stranger", "holder"), "book_not_found")
    assert seen == {**WHOLE, **hidden, "no sub": "forbidden"}


def test_the_parts_cannot_be_called_around_it(used: Household) -> None:
    for part in ("entries", "transactions", "balances", "follow_ups", "rules"):
        for who in (used.as_user("alice"), used.as_role("service_role")):
            call = partial(who.query, f"select ledger_private.check_{part}(%s)", [used.book_id])
            assert answer(call) == "42501"


def test_details_count_the_offenders_and_name_the_first(
    used: Household, intruder: psycopg.Connection
) -> None:
    intruder.execute(
        "update entries set amount = amount + 1 where account_id = %s", [used.accounts["bank"]]
    )
    checks = {c["check_name"]: c for c in used.owner().rows("verify_book", book_id=used.book_id)}
    offender = {"account_id": used.accounts["bank"], "slot": 0, "version": 1}
    assert checks["running_balances_add_up"]["details"] == {"offenders": 5, "first": offender}
    total = {"currency": "EUR", "total": 5}
    assert checks["book_sums_to_zero"]["details"] == {"offenders": 1, "first": total}


def test_a_transaction_in_two_currencies_is_one_offender(
    used: Household, intruder: psycopg.Connection
) -> None:
    names = {"from_account_id": used.accounts["bank"], "to_account_id": used.accounts["yen"]}
    used.as_user("alice").call(
        "exchange", book_id=used.book_id, **names, sell_amount=1, buy_amount=160
    )
    intruder.execute("update transactions set request_hash = '' where kind = 'exchange'")
    checks = {c["check_name"]: c for c in used.owner().rows("verify_book", book_id=used.book_id)}
    assert checks["keys_have_hashes"]["details"]["offenders"] == 1


def test_tampering_with_another_book_is_not_this_ones_trouble(
    used: Household, intruder: psycopg.Connection
) -> None:
    other = used.as_user("alice").call("create_book", name="other", base_currency="EUR")["id"]
    intruder.execute("update entries set amount = amount + 1 where book_id = %s", [used.book_id])
    assert _broken(intruder, other) == set()
    assert _broken(intruder, used.book_id) != set()
