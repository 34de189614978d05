"""Which JSON values a type takes, and what its values look like as JSON."""

from __future__ import annotations

import math

from tillroll.migrate.contract.shapes import Contract

__all__ = ["SAMPLES", "TAKES", "given_as", "refused"]

# A letter for each kind of value, what it is called, one of them.
SAMPLES = {
    "s": ("whole numbers to 32767", "7"),
    "i": ("whole numbers to 2147483647", "40000"),
    "b": ("whole numbers to 9223372036854775807", "3000000000"),
    "h": ("larger whole numbers", "100000000000000000000"),
    "f": ("numbers with a fraction", "1.5"),
    "e": ("numbers with an exponent", "1e3"),
    "t": ("true and false", "true"),
    "w": ("texts", '"words"'),
    "u": ("UUIDs", '"0192d3f4-0000-7000-8000-000000000001"'),
    "d": ("dates", '"2026-11-30"'),
    "m": ("moments", '"2026-11-30T12:00:00+00:00"'),
    "c": ("times of day", '"12:00:00"'),
    "n": ("network addresses", '"10.0.0.1"'),
    "o": ("objects", '{"a": 1}'),
    "a": ("arrays", '["x"]'),
}
_ALL = "".join(SAMPLES)
# As json_to_record takes them: a text like a number is taken as that number.
TAKES = {
    **dict.fromkeys(("text", "character varying", "name", "json", "jsonb", "bytea"), _ALL),
    **dict.fromkeys(("numeric", "real", "double precision"), "sibhfe"),
    **dict.fromkeys(("date", "timestamp without time zone", "timestamp with time zone"), "dm"),
    **dict.fromkeys(("time without time zone", "time with time zone"), "c"),
    "smallint": "s",
    "integer": "si",
    "bigint": "sib",
    "oid": "sib",
    "money": "sibf",
    "boolean": "t",
    "uuid": "u",
    "interval": "sibfc",
    "inet": "n",
}
_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision", "oid")


def refused(old: str, before: Contract, new: str, after: Contract) -> list[str]:
    """Return the JSON values that one type takes and another does not.

    Args:
        old: The type that took them.
        before: Where it stands.
        new: The type that is to take them.
        after: Where that stands.
    """
    if old == new:
        return []
    if old.endswith("[]") and new.endswith("[]"):
        items = refused(old.removesuffix("[]"), before, new.removesuffix("[]"), after)
        return [f"arrays of {each}" for each in items]
    if new in after.types and after.base(new) != new:
        checks = after.type(new, "checks").keys() - before.type(old, "checks").keys()
        told = [f"values against {each}" for each in sorted(checks)]
        return refused(before.base(old), before, after.base(new), after) + told
    if before.base(old) != old:
        return refused(before.base(old), before, new, after)
    labels = before.type(old, "labels"), after.type(new, "labels")
    if all(labels):
        return [f'"{label}"' for label in labels[0] if label not in labels[1]]
    fields = before.fields(old), after.fields(new)
    if all(fields):
        return [
            f"{name}: {each}"
            for name, kind in fields[0].items()
            for each in (
                refused(kind, before, fields[1][name], after)
                if name in fields[1]
                else ["is dropped in silence"]
            )
        ]
    wanted = _takes(new, after)
    longer = [f"what has no room in {new}"] if "(" in new and _room(new) < _room(old) else []
    if wanted == _ALL:
        return longer
    if labels[1]:
        return [f"all but {', '.join(labels[1])}"]
    taken = "w" if labels[0] else _takes(old, before)
    if taken is None or wanted is None:
        return [f"values of {old} that {new} does not take, which is not known here"]
    return [SAMPLES[letter][0] for letter in taken if letter not in wanted] + longer


def given_as(name: str, contract: Contract) -> str:
    """Return what a type's values are in JSON."""
    name = contract.base(name)
    item = name.removeprefix("setof ").removesuffix("[]")
    if item != name:
        return f"an array, each {given_as(item, contract)}"
    if contract.fields(name) or name == "record":
        return "an object"
    plain = _plain(name)
    if plain in _NUMBERS:
        return "a number"
    return {"boolean": "a boolean", "void": "nothing", "json": "JSON", "jsonb": "JSON"}.get(
        plain, "a text"
    )


def _takes(name: str, contract: Contract) -> str | None:
    if contract.fields(name):
        return "o"
    return "a" if name.endswith("[]") else TAKES.get(_plain(name))


def _plain(name: str) -> str:
    """Leave out a length or precision: `numeric(10,2)`."""
    head, _, tail = name.partition("(")
    return head + tail.partition(")")[2]


def _room(name: str) -> float:
    """Return how many characters or digits fit; times are rounded, and always do."""
    limits = name.partition("(")[2].partition(")")[0].split(",")
    if not all(map(str.isdecimal, limits)) or name.startswith(("time", "interval")):
        return _DIGITS.get(name, math.inf)
    return int(limits[0]) - sum(map(int, limits[1:]))
