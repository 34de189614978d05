"""The form of a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tillroll.migrate.lint.world import Here
from tillroll.migrate.parser import Change

__all__ = ["ERROR", "WARNING", "Rule", "Severity"]

Severity = Literal["error", "warning"]
ERROR: Severity = "error"
WARNING: Severity = "warning"


def _always(change: Change, here: Here) -> bool:
    return True


@dataclass(frozen=True)
class Rule:
    """What is looked for in migrations.

    Attributes:
        name: Its code.
        severity: `error` where it breaks a running system, loses data or opens it; else `warning`.
        summary: What it finds and why that matters, in a line.
        fix: What to do instead.
        on: The actions that it looks at, with commas; none where it does not look at changes.
        only: `old`: to relations that others may be using; `shown`: to what the API shows.
        test: What else must be so.
        waits: Whether it is asked after the last file, so that later statements count.
    """

    name: str
    severity: Severity
    summary: str
    fix: str
    on: str = ""
    only: Literal["", "old", "shown"] = ""
    test: Callable[[Change, Here], bool] = field(default=_always, repr=False)
    waits: bool = False

    def fits(self, here: Here) -> bool:
        """Whether the change that stands here is such, if others were using what it is to."""
        change = here.step.change
        return (
            change.action in self.on.split(", ")
            and (self.only != "shown" or here.is_shown(change))
            and not (self.waits and here.world.thing(change).gone)
            and self.test(change, here)
        )
