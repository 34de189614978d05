"""What a fact is, how it is written, and a hash over many."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["SERVER", "Fact", "define", "fingerprint", "key", "properties"]

SERVER = "server"  # the kind of the one fact that says which major version the catalog is of
_EXTRACTOR = 1  # counted up whenever the same database gives other facts than before
_INDENT = "    "
_JSON = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True, order=True)
class Fact:
    """One statement of a catalog.

    Attributes:
        kind: `column`, `function`, `grants on relation` …
        identity: What it is about; unique within the kind.
        definition: What it says, one property a line; a value of several lines is indented.
        schemas: Where that stands; for a trigger also where its function does; none for what is
            in no schema.
        owner: Who owns what is in no schema, and a schema itself.
    """

    kind: str
    identity: str
    definition: str
    schemas: tuple[str, ...] = field(default=(), compare=False)
    owner: str | None = field(default=None, compare=False)


def define(values: Mapping[str, object]) -> str:
    """Write properties as a definition, sorted by name; None is left out."""
    lines = []
    for name, value in sorted(values.items()):
        if value is None:
            continue
        text = value if isinstance(value, str) else _JSON(value)
        if "\n" in text:
            text = text.replace("\n", f"\n{_INDENT}")
            lines.append(f"{name}:\n{_INDENT}{text}")
        else:
            lines.append(f"{name}: {text}")
    return "\n".join(lines)


def key(fact: Fact) -> tuple[str, str]:
    """Return what facts are sorted by."""
    return fact.kind, fact.identity


def properties(definition: str) -> dict[str, str]:
    """Take a definition apart again; each value as text."""
    found = {}
    for each in re.split(rf"\n(?!{_INDENT})", definition) if definition else ():
        name, _, value = each.partition(":")
        found[name] = value.replace(f"\n{_INDENT}", "\n")[1:]
    return found


def fingerprint(facts: Iterable[Fact]) -> str:
    """Hash facts, in whatever order: `<extractor's version>:<server's major>:<hex>`.

    Two fingerprints can be compared only where both numbers agree.
    """
    digest = hashlib.sha256()
    major = "0"
    for fact in sorted(facts, key=key):
        if fact.kind == SERVER:
            major = properties(fact.definition)["major"]
        digest.update("\x1f".join((fact.kind, fact.identity, fact.definition)).encode())
        digest.update(b"\x1e")
    return f"{_EXTRACTOR}:{major}:{digest.hexdigest()[:32]}"
