"""Arrays of composite types, as the literals that Postgres reads."""

from __future__ import annotations

from collections.abc import Iterable


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def record(*fields: object) -> str:
    """A composite value; None is null."""
    return "(" + ",".join("" if f is None else _quoted(str(f)) for f in fields) + ")"


def array(items: Iterable[str]) -> str:
    """An array of composite values."""
    return "{" + ",".join(map(_quoted, items)) + "}"


def entries(lines: Iterable[tuple[str | None, int]]) -> str:
    """ledger.entry_input[]: accounts and amounts in minor units."""
    return array(record(account, amount) for account, amount in lines)


def transactions(*items: str) -> str:
    """ledger.transaction_input[]: entries alone, without keys and words."""
    return array(record(item, *[None] * 5) for item in items)
