"""How fast a server works: what a statement costs on tables of a given size."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from tillroll.migrate import history
from tillroll.migrate.errors import UsageError
from tillroll.migrate.rehearsal.kept import load
from tillroll.migrate.rehearsal.sizes import TableSize
from tillroll.migrate.shadow import shadow

__all__ = ["Rates", "calibrate", "load_rates", "save_rates"]

# Other kinds of index, by how much longer they take than a btree of as many rows.
_SLOWER = {"gin": 2, "gist": 8, "spgist": 4, "brin": 0.1, "hnsw": 200, "ivfflat": 20}
# And what else changes rows, beside an update.
_LIGHTER = {"DELETE": 0.1, "INSERT": 0.5, "COPY": 0.5, "CREATE TABLE AS": 0.2}
# A table of a hundred bytes a row, and its like with an index, to which it refers.
_TABLES = """
    create table public.t as
    select g as id, hashint8(g) as a, 1 + g * 7919 % {rows} as b, repeat('x', 40) as c
    from generate_series(1, {rows}::bigint) as g;
    create table public.u as select t.* from public.t;
    alter table public.u add primary key (id)
"""
_PROBES = {  # each with what undoes it
    "any": ("comment on table public.t is 'x'", "select 1"),
    "read": (
        "alter table public.t add constraint k check (b > 0)",
        "alter table public.t drop constraint k",
    ),
    "write": (
        "alter table public.t alter a type bigint",
        "alter table public.t alter a type int",
    ),
    "index": ("create index i on public.t (a)", "drop index public.i"),
    "key": (
        "alter table public.t add constraint k foreign key (b) references public.u",
        "alter table public.t drop constraint k",
    ),
    "update": ("update public.u set a = a", "vacuum public.u"),
}


@dataclass(frozen=True)
class Rates:
    """How fast a server works.

    Without a measurement: a small server whose tables do not all fit into its memory.

    Attributes:
        read_bytes: Bytes that are read a second.
        write_bytes: Bytes that are read and written anew a second, with TOAST, without indexes.
        index_rows: Rows times log2(rows) that are sorted into an index a second, once read.
        key_rows: Rows of both tables that a foreign key compares a second, once read.
        update_rows: Rows that are updated a second in a table with one index.
        statement_seconds: What any statement costs.
    """

    read_bytes: float = 150e6
    write_bytes: float = 50e6
    index_rows: float = 20e6
    key_rows: float = 1e6
    update_rows: float = 100e3
    statement_seconds: float = 0.005

    def read(self, size: TableSize) -> float:
        """Seconds to read a table."""
        return size.heap_bytes / self.read_bytes

    def write(self, size: TableSize) -> float:
        """Seconds to write a table anew, reading included, indexes not."""
        return (size.heap_bytes + size.toast_bytes) / self.write_bytes

    def index(self, size: TableSize, method: str) -> float:
        """Seconds to build an index, reading not included."""
        rows = size.rows * math.log2(max(size.rows, 2))
        return rows / self.index_rows * _SLOWER.get(method, 1)

    def key(self, size: TableSize) -> float:
        """Seconds to validate a foreign key for each of its two tables, reading not included."""
        return size.rows / self.key_rows

    def change(self, size: TableSize, moves: str | None) -> float:
        """Seconds to change all rows of a table, reading not included."""
        indexes = 1 if moves == "DELETE" else size.indexes
        return size.rows * _LIGHTER.get(moves or "", 1) * (1 + indexes) / 2 / self.update_rows


def load_rates(path: Path) -> Rates:
    """Read what `save_rates` wrote.

    Raises:
        UsageError: The file cannot be read, or is something else.
    """
    return load(path, _rates, "rehearse --calibrate --rates")


def save_rates(rates: Rates, path: Path) -> None:
    """Keep rates as a file.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        path.write_text(json.dumps(asdict(rates), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def calibrate(platform: Path | None, shadow_url: str | None, rows: int = 200_000) -> Rates:
    """Measure a server's rates, in a few seconds, on tables that fit into its memory.

    Args:
        platform: See `Shadow`.
        shadow_url: See `shadow`; the more this server is like production, the better.
        rows: Of each of the two tables.

    Raises:
        ConnectionFailed: There is no server.
    """
    with shadow(platform, shadow_url) as server, server.database() as dsn:
        with history.connect(dsn) as conn:
            return _measure(conn, rows)


def _rates(told: dict[str, float]) -> Rates:
    if min(map(float, told.values())) <= 0:
        raise ValueError("a rate is not above 0")
    return Rates(**told)


def _measure(conn: psycopg.Connection, rows: int) -> Rates:
    conn.execute(_TABLES.format(rows=rows).encode())
    conn.execute("vacuum analyze")
    found = conn.execute("select pg_catalog.pg_relation_size('public.t')").fetchone()
    size = found[0] if found else 0

    def timed(statement: str, undo: str) -> float:
        """Seconds of a statement, the best of three: others may be at work."""
        taken = []
        for _ in range(3):
            began = time.perf_counter()
            conn.execute(statement.encode())
            taken.append(time.perf_counter() - began)
            conn.execute(undo.encode())
        return min(taken)

    seconds = {name: timed(*probe) for name, probe in _PROBES.items()}
    index, key = (max(seconds[n] - seconds["read"], seconds[n] / 10) for n in ("index", "key"))
    return Rates(
        size / seconds["read"],
        size / seconds["write"],
        rows * math.log2(rows) / index,
        2 * rows / key,
        rows / seconds["update"],
        seconds["any"],
    )
