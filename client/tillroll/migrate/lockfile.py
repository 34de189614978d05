"""Committed descriptions of a database: JSON with one fact a line, and how two of them differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tillroll.migrate.errors import UsageError

__all__ = ["Aspects", "differences", "read_lock", "write_lock"]

Aspects = dict[str, dict[str, str]]  # of an object: what about it, of whom or what, how much


def read_lock(path: Path, kind: str) -> dict[str, Any] | None:
    """Return what a lock file says; None where there is none.

    Args:
        path: The file.
        kind: What it must be, with its version: `contract 1`.

    Raises:
        UsageError: It cannot be read, or is something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict) or found.pop("lock", None) != kind:
        raise UsageError(
            f"{path} is no lock file of the kind {kind!r}: remove it and write it anew"
        )
    return found


def write_lock(path: Path, kind: str, facts: dict[str, Any]) -> None:
    """Write a lock file; its folder is made where missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"lock": kind, **facts}, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def differences(
    before: Aspects, after: Aspects
) -> Iterator[tuple[str, str, str | None, str | None]]:
    """Give aspect, item, and both values, None where there is none, of all that differs."""
    for aspect in sorted(before.keys() | after.keys()):
        old, new = before.get(aspect, {}), after.get(aspect, {})
        for item in sorted(old.keys() | new.keys()):
            if old.get(item) != new.get(item):
                yield aspect, item, old.get(item), new.get(item)
