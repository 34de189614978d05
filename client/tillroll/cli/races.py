"""`tillroll races`: the race lab, on a server of its own that is gone afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console

from tillroll.cli.output import (
    DONE,
    FAILED,
    USAGE,
    Failure,
    Json,
    emit,
    failures,
    jsonable,
    say,
    stoppable,
    talk,
    write_json,
    write_table,
)
from tillroll.migrate import MigrateError
from tillroll.races import RACES, Lab, LabError, Race, RaceRecord
from tillroll.races import run as step
from tillroll.races.bench import ACCOUNTS, Measured, summary
from tillroll.races.bench import bench as measure
from tillroll.races.page import page
from tillroll.races.timeline import WIDTH, write_timeline
from tillroll.server import ServerError

__all__ = ["app"]

app = typer.Typer(
    name="races",
    help="What goes wrong when money moves at the same time, run live and step by step.",
    no_args_is_help=True,
)

PgBin = Annotated[
    Path | None,
    typer.Option(help="A folder with another Postgres; else $TILLROLL_PG_BIN, the wheel's."),
]


@app.command(name="list")
def list_(as_json: Json = False) -> None:
    """List the races: name, title, and the question of each."""
    with failures(as_json, _translate):
        rows = [(race.name, race.title, race.question) for race in RACES]
        columns = ("name", "title", "question")
        known = [dict(zip(columns, row, strict=True)) for row in rows]
        emit(known, as_json, lambda: write_table(columns, rows))


@app.command()
def run(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Run every race.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write one page for the browser, self-contained."),
    ] = None,
    pg_bin: PgBin = None,
    as_json: Json = False,
) -> None:
    """Run races, and show what each session did, and when.

    A race has at least three acts: the code that one writes first, the same under another
    isolation level or lock, and the ledger's own function. Its sessions are real ones, stepped one
    after the other, on a small server that is started for it and gone afterwards.

    Exit: 0 when all went as the races claim, 1 when something did not, 2 for an unknown name,
    130 after Ctrl-C.
    """
    with failures(as_json, _translate), stoppable(), _on_this_machine():
        races = _chosen(names or [], everything)
        if html is not None and (html.is_dir() or not html.absolute().parent.is_dir()):
            raise Failure(
                f"{html} cannot be written: it is a folder, or its own is not there",
                fix="make the folder, or name another file",
                code="usage",
                exit_code=USAGE,
            )
        records: list[RaceRecord] = []
        with ExitStack() as cleanup:
            with _doing("start the lab"):
                lab = cleanup.enter_context(Lab(pg_bin))
            for number, race in enumerate(races, 1):
                with _doing(f"{number} of {len(races)}: {race.name}"):
                    records.append(step(race, lab))
                if not as_json:
                    write_timeline(records[-1], _stdout())
        if html is not None:
            html.write_text(page(records), encoding="utf-8")
            say(f"wrote {html}")
        if as_json:
            write_json({"as_claimed": _as_claimed(records), "races": list(map(_told, records))})
        _conclude(records)
    raise typer.Exit(DONE if _as_claimed(records) else FAILED)


@app.command()
def bench(
    seconds: Annotated[int, typer.Option(min=1, help="Of each measurement.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="Of all; the median of them counts.")] = 1,
    clients: Annotated[int, typer.Option(min=1, max=64, help="At the same time.")] = 16,
    accounts: Annotated[
        list[int] | None,
        typer.Option(min=2, show_default="2, 10 and 1000", help="How many there are; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure what each way to move money costs: rate, aborts, latency, money that went astray.

    Seven ways to write one transfer, between random accounts: the fewer there are, the more often
    two transfers meet. pgbench drives them and repeats what is aborted; a transfer's time counts
    all its repetitions. fsync is on. Nothing else should run meanwhile.
    """
    with failures(as_json, _translate), stoppable(), _on_this_machine():
        lines = measure(
            seconds=seconds,
            rounds=rounds,
            clients=clients,
            accounts=accounts or ACCOUNTS,
            progress=say,
        )
        emit(summary(lines), as_json, lambda: _show(lines))


def _show(lines: Sequence[Measured]) -> None:
    columns = ("accounts", "way", "level", "per second", "aborted", "p50", "p99", "astray")
    rows = [
        (
            f"{line.accounts:,}",
            line.way,
            line.level,
            f"{line.per_second:,.1f}",
            f"{line.aborted:.1%}",
            f"{line.p50_ms:,.1f} ms",
            f"{line.p99_ms:,.0f} ms",
            f"{line.astray:+,}" if line.astray else "0",
        )
        for line in lines
    ]
    write_table(columns, rows, right={*columns} - {"way", "level"})


def _chosen(names: Sequence[str], everything: bool) -> list[Race]:
    known = {race.name: race for race in RACES}
    if everything == bool(names):
        raise Failure(
            "name the races to run, or say --all",
            fix="tillroll races list",
            code="usage",
            exit_code=USAGE,
        )
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise Failure(
                f"there is no race {name}",
                fix=f"tillroll races run {near[0]}" if near else "tillroll races list",
                code="unknown_race",
                exit_code=USAGE,
                facts={"name": name, "nearest": near[0] if near else None},
            )
    return list(RACES) if everything else [known[name] for name in dict.fromkeys(names)]


def _stdout() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDTH)


@contextmanager
def _doing(what: str) -> Iterator[None]:
    """Tell what is being done. Nothing is printed meanwhile: rich would take it to stderr."""
    if not talk.is_terminal:
        say(what)
    with talk.status(what) if talk.is_terminal else nullcontext():
        yield


def _told(record: RaceRecord) -> dict[str, Any]:
    return {**jsonable(record), "as_claimed": record.as_claimed}


def _as_claimed(records: Sequence[RaceRecord]) -> bool:
    return all(record.as_claimed for record in records)


def _conclude(records: Sequence[RaceRecord]) -> None:
    for record in records:
        for act in record.acts:
            for surprise in act.surprises:
                say(f"{record.name}, {act.title}: {surprise}")
    odd = sum(not record.as_claimed for record in records)
    verdict = f"{odd} NOT as claimed" if odd else "as claimed"
    say(f"races run: {len(records)}, {verdict}; nothing is left running")


@contextmanager
def _on_this_machine() -> Iterator[None]:
    """Hide the variables by which libpq would go elsewhere, or set a level that is not the race's.

    PGHOSTADDR and PGSERVICE win over the host of a URL, PGOPTIONS over the server's settings.
    """
    hidden = {name: value for name, value in os.environ.items() if name.startswith("PG")}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def _translate(error: Exception) -> Failure | None:
    if isinstance(error, ServerError):
        return Failure(str(error), code="server", lines=True)
    if isinstance(error, LabError | MigrateError | psycopg.Error):
        return Failure(f"the lab failed: {error}", code="lab", lines=True)
    if isinstance(error, OSError):
        return Failure(str(error), code="os")
    return None
