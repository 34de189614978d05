"""The extractor sees everything: each kind of change moves the facts, of the kind it belongs to."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import Cluster, Database, cluster_of
from tests.migration.ddl import BASE, CHANGES, REFERENCE, Change, Loaded, make_tablespace
from tillroll.migrate import Fact, UsageError, compare, extract
from tillroll.migrate.facts import fingerprint, properties
from tillroll.migrate.facts.extract import QUERIES
from tillroll.migrate.facts.fact import define
from tillroll.server import find_binaries


@pytest.fixture(scope="module")
def loaded(shared: Database) -> Iterator[Loaded]:
    make_tablespace(shared)
    with psycopg.connect(shared.dsn("supabase_admin")) as conn:
        conn.execute(BASE.encode())
        extract(conn)  # leaves its settings
        conn.commit()
        yield Loaded(conn, conn.info.server_version // 10000, {})


@pytest.fixture
def base(loaded: Loaded) -> Iterator[Loaded]:
    """An open transaction, rolled back after the test."""
    yield loaded
    loaded.conn.rollback()


@pytest.mark.parametrize("change", CHANGES, ids=[change.text for change in CHANGES])
def test_each_change_moves_facts_of_its_kind(base: Loaded, change: Change) -> None:
    if base.major < change.since:
        with pytest.raises(psycopg.Error):
            base.run(f"{change.first or 'select'}; {change.text}")
        return
    key = change.first, change.kind
    if key not in base.seen:
        base.run(change.first or "select")
        base.seen[key] = base.see(change.kind)
        base.conn.rollback()
    base.run(f"{change.first or 'select'}; {change.text}")
    assert base.see(change.kind) != base.seen[key]


def test_the_facts_are_of_one_moment_and_each_has_an_identity_of_its_own(base: Loaded) -> None:
    facts = extract(base.conn, REFERENCE)
    keys = [(fact.kind, fact.identity) for fact in facts]
    assert len(keys) == len(set(keys))
    assert facts == tuple(sorted(facts))
    told = {fact.kind for fact in facts}
    assert {*QUERIES, "row"} - told == {
        *("grants on column", "grants on what was brought"),
        *("publication schema", "security label", "setting", "subscription"),
    }


def test_what_changes_nothing_moves_nothing(base: Loaded) -> None:
    before = extract(base.conn, REFERENCE)
    base.run(
        """
        grant insert on s.t to service_role; revoke insert on s.t from service_role;
        grant execute on function pg_sleep to anon; revoke execute on function pg_sleep from anon;
        revoke execute on function pg_sleep from public;
        grant execute on function pg_sleep to public;
        create table s.gone (); drop table s.gone;
        alter table s.t add column gone int; alter table s.t drop column gone;
        alter table s.t rename to away; alter table s.away rename to t;
        alter table s.t disable trigger all; alter table s.t enable trigger all;
        update s.kinds set name = name; analyze s.t; select nextval('s.numbers');
        create or replace view s.v as select t.id, t.n from s.t;
        refresh materialized view s.mv; reindex table s.t; truncate s.u;
        create schema supabase_migrations;
        create table supabase_migrations.schema_migrations (version text primary key);
        comment on schema supabase_migrations is 'ours';
        comment on table supabase_migrations.schema_migrations is 'history';
        create temp table passing (a int); comment on table passing is 'passing';
        set timezone = 'Asia/Tokyo'; set datestyle = 'german'; set intervalstyle = 'iso_8601';
        set quote_all_identifiers = on; set bytea_output = 'escape'; set search_path = s;
        """
    )
    assert extract(base.conn, REFERENCE) == before


def test_how_a_session_writes_constants_does_not_count(base: Loaded) -> None:
    base.run(
        """
        create table s.consts (
            a timestamptz default '2026-01-01 10:00+00', b interval default '1 day 2 hours',
            c bytea default decode('ff', 'hex'), d float8 default float8 '0.1234567890123456',
            e date default '2026-02-01', g bytea default bytea '\\377'
        )
        """
    )
    before = fingerprint(extract(base.conn))
    base.run(
        "set timezone = 'Asia/Tokyo'; set datestyle = 'german'; set intervalstyle = 'iso_8601';"
        "set bytea_output = 'escape'; set extra_float_digits = -3; set quote_all_identifiers = on;"
        "set search_path = s, public"
    )
    assert fingerprint(extract(base.conn)) == before


ONE = """
create schema o;
create table o.t (a int not null, b int constraint t_b_not_null not null, c serial, d int);
create index on o.t (a); create index t_b on o.t (b);
alter table o.t set (fillfactor = 70, autovacuum_enabled = false);
create function o.f() returns int language sql set work_mem = '8MB' set jit = 'off' as 'select 1';
create policy p on o.t to anon, authenticated using (true);
grant usage on schema o to authenticated;
grant select, insert on o.t to anon; grant select on o.t to authenticated with grant option;
create table o.parted (id int not null, a int) partition by range (id);
alter table o.parted add primary key (id);
alter table o.parted add constraint a_fk foreign key (a) references o.parted (id);
create index parted_a on o.parted (a); create index parted_b on o.parted (a) where a > 1;
create table o.p1 partition of o.parted for values from (1) to (2);
create table o.p2 partition of o.parted for values from (2) to (3);
alter table o.parted add constraint above check (id > 0);
create table o.refers (id int constraint refers_fk references o.parted (id));
create publication ours for table o.t, o.refers;
create event trigger e on ddl_command_end when tag in ('CREATE TABLE', 'DROP TABLE')
    execute function s.ev();
create aggregate o.sum (int) (sfunc = int4pl, stype = int);
comment on table o.t is 'one'; comment on table o.p1 is 'two';
"""
OTHER = """
create schema o;
create table o.t0 (a int, b int, gone int, c int, d int);
alter table o.t0 alter column a set not null, alter column b set not null, drop column gone;
alter table o.t0 rename to t;
create sequence o.t_c_seq as integer owned by o.t.c;
alter table o.t alter column c set not null, alter column c set default nextval('o.t_c_seq');
create index t_b on o.t (b); create index t_a_idx on o.t (a);
alter table o.t set (autovacuum_enabled = false); alter table o.t set (fillfactor = 70);
create policy p on o.t to authenticated, anon using (true);
create function o.f() returns int language sql set jit = 'off' set work_mem = '8MB' as 'select 1';
grant usage on schema o to authenticated;
grant select on o.t to authenticated with grant option; grant insert, select on o.t to anon;
set role authenticated; grant select on o.t to anon; reset role;
comment on table o.t is 'one';
create table o.p2 (id int not null, a int);
create table o.parted (id int, a int) partition by range (id);
create table o.p1 (id int primary key constraint above check (id > 0), a int);
comment on table o.p1 is 'two';
create index parted_b on o.parted (a) where a > 1; create index parted_a on o.parted (a);
alter table o.parted attach partition o.p2 for values from (2) to (3);
alter table o.parted add primary key (id);
create table o.refers (id int constraint refers_fk references o.parted (id));
alter table o.parted attach partition o.p1 for values from (1) to (2);
alter table o.parted add constraint a_fk foreign key (a) references o.parted (id);
alter table o.parted add constraint above check (id > 0);
create aggregate o.sum (int) (sfunc = int4pl, stype = int);
create event trigger e on ddl_command_end when tag in ('DROP TABLE', 'CREATE TABLE')
    execute function s.ev();
create publication ours for table o.refers, o.t;
"""


def test_the_way_to_a_database_does_not_count(base: Loaded) -> None:
    made = []
    for way in (ONE, OTHER):
        base.run(way)
        made.append(extract(base.conn))
        base.conn.rollback()
    assert compare(*made) == ()


def test_the_order_of_a_collation_does_not_count() -> None:
    cluster = cluster_of("15")  # the only one with ICU
    made = []
    with Database(cluster.server, "postgres").connect("supabase_admin") as admin:
        admin.execute("create role tillroll_1; create role tillroll__")
        for name, options in (("plain", ""), ("icu", "locale_provider icu icu_locale 'en-US'")):
            database = Database(cluster.server, name)
            admin.execute(f"create database {name} template template0 {options}".encode())
            with database.connect("supabase_admin") as conn:
                conn.execute(
                    "create table public.t (); create policy own on public.t "
                    "to tillroll_1, tillroll__ using (true)"
                )
                made.append(extract(conn))
            cluster.drop(database)
        admin.execute("drop role tillroll_1; drop role tillroll__")
    assert compare(*made) == ()


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (
            "create constraint trigger late after insert on s.u for each row "
            "execute function s.f2()",
            {"trigger"},
        ),
        (
            "create view s.more as select 1 as one",
            {"relation", "column", "column order", "grants on relation"},
        ),
    ],
)
def test_nothing_is_said_twice(base: Loaded, text: str, kinds: set[str]) -> None:
    before = extract(base.conn)
    base.run(text)
    assert {each.kind for each in compare(before, extract(base.conn))} == kinds


def test_a_restored_dump_has_the_same_facts(newest: Cluster) -> None:
    made = newest.database("bare")
    restored = Database(newest.server, "restored")
    with made.connect("supabase_admin") as conn:
        conn.execute(BASE.encode())
        conn.execute(ONE.encode())
        before = extract(conn, REFERENCE)
        conn.execute("create database restored owner postgres template template0")
    programs = find_binaries()
    dump = subprocess.run(
        [programs / "pg_dump", made.dsn("supabase_admin")], capture_output=True, check=True
    )
    subprocess.run(
        [programs / "psql", "-qX", "-v", "ON_ERROR_STOP=1", restored.dsn("supabase_admin")],
        input=dump.stdout,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with restored.connect("supabase_admin") as conn:
        after = extract(conn, REFERENCE)
    newest.drop(restored)
    newest.drop(made)
    assert compare(before, after) == ()


def test_what_an_extension_brings_is_the_extensions_own(base: Loaded) -> None:
    before = extract(base.conn)
    base.run("create extension pg_trgm schema s")
    differences = compare(before, extract(base.conn))
    assert {difference.identity for difference in differences} == {"pg_trgm", "extension pg_trgm"}


def test_no_password_is_told(base: Loaded) -> None:
    base.run(
        """
        alter server remote options (add password 'verysecret', add api_key 'verysecret');
        alter user mapping for anon server remote options (set password 'verysecret');
        alter user mapping for anon server remote options (add anything 'verysecret');
        alter foreign table s.foreign_t options (add token 'verysecret');
        alter database {database} set app.jwt_secret = 'verysecret';
        """
    )
    facts = extract(base.conn)
    assert sum("hidden" in fact.definition for fact in facts) == 4
    assert not [fact for fact in facts if "verysecret" in fact.definition]


def test_a_reference_without_a_schema_is_refused(base: Loaded) -> None:
    with pytest.raises(UsageError):
        extract(base.conn, ["kinds"])


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"a": "", "b": "x", "c": True, "d": None, "e": [1, "\n"], "f": {"x": None}},
        {"a": "one\ntwo", "b": "\n", "c": "\n    in\n\n", "d": "x: y\nz: w", "e": "    in"},
    ],
)
def test_a_definition_can_be_taken_apart(values: dict[str, object]) -> None:
    told = {name: value for name, value in values.items() if value is not None}
    found = properties(define(values))
    assert found.keys() == told.keys()
    assert all(found[name] == value for name, value in told.items() if isinstance(value, str))


def test_a_fingerprint_names_its_server_and_counts_everything() -> None:
    server = Fact("server", "version", "major: 17")
    facts = [server, Fact("schema", "s", "owner: a"), Fact("schema", "t", "owner: a")]
    first = fingerprint(facts)
    assert first.startswith("1:17:")
    assert fingerprint(reversed(facts)) == first
    for other in (
        facts[:2],
        [server, Fact("schema", "s", "owner: b"), facts[2]],
        [server, Fact("relation", "s", "owner: a"), facts[2]],
        [server, Fact("schema", "u", "owner: a"), facts[2]],
    ):
        assert fingerprint(other) != first
