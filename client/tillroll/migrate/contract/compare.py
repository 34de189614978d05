"""What a new contract changes for those who rely on the old one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tillroll.migrate.contract.calls import Outcome, Shapes, outcomes, taken
from tillroll.migrate.contract.shapes import Contract
from tillroll.migrate.contract.values import widens
from tillroll.migrate.lockfile import Aspects, differences

__all__ = ["ContractChange", "Severity", "compare_contracts"]

Severity = Literal["BREAKING", "SECURITY", "REVIEW", "INFO"]
Told = tuple[Severity, str, str]  # with code and message
_ORDER = ("BREAKING", "SECURITY", "REVIEW", "INFO")
_RIGHTS = ("select", "insert", "update", "delete", "execute", "usage")
_ALL = ("every column", "yes")
# How bad it is that an item of an aspect went, came, or changed.
_RULES: dict[str, tuple[Severity, Severity, Severity]] = {
    "columns": ("BREAKING", "INFO", "REVIEW"),
    "fields": ("BREAKING", "INFO", "REVIEW"),
    "not null": ("REVIEW", "BREAKING", "REVIEW"),
    "required": ("INFO", "BREAKING", "REVIEW"),
    "labels": ("BREAKING", "REVIEW", "REVIEW"),
    "checks": ("REVIEW", "BREAKING", "REVIEW"),
    "settings": ("REVIEW", "REVIEW", "REVIEW"),
    "is": ("REVIEW", "REVIEW", "REVIEW"),
}
# Values from the worst on, and what it is to come nearer to that; all others are alike.
_WORST: dict[tuple[str, str], tuple[Severity, str, tuple[str | None, ...]]] = {
    ("is", "volatility"): ("BREAKING", "lost_get", ("volatile",)),
    ("is", "variadic"): ("BREAKING", "variadic", (None,)),
    ("is", "security"): (
        *("SECURITY", "security"),
        ("definer", "row security off", "row security on", "row security forced"),
    ),
    ("settings", "default_transaction_isolation"): (
        *("BREAKING", "isolation"),
        ("serializable", "repeatable read"),
    ),
}


@dataclass(frozen=True)
class ContractChange:
    """One thing that is not as it was.

    Attributes:
        severity: `BREAKING` for what worked and will fail, or mean something else; `SECURITY` for
            what lets somebody do more; `REVIEW` for what may matter; `INFO` for what is new.
        code: Its kind.
        object: `function app.add`, `relation app.notes`, `type app.mood`, `schema app`.
        message: What changed.
        call: The smallest set of arguments that shows it; None where it is not about calls.
        calls: How many such sets there are.
    """

    severity: Severity
    code: str
    object: str
    message: str
    call: tuple[str, ...] | None = None
    calls: int = 0

    def __str__(self) -> str:
        shapes = (
            "" if self.call is None else f" [{self.calls} call shapes: ({', '.join(self.call)})]"
        )
        return f"{self.severity} {self.object}: {self.message}{shapes}"


def compare_contracts(before: Contract, after: Contract) -> tuple[ContractChange, ...]:
    """Return all changes, the worst first."""
    found = set(_functions(before, after))
    for kind in ("relations", "types", "schemas"):
        old, new = getattr(before, kind), getattr(after, kind)
        for name in old.keys() | new.keys():
            for told in _object(kind, old.get(name), new.get(name), before):
                found.add(ContractChange(told[0], told[1], f"{kind[:-1]} {name}", told[2]))
    return tuple(
        sorted(found, key=lambda c: (_ORDER.index(c.severity), c.object, c.code, c.message))
    )


def _functions(before: Contract, after: Contract) -> Iterator[ContractChange]:
    for name in before.functions.keys() | after.functions.keys():
        about = f"function {name}"
        old, new = before.functions.get(name, ()), after.functions.get(name, ())
        known = [each.get("arguments") for each in old]
        unmet = [each for each in new if each.get("arguments") not in known]
        for function in old:
            for outcome in outcomes(taken(function, old), new):
                unmet = [each for each in unmet if each is not outcome.function]
                for told in _call(function, outcome, new, before):
                    yield ContractChange(*told[:2], about, told[2], outcome.smallest, outcome.count)
        for function in unmet:
            kinds = ", ".join(function.get("arguments", {}).values())
            for told in _new(function):
                yield ContractChange(*told[:2], about, f"({kinds}) {told[2]}")


def _call(
    old: Aspects, outcome: Outcome, functions: Sequence[Aspects], before: Contract
) -> Iterator[Told]:
    """Compare what calls of a function did with what becomes of them."""
    new = outcome.function
    if new is None:
        code = "no_candidate" if outcome.code == "PGRST202" else "ambiguous"
        yield "BREAKING", code, f"{outcome.code}: {_reason(outcome, functions)}"
        return
    given = {name for shapes in outcome.shapes for name in shapes.allowed}
    omitted = {name for shapes in outcome.shapes for name in shapes.allowed - shapes.needed}
    for aspect, item, was, now in differences(old, new):
        if aspect == "arguments":
            if was is None:
                yield "INFO", "argument_added", f"{item} may be given"
            elif now is not None and item in given:
                yield _retyped("argument_type", item, was, now, before)
        elif aspect == "defaults":
            if was is not None and now is not None and item in omitted:
                yield "REVIEW", "default", f"{item} is {now}, was {was} where it is left out"
        else:
            yield from _judged(aspect, item, was, now, before)


def _reason(outcome: Outcome, functions: Sequence[Aspects]) -> str:
    if outcome.code == "PGRST203":
        return "several functions take these arguments"
    call = frozenset(outcome.smallest)
    parts = []
    for shapes in map(Shapes.of, functions):
        parts += [f"{name} must be given" for name in sorted(shapes.needed - call)]
        parts += [f"{name} is not known" for name in sorted(call - shapes.allowed)]
    return ", ".join(dict.fromkeys(parts)) or "the function is gone"


def _object(
    kind: str, old: Aspects | None, new: Aspects | None, before: Contract
) -> Iterator[Told]:
    if new is None:
        # A type that nothing uses any more is told by those that used it.
        yield "INFO" if kind == "types" else "BREAKING", "gone", "is gone"
        return
    if old is None:
        yield from _new(new)
        return
    written = old.get("insert") or old.get("update")
    for aspect, item, was, now in differences(old, new):
        if aspect == "not null" and not all(item in each.get("columns", ()) for each in (old, new)):
            continue
        for severity, code, told in _judged(aspect, item, was, now, before):
            harmless = aspect in ("not null", "required") and not written
            yield "INFO" if harmless else severity, code, told


def _new(aspects: Aspects) -> Iterator[Told]:
    yield "INFO", "new", "is new"
    security = aspects.get("is", {}).get("security")
    roles = {role for right in _RIGHTS for role in aspects.get(right, {})}
    if roles and security in ("definer", "row security off"):
        yield "SECURITY", "security", f"is new, with {security}"
    if "anon" in roles:
        yield "SECURITY", "rights", "is new, and open to anon"


def _judged(
    aspect: str, item: str, was: str | None, now: str | None, before: Contract
) -> Iterator[Told]:
    """Judge one fact."""
    if aspect in _RIGHTS:
        if not _within(was, now):
            yield "BREAKING", aspect, f"{item} lost {aspect} ({was})".removesuffix(" (yes)")
        if not _within(now, was):
            yield "SECURITY", aspect, f"{item} gained {aspect} ({now})".removesuffix(" (yes)")
        return
    severity = _RULES[aspect][0 if now is None else 1 if was is None else 2]
    code = item if aspect == "is" else aspect.replace(" ", "_")
    if was and now and (aspect in ("columns", "fields") or item in ("returns", "base")):
        yield _retyped(code, item, was, now, before)
        return
    if (aspect, item) in _WORST:
        worse, name, values = _WORST[aspect, item]
        if _rank(now, values) < _rank(was, values):
            severity, code = worse, name
    told = f"{aspect}: {item}: {now or 'gone'}" + (f", was {was}" if was else ", is new")
    yield severity, code, told


def _retyped(code: str, item: str, was: str, now: str, before: Contract) -> Told:
    same = was == "void" or widens(was, before, now)
    return "REVIEW" if same else "BREAKING", code, f"{item} is {now}, was {was}"


def _rank(value: str | None, values: tuple[str | None, ...]) -> int:
    value = value and value.lower()
    return values.index(value) if value in values else len(values)


def _within(inner: str | None, outer: str | None) -> bool:
    """Whether what is granted on columns is granted by another grant, too."""
    if inner is None or outer in _ALL:
        return True
    return outer is not None and set(inner.split(", ")) <= set(outer.split(", "))
