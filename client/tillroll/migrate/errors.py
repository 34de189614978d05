"""What can go wrong, by exit code."""

from __future__ import annotations

__all__ = [
    "ConnectionFailed",
    "GateFailed",
    "HistoryDivergent",
    "LockContention",
    "MigrateError",
    "MigrationFailed",
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
    """The folder, a file or an option is not usable; nothing was touched."""

    exit_code = 2
    code = "usage"


class ConnectionFailed(MigrateError):
    """The server cannot be reached, was lost, or is a transaction pooler."""

    exit_code = 5
    code = "connection"


class LockContention(MigrateError):
    """Somebody else held a lock until the deadline; nothing of the file was applied."""

    exit_code = 6
    code = "lock_contention"


class MigrationFailed(MigrateError):
    """A statement failed, and its file was rolled back as a whole.

    Args:
        file: The file's name.
        statement: Its number in the file, from 1; None where COMMIT failed.
        line: In the file, from 1.
        column: In characters, from 1.
        sqlstate: The server's code.
        message: The server's words.
    """

    exit_code = 7
    code = "migration_failed"

    def __init__(
        self,
        file: str,
        statement: int | None,
        line: int,
        column: int,
        sqlstate: str,
        message: str,
    ) -> None:
        self.file = file
        self.statement = statement
        self.line = line
        self.column = column
        self.sqlstate = sqlstate
        self.reason = message
        what = "at commit" if statement is None else f"statement {statement}"
        super().__init__(
            f"{file}:{line}:{column}: {what} failed: {message} (SQLSTATE {sqlstate})\n"
            "Nothing of this file was applied. Correct it and run `up` again."
        )

    def details(self) -> dict[str, object]:
        return {
            "file": self.file,
            "statement": self.statement,
            "line": self.line,
            "column": self.column,
            "sqlstate": self.sqlstate,
            "reason": self.reason,
        }


class HistoryDivergent(MigrateError):
    """The folder and the database's history are not one line of versions."""

    exit_code = 9
    code = "history_divergent"


class GateFailed(MigrateError):
    """Sources or migrations do not even load, so they cannot be equal."""

    exit_code = 10
    code = "gate_failed"
