"""Options that several commands share, declared once: a group of them is a dataclass."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, get_type_hints

import typer

from tillroll.cli.output import USAGE, Failure

__all__ = ["Day", "DryRun", "Expect", "Posting", "day", "moment", "spread"]

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Value date; else today.")]
Expect = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ACCOUNT:CONDITION",
        help="Post only if version=N, posted_eq=AMOUNT or available_gte=AMOUNT. Repeatable.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would happen; no key is used up.")
]


@dataclass(frozen=True, kw_only=True)
class Posting:
    """What every posting takes."""

    idempotency_key: Annotated[
        str | None, typer.Option(help="Yours: repeating it returns the first receipt.")
    ] = None
    on: Day = None
    description: str | None = None
    external_id: Annotated[str | None, typer.Option(help="Your reference.")] = None
    expect: Expect = None
    dry_run: DryRun = False


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes each group's fields as options of its own, after the others."""
    hints = get_type_hints(command, include_extras=True)
    hints.pop("return")
    groups: dict[str, type[Any]] = {
        name: kind for name, kind in hints.items() if isinstance(kind, type) and is_dataclass(kind)
    }
    options = {name: kind for name, kind in hints.items() if name not in groups}
    known = inspect.signature(command).parameters
    defaults = {name: known[name].default for name in options}
    for kind in reversed(groups.values()):  # the caller, named first, comes last in the help
        options |= get_type_hints(kind, include_extras=True)
        defaults |= {each.name: each.default for each in fields(kind)}

    @functools.wraps(command)
    def spreading(**given: Any) -> None:
        made = {
            name: kind(**{each.name: given.pop(each.name) for each in fields(kind)})
            for name, kind in groups.items()
        }
        command(**given, **made)

    parameters = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=kind
        )
        for name, kind in options.items()
    ]
    spreading.__dict__.update(__signature__=inspect.Signature(parameters), __annotations__=options)
    return spreading


def day(typed: datetime | None) -> date | None:
    """Return the day of an option."""
    return typed.date() if typed else None


def moment(typed: str | None) -> datetime | None:
    """Return the moment of an option; without a zone it is UTC."""
    if typed is None:
        return None
    try:
        found = datetime.fromisoformat(typed)
    except ValueError as wrong:
        raise Failure(
            f"{typed!r} is no moment",
            fix="write it like 2026-03-31T12:00:00+02:00",
            code="usage",
            exit_code=USAGE,
        ) from wrong
    return found if found.tzinfo else found.replace(tzinfo=UTC)
