"""The migration runner: for any project with `supabase/migrations`.

It shares the Supabase CLI's history table, so either tool can take over from the other.
"""

from tillroll.migrate.check import CheckResult, Difference, check, compare, new
from tillroll.migrate.errors import (
    ConnectionFailed,
    GateFailed,
    HistoryDivergent,
    LockContention,
    MigrateError,
    MigrationFailed,
    UsageError,
)
from tillroll.migrate.facts import Fact, extract
from tillroll.migrate.history import is_loopback
from tillroll.migrate.runner import AppliedFile, FileStatus, Runner, Status, UpResult
from tillroll.migrate.sources import Sources, find_root

__all__ = [
    "AppliedFile",
    "CheckResult",
    "ConnectionFailed",
    "Difference",
    "Fact",
    "FileStatus",
    "GateFailed",
    "HistoryDivergent",
    "LockContention",
    "MigrateError",
    "MigrationFailed",
    "Runner",
    "Sources",
    "Status",
    "UpResult",
    "UsageError",
    "check",
    "compare",
    "extract",
    "find_root",
    "is_loopback",
    "new",
]
