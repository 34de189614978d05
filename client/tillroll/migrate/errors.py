"""What can go wrong, by exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = [
    "Blocker",
    "ConnectionFailed",
    "GateFailed",
    "HistoryDivergent",
    "LockContention",
    "MigrateError",
    "MigrationFailed",
    "PartWay",
    "Unfinished",
    "UsageError",
]


class MigrateError(Exception):
    """The root of the runner's errors; the message says what failed, why, and what to do."""

    exit_code = 1
    code = "failed"

    def details(self) -> dict[str, object]:
        """What else is known, as data."""
        return {}


class UsageError(MigrateError):
    """The folder, a file, an option or the role is not usable; nothing was touched."""

    exit_code = 2
    code = "usage"


class ConnectionFailed(MigrateError):
    """The server cannot be reached or used, was lost, or is a transaction pooler."""

    exit_code = 5
    code = "connection"


@dataclass(frozen=True)
class Blocker:
    """A session that stood in the way.

    Attributes:
        pid: Of its server process.
        role: Its role; None where this role may not see it.
        application: What it calls itself.
        state: `active`, `idle in transaction` …
        seconds: Since its transaction began.
        query: What it runs, or ran last; its beginning.
    """

    pid: int
    role: str | None
    application: str | None
    state: str | None
    seconds: float | None
    query: str | None

    def __str__(self) -> str:
        since = "" if self.seconds is None else f" for {self.seconds:.0f} s"
        who = " ".join(filter(None, (self.role, self.application and f"({self.application})")))
        return f"pid {self.pid} {who}: {self.state or 'hidden'}{since}: {self.query or '?'}"


def _held(blockers: Sequence[Blocker]) -> list[str]:
    return [f"  held by {blocker}" for blocker in blockers]


class LockContention(MigrateError):
    """Somebody else held a lock until the deadline; nothing of the file was applied.

    Args:
        what: Waited for what.
        blockers: Who was seen holding it.
        advice: What to do.
    """

    exit_code = 6
    code = "lock_contention"

    def __init__(self, what: str, blockers: Sequence[Blocker] = (), advice: str = "") -> None:
        self.what = what
        self.blockers = tuple(blockers)
        super().__init__("\n".join(filter(None, [what, *_held(self.blockers), advice])))

    def details(self) -> dict[str, object]:
        return {"blockers": [asdict(blocker) for blocker in self.blockers]}


class MigrationFailed(MigrateError):
    """A statement failed, and its file was rolled back as a whole.

    Args:
        file: The file's name.
        statement: Its number in the file, from 1; None where COMMIT failed.
        line: In the file, from 1; None where COMMIT failed.
        column: In characters, from 1; None where COMMIT failed.
        sqlstate: The server's code.
        message: The server's words.
    """

    exit_code = 7
    code = "migration_failed"
    state = "Nothing of this file was applied. Correct it and run `up` again."

    def __init__(
        self,
        file: str,
        statement: int | None,
        line: int | None,
        column: int | None,
        sqlstate: str,
        message: str,
    ) -> None:
        self.file = file
        self.statement = statement
        self.line = line
        self.column = column
        self.sqlstate = sqlstate
        self.reason = message
        where = "COMMIT" if statement is None else f"statement {statement}"
        place = file if line is None else f"{file}:{line}:{column}"
        super().__init__(f"{place}: {where} failed: {message} (SQLSTATE {sqlstate})\n{self.state}")

    def details(self) -> dict[str, object]:
        return {
            "file": self.file,
            "statement": self.statement,
            "line": self.line,
            "column": self.column,
            "sqlstate": self.sqlstate,
            "reason": self.reason,
        }


class PartWay(MigrationFailed):
    """A statement of a file without a transaction failed; those before it stay."""

    exit_code = 8
    code = "part_way"
    state = (
        "The statements before it stay applied. Correct the cause (or this statement and what "
        "follows it), then run `tillroll migrate resume`."
    )


class Unfinished(MigrateError):
    """A file without a transaction was begun and is part-way.

    Args:
        version: Its version.
        file: Its name.
        why: What stopped it, where that has just happened.
        blockers: Who was seen in the way, where a lock did.
    """

    exit_code = 8
    code = "part_way"

    def __init__(
        self,
        version: str,
        file: str,
        why: str = "an earlier run began it",
        blockers: Sequence[Blocker] = (),
    ) -> None:
        self.version = version
        self.blockers = tuple(blockers)
        advice = "Nothing else was applied. `tillroll migrate resume` goes on where it was."
        super().__init__("\n".join([f"{file} is part-way: {why}", *_held(self.blockers), advice]))

    def details(self) -> dict[str, object]:
        blockers = [asdict(blocker) for blocker in self.blockers]
        return {"version": self.version, "blockers": blockers}


class HistoryDivergent(MigrateError):
    """The folder and the database's history are not one line of versions, or a file was edited."""

    exit_code = 9
    code = "history_divergent"


class GateFailed(MigrateError):
    """Sources or migrations do not even load, or a proof that was asked for failed."""

    exit_code = 10
    code = "gate_failed"
