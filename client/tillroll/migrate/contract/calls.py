"""How PostgREST finds the function of a call, worked out for all calls at once.

A call of a function is a set of argument names, its shape. A function takes a shape that holds
every required argument and no unknown one. So the shapes that a function takes are an interval of
sets, and what several functions do with them is reckoned with intervals, never one by one: a
function with n optional arguments has 2^n shapes. A body that is given as a whole is a shape of
its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

from tillroll.migrate.lockfile import Aspects

__all__ = ["Outcome", "Shapes", "outcomes", "taken"]


@dataclass(frozen=True)
class Shapes:
    """All sets of names from `needed` to `allowed`."""

    needed: frozenset[str]
    allowed: frozenset[str]

    @classmethod
    def of(cls, function: Aspects) -> Shapes:
        """Return those that a function takes."""
        names = frozenset(function.get("arguments", {}))
        return cls(names - function.get("defaults", {}).keys(), names)

    @property
    def count(self) -> int:
        """How many there are."""
        return 1 << len(self.allowed - self.needed)

    def meet(self, other: Shapes) -> Shapes | None:
        """Return the shapes that are in both."""
        needed, allowed = self.needed | other.needed, self.allowed & other.allowed
        return Shapes(needed, allowed) if needed <= allowed else None

    def minus(self, other: Shapes) -> list[Shapes]:
        """Return the shapes that are not in another interval, as disjoint ones."""
        if self.meet(other) is None:
            return [self]
        rest, left = self, []
        for name in sorted(other.needed - self.needed):
            left.append(Shapes(rest.needed, rest.allowed - {name}))
            rest = Shapes(rest.needed | {name}, rest.allowed)
        for name in sorted(self.allowed - other.allowed):
            left.append(Shapes(rest.needed | {name}, rest.allowed))
            rest = Shapes(rest.needed, rest.allowed - {name})
        return left


@dataclass(frozen=True)
class Outcome:
    """What becomes of some calls.

    Attributes:
        shapes: Which; disjoint.
        code: `PGRST202` where no function takes them, `PGRST203` where several do.
        function: The one that is called.
    """

    shapes: tuple[Shapes, ...]
    code: Literal["", "PGRST202", "PGRST203"] = ""
    function: Aspects | None = None

    @property
    def smallest(self) -> tuple[str, ...]:
        """The shortest of the shapes."""
        return min((tuple(sorted(each.needed)) for each in self.shapes), key=lambda s: (len(s), s))

    @property
    def count(self) -> int:
        """How many shapes there are."""
        return sum(each.count for each in self.shapes)


def taken(function: Aspects, overloads: Sequence[Aspects]) -> list[Shapes]:
    """Return the shapes that call a function and none of its overloads."""
    return _without([Shapes.of(function)], _others(function, overloads))


def outcomes(shapes: Sequence[Shapes], functions: Sequence[Aspects]) -> list[Outcome]:
    """Return what becomes of calls.

    Args:
        shapes: Disjoint ones.
        functions: All that have the name that is called.
    """
    found = []
    for function in functions:
        mine = [both for each in shapes if (both := each.meet(Shapes.of(function)))]
        if alone := _without(mine, _others(function, functions)):
            found.append(Outcome(tuple(alone), function=function))
    if left := _without(shapes, map(Shapes.of, functions)):
        found.append(Outcome(tuple(left), "PGRST202"))
    if several := _without(shapes, [each for outcome in found for each in outcome.shapes]):
        found.append(Outcome(tuple(several), "PGRST203"))
    return found


def _others(function: Aspects, overloads: Sequence[Aspects]) -> list[Shapes]:
    return [Shapes.of(each) for each in overloads if each is not function]


def _without(shapes: Iterable[Shapes], holes: Iterable[Shapes]) -> list[Shapes]:
    return reduce(
        lambda left, hole: [piece for each in left for piece in each.minus(hole)],
        holes,
        list(shapes),
    )
