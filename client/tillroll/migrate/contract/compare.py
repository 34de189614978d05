"""What a new contract changes for those who rely on the old one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tillroll.migrate.contract.calls import Outcome, outcomes, taken
from tillroll.migrate.contract.shapes import Contract, Function
from tillroll.migrate.contract.values import given_as, refused
from tillroll.migrate.lockfile import Aspects, differences

__all__ = ["ContractChange", "Severity", "compare_contracts"]

Severity = Literal["BREAKING", "SECURITY", "REVIEW", "INFO"]
Told = tuple[Severity, str, str]  # with code and message
_ORDER = ("BREAKING", "SECURITY", "REVIEW", "INFO")
_LEVELS = ("read uncommitted", "read committed", "repeatable read", "serializable")
_RIGHTS = ("select", "insert", "update", "delete", "execute", "usage")
_ALL = ("every column", "yes")
_SECURITY = ("definer", "row security off", "row security on", "row security forced", "invoker")
# How bad it is that an item of an aspect went, came, or changed.
_RULES: dict[str, tuple[Severity, Severity, Severity]] = {
    "columns": ("BREAKING", "INFO", "REVIEW"),
    "fields": ("BREAKING", "INFO", "REVIEW"),
    "not null": ("REVIEW", "BREAKING", "REVIEW"),
    "required": ("INFO", "BREAKING", "REVIEW"),
    "embeds": ("BREAKING", "INFO", "BREAKING"),
    "labels": ("BREAKING", "REVIEW", "REVIEW"),
    "checks": ("REVIEW", "BREAKING", "REVIEW"),
    "settings": ("REVIEW", "REVIEW", "REVIEW"),
    "is": ("REVIEW", "REVIEW", "REVIEW"),
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
    found = {*_functions(before, after), *_embeds(before, after)}
    for kind in ("relations", "types", "schemas"):
        old, new = getattr(before, kind), getattr(after, kind)
        for name in old.keys() | new.keys():
            for told in _object(kind, old.get(name), new.get(name), before, after):
                found.add(ContractChange(told[0], told[1], f"{kind[:-1]} {name}", told[2]))
    return tuple(
        sorted(found, key=lambda c: (_ORDER.index(c.severity), c.object, c.code, c.message))
    )


def _functions(before: Contract, after: Contract) -> Iterator[ContractChange]:
    for name in before.functions.keys() | after.functions.keys():
        about = f"function {name}"
        old, new = before.functions.get(name, ()), after.functions.get(name, ())
        names = {argument for each in (*old, *new) for argument in each.names}
        known = [each.of("arguments") for each in old]
        unmet = [each for each in new if each.of("arguments") not in known]
        for function in old:
            for outcome in outcomes(function, taken(function, old, names), new):
                unmet = [each for each in unmet if each is not outcome.function]
                for told in _call(function, outcome, new, before, after):
                    yield ContractChange(*told[:2], about, told[2], outcome.smallest, outcome.count)
        for function in unmet:
            for told in _new(function.aspects):
                kinds = ", ".join(function.of("arguments").values())
                yield ContractChange(*told[:2], about, f"({kinds}) {told[2]}")


def _call(
    old: Function,
    outcome: Outcome,
    functions: Sequence[Function],
    before: Contract,
    after: Contract,
) -> Iterator[Told]:
    """Compare what calls of a function did with what becomes of them."""
    new = outcome.function
    if new is None:
        code = "no_candidate" if outcome.code == "PGRST202" else "ambiguous"
        yield "BREAKING", code, f"{outcome.code}: {_reason(outcome, functions)}"
        return
    if ("" in old.names) != ("" in new.names):
        yield "BREAKING", "body", "a whole body and arguments by name are not the same"
    given = {name for shapes in outcome.shapes for name in shapes.allowed} | {""}
    omitted = {name for shapes in outcome.shapes for name in shapes.allowed - shapes.needed}
    yield from _returned(old.returns, new.returns, before, after)
    for aspect, item, was, now in differences(old.aspects, new.aspects):
        told = f"{item or 'the body'} is {now}, was {was}"
        if aspect == "arguments":
            if was is None:
                yield "INFO", "argument_added", f"{item} may be given"
            elif now is not None and item in given:
                lost = refused(was, before, now, after)
                tail = (
                    f"refuses {'; '.join(lost)}" if lost else "takes each JSON value that it took"
                )
                yield "BREAKING" if lost else "REVIEW", "argument_type", f"{told}: {tail}"
        elif aspect == "defaults":
            if was is not None and now is not None and item in omitted:
                yield "REVIEW", "default", f"{told} where it is left out"
        elif item != "returns":
            yield from _judged(aspect, item, was, now, before, after)


def _reason(outcome: Outcome, functions: Sequence[Function]) -> str:
    if outcome.code == "PGRST203":
        return "several functions take these arguments"
    call = frozenset(outcome.smallest)
    parts = []
    for function in functions:
        parts += [f"{name} must be given" for name in sorted(function.required - call)]
        parts += [f"{name} is not known" for name in sorted(call - function.names)]
    return ", ".join(dict.fromkeys(parts)) or "the function is gone"


def _returned(old: str, new: str, before: Contract, after: Contract) -> Iterator[Told]:
    if old == new:
        return
    told = f"returns {new}, was {old}"
    if old != "void" and given_as(old, before) != given_as(new, after):
        yield "BREAKING", "returns", f"{told}: {given_as(new, after)}, was {given_as(old, before)}"
        return
    yield "REVIEW", "returns", told
    rows = [
        {"fields": contract.fields(name.removeprefix("setof ").removesuffix("[]"))}
        for name, contract in ((old, before), (new, after))
    ]
    for each in differences(*rows):
        yield from _judged(*each, before, after, taken=False)


def _object(
    kind: str, old: Aspects | None, new: Aspects | None, before: Contract, after: Contract
) -> Iterator[Told]:
    if new is None:
        # A type that nothing uses any more is told by those that used it.
        yield "INFO" if kind == "types" else "BREAKING", "gone", "is gone"
        return
    if old is None:
        yield from _new(new)
        return
    written = kind == "types" or bool(old.get("insert") or old.get("update"))
    both = old.get("columns", {}).keys() & new.get("columns", {}).keys()
    for aspect, item, was, now in differences(old, new):
        if aspect != "not null" or item in both:
            yield from _judged(aspect, item, was, now, before, after, taken=written)


def _new(aspects: Aspects) -> Iterator[Told]:
    yield "INFO", "new", "is new"
    security = aspects.get("is", {}).get("security")
    roles = {role for right in _RIGHTS for role in aspects.get(right, {})}
    if roles and security in ("definer", "row security off"):
        yield "SECURITY", "security", f"is new, with {security}"
    if "anon" in roles:
        yield "SECURITY", "rights", "is new, and open to anon"


def _judged(
    aspect: str,
    item: str,
    was: str | None,
    now: str | None,
    before: Contract,
    after: Contract,
    *,
    taken: bool = True,
) -> Iterator[Told]:
    """Judge one fact; `taken` says whether values of it are given by callers, too."""
    told = f"{aspect}: {item}: {now or 'gone'}" + (f", was {was}" if was else ", is new")
    if aspect in _RIGHTS:
        if not _within(was, now):
            yield "BREAKING", aspect, f"{item} lost {aspect} ({was})".removesuffix(" (yes)")
        if not _within(now, was):
            yield "SECURITY", aspect, f"{item} gained {aspect} ({now})".removesuffix(" (yes)")
        return
    severity = _RULES[aspect][0 if now is None else 1 if was is None else 2]
    code = item if aspect == "is" else aspect.replace(" ", "_")
    if aspect in ("not null", "required") and not taken:
        severity = "INFO"
    elif was and now and (aspect in ("columns", "fields") or item == "base"):
        lost = refused(was, before, now, after) if taken else []
        if lost or given_as(was, before) != given_as(now, after):
            severity = "BREAKING"
        told += f": refuses {'; '.join(lost)}" * bool(lost)
    elif item == "security" and was and now:
        severity = "SECURITY" if _SECURITY.index(now) < _SECURITY.index(was) else "REVIEW"
    elif item == "volatility" and now == "volatile":
        severity, code = "BREAKING", "lost_get"
        told += ": by GET it cannot write any more (25006, 405)"
    elif item == "volatility":
        told += ": it cannot write (25006, 405)"
    elif item == "variadic":
        severity = "BREAKING" if was else "INFO"
    elif item == "default_transaction_isolation":
        code = "isolation"
        if _level(now) > _level(was):
            severity = "BREAKING"
            told += ": calls may fail by 40001 and must be repeated"
    yield severity, code, told


def _level(isolation: str | None) -> int:
    return _LEVELS.index((isolation or "read committed").lower())


def _within(inner: str | None, outer: str | None) -> bool:
    """Whether what is granted on columns is granted by another grant, too."""
    if inner is None or outer in _ALL:
        return True
    return outer is not None and set(inner.split(", ")) <= set(outer.split(", "))


def _embeds(before: Contract, after: Contract) -> Iterator[ContractChange]:
    old, new = _pairs(before), _pairs(after)
    for pair in new:
        if old.get(pair) == 1 and new[pair] > 1:
            told = f"PGRST201: {new[pair]} foreign keys lead to {pair[1]}, there was one"
            yield ContractChange("BREAKING", "ambiguous_embed", f"relation {pair[0]}", told)


def _pairs(contract: Contract) -> Counter[tuple[str, str]]:
    """Count the foreign keys between two relations, either way."""
    found: Counter[tuple[str, str]] = Counter()
    for name, aspects in contract.relations.items():
        for embed in aspects.get("embeds", {}):
            other = embed.partition(" by ")[0]
            found.update({(name, other), (other, name)})
    return found
