"""Bookings of other days: written by hand as sql/ledger_private says of each table, since the
engine books when it is called. verify_book holds of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

from tests.world import Household

_CLAIM = """
insert into ledger_private.transactions (book_id, id, kind, effective_on, posted_at)
values (%(book)s, coalesce(%(id)s, ledger_private.new_id()), 'transfer', %(day)s, %(at)s)
returning id
"""
_ENTRIES = """
insert into ledger_private.entries (
    book_id, account_id, transaction_id, version, amount, balance_after, booked_at, slot, leg,
    dated, currency, hash
)
select
    b.book_id, b.account_id, %(id)s, b.version + 1, x.amount, b.posted + x.amount, %(at)s, b.slot,
    x.leg, nullif(%(day)s::date, (%(at)s at time zone 'UTC')::date), b.currency,
    sha256('\\x01'::bytea || b.hash || substr(array_send(array[
        uuid_send(b.book_id), uuid_send(b.account_id), int2send(b.slot), int8send(b.version + 1),
        uuid_send(%(id)s::uuid), int2send(x.leg::smallint), int8send(x.amount),
        int8send(b.posted + x.amount), timestamptz_send(%(at)s), date_send(%(day)s::date),
        convert_to(b.currency, 'UTF8')
    ]), 21))
from (values
    (%(giver)s::uuid, 1, -%(amount)s::bigint), (%(taker)s::uuid, 2, %(amount)s::bigint)
) as x (account_id, leg, amount)
join ledger_private.balances as b
    on b.book_id = %(book)s and b.account_id = x.account_id and b.slot = mod(%(slot)s, b.slots)
"""
_BALANCES = """
update ledger_private.balances as b
set posted = e.balance_after, version = e.version, booked_at = e.booked_at, hash = e.hash
from ledger_private.entries as e
where
    e.book_id = %(book)s and e.transaction_id = %(id)s
    and b.book_id = e.book_id and b.account_id = e.account_id and b.slot = e.slot
"""
_SHIFTS = """
insert into ledger_private.value_shifts as v (
    book_id, account_id, slot, grain, starts_on, amount
)
select
    e.book_id, e.account_id, e.slot, g.grain, date_trunc(g.grain, s.at)::date, sum(s.amount)
from ledger_private.entries as e
cross join (values ('day'), ('month')) as g (grain)
cross join lateral (
    values (e.dated::timestamp, e.amount), (e.booked_at at time zone 'UTC', -e.amount)
) as s (at, amount)
where e.book_id = %(book)s and e.transaction_id = %(id)s and e.dated is not null
group by 1, 2, 3, 4, 5
on conflict on constraint value_shifts_pkey do update set amount = v.amount + excluded.amount
"""


def post_at(
    home: Household,
    at: datetime,
    giver: str,
    taker: str,
    amount: int,
    day: date | None = None,
    slot: int = 0,
    transaction_id: UUID | None = None,
) -> str:
    """Book a transfer between accounts by name as if it were that time; its id.

    Times have to rise along each account and slot.

    Args:
        amount: Minor units.
        day: Value date; that of the booking where missing.
        slot: Number of the slot, for accounts that have several.
        transaction_id: An id of your own, where its order matters.
    """
    values = {
        "book": home.book_id,
        "at": at,
        "day": day or at.astimezone(UTC).date(),
        "giver": home.accounts[giver],
        "taker": home.accounts[taker],
        "amount": amount,
        "slot": slot,
        "id": transaction_id,
    }
    with home.database.connect() as owner, owner.transaction():
        (values["id"],) = owner.execute(_CLAIM, values).fetchone() or (None,)
        for statement in (_ENTRIES, _BALANCES, _SHIFTS):
            owner.execute(statement, values)
    return str(values["id"])
