"""Run the parts of the proof one after the other, and report what they show.

    make reliability          or: python -m tests.reliability [--seed 7] [--only crash storm] …
    python -m tests.reliability report FOLDER [--html FILE] [--markdown FILE]

A seed repeats a run: each part draws everything from it. What a part has shown is kept as soon as
it ends, so that a run which was interrupted goes on where it was, when it is started again with its
seed. Exit 1 when a check fails.
"""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom

import pytest
from rich.console import Console
from rich.markup import escape

from tests import conftest
from tests.reliability import record, report
from tests.reliability.parts import PARTS, Listed
from tests.reliability.proof import Run, Size
from tests.reliability.record import Record

FOLDER = Path(".tillroll/reliability")
SHOWN = 12
INTERRUPTED = 130
talk = Console(stderr=True, highlight=False)


def perform(listed: Listed, seed: int, size: Size, folder: Path) -> Record:
    """Run one part; whatever it raises is a check that fails."""
    own = folder / listed.name
    own.mkdir(parents=True, exist_ok=True)
    run = Run(listed.name, seed, size, own, say=lambda line: talk.print(f"[dim]{escape(line)}"))
    try:
        listed.run(run)
    # A server that is missing skips a test, and skipped is not shown.
    except (Exception, pytest.skip.Exception, pytest.fail.Exception) as error:
        talk.print(escape(traceback.format_exc()))
        told = f"{type(error).__name__}: {error}"
        run.check(record.ENDS, bar="no exception", measured=told[:500], ok=False)
    if not run.checks:
        run.check(record.CHECKS, bar="≥ 1", measured=0, ok=False)
    return record.record_of(listed, run)


def finished(listed: Listed, seed: int, size: Size, folder: Path) -> Record | None:
    """What an earlier run of the same seed and size has kept of a part."""
    file = folder / f"{listed.name}.json"
    kept = record.read(file) if file.exists() else None
    return kept if kept and (kept.seed, kept.size) == (seed, size) else None


def perform_all(
    parts: Sequence[Listed], seed: int, size: Size, folder: Path, *, again: bool
) -> None:
    """Run what is not finished, and keep a record of each part as it ends."""
    for number, listed in enumerate(parts, 1):
        place = f"[bold]{number}/{len(parts)} {listed.name}[/]"
        kept = None if again else finished(listed, seed, size, folder)
        if kept is None:
            talk.print(f"{place}  {escape(listed.title)}")
            kept = perform(listed, seed, size, folder)
            record.write(kept, folder)
            tell(kept)
        else:
            talk.print(f"{place}  finished before, at {kept.ended}")


def tell(done: Record) -> None:
    """Say what a part did and what failed of it."""
    for step in done.plan[:SHOWN]:
        talk.print(f"    plan  {escape(step)}")
    if len(done.plan) > SHOWN:
        talk.print(f"    plan  … and {len(done.plan) - SHOWN} more, in {done.part}.json")
    for check in done.checks:
        if not check.ok:
            said = f"{check.name}: {check.measured} (bar: {check.bar})"
            talk.print(f"    [red]FAILS[/] {escape(said)}")
    verdict = "[green]holds[/]" if done.ok else "[red]FAILS[/]"
    talk.print(f"    {verdict}  {len(done.checks)} checks, {done.seconds:,.0f} s")


def chosen(names: Sequence[str] | None, parts: Sequence[Listed]) -> list[Listed]:
    """The parts of these names, or all, in their fixed order."""
    return [listed for listed in parts if not names or listed.name in names]


def options_of_run(parts: Sequence[Listed]) -> argparse.ArgumentParser:
    """What `make reliability` takes."""
    options = argparse.ArgumentParser(
        prog="python -m tests.reliability",
        description=(__doc__ or "").splitlines()[0],
        epilog="python -m tests.reliability report FOLDER renders what a run has kept.",
    )
    add = options.add_argument
    names = [listed.name for listed in parts]
    add("--seed", type=int, help="repeats a run; without it one is drawn")
    add("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    add("--short", action="store_true", help="the forms of `make test`: seconds, lower bars")
    add("--again", action="store_true", help="run also what is finished")
    add("--folder", type=Path, help=f"for what is kept; {FOLDER}/SEED")
    add_outputs(options)
    return options


def add_outputs(options: argparse.ArgumentParser) -> None:
    """Where reports go, beside the terminal."""
    options.add_argument("--html", type=Path, metavar="FILE", help="write a page into it")
    options.add_argument(
        "--markdown", type=Path, metavar="FILE", help="put the table between its markers there"
    )


def publish(
    records: Sequence[Record],
    parts: Sequence[Listed],
    *,
    html: Path | None,
    markdown: Path | None,
) -> int:
    """Print and write the reports; the exit code says whether everything holds."""
    if not records:
        talk.print("nothing has finished")
        return 1
    Console(width=max(Console().width, 100)).print(report.table(records))
    if html:
        html.write_text(report.page(records, parts))
        talk.print(f"wrote {html}")
    if markdown:
        report.insert(report.markdown(records), markdown)
        talk.print(f"wrote {markdown}")
    return 0 if all(done.ok for done in records) else 1


def render(arguments: Sequence[str], parts: Sequence[Listed]) -> int:
    """Make the reports of a run from what it has kept."""
    options = argparse.ArgumentParser(prog="python -m tests.reliability report")
    options.add_argument("folder", type=Path, help="of a run")
    add_outputs(options)
    given = options.parse_args(arguments)
    records = record.read_all(given.folder, parts)
    return publish(records, parts, html=given.html, markdown=given.markdown)


def main(arguments: Sequence[str], parts: Sequence[Listed] = PARTS) -> int:
    """Run or render; return the exit code."""
    if arguments[:1] == ["report"]:
        return render(arguments[1:], parts)
    given = options_of_run(parts).parse_args(arguments)
    seed = SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    size: Size = "short" if given.short else "long"
    folder = given.folder or FOLDER / (f"{seed}-short" if given.short else f"{seed}")
    folder.mkdir(parents=True, exist_ok=True)
    todo = chosen(given.only, parts)
    talk.print(f"seed {seed}, {size} form, kept in {folder}")
    talk.print("parts: " + ", ".join(listed.name for listed in todo))
    try:
        perform_all(todo, seed, size, folder, again=given.again)
    except KeyboardInterrupt:
        repeated = f"--seed {seed}{' --short' if given.short else ''}"
        repeated += f" --folder {given.folder}" if given.folder else ""
        talk.print(f"interrupted; started again with {repeated} it goes on")
        return INTERRUPTED
    # All of the run, also what an earlier start of it has finished.
    records = [kept for listed in parts if (kept := finished(listed, seed, size, folder))]
    return publish(records, parts, html=given.html, markdown=given.markdown)


if __name__ == "__main__":
    # A run that is told to end stops its servers first, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = main(sys.argv[1:])
    finally:
        conftest.pytest_sessionfinish()  # the servers that parts share with the tests
    sys.exit(code)
