"""The authorization matrix: who may do what with which object, and with which of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tillroll.migrate.access import as_roles, migrated
from tillroll.migrate.errors import UsageError
from tillroll.migrate.lockfile import differences, read_lock, write_lock
from tillroll.migrate.rights import ROWS, Facts, read_rights

__all__ = ["ROLES", "AccessChange", "MatrixResult", "matrix"]

ROLES = ("anon", "authenticated", "authenticator", "public", "service_role")
_KIND = "authorization 1"

Effect = Literal["widened", "narrowed"]


@dataclass(frozen=True)
class AccessChange:
    """One cell of the matrix in which lock and database differ.

    Attributes:
        effect: `widened` also where it cannot be told, as where a policy reads differently.
        object: `table app.notes`, `function app.f(integer)`, `role anon` …
        aspect: A verb; else `policies`, `opens as …`, `runs`, `may become`.
        item: The role; the policy's name, the table that a view opens …
        before: What the lock says; None where it says nothing.
        after: What the database says.
    """

    effect: Effect
    object: str
    aspect: str
    item: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        values = f"{self.before or 'nothing'} -> {self.after or 'nothing'}"
        return f"{self.effect.upper()} {self.object}: {self.aspect}: {self.item}: {values}"


@dataclass(frozen=True)
class MatrixResult:
    """The matrix against its lock.

    Attributes:
        lock: The lock file.
        objects: How many the matrix has.
        changes: Those that widen something first.
        accepted: Whether nothing is widened, or that was acknowledged.
        written: Whether the lock was written.
        agrees: Whether the lock says what the database says, now.
    """

    lock: str
    objects: int
    changes: tuple[AccessChange, ...]
    accepted: bool
    written: bool
    agrees: bool


def matrix(
    folder: Path,
    lock: Path,
    *,
    roles: Sequence[str] = ROLES,
    platform: Path | None = None,
    db_url: str | None = None,
    write: bool = False,
    accept_widening: bool = False,
) -> MatrixResult:
    """Build the database from its migrations, read who may do what, and compare with the lock.

    Args:
        folder: The migrations.
        lock: The lock file.
        roles: Whose rights; `public` stands for a role that was granted nothing by name.
        platform: What is there before any migration; its schemas, but `public`, are left out.
        db_url: A superuser's URL of a server to build on; else one is started.
        write: Write the lock, unless something is widened that is not accepted.
        accept_widening: Accept all that is widened.

    Raises:
        UsageError: The folder, a file, the lock or a role is not usable.
        GateFailed: A migration does not apply.
        ConnectionFailed: There is no server.
    """
    before = read_lock(lock, _KIND)
    with migrated(folder, platform, db_url) as (conn, platforms):
        with as_roles(conn, roles) as real:
            after = read_rights(conn, real, platforms)
    found = () if before is None else compare_matrices(before, after)
    changes = tuple(sorted(found, key=lambda each: each.effect != "widened"))
    accepted = accept_widening or all(each.effect != "widened" for each in changes)
    written = write and accepted and before != after
    if written:
        write_lock(lock, _KIND, after)
    return MatrixResult(
        str(lock), len(after), changes, accepted, written, agrees=written or before == after
    )


def compare_matrices(before: Facts, after: Facts) -> Iterator[AccessChange]:
    """Give each cell that differs.

    Raises:
        UsageError: One of the two is no matrix.
    """
    try:
        for thing in sorted(before.keys() | after.keys()):
            for aspect, item, was, now in differences(before.get(thing, {}), after.get(thing, {})):
                effect: Effect = "widened" if _wider(aspect, was, now) else "narrowed"
                yield AccessChange(effect, thing, aspect, item, was, now)
    except AttributeError as error:
        raise UsageError("the lock file is damaged: write it anew") from error


def _wider(aspect: str, was: str | None, now: str | None) -> bool:
    if aspect == "policies":
        if was is not None and now is not None:
            return True
        # A permissive one lets rows through, a restrictive one keeps rows back.
        return (now is not None) == (was or now or "").startswith("permissive")
    if was is None or now is None:
        return now is not None
    rows, columns = _read(now)
    rows_before, columns_before = _read(was)
    if rows in ROWS and rows_before in ROWS:
        more = ROWS.index(rows) > ROWS.index(rows_before)
        return more or (columns_before is not None and not (columns or {""}) <= columns_before)
    return not was.startswith(now) and now != was.replace("search_path open", "search_path pinned")


def _read(value: str) -> tuple[str, set[str] | None]:
    """Take `policy (id, name)` apart; None stands for every column."""
    rows, _, columns = value.partition(" (")
    return rows, set(columns.removesuffix(")").split(", ")) if columns else None
