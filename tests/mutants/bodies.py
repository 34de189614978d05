"""Mutants of what functions do: their locks, the orders of those, and their guards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from tests.conftest import ROOT
from tests.mutants.sources import Mutant, Source
from tests.mutants.words import Body

Change = tuple[str, str, str]
"""Kind, what, and the changed body."""

_STRENGTHS = (("no", "key", "update"), ("update",), ("share",), ("key", "share"))
_CAUGHT = {"lock_not_available", "serialization_failure", "foreign_key_violation"}


def body_of(function: Any) -> str:
    """The text between the dollar signs of a `create function`."""
    for option in function.options:
        if option.def_elem.defname == "as":
            text: str = option.def_elem.arg.list.items[0].string.sval
            return text
    raise ValueError("a function without a body")


def of_body(source: Source) -> Iterator[Mutant]:
    """Every mutant of a function's body; those of one sort are numbered."""
    text = body_of(source.node)
    body, counts = Body(text), Counter[str]()
    for kind, what, changed in (*_locks(body), *_orders(body), *_guards(body)):
        counts[what] += 1
        yield source.mutant(kind, f"{what} {counts[what]}", source.text.replace(text, changed))


def _lock_clauses(body: Body) -> Iterator[tuple[int, int]]:
    """First word and end of each locking clause."""
    for index in body.find("for"):
        for strength in _STRENGTHS:
            if body.at(index + 1, *strength):
                end = index + 1 + len(strength)
                yield index, end + (1 if body.at(end, "nowait") else 0)


def _locks(body: Body) -> Iterator[Change]:
    for first, end in _lock_clauses(body):
        yield "lock", "lock clause", body.without(first, end)
        if body.words[end - 1].text == "nowait":
            yield "lock", "nowait of lock clause", body.without(end - 1, end)
    for index, word in enumerate(body.words):
        if re.fullmatch(r"pg_(try_)?advisory_\w+", word.text) and body.at(index + 1, "("):
            end = body.until(index + 2, [")"]) + 1
            yield "lock", "advisory lock", body.without(index, end, "true")
    for name, changed in _calls(body, "lock_"):
        yield "lock", f"call of {name}", changed
    for index in body.find("lock", "table"):
        yield "lock", "lock of a table", body.without(index, body.until(index, [";"]), "null")
    for index in body.find("exclusive", "=>"):
        end = body.until(index + 2, [",", ")"])
        yield "lock", "exclusive lock of the book", body.without(index + 2, end, "false")
    for index in body.find("set", "*", "=", "*", ".", "*", "where"):
        alias, column = body.words[index - 1].text, body.words[index + 1].text
        if body.at(index + 3, alias, ".", column):
            update = index - 6  # update SCHEMA . TABLE as ALIAS set
            end = body.until(update, [";"])
            yield "lock", "write that changes nothing", body.without(update, end, "null")


def _orders(body: Body) -> Iterator[Change]:
    """Of statements that lock rows, of inserts whose unique key is the lock, of loops of those."""
    ends = [first for first, _ in _lock_clauses(body)]
    ends += body.find("on", "conflict")
    ends += [index for index in body.find("loop") if _writes(body, index)]
    for end in sorted(ends):
        first = body.back(end, "order", "by")
        if first is not None and body.until(first, ["for", "on", "loop"]) == end:
            yield "order", "order of lock", body.without(first, end)
            yield "order", "reversed order of lock", _reversed(body, first + 2, end)


def _writes(body: Body, loop: int) -> bool:
    end = next(body.find("end", "loop"), loop)
    return any(word.text in ("update", "open_account") for word in body.words[loop:end])


def _reversed(body: Body, first: int, end: int) -> str:
    keys, begin = [], first
    while begin < end:
        comma = min(body.until(begin, [","]), end)
        keys.append(body.text(begin, comma) + " desc")
        begin = comma + 1
    return body.without(first, end, ", ".join(keys))


def _calls(body: Body, pattern: str) -> Iterator[tuple[str, str]]:
    """Functions of the engine that are called for their effect: the name, the body without."""
    for index in body.find("perform", "ledger_private", ".", "*"):
        name = body.words[index + 3].text
        if re.match(pattern, name):
            end = body.until(index, [";"])
            yield name, body.without(index + 1, end, "true")


def _guards(body: Body) -> Iterator[Change]:
    for name, changed in _calls(body, "check_|keep_an_owner"):
        yield "guard", f"call of {name}", changed
    for index, word in enumerate(body.words):
        if word.text in ("if", "elsif") and not body.at(index - 1, "end"):
            then = body.until(index + 1, ["then"])
            if _refuses(body, then + 1):
                yield "guard", "guard", body.without(index + 1, then, "false")
        if word.text == "when":
            then = body.until(index + 1, ["then"])
            if then + 1 < len(body.words) and body.words[then + 1].text in _codes():
                what = f"case of {body.words[then + 1].text.strip(chr(39))}"
                yield "guard", what, body.without(index + 1, then, "false")
            if then == index + 2 and body.words[index + 1].text in _CAUGHT:
                caught = body.words[index + 1].text
                changed = body.without(index + 1, then, "division_by_zero")
                yield "guard", f"catch of {caught}", changed


def _refuses(body: Body, index: int) -> bool:
    """Whether a block begins with a refusal."""
    return body.at(index, "raise") or (
        body.at(index, "perform", "ledger_private", ".", "*")
        and re.match("raise_|refuse_|check_", body.words[index + 3].text) is not None
    )


@cache
def _codes() -> frozenset[str]:
    """The codes of the catalogue, as they stand in a body."""
    words = Body((ROOT / "sql/seed/error_catalogue.sql").read_text()).words
    return frozenset(
        word.text
        for before, word in pairwise(words)
        if before.text == "(" and word.text.startswith("'")
    )
