"""Facts of two databases, side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tillroll.migrate.facts import Fact, properties
from tillroll.migrate.parser import bodies_alike

__all__ = ["Difference", "Pair", "compare", "definition", "pairs", "tell"]

Side = Literal["only in sources", "only in migrations", "different"]
_READ = {"sql", "plpgsql"}  # languages whose bodies the parser can read


class Pair(NamedTuple):
    """Two facts of one kind and identity that differ; None where a side has none."""

    one: Fact | None
    other: Fact | None

    @property
    def fact(self) -> Fact:
        """The one that is there, of two the first."""
        fact = self.one or self.other
        assert fact is not None
        return fact

    @property
    def cosmetic(self) -> bool:
        """Whether they are bodies of one function, told apart by comments and layout only."""
        if self.one is None or self.other is None or self.one.kind != "function":
            return False
        one, other = properties(self.one.definition), properties(self.other.definition)
        bodies = one.pop("body", ""), other.pop("body", "")
        return one == other and one.get("language") in _READ and bodies_alike(*bodies)


@dataclass(frozen=True)
class Difference:
    """One fact on which sources and migrations do not agree.

    Attributes:
        sources: The definition there.
        migrations: And there.
        cosmetic: Whether only comments and layout of a function's body differ.
    """

    side: Side
    kind: str
    identity: str
    sources: str | None
    migrations: str | None
    cosmetic: bool = False

    def __str__(self) -> str:
        head = f"{'cosmetic' if self.cosmetic else self.side}: {self.kind} {self.identity}"
        return tell(head, migrations=self.migrations, sources=self.sources)


def compare(sources: Iterable[Fact], migrations: Iterable[Fact]) -> tuple[Difference, ...]:
    """Return the facts on which two databases differ, sorted by kind and identity."""
    return tuple(_difference(pair) for pair in pairs(sources, migrations))


def pairs(one: Iterable[Fact], other: Iterable[Fact]) -> Iterator[Pair]:
    """Give what differs, by kind and identity."""
    ours = {(fact.kind, fact.identity): fact for fact in one}
    theirs = {(fact.kind, fact.identity): fact for fact in other}
    for key in sorted(ours.keys() | theirs.keys()):
        pair = Pair(ours.get(key), theirs.get(key))
        if pair.one != pair.other:
            yield pair


def definition(fact: Fact | None) -> str | None:
    """Return what a fact says, None where there is none."""
    return None if fact is None else fact.definition


def tell(head: str, **sides: str | None) -> str:
    """Return a headline and, where both sides say something, how the second differs.

    Args:
        sides: Two definitions by the names of where they stand.
    """
    (before, old), (after, new) = sides.items()
    if old is None or new is None:
        return head
    changes = difflib.unified_diff(old.split("\n"), new.split("\n"), before, after, lineterm="")
    return "\n".join([head, *(f"    {line}" for line in changes)])


def _difference(pair: Pair) -> Difference:
    side: Side = "different"
    if pair.other is None:
        side = "only in sources"
    elif pair.one is None:
        side = "only in migrations"
    ours, theirs = map(definition, pair)
    return Difference(side, pair.fact.kind, pair.fact.identity, ours, theirs, pair.cosmetic)
