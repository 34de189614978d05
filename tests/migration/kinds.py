"""Kinds of statements, and what each does to the tables that were there before it.

Each kind has a schema of its own, `{s}`, with a table t of some thousand rows and what else it
says. Of what it does, words tell: `t:Share` a lock, the strongest on the table, `t:rewrite` a new
file, `t:scan` that all rows are read.
"""

from __future__ import annotations

from dataclasses import dataclass

BASE = """
create schema {s};
create table {s}.t (id int not null, a int, b text, c int);
alter table {s}.t add constraint t_pkey primary key (id);
"""
ROWS = 3000
FILL = f"""
insert into {{s}}.t
select g, g, 'b' || g, {ROWS} - g from generate_series(1, {ROWS}) as g;
"""
U = """
create table {s}.u (id int primary key, t_id int);
"""
FILL_U = f"insert into {{s}}.u select g, g from generate_series(1, {ROWS}) as g;"
PARTS = """
create table {s}.p (k int not null, v int) partition by range (k);
create table {s}.p1 partition of {s}.p for values from (0) to (10000);
create table {s}.q (k int not null, v int);
"""
FILL_PARTS = f"""
insert into {{s}}.p select g, g from generate_series(1, {ROWS}) as g;
insert into {{s}}.q select 10000 + g, g from generate_series(1, {ROWS}) as g;
"""
VIEW = """
create materialized view {s}.m as select t.id, t.a from {s}.t;
create unique index m_id on {s}.m (id);
"""
FILL_VIEW = "refresh materialized view {s}.m;"
TRIGGER = """
create function {s}.f() returns trigger language plpgsql as 'begin return new; end';
create trigger tr before insert on {s}.t for each row execute function {s}.f();
"""
INDEX = "create index t_a on {s}.t (a);"
LOCKED = "t:AccessExclusive"
ANEW = "t:AccessExclusive t:rewrite t:scan"
READ = "t:AccessExclusive t:scan"


@dataclass(frozen=True)
class Kind:
    """A kind of statement.

    Attributes:
        text: The file.
        does: What it does, in words.
        setup: What is there before, beside t.
        fill: Its rows.
        gates: For a file without a transaction: locks that others hold until it waits for them, so
            that it can be looked at.
    """

    text: str
    does: str
    setup: str = ""
    fill: str = ""
    gates: tuple[str, ...] = ()


def _alter(*changes: str) -> str:
    return f"alter table {{s}}.t {', '.join(changes)};"


READERS = ("select from {s}.t limit 1",)
WRITERS = ("lock table {s}.t in row exclusive mode",)
KINDS = {
    # The table of migrate.md.
    "add column": Kind(_alter("add x int"), LOCKED),
    "add column with a default": Kind(_alter("add x int not null default 5"), LOCKED),
    "add column with a volatile default": Kind(
        _alter("add x timestamptz default clock_timestamp()"), ANEW
    ),
    "add stored column": Kind(_alter("add x int generated always as (a + 1) stored"), ANEW),
    "add identity column": Kind(_alter("add x int generated always as identity"), ANEW),
    "int to bigint": Kind(_alter("alter a type bigint"), ANEW),
    "text to varchar of a length": Kind(_alter("alter b type varchar(10)"), ANEW),
    "set unlogged": Kind(_alter("set unlogged"), ANEW),
    "text to varchar": Kind(_alter("alter b type varchar"), LOCKED),
    "drop column": Kind(_alter("drop b"), LOCKED),
    "enable row level security": Kind(_alter("enable row level security"), LOCKED),
    "create policy": Kind("create policy p on {s}.t using (true);", LOCKED),
    "rename column": Kind(_alter("rename a to z"), LOCKED),
    "rename table": Kind(_alter("rename to z"), LOCKED),
    "add check not valid": Kind(_alter("add check (a > 0) not valid"), LOCKED),
    "set not null": Kind(_alter("alter a set not null"), READ),
    "add check": Kind(_alter("add check (a > 0)"), READ),
    "add unique": Kind(_alter("add unique (a)"), READ),
    "add primary key": Kind(
        _alter("add primary key (id)"), READ, setup="alter table {s}.t drop constraint t_pkey;"
    ),
    "add foreign key": Kind(
        "alter table {s}.u add foreign key (t_id) references {s}.t;",
        "u:ShareRowExclusive t:ShareRowExclusive u:scan t:scan",
        U,
        FILL_U,
    ),
    "add foreign key not valid": Kind(
        "alter table {s}.u add foreign key (t_id) references {s}.t not valid;",
        "u:ShareRowExclusive t:ShareRowExclusive",
        U,
        FILL_U,
    ),
    "create index": Kind("create index on {s}.t (a);", "t:Share t:scan"),
    "create trigger": Kind(
        "create trigger x before update on {s}.t for each row execute function {s}.f();",
        "t:ShareRowExclusive",
        TRIGGER,
    ),
    "comment": Kind("comment on table {s}.t is 'x';", "t:ShareUpdateExclusive"),
    # More of ALTER TABLE.
    "set not null that a check has proven": Kind(
        _alter("alter a set not null"),
        LOCKED,
        setup="alter table {s}.t add constraint k check (a is not null);",
    ),
    "add column with a foreign key": Kind(
        "alter table {s}.u add z int references {s}.t;",
        "u:AccessExclusive t:ShareRowExclusive",
        U,
        FILL_U,
    ),
    "validate check": Kind(
        _alter("validate constraint k"),
        "t:ShareUpdateExclusive t:scan",
        setup="alter table {s}.t add constraint k check (a > 0) not valid;",
    ),
    "validate foreign key": Kind(
        "alter table {s}.u validate constraint k;",
        "u:ShareUpdateExclusive t:RowShare u:scan t:scan",
        U + "alter table {s}.u add constraint k foreign key (t_id) references {s}.t not valid;",
        FILL_U,
    ),
    "add unique using an index": Kind(
        _alter("add unique using index t_a"), LOCKED, setup="create unique index t_a on {s}.t (a);"
    ),
    "set default": Kind(_alter("alter a set default 1"), LOCKED),
    "set statistics": Kind(_alter("alter a set statistics 10"), "t:ShareUpdateExclusive"),
    "set fillfactor": Kind(_alter("set (fillfactor = 50)"), "t:ShareUpdateExclusive"),
    "disable trigger": Kind(_alter("disable trigger tr"), "t:ShareRowExclusive", TRIGGER),
    "set schema": Kind(_alter("set schema public"), LOCKED),
    "owner": Kind(_alter("owner to postgres"), LOCKED),
    "attach partition": Kind(
        "alter table {s}.p attach partition {s}.q for values from (10000) to (20000);",
        "p:ShareUpdateExclusive q:AccessExclusive q:scan",
        PARTS,
        FILL_PARTS,
    ),
    "attach partition that a check has proven": Kind(
        "alter table {s}.p attach partition {s}.q for values from (10000) to (20000);",
        "p:ShareUpdateExclusive q:AccessExclusive",
        PARTS + "alter table {s}.q add check (k >= 10000 and k < 20000);",
        FILL_PARTS,
    ),
    "detach partition": Kind(
        "alter table {s}.p detach partition {s}.p1;",
        "p:AccessExclusive p1:AccessExclusive",
        PARTS,
        FILL_PARTS,
    ),
    "create partition": Kind(
        "create table {s}.p2 partition of {s}.p for values from (10000) to (20000);",
        "p:AccessExclusive",
        PARTS,
        FILL_PARTS,
    ),
    "index of a partitioned table": Kind(
        "create index on {s}.p (v);", "p:Share p1:Share p1:scan", PARTS, FILL_PARTS
    ),
    # Other statements.
    "drop index": Kind("drop index {s}.t_a;", LOCKED, INDEX),
    "rename index": Kind("alter index {s}.t_a rename to z;", "t:ShareUpdateExclusive", INDEX),
    "reindex": Kind("reindex index {s}.t_a;", READ, INDEX),
    "cluster": Kind("cluster {s}.t using t_pkey;", ANEW),
    "truncate": Kind("truncate {s}.t;", "t:AccessExclusive t:rewrite", INDEX),
    "drop table": Kind("drop table {s}.t;", LOCKED),
    "lock table": Kind("lock table {s}.t in exclusive mode;", "t:Exclusive"),
    "analyze": Kind("analyze {s}.t;", "t:ShareUpdateExclusive"),
    "create statistics": Kind(
        "create statistics {s}.x on a, c from {s}.t;", "t:ShareUpdateExclusive"
    ),
    "refresh materialized view": Kind(
        "refresh materialized view {s}.m;",
        "m:AccessExclusive m:rewrite m:scan t:scan",
        VIEW,
        FILL_VIEW,
    ),
    "refresh materialized view concurrently": Kind(
        "refresh materialized view concurrently {s}.m;",
        "m:Exclusive m:scan t:scan",
        VIEW,
        FILL_VIEW,
    ),
    "update": Kind("update {s}.t set a = 1;", "t:RowExclusive t:scan"),
    "update of one row": Kind("update {s}.t set a = 1 where id = 7;", "t:RowExclusive"),
    "update from another table": Kind(
        "update {s}.t set c = u.id from {s}.u where u.t_id = t.a;",
        "t:RowExclusive t:scan u:scan",
        U,
        FILL_U,
    ),
    "refresh materialized view of a join": Kind(
        "refresh materialized view {s}.j;",
        "j:AccessExclusive j:rewrite t:scan u:scan",
        U + "create materialized view {s}.j as select t.b from {s}.t join {s}.u on u.t_id = t.a;",
        FILL_U,
    ),
    "delete": Kind("delete from {s}.t where b like '%9';", "t:RowExclusive t:scan"),
    "insert from another table": Kind(
        "insert into {s}.u select id + 10000, id from {s}.t;", "u:RowExclusive t:scan", U, FILL_U
    ),
    "create table as": Kind("create table {s}.z as select * from {s}.t;", "t:scan"),
    "do": Kind(
        "do $$ begin execute 'update {s}.t set a = 1'; perform count(*) from {s}.u; end $$;",
        "t:RowExclusive t:scan u:scan",
        U,
        FILL_U,
    ),
    "a function that alters": Kind(
        "select {s}.g();",
        READ,
        "create function {s}.g() returns void language plpgsql as "
        "'begin alter table {s}.t alter a set not null; end';",
    ),
    "add enum value": Kind(
        "alter type {s}.e add value 'y';", "", "create type {s}.e as enum ('x');"
    ),
    "rename enum value": Kind(
        "alter type {s}.e rename value 'x' to 'y';", "", "create type {s}.e as enum ('x');"
    ),
    "grant": Kind("grant select on {s}.t to anon;", ""),
    "create view": Kind("create view {s}.v as select * from {s}.t;", ""),
    "create function": Kind(
        "create function {s}.g() returns bigint language sql as 'select count(*) from {s}.t';", ""
    ),
    # Without a transaction.
    "create index concurrently": Kind(
        "create index concurrently t_a on {s}.t (a);",
        "t:ShareUpdateExclusive t:scan",
        gates=WRITERS,
    ),
    "drop index concurrently": Kind(
        "drop index concurrently {s}.t_a;", "t:ShareUpdateExclusive", INDEX, gates=READERS
    ),
    "reindex concurrently": Kind(
        "reindex index concurrently {s}.t_a;", "t:ShareUpdateExclusive t:scan", INDEX, gates=WRITERS
    ),
    "reindex schema": Kind("reindex schema {s};", READ, INDEX, gates=READERS),
    "detach partition concurrently": Kind(
        "alter table {s}.p detach partition {s}.p1 concurrently;",
        "p:ShareUpdateExclusive p1:AccessExclusive",
        PARTS,
        FILL_PARTS,
        ("lock table {s}.p in access share mode", "lock table {s}.p1 in access share mode"),
    ),
    "vacuum full": Kind("vacuum full {s}.t;", ANEW, gates=READERS),
    "set not null, step by step": Kind(
        "-- pg-delta: transaction=false\n" + _alter("alter a set not null"), READ, gates=READERS
    ),
}
