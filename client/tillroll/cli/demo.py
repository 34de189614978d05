"""`tillroll demo`: the library's demo, with a bar, tables and an exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from tillroll.cli.output import (
    DONE,
    FAILED,
    USAGE,
    Failure,
    Json,
    emit,
    failures,
    say,
    stoppable,
    talk,
    write_table,
)
from tillroll.errors import TillrollError
from tillroll.local.demo import DemoReport, run
from tillroll.local.household import HouseholdError
from tillroll.local.stack import StackError

__all__ = ["demo"]


def demo(
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Your bookings, as CSV; else the year that ships."),
    ] = None,
    calls: Annotated[int, typer.Option(min=1, help="Calls of the race.")] = 4000,
    clients: Annotated[int, typer.Option(min=1, max=64, help="Clients of the race.")] = 16,
    seed: Annotated[int, typer.Option(help="Of the race's amounts and pairs.")] = 1,
    as_json: Json = False,
) -> None:
    """Start a stack, book a household's year, race clients at a few accounts, check, stop.

    All of it happens in a temporary directory, on free ports, and is gone afterwards. Exit: 0 when
    every check holds, 1 when one does not, 2 when the file is wrong, 130 after Ctrl-C.

    --file takes a CSV in UTF-8 with the columns date, from, to, amount, currency, description.
    Dates are 2025-12-31, amounts 12.34 with no more places than the currency has. Accounts are
    codes such as assets:bank, liabilities:card, income:salary, expenses:food, equity:opening: the
    first part says the type, each code has one currency, and each is opened as it appears.

    Rows are booked by date, within a day in the file's order. No asset may go below zero, nor
    liabilities:card below 500,000 minor units of credit, so begin with opening balances. The whole
    file is tried out first: what is wrong is named by line and column, all of it, and then nothing
    is posted.
    """
    with failures(as_json, _translate), stoppable():
        if file is not None and not file.is_file():
            raise Failure(
                f"there is no file {file}",
                fix="name a CSV: tillroll demo --file YOUR.csv",
                code="no_file",
                exit_code=USAGE,
            )
        with _progress() as progress:
            report = run(file, calls=calls, clients=clients, seed=seed, progress=progress)
        emit(report, as_json, lambda: _show(report))
    raise typer.Exit(DONE if report.ok else FAILED)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal, a line a stage elsewhere; on stderr either way."""
    if not talk.is_terminal:
        told: set[str] = set()

        def line(stage: str, done: int, total: int) -> None:
            if stage not in told:
                told.add(stage)
                say(stage)

        yield line
        return
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=talk) as bars:
        stages: dict[str, TaskID] = {}

        def bar(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=total)
            bars.update(stages[stage], completed=done, total=total)

        yield bar


def _show(report: DemoReport) -> None:
    write_table(
        ("account", "type", "balance", "currency"),
        [(each.code, each.type, each.shown, each.currency) for each in report.accounts],
        right=("balance",),
    )
    race = report.race
    speed = report.bookings / report.bookings_seconds
    typer.echo()
    write_table(
        ("what", ""),
        [
            ("bookings of the year", f"{report.bookings:,}"),
            ("bookings per second", f"{speed:,.0f}"),
            ("clients of the race", f"{race.clients:,}"),
            ("calls", f"{race.calls:,}"),
            ("requests, each fifth call twice", f"{race.requests:,}"),
            ("posted", f"{race.accepted:,}"),
            ("replays", f"{race.replays:,}"),
            ("refusals, for lack of funds", f"{race.refusals:,}"),
            ("retries", f"{race.retries:,}"),
            ("deadlocks", f"{race.deadlocks:,}"),
            ("calls per second", f"{race.calls_per_second:,.0f}"),
            ("p50", f"{race.p50_ms:.1f} ms"),
            ("p99", f"{race.p99_ms:.1f} ms"),
        ],
        right=("",),
    )
    typer.echo()
    write_table(
        ("check", "", "what is wrong"),
        [(c.name, "holds" if c.ok else "FAILS", "; ".join(c.wrong)) for c in report.checks],
    )
    verdict = "every check holds" if report.ok else "NOT every check holds"
    say(f"{verdict}; {report.seconds:.1f} s in all, and nothing is left running")


def _translate(error: Exception) -> Failure | None:
    if isinstance(error, HouseholdError):
        return Failure(
            f"the file cannot be booked, and nothing was posted\n{error}",
            fix="correct these places; `tillroll demo --help` says what a file looks like",
            code="invalid_file",
            exit_code=USAGE,
            facts={"problems": list(error.problems), "total": error.total},
            lines=True,
        )
    if isinstance(error, StackError):
        return Failure(str(error), code="stack", lines=True)
    if isinstance(error, TillrollError):
        return Failure(f"a call failed: {error}", code=getattr(error, "code", None) or "call")
    if isinstance(error, OSError):
        return Failure(str(error), code="os")
    return None
