"""The runner's own speed: a thousand small files, beside what psql takes for all of them at once,
and how long a reader waits behind a change that itself waits.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rich import box
from rich.table import Table

from tests.conftest import ROOT, Cluster, Database
from tillroll.migrate import LockContention, Runner, Sources, check
from tillroll.server import find_binaries

FILES = 1000
TEXT = """\
-- step {n}
create table public.t{n} (id int primary key, note text);
comment on table public.t{n} is 'the table of step {n}';
"""


def measure(cluster: Cluster, rounds: int, say: Callable[[str], None]) -> Table:
    """Measure all of it; the runner and psql in turn, so that a slow minute hits both."""
    shown = Table(title="The migration runner", box=box.SIMPLE, padding=(0, 1, 0, 0))
    shown.add_column("what", no_wrap=True)
    for head in ("seconds", "bar"):
        shown.add_column(head, justify="right", no_wrap=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(FILES):
            path = folder / f"{20260101000000 + number}_step{number}.sql"
            path.write_text(TEXT.format(n=number))
        ups, whole, statuses, foreign = [], [], [], []
        for _ in range(rounds):
            theirs, ours = cluster.database("bare"), cluster.database("bare")
            whole.append(_psql(theirs, folder))
            runner = Runner(ours.dsn(), folder)
            ups.append(_timed(lambda runner=runner: runner.up()))  # type: ignore[misc]
            statuses.append(_timed(lambda runner=runner: runner.status()))  # type: ignore[misc]
            with ours.connect() as conn:
                conn.execute("drop table supabase_migrations.runner_file")
            foreign.append(_timed(lambda runner=runner: runner.status()))  # type: ignore[misc]
            say(f"psql -1 {whole[-1]:.2f} s, up {ups[-1]:.2f} s, status {statuses[-1]:.2f} s")
            cluster.drop(theirs)
            cluster.drop(ours)
    bar = 1.5 * statistics.median(whole) + FILES / 1000
    shown.add_row(f"psql -1, {FILES:,} files as one", f"{statistics.median(whole):.2f}", "")
    shown.add_row(f"up, {FILES:,} files", f"{statistics.median(ups):.2f}", f"{bar:.2f}")
    shown.add_row(f"status, {FILES:,} applied files", f"{statistics.median(statuses):.2f}", "1.50")
    shown.add_row("the same, applied by the CLI", f"{statistics.median(foreign):.2f}", "1.50")
    sources = Sources(ROOT, (ROOT / "sql", ROOT / "functions"), ROOT / "sql/platform")
    checked = _timed(lambda: check(sources, ROOT / "supabase/migrations"))
    shown.add_row("check of this project, with its server", f"{checked:.2f}", "10.00")
    for timeout in (0.1, 0.5, 3.0):
        found = _reader(cluster.database("bare"), timeout)
        shown.add_row(f"longest wait of a reader, lock_timeout {timeout} s", f"{found:.2f}", "")
    return shown


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _psql(database: Database, folder: Path) -> float:
    """Run all files as one transaction."""
    text = "".join(path.read_text() for path in sorted(folder.iterdir()))
    command = [
        str(find_binaries() / "psql"),
        "-q1",
        "-v",
        "ON_ERROR_STOP=1",
        "-f",
        "-",
        database.dsn(),
    ]
    return _timed(lambda: subprocess.run(command, input=text, text=True, check=True))


def _reader(database: Database, lock_timeout: float) -> float:
    """How long a reader of a table waits at most, while a change of it waits for a long query."""
    waits: list[float] = []
    over = threading.Event()

    def read() -> None:
        with database.connect() as conn:
            while not over.is_set():
                waits.append(_timed(lambda: conn.execute("select from public.busy")))

    with tempfile.TemporaryDirectory() as name, database.connect() as holder:
        (Path(name) / "20260101000000_busy.sql").write_text(
            "alter table public.busy add column n int;"
        )
        holder.execute("create table public.busy ()")
        holder.execute("begin; select from public.busy")
        reader = threading.Thread(target=read)
        reader.start()
        try:
            Runner(database.dsn(), name, wait=8, lock_timeout=lock_timeout).up()
        except LockContention:
            pass
        finally:
            over.set()
            reader.join()
    return max(waits)
