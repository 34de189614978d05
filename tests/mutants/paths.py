"""Which tests have to notice a mutant: those of the path of its object, likely ones first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from tests.conftest import ROOT
from tests.mutants.sources import Mutant
from tests.mutants.words import Body

LEDGER = "tests/integration/ledger"
PRIVATE = "tests/integration/ledger_private"
_CATALOGUE = "tests/integration/test_catalogue.py"
_ACCESS = "tests/integration/test_access.py"
_HOLDERS = "tests/integration/test_holder_access.py"

_STEPPED = tuple(
    f"{LEDGER}/test_{name}.py"
    for name in (
        *("holds_races", "transfer_races", "expectations", "reversal_races", "dry_run", "slots"),
        *("transfer_serializable", "changes_and_postings", "changes_and_every_posting"),
    )
)
"""About many functions: two sessions, step by step, and what all postings share."""
_NEAR: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("capture_hold", "create_hold", "expire_holds", "release_hold"),
            *("lock_accounts", "lock_groups", "lock_hold"),
        ),
        ("holds_races",),
    ),
    "available_up_to": ("transfer_up_to", "transfer_races"),
    "check_groups": ("transfer_serializable",),
    "claim_items": ("post_transactions",),
    "close_account": ("reversal_races",),
    "lock_account": ("slots",),
    "lock_expected": ("expectations",),
    "lock_posting": ("expectations",),
    "post_items": ("post_transactions", "expectations"),
    "post_legs": ("reversal_races", "expectations"),
    "post_transfer": ("transfer_races", "expectations"),
    "remove_account_group": (),
    "remove_holder": ("remove_holder", "changes_and_every_posting"),
    "restart_feed": (),
    "reverse_transaction": ("reversal_races",),
    "set_holder": ("changes_and_every_posting",),
    "unlock_period": ("changes_and_every_posting",),
    "update_account": ("update_account", "changes_and_postings"),
}
"""Whose locks are watched where; of the others, which change rules, both orders are stepped."""
_ORDERED = f"{LEDGER}/test_lock_order.py"
_DRAWN = (f"{LEDGER}/test_no_deadlocks.py", f"{LEDGER}/test_properties.py")
"""Chance decides: the last resort."""

_DECLARED: Mapping[str, tuple[str, ...]] = {
    "setting": (_CATALOGUE,),
    "attribute": (_CATALOGUE,),
    **dict.fromkeys(
        ("check", "unique", "foreign key", "not null"), (f"{PRIVATE}/test_constraints.py",)
    ),
    "trigger": tuple(
        f"{PRIVATE}/test_{name}.py"
        for name in ("refuse_change", "require_zero_sum", "restart_feed")
    ),
    "policy": (
        *(_ACCESS, _HOLDERS, f"{LEDGER}/test_views.py"),
        *(f"{PRIVATE}/test_my_books.py", f"{PRIVATE}/test_my_memberships.py"),
    ),
    "row security": (_CATALOGUE, _ACCESS, _HOLDERS),
    "grant": (_ACCESS,),
    "revoke": (_ACCESS,),
}
"""What is declared has a table of its own in some test."""
_BLOCKED = "wait|lock|order|busy|at_once|concurrent|floor|skew|holder"
_LIKELY: Mapping[str, str] = {
    "lock": _BLOCKED,
    "order": _BLOCKED,
    "guard": "refuse|guard|bad|only",
    "not null": "columns_are_null",
    "setting": "isolation|search_path|planning",
    "attribute": "isolation|invoker|planning|view_runs",
}


def path_of(mutant: Mutant) -> list[str]:
    """Files of tests, in the order in which they are run."""
    if mutant.kind in _DECLARED:
        return list(_DECLARED[mutant.kind])
    own = _own(mutant.target)
    if mutant.kind == "order":
        return _there([_ORDERED, *own, *_STEPPED, *_DRAWN])
    if mutant.kind == "lock":
        near = _NEAR.get(mutant.target.split(".")[1], ("changes_and_postings",))
        first = [*(f"{LEDGER}/test_{name}.py" for name in near), _ORDERED]
        return _there([*first, *(own if len(own) < 4 else ()), *_STEPPED, *own, *_DRAWN])
    return _there([*own, *_STEPPED, _HOLDERS, _ACCESS, *_DRAWN])


def likely(mutant: Mutant) -> str:
    """A pattern of the names of tests that are likely to notice."""
    return _LIKELY.get(mutant.kind, "")


def _there(files: Iterable[str]) -> list[str]:
    return [file for file in dict.fromkeys(files) if (ROOT / file).exists()]


def _own(target: str) -> list[str]:
    """The tests at the paths of an object and of the functions that reach it, nearest first."""
    return [
        f"tests/integration/{name.replace('.', '/test_')}.py"
        for name in reaching(callers(), target)
    ]


def reaching(called_by: Mapping[str, set[str]], target: str) -> list[str]:
    """The target, what calls it, what calls that, and so on, each once."""
    found, new = [target], [target]
    while new:
        new = sorted({up for name in new for up in called_by.get(name, ())} - set(found))
        found += new
    return found


@cache
def callers() -> Mapping[str, set[str]]:
    """Functions by the objects of `ledger_private` that they name."""
    called_by: dict[str, set[str]] = {}
    for file in sorted((ROOT / "functions").rglob("*.sql")):
        for name in _named(file):
            called_by.setdefault(name, set()).add(f"{file.parent.name}.{file.stem}")
    return called_by


def _named(file: Path) -> set[str]:
    """The names of `ledger_private` in the bodies of a file, but for its own."""
    own = f"{file.parent.name}.{file.stem}"
    body = Body(file.read_text().split("as $$", 1)[1].split("$$;", 1)[0])
    return {
        f"ledger_private.{body.words[index + 2].text}"
        for index in body.find("ledger_private", ".", "*")
    } - {own}
