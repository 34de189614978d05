"""How PostgREST finds the function of a call, worked out for all calls at once.

A call of a function is a set of argument names, its shape. A function takes a shape that holds
every required argument and no unknown one. So the shapes that a function takes are an interval of
sets, and what several functions do with them is reckoned with intervals, never one by one: a
function with n optional arguments has 2^n shapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

from tillroll.migrate.contract.shapes import Function

__all__ = ["Outcome", "Shapes", "outcomes", "taken"]

_UNKNOWN = "…"  # stands for every argument that no function has


@dataclass(frozen=True)
class Shapes:
    """All sets of names from `needed` to `allowed`."""

    needed: frozenset[str]
    allowed: frozenset[str]

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
    function: Function | None = None

    @property
    def smallest(self) -> tuple[str, ...]:
        """The shortest of the shapes."""
        return min((tuple(sorted(each.needed)) for each in self.shapes), key=lambda s: (len(s), s))

    @property
    def count(self) -> int:
        """How many shapes there are."""
        return sum(each.count for each in self.shapes)


def taken(function: Function, overloads: Sequence[Function], names: Iterable[str]) -> list[Shapes]:
    """Return the shapes that call a function and none of its overloads.

    Args:
        function: One of the overloads.
        overloads: All functions of its name.
        names: Every argument's name that may be met.
    """
    others = [each for each in overloads if each is not function]
    media = _media(function)
    mine = _interval(function)
    if media:
        if media in map(_media, others):
            return []
        every = frozenset(names) - {""} | {_UNKNOWN}
        mine = Shapes(frozenset(), every if media == "json" else frozenset())
    return _without([mine], map(_interval, _named(others, media)))


def outcomes(
    caller: Function, shapes: Sequence[Shapes], functions: Sequence[Function]
) -> list[Outcome]:
    """Return what becomes of shapes that called one function where other functions are there.

    Args:
        caller: The function that they called.
        shapes: Disjoint ones.
        functions: All that have its name now.
    """
    media = _media(caller) or "json"
    named = _named(functions, media)
    bodies = [each for each in functions if _media(each) == media]
    found = []
    rest = list(shapes)
    left = _without(rest, map(_interval, named))
    for function in named:
        others = [_interval(each) for each in named if each is not function]
        mine = [both for each in rest if (both := each.meet(_interval(function)))]
        if alone := _without(mine, others):
            found.append(Outcome(tuple(alone), function=function))
    once = [each for outcome in found for each in outcome.shapes]
    if several := _without(rest, [*once, *left]):
        found.append(Outcome(tuple(several), "PGRST203"))
    if left and len(bodies) == 1:
        # Only where no named function takes a call, its body may go to one as a whole.
        found.append(Outcome(tuple(left), function=bodies[0]))
    elif left:
        found.append(Outcome(tuple(left), "PGRST203" if bodies else "PGRST202"))
    return found


def _interval(function: Function) -> Shapes:
    return Shapes(function.required, function.names)


def _named(functions: Iterable[Function], media: str) -> list[Function]:
    """Leave out what is called by a body, and what has no argument where a body is no JSON."""
    return [
        each for each in functions if "" not in each.names and (each.names or media in ("", "json"))
    ]


def _media(function: Function) -> str:
    """Return the kind of body that a function takes as a whole; nothing where it has names."""
    body = function.of("arguments").get("", "")
    return "json" if body == "jsonb" else body


def _without(shapes: Iterable[Shapes], holes: Iterable[Shapes]) -> list[Shapes]:
    return reduce(
        lambda left, hole: [piece for each in left for piece in each.minus(hole)],
        holes,
        list(shapes),
    )
