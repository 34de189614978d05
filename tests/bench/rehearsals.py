"""How long a rehearsal says that locks are held, beside how long they are.

Each kind of statement is a file of its own. The rates are measured on the server on which the files
are then applied, the sizes are read right before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table

from tests.conftest import ROOT, Cluster, Database
from tillroll.migrate import Rates, Runner, calibrate, rehearse, sizes_of

SIZES = (300_000, 3_000_000)
SETUP = """
create schema b;
create table b.wide (id bigint primary key, a int, b int, at timestamptz, tags int[], note text);
create table b.narrow (id bigint primary key, wide_id bigint, a int);
create materialized view b.view as select id, a, at from b.wide;
"""
FILL = """
insert into b.wide
select g, hashint8(g), g, now() - g * interval '1 s', array[g % 100, g % 1000, 7], repeat('x', 100)
from generate_series(1, {rows}::bigint) as g;
insert into b.narrow
select g, 1 + g * 7919 % {rows}, g from generate_series(1, {rows}::bigint) as g;
refresh materialized view b.view;
"""
KINDS = {  # each with what puts the table back
    "add check": (
        "alter table b.wide add constraint k check (b > 0);",
        "alter table b.wide drop constraint k",
    ),
    "set not null": (
        "alter table b.narrow alter a set not null;",
        "alter table b.narrow alter a drop not null",
    ),
    "create index": ("create index i on b.wide (a);", "drop index b.i"),
    "create index, rows in order": ("create index i on b.narrow (a);", "drop index b.i"),
    "create index using gin": ("create index i on b.wide using gin (tags);", "drop index b.i"),
    "create index concurrently": (
        "create index concurrently i on b.wide (a);",
        "drop index b.i",
    ),
    "add unique": (
        "alter table b.narrow add constraint k unique (wide_id);",
        "alter table b.narrow drop constraint k",
    ),
    "add foreign key": (
        "alter table b.narrow add constraint k foreign key (wide_id) references b.wide;",
        "alter table b.narrow drop constraint k",
    ),
    "refresh materialized view": ("refresh materialized view b.view;", ""),
    "int to bigint": (
        "alter table b.wide alter b type bigint;",
        "alter table b.wide alter b type int",
    ),
    "default clock_timestamp()": (
        "alter table b.narrow add x timestamptz default clock_timestamp();",
        "alter table b.narrow drop x",
    ),
    "default gen_random_uuid()": (  # what an expression costs is not reckoned with
        "alter table b.narrow add x uuid default gen_random_uuid();",
        "alter table b.narrow drop x",
    ),
    "insert from a table": (
        "insert into b.narrow select -id, null, 1 from b.wide;",
        "delete from b.narrow where id < 0",
    ),
    "add column, then update": (
        "alter table b.wide add y int; update b.wide set y = 1;",
        "alter table b.wide drop y",
    ),
    "delete": ("delete from b.narrow where a is not null;", ""),
}
VERSION = "20260101000001"
FORGET = f"""
;
delete from supabase_migrations.schema_migrations where version = '{VERSION}';
delete from supabase_migrations.runner_file where version = '{VERSION}';
"""


@dataclass(frozen=True)
class Held:
    """Seconds that a file holds its longest lock, as projected and as measured."""

    kind: str
    rows: int
    projected: float
    measured: float


def measure(cluster: Cluster, say: Callable[[str], None]) -> list[Held]:
    """Every kind on tables of every size."""
    say("rehearse: measuring the server's rates …")
    rates = calibrate(ROOT / "sql/platform", cluster.server.dsn())
    say(str(rates))
    found = []
    for rows in SIZES:
        database = cluster.database("bare")
        with database.connect() as owner, tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "20260101000000_setup.sql").write_text(SETUP)
            Runner(database.dsn(), folder).up()
            owner.execute(FILL.format(rows=rows))
            for kind, (text, undo) in KINDS.items():
                (folder / f"{VERSION}_kind.sql").write_text(text)
                owner.execute("vacuum analyze")
                projected, measured = _hold(database, folder, rates)
                found.append(Held(kind, rows, projected, measured))
                say(f"{rows:,} rows: {kind}: {projected:.3f} s, {measured:.3f} s")
                owner.execute(undo + FORGET)
        cluster.drop(database)
    return found


def _hold(database: Database, folder: Path, rates: Rates) -> tuple[float, float]:
    """Rehearse and apply what is pending; return the seconds that its longest lock is held."""
    sizes = sizes_of(database.dsn())
    said = rehearse(
        folder,
        frozenset(sizes.applied or ()),
        platform=ROOT / "sql/platform",
        shadow_url=database.server.dsn(),
        sizes=sizes,
        rates=rates,
    )
    locks = [lock for each in said.files[0].statements for lock in each.locks]
    (done,) = Runner(database.dsn(), folder).up().applied
    return max(lock.held_seconds or 0 for lock in locks), done.seconds


def table(found: Sequence[Held]) -> Table:
    """A line a kind, the sizes beside each other."""
    shown = Table(title="Seconds that a lock is held", box=box.SIMPLE, padding=(0, 1, 0, 0))
    shown.add_column("statement", no_wrap=True)
    for rows in SIZES:
        for head in (f"{rows / 1e6:g}M: projected", "measured", "ratio"):
            shown.add_column(head, justify="right", no_wrap=True)
    for kind in KINDS:
        cells = []
        for each in found:
            if each.kind == kind:
                ratio = each.projected / each.measured
                cells += [f"{each.projected:.3f}", f"{each.measured:.3f}", f"{ratio:.2f}"]
        shown.add_row(kind, *cells)
    return shown
