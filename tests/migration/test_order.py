"""Which statements may run before or after others: what is allowed, and that it is true of rows."""

from __future__ import annotations

import random
from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import Database
from tillroll.migrate import extract
from tillroll.migrate.parser import order_matters, parse

PAIRS = 100
SEED = 20261128


@pytest.fixture(scope="module")
def told(shared: Database) -> Iterator[psycopg.Connection]:
    """What is below is there, and every test leaves it as it was."""
    with shared.connect("supabase_admin") as conn:
        conn.execute((BASE + MORE).encode())
        yield conn


def reasons(text: str) -> list[str]:
    return [reason for each in parse(text, "x.sql") if (reason := order_matters(each))]


@pytest.mark.parametrize(
    "text",
    [
        # What runs on rows by its nature.
        "insert into t values (1)",
        "with x as (delete from t returning *) select 1",
        "merge into t using u on t.id = u.id when matched then delete",
        "execute p (1)",
        "prepare p as delete from t",
        "declare c cursor for select f()",
        "fetch c",
        "explain analyze delete from t",
        "do $$ begin end $$",
        "call p()",
        "create table x as select 1",
        "create materialized view x as select 1",
        "refresh materialized view x",
        "copy t from '/x'",
        "analyze t",
        "reindex table t",
        "vacuum t",
        "savepoint a",
        # Sequences.
        "alter sequence s restart",
        "alter sequence s increment by 2",
        "alter table t alter column id restart with 7",
        "alter table t alter column id set increment by 2",
        "alter table t alter column id add generated always as identity",
        "alter table t alter column id drop identity",
        "alter table s rename to x",
        # Columns.
        "alter table t alter column n type bigint",
        "alter table t alter column n type bigint using n + 1",
        "alter table t alter column n set expression as (id + 1)",
        "alter table t alter column n drop expression",
        "alter table t drop column n",
        "alter table t add column if not exists a int",
        "alter table t add column a timestamptz default now()",
        "alter table t add column a timestamptz default current_timestamp",
        "alter table t add column a int default f()",
        "alter table t add column a int default (select 1)",
        "alter table t add column a int default 1 operator(app.+) 1",
        "alter table t add column a text default 'x'::app.d",
        "alter table t add column a int generated always as (id + 1) stored",
        "alter table t add column a int generated always as identity",
        "alter table t add column a bigserial",
        "alter table t add column a app.d",
        "alter table t add column a d",
        "alter table t add column a pg_catalog.regclass",
        "alter table t add column a bigint default 'v'::pg_catalog.regclass::bigint",
        "alter table t add column a int check (f(a))",
        "alter table t add column a int, drop column n",
        # Functions that are called on the rows there are.
        "alter table t add check (f(n))",
        "alter table t add check (n operator(app.=) 1)",
        "alter table t add check (n::app.d > 1)",
        "alter table t validate constraint c",
        "alter domain d add check (value > 0)",
        "alter domain d set default 1",
        "alter table t add exclude using gist (n with =)",
        "create index on t (f(n))",
        "create index on t ((n + 1))",
        "create index on t (n app.ops)",
        "create index on t (n) where f(n)",
        "create table p partition of t for values from (f()) to (2)",
        # Other rows under a name.
        "alter table t rename to x",
        "alter index t rename to x",
        "alter materialized view m rename to x",
        "alter table t rename column n to m",
        "alter type c rename attribute a to b",
        "alter type e rename value 'a' to 'b'",
        "alter schema s rename to x",
        "alter table t set schema s",
        "alter sequence s set schema x",
        "alter type c add attribute a int",
        "alter table t attach partition p default",
        "alter table t detach partition p",
        "alter table t inherit u",
        "alter table t no inherit u",
        "drop table t",
        "drop sequence s",
        "drop materialized view m",
        "drop view v cascade",
        "drop schema s cascade",
        "alter table t drop constraint c cascade",
        "drop extension x",
        "drop owned by x",
        # New files of rows, and with them new indexes.
        "alter table t set logged",
        "alter table t set access method heap",
        "alter table t set tablespace x",
        "cluster t",
        # What runs along with other statements, or in the session.
        "create event trigger e on ddl_command_end execute function f()",
        "alter event trigger e disable",
        "drop event trigger e",
        "create extension x",
        "create function f() returns int language plv8 as ''",
        "create operator + (leftarg = int, rightarg = int, function = f)",
        "create cast (int as text) with function f(int)",
        "set search_path = app",
        "set local session_replication_role = replica",
        "set transaction isolation level serializable",
        "reset timezone",
        "create temporary table x ()",
        "create temporary view x as select 1",
        "create temporary sequence x",
        "create table pg_temp.x ()",
        'create domain "pg_temp" . uuid as int default 1',
        "create schema s create table t ()",
        "import foreign schema s from server x into y",
        # What is not compared.
        "create role r",
        "grant a to b",
        "alter role r set work_mem = '1MB'",
        "alter database d set work_mem = '1MB'",
        "comment on role r is 'x'",
        "grant connect on database d to anon",
        "grant select on large object 1 to anon",
        "create function supabase_migrations.f() returns int language sql as 'select 1'",
        'create view u&"supabase\\005fmigrations".v as select 1',
    ],
)
def test_what_may_leave_other_rows_is_named(text: str) -> None:
    assert all(reasons(text))
    assert len(reasons(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "-- nothing",
        "create table t (id int generated always as identity, at timestamptz default now())",
        "create table t (n int check (f(n)), exclude using gist (n with =))",
        "create table p partition of t for values from (1) to (2)",
        "create sequence s start 7",
        "create schema s",
        "create type e as enum ('a')",
        "create type c as (a int)",
        "create domain d as int check (value > 0)",
        "alter type e add value 'b' before 'a'",
        "create or replace function f() returns int language sql as 'select 1'",
        "create function f() returns int return 1",
        "create function f() returns int language sql set search_path = pg_catalog, pg_temp as ''",
        "create procedure f() language plpgsql as 'begin end'",
        "alter function f() security definer",
        "create or replace view v as select f() as a",
        "create trigger x after insert on t execute function f()",
        "create rule r as on insert to t do also delete from u",
        "create policy p on t using (f())",
        "alter policy p on t using (true)",
        "create publication p for table t",
        "alter publication p add table t",
        "create statistics s on a, b from t",
        "create index i on t (a desc, b)",
        "create unique index concurrently i on t using hash (a) where b is not null and a > 1",
        "comment on table t is 'x'",
        "grant select on t to anon",
        "revoke all on all tables in schema s from anon",
        "alter default privileges in schema s grant select on tables to anon",
        "notify pgrst, 'reload schema'",
        "lock table t",
        "set local lock_timeout = '1s'",
        "set role postgres",
        "reset all",
        "alter table t add column a int, add column b text not null default 'x' unique",
        "alter table t add column a pg_catalog.jsonb default '{}'",
        "alter table t add column a timestamp(3), add b double precision, add c char(3)",
        "alter table t add column a jsonb default '{}'::jsonb",
        "alter table t add column a varchar(10)[] default array['a', 'b']",
        "alter table t add column a numeric(12, 2) default -1 check (a between -2 and 2)",
        "alter table t add column a uuid references u (id) on delete cascade deferrable",
        "alter table t alter column a set default f(), alter column a set not null",
        "alter table t alter column a drop default, alter column a drop not null",
        "alter table t add constraint c check (a > 0 or b like 'x%' or c in (1, 2))",
        "alter table t add constraint c check (f(a)) not valid",
        "alter table t add foreign key (a) references u, add unique (a), drop constraint x",
        "alter table t enable row level security, force row level security, owner to postgres",
        "alter table t disable trigger x, enable trigger x, replica identity full",
        "alter table t set (fillfactor = 70), alter column a set statistics 100",
        "alter view v set (security_invoker = true)",
        "alter function f() rename to g",
        "alter policy p on t rename to q",
        "alter trigger x on t rename to y",
        "alter table t rename constraint c to d",
        "alter view v rename to w",
        "alter function f() set schema s",
        "alter type e set schema s",
        "alter schema s owner to postgres",
        *(
            f"drop {what}"
            for what in (
                *("function f()", "procedure f", "view v", "policy p on t", "trigger x on t"),
                *("rule r on t", "index i", "type e", "domain d", "schema s", "statistics s"),
                "publication p",
            )
        ),
        "begin",
        "commit",
    ],
)
def test_what_leaves_rows_alone_is_allowed(text: str) -> None:
    assert reasons(text) == []


BASE = """
create schema a;
create function a.f() returns int language sql as 'select 1';
create function a.tr() returns trigger language plpgsql as 'begin return new; end';
create table a.log (id int generated always as identity, n int default 0);
create table a.t (id int primary key, n int default 1);
create table a.u (id int primary key, n int default 2);
create table a.child () inherits (a.t);
create table a.p (k int not null, n int) partition by range (k);
create table a.p1 partition of a.p default;
create type a.e as enum ('x', 'y');
create domain a.d as int default 3;
create view a.v as select t.id, t.n from a.t;
insert into a.log (n) values (1), (2);
insert into a.t select g, g from generate_series(1, 5) as g;
insert into a.u select g, -g from generate_series(1, 5) as g;
insert into a.child select g, g from generate_series(6, 9) as g;
insert into a.p select g, g from generate_series(1, 5) as g;
"""
POOL = [
    "alter table a.t add column x int default 5",
    "alter table a.t add column if not exists x int default 6",
    "alter table a.u add column x int default a.f()",
    "alter table a.u add column x a.d",
    "alter table a.u add column x int generated always as (n + a.f()) stored",
    "alter table a.child add column y int default 7",
    "alter table a.p add column x int default 8",
    "alter table a.p1 alter column n set default 9",
    "alter table a.t alter column n set default a.f()",
    "alter table a.t alter column n drop default",
    "alter table a.t alter column x set default 1",
    "alter table a.t alter column x drop default",
    "alter table a.t alter column n type text",
    "alter table a.t alter column n type int using n::int + a.f()",
    "alter table a.t drop column x",
    "alter table a.t drop column n",
    "alter table a.t add column n int default 4",
    "alter table a.t rename to x; alter table a.u rename to t; alter table a.x rename to u",
    "alter table a.t rename column id to x; alter table a.t rename column n to id",
    "alter table a.child no inherit a.t",
    "alter table a.log alter column id restart with 100",
    "insert into a.u select 100 + t.id, a.f() from a.t where t.n > 1",
    "update a.t set n = n * 2",
    "delete from a.u where n < -a.f()",
    "create table a.m as select count(*) as c from a.t",
    "drop table a.child",
    "alter domain a.d set default 4",
    "alter domain a.d drop default",
    "create or replace function a.f() returns int language sql as 'select 2'",
    "create or replace function a.f() returns int language sql as 'select 3'",
    "create trigger t1 before insert on a.log for each row execute function a.tr()",
    "create rule r1 as on delete to a.u do instead nothing",
    "create index on a.t (n)",
    "alter table a.u add check (n < 10)",
    "alter table a.u alter column n set not null",
    "create or replace view a.v as select t.id, t.n from a.t",
    "drop view a.v",
    "alter type a.e add value 'z'",
    "alter type a.e rename value 'x' to 'w'",
    "alter table a.u enable row level security",
    "create policy p1 on a.u using (n < 0)",
    "grant select on all tables in schema a to anon",
    "create table if not exists a.w (id int default 1)",
    "comment on table a.t is 'one'",
    "comment on table a.t is 'two'",
]


T = "alter table a.t"
CONFLICTS = [  # each allowed, and the later one is what stays
    (f"{T} alter column n set default 5", f"{T} alter column n drop default"),
    (f"{T} alter column n set not null", f"{T} alter column n drop not null"),
    (f"{T} alter column n set statistics 5", f"{T} alter column n set statistics 6"),
    (f"{T} alter column n set (n_distinct = 5)", f"{T} alter column n reset (n_distinct)"),
    (f"{T} alter column o set storage main", f"{T} alter column o set storage external"),
    (f"{T} alter column o set compression pglz", f"{T} alter column o set compression default"),
    (f"{T} set (fillfactor = 50)", f"{T} reset (fillfactor)"),
    (f"{T} set (toast.autovacuum_enabled = off)", f"{T} reset (toast.autovacuum_enabled)"),
    (f"{T} enable row level security", f"{T} disable row level security"),
    (f"{T} force row level security", f"{T} no force row level security"),
    (f"{T} disable trigger tr", f"{T} enable always trigger tr"),
    (f"{T} disable trigger user", f"{T} enable replica trigger tr"),
    (f"{T} disable rule r", f"{T} enable always rule r"),
    (f"{T} replica identity full", f"{T} replica identity using index t_pkey"),
    (f"{T} owner to anon", f"{T} owner to postgres"),
    (f"{T} add x int", f"{T} add y int"),
    (f"{T} add check (n > 0)", f"{T} add check (n < 100)"),
    (f"{T} add constraint x unique (n)", f"{T} drop constraint if exists x"),
    ("alter view a.v set (security_invoker = on)", "alter view a.v reset (security_invoker)"),
    ("alter view a.v alter column n set default 1", "alter view a.v alter column n drop default"),
    ("alter view a.v owner to anon", "alter view a.v owner to postgres"),
    (
        "create or replace view a.v as select t.id, t.n from a.t",
        "create or replace view a.v as select t.id, -t.n as n from a.t",
    ),
    ("alter view a.v rename to w", "create or replace view a.v as select 1 as id, 2 as n"),
    ("alter function a.f() stable", "alter function a.f() immutable"),
    ("alter function a.f() cost 5", "alter function a.f() cost 6"),
    ("alter function a.f() set work_mem = '1MB'", "alter function a.f() reset all"),
    ("alter function a.f() security definer", "alter function a.f() security invoker"),
    ("alter function a.f() owner to anon", "alter function a.f() owner to postgres"),
    (
        "alter function a.f() rename to g",
        "create or replace function a.f() returns int language sql as 'select 9'",
    ),
    (
        "alter function a.f() set schema public",
        "create or replace function a.f() returns int language sql as 'select 9'",
    ),
    (
        "create or replace function a.f() returns int language sql as 'select 8'",
        "create or replace function a.f() returns int language sql as 'select 9'",
    ),
    (
        "create or replace function a.f() returns int language sql as 'select 1'",
        "create or replace function a.f() returns int language sql as 'select 1 '",
    ),
    (
        "create or replace trigger tr before insert on a.t execute function a.tr()",
        "create or replace trigger tr before delete on a.t execute function a.tr()",
    ),
    (
        "create or replace rule r as on insert to a.t do also nothing",
        "create or replace rule r as on insert to a.t do instead nothing",
    ),
    ("alter policy p on a.t using (id > 1)", "alter policy p on a.t using (id > 2)"),
    ("alter policy p on a.t to anon", "alter policy p on a.t to public"),
    (
        "drop policy p on a.t; create policy p on a.t as restrictive",
        "alter policy p on a.t to anon",
    ),
    ("alter publication pub add table a.t", "alter publication pub set table a.u"),
    (
        "alter publication pub set (publish = 'insert')",
        "alter publication pub set (publish = 'delete')",
    ),
    ("alter publication pub set table a.t where (n > 1)", "alter publication pub set table a.t"),
    (
        "drop statistics if exists a.s; create statistics a.s on id, n from a.t",
        "drop statistics if exists a.s; create statistics a.s (mcv) on id, n from a.t",
    ),
    (
        "drop index if exists a.i; create index i on a.t (n)",
        "drop index if exists a.i; create index i on a.t (n desc) include (id)",
    ),
    (
        "drop index if exists a.i; create index i on a.t (n) where n > 0",
        "drop index if exists a.i; create index i on a.t (n) with (fillfactor = 50)",
    ),
    ("create table if not exists a.z (x int default 1)", "create table if not exists a.z (x int)"),
    ("create unlogged table if not exists a.z ()", "create table if not exists a.z ()"),
    (
        "create table if not exists a.z (x int generated always as identity (start 5))",
        "create table if not exists a.z (x int generated always as identity)",
    ),
    ("create sequence if not exists a.q start 5", "create sequence if not exists a.q start 6"),
    (
        "drop domain a.d; create domain a.d as int default 1",
        "drop domain a.d; create domain a.d as int default 2",
    ),
    ("drop type a.c; create type a.c as (x int)", "drop type a.c; create type a.c as (x text)"),
    ("alter type a.e add value 'z' before 'x'", "alter type a.e add value 'w' before 'x'"),
    ("alter type a.e owner to anon", "alter type a.e owner to postgres"),
    ("alter schema a owner to anon", "alter schema a owner to postgres"),
    *(
        (f"comment on {what} is 'one'", f"comment on {what} is 'two'")
        for what in (
            *("table a.t", "column a.t.n", "view a.v", "function a.f()", "schema a", "type a.e"),
            *("domain a.d", "constraint t_pkey on a.t", "index a.t_pkey", "trigger tr on a.t"),
            *("rule r on a.t", "policy p on a.t", "sequence a.log_id_seq", "publication pub"),
        )
    ),
    *(
        (f"grant {right} on {what} to anon", f"revoke {right} on {what} from anon")
        for right, what in (
            *(("select", "a.t"), ("select (n)", "a.t"), ("usage", "schema a")),
            *(("execute", "function a.f()"), ("usage", "type a.e"), ("usage", "a.log_id_seq")),
            ("all", "all tables in schema a"),
        )
    ),
    (
        "grant select on a.t to anon with grant option",
        "revoke grant option for select on a.t from anon",
    ),
    (
        "alter default privileges in schema a grant select on tables to anon",
        "alter default privileges in schema a revoke select on tables from anon",
    ),
    ("alter default privileges in schema a grant select on tables to anon", "create table a.z ()"),
]
MORE = """
alter table a.t add column o text;
create trigger tr before insert on a.t execute function a.tr();
create rule r as on insert to a.t do also nothing;
create policy p on a.t;
create publication pub;
create type a.c as (x int);
"""


def rows(conn: psycopg.Connection) -> dict[str, object]:
    tables = conn.execute(
        "select c.oid::regclass::text from pg_class as c "
        "where c.relnamespace = 'a'::regnamespace and c.relkind in ('r', 'p')"
    ).fetchall()
    return {
        table: conn.execute(
            f"select array_agg(to_jsonb(x) order by to_jsonb(x)) from {table} as x".encode()
        ).fetchone()
        for (table,) in tables
    }


def run(conn: psycopg.Connection, *files: str) -> tuple[object, object] | None:
    """Return facts and rows after these files; None where one does not apply."""
    with conn.transaction(force_rollback=True):
        try:
            for file in files:
                conn.execute(file.encode())
        except psycopg.Error:
            return None
        return extract(conn), rows(conn)


def test_where_nothing_is_named_and_facts_agree_rows_agree(bare: Database) -> None:
    dice = random.Random(SEED)
    proven = different = 0
    with bare.connect() as conn:
        conn.execute(BASE)
        for _ in range(PAIRS):
            one, other = ("; ".join(dice.choices(POOL, k=dice.randint(1, 2))) for _ in "ab")
            forth, back = run(conn, one, other), run(conn, other, one)
            if forth is None or back is None or forth[0] != back[0]:
                continue
            if reasons(one) + reasons(other):
                different += forth[1] != back[1]
            else:
                proven += 1
                assert forth[1] == back[1], (one, other)
    assert proven
    assert different  # facts alone would not do


@pytest.mark.parametrize(("one", "other"), CONFLICTS)
def test_what_two_files_say_of_one_thing_shows_in_the_facts(
    told: psycopg.Connection, one: str, other: str
) -> None:
    assert reasons(one) + reasons(other) == []
    forth, back = run(told, one, other), run(told, other, one)
    assert forth
    assert back
    assert forth[0] != back[0]
