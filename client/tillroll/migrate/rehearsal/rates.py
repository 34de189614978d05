"""How fast a server works: what a statement costs on tables of a given size."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable
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
_NEVER = 1e12  # rows or bytes a second, where none of the time was theirs


@dataclass(frozen=True)
class Rates:
    """How fast a server works.

    Without a measurement: a small server whose tables do not all fit into its memory.

    Attributes:
        scan_rows: Rows that are read a second; the time for rows and for bytes adds up.
        scan_bytes: Bytes that are read a second.
        rewrite_rows: Rows that are written anew a second, without indexes.
        rewrite_bytes: Bytes of them, with TOAST.
        index_rows: Rows times log2(rows) that are sorted into an index a second, once read.
        foreign_key_rows: Rows of both tables that are compared a second, once read.
        update_rows: Rows that are updated a second in a table with one index.
        statement_seconds: What any statement costs.
    """

    scan_rows: float = 10e6
    scan_bytes: float = 200e6
    rewrite_rows: float = 1e6
    rewrite_bytes: float = 100e6
    index_rows: float = 20e6
    foreign_key_rows: float = 1e6
    update_rows: float = 100e3
    statement_seconds: float = 0.005

    def scan(self, size: TableSize) -> float:
        """Seconds to read a table."""
        return size.rows / self.scan_rows + size.heap_bytes / self.scan_bytes

    def rewrite(self, size: TableSize) -> float:
        """Seconds to write a table anew, reading included, indexes not."""
        stored = size.heap_bytes + size.toast_bytes
        return size.rows / self.rewrite_rows + stored / self.rewrite_bytes

    def index(self, size: TableSize, method: str) -> float:
        """Seconds to build an index, reading not included."""
        rows = size.rows * math.log2(max(size.rows, 2))
        return rows / self.index_rows * _SLOWER.get(method, 1)

    def foreign_key(self, size: TableSize) -> float:
        """Seconds to validate a foreign key for each of its two tables, reading not included."""
        return size.rows / self.foreign_key_rows

    def change(self, size: TableSize, moves: str | None) -> float:
        """Seconds to change all rows of a table, reading not included."""
        work = size.rows * _LIGHTER.get(moves or "", 1)
        indexes = 1 if moves == "DELETE" else len(size.indexes)
        return work * (1 + indexes) / 2 / self.update_rows


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
    sizes = {}
    for name, text in (("narrow", 0), ("wide", 400)):
        conn.execute(f"create table public.{name} (id bigint not null, a int, b bigint, c text)")
        conn.execute(
            f"insert into public.{name} select g, pg_catalog.hashint8(g), 1 + g * 7919 % {rows}, "
            f"pg_catalog.repeat('x', {text}) from pg_catalog.generate_series(1, {rows}::bigint) g"
        )
        conn.execute(f"vacuum analyze public.{name}")
        found = conn.execute(f"select pg_catalog.pg_relation_size('public.{name}')").fetchone()
        assert found is not None
        sizes[name] = found[0]

    def timed(statement: str, undo: str) -> float:
        """Seconds of a statement, the best of three: others may be at work."""
        taken = []
        for _ in range(3):
            began = time.perf_counter()
            conn.execute(statement)
            taken.append(time.perf_counter() - began)
            conn.execute(undo)
        return min(taken)

    def fit(measure: Callable[[str], float]) -> tuple[float, float]:
        """Rows and bytes a second that explain the times for both tables."""
        narrow, wide = measure("narrow"), measure("wide")
        by_byte = max((wide - narrow) / (sizes["wide"] - sizes["narrow"]), 1 / _NEVER)
        by_row = max((narrow - by_byte * sizes["narrow"]) / rows, 1 / _NEVER)
        return 1 / by_row, 1 / by_byte

    fixed = statistics.median(
        timed("comment on table public.narrow is 'x'", "select 1") for _ in range(10)
    )
    scan_rows, scan_bytes = fit(
        lambda name: timed(
            f"alter table public.{name} add constraint k check (b > 0)",
            f"alter table public.{name} drop constraint k",
        )
    )
    rewrite_rows, rewrite_bytes = fit(
        lambda name: timed(
            f"alter table public.{name} alter a type bigint",
            f"alter table public.{name} alter a type int",
        )
    )
    scan = rows / scan_rows + sizes["narrow"] / scan_bytes
    index = timed("create index i on public.narrow (a)", "drop index public.i")
    conn.execute("alter table public.narrow add primary key (id)")
    key = timed(
        "alter table public.narrow add constraint k foreign key (b) references public.narrow",
        "alter table public.narrow drop constraint k",
    )
    update = timed("update public.narrow set a = a", "vacuum public.narrow")
    return Rates(
        scan_rows,
        scan_bytes,
        rewrite_rows,
        rewrite_bytes,
        index_rows=rows * math.log2(rows) / max(index - scan, index / 10),
        foreign_key_rows=2 * rows / max(key - 2 * scan, key / 10),
        update_rows=rows / update,
        statement_seconds=fixed,
    )
