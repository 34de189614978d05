"""What every command shares: data to stdout, talk to stderr, exit codes, one form of error."""

from __future__ import annotations

import dataclasses
import datetime
import json
import signal
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any
from unicodedata import category

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = [
    "DONE",
    "FAILED",
    "INTERRUPTED",
    "USAGE",
    "Failure",
    "Json",
    "as_text",
    "emit",
    "failures",
    "jsonable",
    "say",
    "stoppable",
    "talk",
    "visible",
    "write_error",
    "write_json",
    "write_table",
]

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for programs.")]

_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}  # C0 and C1, half surrogates, ends of lines and paragraphs

talk = Console(stderr=True, highlight=False, soft_wrap=True)


class Failure(Exception):
    """What a command ends with when it could not do its work.

    Args:
        message: What failed, and why.
        fix: The command, or the change, that puts it right.
        code: Stable name of the failure, for `--json`.
        exit_code: 1 failed, 2 usage; else as the command documents.
        facts: More fields of the JSON form.
        note: More for people, in a line of its own: the JSON form has it as facts.
        lines: The message is ours and has several lines; a server's never has.
    """

    def __init__(
        self,
        message: str,
        *,
        fix: str = "",
        code: str = "failed",
        exit_code: int = FAILED,
        facts: Mapping[str, Any] | None = None,
        note: str = "",
        lines: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.code = code
        self.exit_code = exit_code
        self.facts = dict(facts or {})
        self.note = note
        self.lines = lines


def visible(text: str) -> str:
    """Return a text in one line, its control characters escaped: they could rewrite a terminal."""
    return "".join(
        each.encode("unicode_escape").decode() if category(each) in _UNSEEN else each
        for each in text.replace("\t", " ")
    )


def say(message: str) -> None:
    """Tell the person something, on stderr; never markup, no control characters but line ends."""
    talk.print("\n".join(map(visible, message.split("\n"))), markup=False)


@contextmanager
def failures(as_json: bool, translate: Callable[[Exception], Failure | None]) -> Iterator[None]:
    """End the process as a command should: errors told once, Ctrl-C as 130.

    Args:
        as_json: Also write the document of the error to stdout.
        translate: Makes a Failure of an exception that the command expects, None of others.
    """
    try:
        yield
    except (KeyboardInterrupt, typer.Abort):  # the second one is how a question ends
        say("interrupted")
        if as_json:
            write_error("interrupted", "interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        # The reader (`head`) has gone: nobody is left to be told, not even by the flush at exit.
        sys.stdout = None
        raise typer.Exit(FAILED) from None
    except Exception as error:
        failure = error if isinstance(error, Failure) else translate(error)
        if failure is None:
            raise
        _report(failure, as_json)
        raise typer.Exit(failure.exit_code) from error


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM, and a terminal that is closed, end what runs inside as Ctrl-C does.

    What the process ignores, as under `nohup`, it goes on ignoring.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    ends = {number: how for number, how in before.items() if how != signal.SIG_IGN}
    for number in ends:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in ends.items():
            signal.signal(number, handler)


def _report(failure: Failure, as_json: bool) -> None:
    talk.print("error: ", style="bold red", end="", markup=False)
    say(failure.message if failure.lines else visible(failure.message))
    if failure.note:
        say(f"  {visible(failure.note)}")
    if failure.fix:
        say(f"  fix: {visible(failure.fix)}")
    if as_json:
        write_error(failure.code, failure.message, failure.fix, failure.facts)


def jsonable(value: Any) -> Any:
    """Return `value` as JSON knows it: models as objects, ids and dates as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: jsonable(getattr(value, each.name)) for each in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(each) for each in value]
    if isinstance(value, datetime.date | datetime.datetime):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    return value


def as_text(value: Any) -> str:
    """Return a value as one JSON document with a line's end.

    A byte of a file's name that is no UTF-8 becomes half a surrogate, as JSON writes it.
    """
    text = json.dumps(jsonable(value), ensure_ascii=False, indent=2, allow_nan=False)
    return text.encode(errors="backslashreplace").decode() + "\n"


def write_json(value: Any) -> None:
    """Write one JSON document and a line's end to stdout."""
    sys.stdout.write(as_text(value))
    sys.stdout.flush()


def write_error(
    code: str, message: str, fix: str = "", facts: Mapping[str, Any] | None = None
) -> None:
    """Write an error as a document to stdout: `{"error": {"code", "message", "fix", …}}`."""
    write_json({"error": {"code": code, "message": message, "fix": fix, **(facts or {})}})


def emit(value: Any, as_json: bool, show: Callable[[], None]) -> None:
    """Write `value` as JSON, or call `show` for people."""
    if as_json:
        write_json(value)
    else:
        show()


def write_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()
) -> None:
    """Write a table to stdout, a row a line where stdout is no terminal.

    Args:
        columns: Headings.
        rows: Cells, shown by `str` with control characters escaped, None as nothing.
        right: Headings of the columns to align right: amounts and counts.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    aligned = set(right)
    for name in columns:
        # Folded where the terminal is narrow: data are never cut off.
        table.add_column(name, justify="right" if name in aligned else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else visible(str(cell))) for cell in row))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 400)
    console.print(table)
