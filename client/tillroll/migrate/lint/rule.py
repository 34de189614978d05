"""The form of a rule."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tillroll.migrate.lint.world import Here
from tillroll.migrate.parser import Change

__all__ = ["ERROR", "WARNING", "Rule", "Severity", "rule"]

Severity = Literal["error", "warning"]
ERROR: Severity = "error"
WARNING: Severity = "warning"
Test = Callable[[Change, Here], bool]


@dataclass(frozen=True)
class Rule:
    """What is looked for in migrations.

    Attributes:
        name: Its code.
        severity: `error` where it breaks a running system, loses data or opens it; else `warning`.
        summary: What it finds and why that matters, in a line.
        fix: What to do instead.
        on: The actions that it looks at; none where it does not look at changes.
        only: `old`: to relations that others may be using; `shown`: to what the API shows.
        waits: Whether it is asked after the last file, so that later statements count.
        test: What else must be so.
    """

    name: str
    severity: Severity
    summary: str
    fix: str
    on: tuple[str, ...] = ()
    only: Literal["", "old", "shown"] = ""
    waits: bool = False
    test: Test = field(default=lambda change, here: True, repr=False)

    def fits(self, here: Here) -> bool:
        """Whether the change that stands here is such."""
        change = here.step.change
        return (
            change.action in self.on
            and (self.only != "shown" or here.is_shown)
            and (self.only != "old" or not here.thing.new)
            and not (self.waits and here.thing.gone)
            and self.test(change, here)
        )


def rule(
    severity: Severity, *on: str, only: Literal["", "old", "shown"] = "", waits: bool = False
) -> Callable[[Test], Rule]:
    """Make a rule of its test.

    The test's name is the rule's, and its docstring says in a first paragraph what is found, and in
    a second one what to do instead.
    """

    def make(test: Test) -> Rule:
        summary, fix = map(_phrase, (inspect.getdoc(test) or "").split("\n\n"))
        name = test.__name__.replace("_", "-")
        return Rule(name, severity, summary, fix, on, only, waits, test)

    return make


def _phrase(sentence: str) -> str:
    words = " ".join(sentence.split()).rstrip(".")
    return words if words[1].isupper() else words[0].lower() + words[1:]
