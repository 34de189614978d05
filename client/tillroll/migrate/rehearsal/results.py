"""What a rehearsal tells."""

from __future__ import annotations

from dataclasses import dataclass

from tillroll.migrate.rehearsal.observe import Mode
from tillroll.migrate.rehearsal.rates import Rates

__all__ = ["Lock", "OverBudget", "Rehearsal", "RehearsedFile", "Scan", "StatementEffect"]


@dataclass(frozen=True)
class Lock:
    """A lock that a statement takes, on a table that was there before its file.

    Attributes:
        mode: In Postgres's words; an index's lock is told as its table's.
        relation: Schema and name, quoted where they need it.
        held_seconds: Projected, from the statement to the end of the file's transaction; None
            without sizes.
    """

    mode: Mode
    relation: str
    held_seconds: float | None


@dataclass(frozen=True)
class Scan:
    """A table that was there before the file and is read as a whole, and how often."""

    relation: str
    times: int


@dataclass(frozen=True)
class StatementEffect:
    """What a statement does to tables that were there before its file.

    Attributes:
        number: In the file, from 1.
        line: Where its code begins in the file, from 1.
        column: In characters, from 1.
        text: Without the comments before it.
        seconds_projected: How long it runs; None without sizes.
        locks: Those that it takes and that the file did not hold already; the strongest on each
            table, plain reading left out.
        rewrites: Tables that get a new file.
        scans: Tables that are read as a whole.
        index_builds: The table of each index that is built.
    """

    number: int
    line: int
    column: int
    text: str
    seconds_projected: float | None
    locks: tuple[Lock, ...]
    rewrites: tuple[str, ...]
    scans: tuple[Scan, ...]
    index_builds: tuple[str, ...]


@dataclass(frozen=True)
class RehearsedFile:
    """A pending file.

    Attributes:
        transactional: Whether it runs as a whole, so that its locks are held to its end.
    """

    version: str
    name: str
    transactional: bool
    statements: tuple[StatementEffect, ...]


@dataclass(frozen=True)
class OverBudget:
    """A lock that blocks writes and would be held for too long.

    Attributes:
        file: The file's name.
        line: Of the statement that takes the lock.
        column: In characters, from 1.
        statement: Its number in the file.
        relation: The table.
        mode: Of the lock.
        held_seconds: Projected.
        slowest_statement: The number of the one that most of them go to.
        instead: What to do.
    """

    file: str
    line: int
    column: int
    statement: int
    relation: str
    mode: Mode
    held_seconds: float
    slowest_statement: int
    instead: str

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}:{self.column}: statement {self.statement} would hold "
            f"{self.mode} on {self.relation} for {self.held_seconds:.1f} s\n"
            f"  instead: {self.instead}"
        )


@dataclass(frozen=True)
class Rehearsal:
    """What the pending files would do.

    Attributes:
        files: The pending ones, by version.
        over_budget: Locks that would block writes for longer than the budget, the first of each
            file and table.
        budget_seconds: The budget; None without sizes.
        rates: What is reckoned with; None without sizes.
        server_version: Of the server that it was rehearsed on.
        ignored: .sql files that are not named `<14 digits>_<name>.sql`.
    """

    files: tuple[RehearsedFile, ...]
    over_budget: tuple[OverBudget, ...]
    budget_seconds: float | None
    rates: Rates | None
    server_version: str
    ignored: tuple[str, ...]
