"""Books of millions of entries in minutes, and sound: one statement a table, by the formats that
the engine writes.

Two years of random transfers, each with a key and a UUIDv7 id of its time; one in twenty has a
value date up to 40 days before its booking. Triggers are off meanwhile (session_replication_role),
so verify_book is what shows that nothing is missing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tests.bench.stage import ACCOUNTS, FUNDS, Caller, account_id, one, sql_id
from tests.conftest import Database

DAYS = 730
LINES_EACH = 100  # at least, of each account: registers have several pages at every size

_DRAWS = f"""
create temporary table draws as
select
    d.n,
    d.at,
    (
        lpad(to_hex((extract(epoch from d.at) * 1000)::bigint), 12, '0')
        || '7' || lpad(to_hex(mod(d.n, 4096)), 3, '0') || '8' || substr(md5(d.n::text), 1, 15)
    )::uuid as id,
    (d.at at time zone 'UTC')::date
    - case when mod(d.n, 20) = 0 then 1 + mod(d.n / 20, 40)::integer else 0 end as effective_on,
    case when d.n <= %(accounts)s then {FUNDS} else 1 + floor(random() * 100)::bigint end as amount,
    case when d.n <= %(accounts)s then 0 else d.giver end as giver,
    case
        when d.n <= %(accounts)s then d.n else 1 + mod(d.giver + d.step, %(accounts)s)
    end as taker
from (
    select
        g.n,
        date_trunc('day', now()) - interval '{DAYS} days'
        + g.n * ({DAYS - 1} * 86400000000 / %(transactions)s) * interval '1 microsecond' as at,
        1 + floor(random() * %(accounts)s)::integer as giver,
        floor(random() * (%(accounts)s - 1))::integer as step
    from generate_series(1, %(transactions)s::bigint) as g (n)
) as d
"""
_TRANSACTIONS = """
insert into ledger_private.transactions (
    book_id, id, kind, effective_on, posted_at, idempotency_key, request_hash
)
select
    %(book)s, d.id, 'transfer', d.effective_on, d.at, d.id::text,
    sha256(convert_to(d.id::text, 'UTF8'))
from draws as d
order by d.n
"""
_CHAIN = """
create function pg_temp.link(bytea, bytea) returns bytea language plpgsql immutable as $$
begin
    return sha256('\\x01'::bytea || $1 || $2);
end;
$$;
create aggregate pg_temp.chain (bytea) (
    sfunc = pg_temp.link, stype = bytea, initcond = '\\x{zeros}'
);
"""
# The content of a hash is told in sql/ledger_private/entries.sql.
_ENTRIES = f"""
insert into ledger_private.entries (
    book_id, account_id, transaction_id, version, amount, balance_after, booked_at, slot, leg, hash,
    dated, currency
)
select
    %(book)s, c.account_id, c.id, c.version, c.amount, c.balance_after, c.at, 0, c.leg, c.hash,
    nullif(c.effective_on, (c.at at time zone 'UTC')::date), 'EUR'
from (
    select
        r.*,
        pg_temp.chain(substr(array_send(array[
            uuid_send(%(book)s::uuid), uuid_send(r.account_id), int2send(0::smallint),
            int8send(r.version), uuid_send(r.id), int2send(r.leg), int8send(r.amount),
            int8send(r.balance_after), timestamptz_send(r.at), date_send(r.effective_on),
            convert_to('EUR', 'UTF8')
        ]), 21)) over (partition by r.account order by r.n) as hash
    from (
        select
            l.account,
            {sql_id("l.account")} as account_id,
            l.leg::smallint as leg,
            l.amount,
            d.n,
            d.at,
            d.id,
            d.effective_on,
            row_number() over (partition by l.account order by d.n) as version,
            (sum(l.amount) over (partition by l.account order by d.n))::bigint as balance_after
        from draws as d
        cross join lateral (
            values (1, d.giver, -d.amount), (2, d.taker, d.amount)
        ) as l (leg, account, amount)
    ) as r
) as c
order by c.n, c.leg
"""
_BALANCES = """
update ledger_private.balances as b
set posted = e.balance_after, version = e.version, booked_at = e.booked_at, hash = e.hash
from ledger_private.balances as s
cross join lateral (
    select x.*
    from ledger_private.entries as x
    where x.book_id = s.book_id and x.account_id = s.account_id
    order by x.booked_at desc, x.version desc
    limit 1
) as e
where s.book_id = %(book)s and b.book_id = s.book_id and b.account_id = s.account_id
"""
_SHIFTS = """
select ledger_private.shift_value(%(book)s, array(
    select d.id from draws as d where d.effective_on <> (d.at at time zone 'UTC')::date
))
"""


@dataclass(frozen=True)
class Book:
    """A filled book.

    Attributes:
        entries: How many it was filled with.
        accounts: How many accounts move; the outside world has number 0.
        user_id: An editor.
    """

    database: Database
    book_id: str
    user_id: str
    entries: int
    accounts: int

    @contextmanager
    def admin(self) -> Iterator[psycopg.Connection]:
        """A superuser's connection."""
        with self.database.connect("supabase_admin") as connection:
            yield connection

    def caller(self) -> Caller:
        """A session of the editor's."""
        return Caller(self.database.dsn("supabase_admin"), self.user_id)


def fill(database: Database, entries: int) -> Book:
    """Make a book with that many entries, in a database without one."""
    accounts = max(2, min(ACCOUNTS, entries // LINES_EACH))
    user_id = str(uuid.uuid4())
    with database.connect() as owner:
        owner.execute("insert into auth.users (id) values (%s)", [user_id])
        book_id = str(one(owner, "select id from ledger.create_book('Filled', 'EUR')"))
        owner.execute("select ledger.set_member(%s, %s, 'editor')", [book_id, user_id])
        for number in range(accounts + 1):
            owner.execute(
                "select ledger.open_account(%s, %s, %s, 'EUR', id => %s)",
                [book_id, f"{number}", "asset" if number else "equity", account_id(number)],
            )
    book = Book(database, book_id, user_id, entries, accounts)
    values = {"book": book_id, "accounts": accounts, "transactions": entries // 2}
    with book.admin() as admin:
        for setting in ("session_replication_role = replica", "work_mem = '512MB'", "jit = off"):
            admin.execute(f"set {setting}")
        admin.execute("set synchronous_commit = off")
        admin.execute(_CHAIN.format(zeros="00" * 32))
        for statement in (_DRAWS, "analyze draws", _TRANSACTIONS, _ENTRIES, _BALANCES, _SHIFTS):
            admin.execute(statement, values if "%(" in statement else None)
        admin.execute("drop table draws")
        admin.execute("vacuum analyze")
        admin.execute("checkpoint")
    return book
