"""What somebody says has got a new name: nothing in two catalogs could tell."""

from __future__ import annotations

from collections.abc import Mapping

from tillroll.migrate.draft.steps import Key
from tillroll.migrate.errors import UsageError
from tillroll.migrate.facts import Catalog

__all__ = ["renaming"]

_ORDER = ("column", "type", "relation", "function")  # a column goes by its table's old name


def renaming(have: Catalog, renames: Mapping[str, str]) -> list[tuple[Key, str]]:
    """Return what gets a new name, and which, in an order that works.

    Args:
        have: What there is.
        renames: By `schema.name`, or `schema.table.column`, the new name; with or without what
            stands before it.

    Raises:
        UsageError: There is no such thing, or it would move to another schema.
    """
    found: list[tuple[int, Key, str]] = []
    for old, given in renames.items():
        before = old[: old.rfind(".") + 1]
        new = given.removeprefix(before)
        if "." in new:
            raise UsageError(f"--rename {old}={given}: it stays where it is; write only its name")
        keys = [
            key
            for key, thing in have.items()
            if old in (key[1], key[1].partition("(")[0])
            and key[0] in _ORDER
            and (key[0], thing.get("kind")) != ("relation", "c")
        ]
        if not keys:
            raise UsageError(f"--rename {old}={given}: the migrations make nothing of that name")
        found += [(_ORDER.index(key[0]), key, new) for key in keys]
    return [(key, new) for _, key, new in sorted(found)]
