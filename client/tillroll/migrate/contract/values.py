"""Which types take over from which: each JSON value is taken as before, and given in its form."""

from __future__ import annotations

from tillroll.migrate.contract.shapes import Contract

__all__ = ["WIDER", "widens"]

WIDER = {
    "smallint": ("integer", "bigint", "numeric"),
    "integer": ("bigint", "numeric"),
    "bigint": ("numeric",),
    "real": ("double precision",),
    "character varying": ("text",),
    "uuid": ("text",),
    "json": ("jsonb",),
    "jsonb": ("json",),
}


def widens(was: str, before: Contract, now: str) -> bool:
    """Whether a type may stand where another stood; not where that cannot be told.

    Args:
        was: The type that callers know.
        before: Where it stands.
        now: The type in its place.
    """
    for around in ("setof ", "[]"):
        if around in was and around in now:
            was, now = was.replace(around, ""), now.replace(around, "")
    (old, had), (new, has) = _apart(before.base(was)), _apart(now)
    roomy = not has or (had[1:] == has[1:] and had[:1] != [] and had[0] <= has[0])
    return (old == new or new in WIDER.get(old, ())) and roomy


def _apart(name: str) -> tuple[str, list[int]]:
    """Take `numeric(10,2)` apart."""
    head, _, tail = name.partition("(")
    limits, _, rest = tail.partition(")")
    return head + rest, [int(each) for each in limits.split(",") if each.isdecimal()]
