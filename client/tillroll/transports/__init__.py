"""Ways to the database: what both have in common, and what each means by a failure. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tillroll.errors import TillrollError
from tillroll.retry import Outcome

__all__ = ["SCHEMA", "Failed", "Page"]

SCHEMA = "ledger"


class Failed(Exception):
    """An attempt failed.

    Attributes:
        error: What to raise to the caller; None where there was no answer.
        outcome: What the failure says about the call.
        retry_after: Seconds that the server asked to wait.
        slow: It ran into a time limit: the next attempt should come later.
    """

    def __init__(
        self,
        outcome: Outcome,
        reason: str,
        *,
        error: TillrollError | None = None,
        retry_after: float | None = None,
        slow: bool = False,
    ) -> None:
        super().__init__(reason)
        self.outcome, self.error = outcome, error
        self.retry_after, self.slow = retry_after, slow


@dataclass(frozen=True, kw_only=True)
class Page:
    """A piece of a view, or of what a set-returning function gives, in the order of a key.

    Args:
        source: The view's or the function's name.
        columns: What to read.
        key: Columns that are unique together.
        after: The last row of the piece before: its values of `key`.
        equals: Columns and their values.
        arguments: Of a function; None for a view.
        limit: Rows at most; the server may give fewer.
    """

    source: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    after: tuple[Any, ...] | None = None
    equals: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] | None = None
    limit: int = 1000
