"""Proofs of a book: by the database that holds it, or by a file without one."""

from __future__ import annotations

import json
import os
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, TextIO

import typer

from tillroll import Book
from tillroll import verify as files
from tillroll.cli.lookup import BookArgument, find_book
from tillroll.cli.options import spread
from tillroll.cli.output import DONE, FAILED, USAGE, Failure, emit, failures, say, write_table
from tillroll.cli.target import Caller, translate
from tillroll.models import Checkpoint

__all__ = ["export", "verify"]


@spread
def verify(
    caller: Caller,
    book: Annotated[
        str | None, typer.Argument(metavar="[BOOK]", help="Its id, or its name.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Verify this export instead, without a database."),
    ] = None,
    root: Annotated[
        str | None, typer.Option(metavar="HEX", help="The root that was kept elsewhere.")
    ] = None,
) -> None:
    """Check a whole book: sums, chains, balances against entries; exit 1 when one fails.

    With --checkpoint a file of `tillroll export` is checked, and no database is asked: every chain,
    sum and balance, and the Merkle root over them. Whoever may write the file may write another one
    that is consistent in itself: only --root, a root that was kept out of their reach, tells.
    """
    with failures(caller.as_json, translate):
        if (book is None) == (checkpoint is None):
            raise Failure(
                "one thing is verified at a time: a book, or a file",
                fix="tillroll verify BOOK, or tillroll verify --checkpoint FILE",
                code="usage",
                exit_code=USAGE,
            )
        if checkpoint is not None:
            holds = _verify_file(checkpoint, root, caller.as_json)
        elif root is not None:
            raise Failure(
                "a root is compared with a file",
                fix="tillroll verify --checkpoint FILE --root HEX",
                code="usage",
                exit_code=USAGE,
            )
        else:
            with caller.client() as client:
                holds = _verify_book(find_book(client, str(book)), caller.as_json)
    raise typer.Exit(DONE if holds else FAILED)


def _verify_book(book: Book, as_json: bool) -> bool:
    checks = book.verify_book()
    rows = [
        (each.check_name, "holds" if each.ok else "FAILS", json.dumps(dict(each.details or {})))
        for each in checks
    ]
    emit(checks, as_json, lambda: write_table(("check", "", "details"), rows))
    return bool(checks) and all(each.ok for each in checks)


def _verify_file(path: Path, root: str | None, as_json: bool) -> bool:
    if root is not None and not re.fullmatch("[0-9a-f]{64}", root):
        raise Failure(
            f"{root!r} is no root: those have 64 hexadecimal digits in lower case",
            code="usage",
            exit_code=USAGE,
        )
    try:
        # Bytes that the format does not have stay visible as such; ends of lines stay as they are.
        with path.open(encoding="ascii", errors="replace", newline="\n") as lines:
            verdict = files.verify(lines, root=root)
    except OSError as wrong:
        raise Failure(
            f"{path} cannot be read: {wrong.strerror}", code="no_file", exit_code=USAGE
        ) from wrong

    columns = ("line", "finding", "account", "slot", "version", "transaction")
    rows = [
        (each.line, each.what, each.account_id, each.slot, each.version, each.transaction_id)
        for each in verdict.findings
    ]
    told = {
        "ok": verdict.ok,
        "book_id": verdict.book_id,
        "entries": verdict.entries,
        "root": verdict.root,
        "compared_with_root": root is not None,
        "count": verdict.count,
        "findings": verdict.findings,
    }
    emit(told, as_json, lambda: write_table(columns, rows) if rows else typer.echo(verdict.root))
    if not verdict.ok:
        say(f"{verdict.count} findings in {verdict.entries} entries: the file is not as exported")
    elif root is None:
        say(f"{verdict.entries} entries hold; no --root was given: a forged whole is not seen")
    else:
        say(f"{verdict.entries} entries hold, under the root that was kept")
    return verdict.ok


@spread
def export(
    caller: Caller,
    book: BookArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Written anew.")],
) -> None:
    """Write a book's entries and a checkpoint of them into a file, and print the Merkle root.

    The file is of one moment, also while others post. `tillroll verify --checkpoint FILE` checks it
    without a database. Keep the root where nobody can change both.
    """
    with caller.client() as client:
        found = find_book(client, book)
        with _replacing(file) as out:
            taken = found.export_checkpoint()
            _write(found, taken, out)
        told = {
            "file": str(file),
            "book_id": taken.book_id,
            "taken_at": taken.taken_at,
            "entries": taken.entries,
            "root": taken.root,
        }
        emit(told, caller.as_json, lambda: typer.echo(taken.root))
        say(f"{taken.entries} entries of {len(taken.heads)} chains")


@contextmanager
def _replacing(file: Path) -> Iterator[TextIO]:
    """Give a new file beside this one, which takes its place and its mode once it is whole."""
    half = None
    try:
        mode = file.stat().st_mode if file.exists() else None
        if mode is not None and not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
            raise Failure(f"{str(file)!r} is {kind}", code="no_file", exit_code=USAGE)
        place = file.resolve()  # what a symbolic link means is replaced, not the link
        half = place.with_name(f".{uuid.uuid4().hex}.part")
        # Not by tempfile: a file that is new gets the mode that the user's umask says.
        with half.open("x", encoding="ascii", newline="\n") as out:
            if mode is not None:
                os.fchmod(out.fileno(), stat.S_IMODE(mode))
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(half, place)
    except OSError as wrong:
        raise Failure(
            f"{file} cannot be written: {wrong.strerror}", code="no_file", exit_code=USAGE
        ) from wrong
    finally:
        if half is not None:
            with suppress(OSError):
                half.unlink()


def _write(book: Book, taken: Checkpoint, out: TextIO) -> None:
    """Write what the checkpoint covers: it came first, and what was posted since is left out."""
    versions = {(head.account_id, head.slot): head.version for head in taken.heads}
    accounts = {head.account_id for head in taken.heads}
    written = 0
    out.write(files.header_line(taken.book_id))
    for account in book.accounts():
        if account.id in accounts:
            out.write(files.account_line(account.id, account.currency))
    for entry in book.entries():
        if entry.version > versions.get((entry.account_id, entry.slot), 0):
            continue
        out.write(
            files.entry_line(
                account_id=entry.account_id,
                slot=entry.slot,
                version=entry.version,
                transaction_id=entry.transaction_id,
                leg=entry.leg,
                amount=entry.amount,
                balance_after=entry.balance_after,
                booked_at=entry.booked_at,
                effective_on=entry.effective_on,
                hash=entry.hash,
            )
        )
        written += 1
    for head in taken.heads:
        out.write(files.head_line(head.account_id, head.slot, head.version, head.hash))
    out.write(files.checkpoint_line(taken.entries, taken.root))
    if written != taken.entries:
        raise Failure(
            f"{written} entries were read where the checkpoint has {taken.entries}",
            fix=f"tillroll verify {book.id}",
            code="incomplete",
        )
