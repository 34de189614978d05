"""Statements that are made of facts: what no file says in these words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["column", "column_changes", "comment", "grants", "relation_changes", "type_changes"]

Properties = dict[str, Any]
Quote = Callable[[str], str]

_IDENTITY = {"a": "always", "d": "by default"}
# property: what to say where it shall be so
_RELATION: dict[str, dict[Any, str]] = {
    "row security": {True: "enable row level security", False: "disable row level security"},
    "forced row security": {True: "force row level security", False: "no force row level security"},
    "persistence": {"p": "set logged", "u": "set unlogged"},
    "replica identity": {each[0]: f"replica identity {each}" for each in ("default", "full")},
}
_COLUMN: dict[str, dict[Any, str]] = {
    "not null": {True: "set not null", False: "drop not null"},
    "storage": {
        "p": "set storage plain",
        "e": "set storage external",
        "m": "set storage main",
        "x": "set storage extended",
    },
    "compression": {
        "": "set compression default",
        "p": "set compression pglz",
        "l": "set compression lz4",
    },
}
_DESCRIBED = (
    *((f"{of} column ", "column ") for of in ("table", "view", "materialized view")),
    *(("composite type column ", "column "), ("composite type ", "type ")),
    *(("table constraint ", "constraint "), ("statistics object ", "statistics ")),
)


def relation_changes(begin: str, old: Properties, new: Properties) -> Iterator[str]:
    """Alter a table or view in what is none of its columns; `begin` is `alter table app.t`."""
    yield from _flags(begin, _RELATION, old, new)
    yield from _options(begin, old, new)


def column(name: str, new: Properties, sequence: Properties | None, required: bool) -> str:
    """Return a column as CREATE TABLE has it; NOT NULL only where `required`."""
    parts = [name, new["type"]]
    if new["collation"]:
        parts.append(f"collate {new['collation']}")
    if new["identity"] and sequence:
        parts.append(f"generated {_IDENTITY[new['identity']]} as identity")
        counts = ("start", "increment", "cache")
        if options := [f"{each} {sequence[each]}" for each in counts if sequence[each] != 1]:
            parts.append(f"({' '.join(options)})")
    elif new["generated"]:
        kind = "stored" if new["generated"] == "s" else "virtual"
        parts.append(f"generated always as ({new['default']}) {kind}")
    elif new["default"] is not None:
        parts.append(f"default {new['default']}")
    if new["not null"] and required:
        parts.append("not null")
    return " ".join(parts)


def column_changes(begin: str, old: Properties, new: Properties) -> Iterator[tuple[str, ...]]:
    """Alter a column; each change as the ways to make it, best first.

    Args:
        begin: `alter table app.t alter column c`.
    """
    if (old["type"], old["collation"]) != (new["type"], new["collation"]):
        collation = f" collate {new['collation']}" if new["collation"] else ""
        plain = f"{begin} type {new['type']}{collation}"
        cast = f"{plain} using {begin.rsplit(' column ', 1)[-1]}::{new['type']}"
        yield plain, cast, f"{begin} drop default;\n{cast}"
        return  # the default may have changed or gone with it
    if old["identity"] != new["identity"]:
        kind = f"generated {_IDENTITY.get(new['identity'])}"
        added = f"{begin} set {kind}" if old["identity"] else f"{begin} add {kind} as identity"
        bare = f"{begin} drop default;\n{added}"
        yield (added, bare) if new["identity"] else (f"{begin} drop identity",)
    elif old["generated"] and not new["generated"]:
        yield (f"{begin} drop expression",)
    elif old["default"] != new["default"]:
        setting = f"set default {new['default']}"
        if new["generated"]:
            setting = f"set expression as ({new['default']})"
        yield (f"{begin} {'drop default' if new['default'] is None else setting}",)
    if old["statistics"] != new["statistics"]:
        wanted = -1 if new["statistics"] is None else new["statistics"]
        yield (f"{begin} set statistics {wanted}",)
    for text in (*_flags(begin, _COLUMN, old, new), *_options(begin, old, new)):
        yield (text,)


def type_changes(name: str, old: Properties, new: Properties, quote: Quote) -> Iterator[str]:
    """Add values to an enum, or alter a domain; nothing where that is not enough."""
    if new["kind"] == "d":
        if old["default"] != new["default"]:
            setting = "drop default" if new["default"] is None else f"set default {new['default']}"
            yield f"alter domain {name} {setting}"
        yield from _flags(f"alter domain {name}", {"not null": _COLUMN["not null"]}, old, new)
        return
    had, labels = old["labels"] or [], new["labels"] or []
    if [label for label in labels if label in had] == had:
        for before, label in zip([None, *labels], labels, strict=False):
            if label not in had:
                where = f" after {quote(before)}" if before else f" before {quote(had[0])}"
                yield f"alter type {name} add value {quote(label)}{where if had else ''}"


def grants(
    target: str, part: str, old: Properties, new: Properties, everything: object
) -> tuple[str, ...]:
    """Grant and revoke until the rights are as they should.

    Args:
        target: `table app.t` …
        part: ` (c)` where the rights are on a column.
        old: Each role's privileges now.
        new: And as they should be.
        everything: The owner's, which is what ALL means; it differs between versions of Postgres.
    """
    texts = []
    for role in sorted(old.keys() | new.keys()):
        had, has = old.get(role, []), new.get(role, [])
        taken = {_plain(each) for each in had if each not in has}
        given = [each for each in has if each not in had or _plain(each) in taken]
        if taken:
            words = ", ".join(f"{each.lower()}{part}" for each in sorted(taken))
            texts.append(f"revoke {words if has else 'all' + part} on {target} from {role}")
        for option in ("", " with grant option"):
            some = [_plain(each) for each in given if (_plain(each) != each) == bool(option)]
            words = ", ".join(f"{each.lower()}{part}" for each in some)
            if some:
                words = "all" if has == everything and not taken else words
                texts.append(f"grant {words} on {target} to {role}{option}")
    return tuple(texts)


def comment(identity: str, text: str | None, quote: Quote) -> str:
    """Comment on what Postgres identifies so; None takes the comment away."""
    for long, short in _DESCRIBED:
        if identity.startswith(long):
            identity = short + identity.removeprefix(long)
            break
    if identity.startswith("domain constraint "):
        identity = " on domain ".join(identity.removeprefix("domain ").rsplit(" on ", 1))
    return f"comment on {identity} is {'null' if text is None else quote(text)}"


def _flags(
    begin: str, forms: dict[str, dict[Any, str]], old: Properties, new: Properties
) -> Iterator[str]:
    for name, words in forms.items():
        if old[name] != new[name] and new[name] in words:
            yield f"{begin} {words[new[name]]}"


def _options(begin: str, old: Properties, new: Properties) -> Iterator[str]:
    had, has = (dict(o.split("=", 1) for o in each["options"] or ()) for each in (old, new))
    if changed := [f"{name} = {has[name]}" for name in has if has[name] != had.get(name)]:
        yield f"{begin} set ({', '.join(changed)})"
    if gone := [name for name in had if name not in has]:
        yield f"{begin} reset ({', '.join(gone)})"


def _plain(privilege: str) -> str:
    return privilege.removesuffix(" with grant option")
