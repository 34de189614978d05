"""`tillroll migrate`: the migrations of any Supabase project."""

from __future__ import annotations

from collections.abc import Callable

import typer

from tillroll.cli.migrate import (
    adopting,
    applying,
    contract,
    drift,
    lint,
    matrix,
    planning,
    rehearsing,
    repairing,
    writing,
)
from tillroll.migrate import (
    Adoption,
    CheckResult,
    ContractResult,
    Drift,
    GenerateResult,
    LintResult,
    MatrixResult,
    NewFile,
    Plan,
    Rehearsal,
    RepairResult,
    Sizes,
    Status,
    UpResult,
)

__all__ = ["RESULTS", "app"]

RESULTS: dict[str, type] = {}  # what each command prints with --json

app = typer.Typer(
    name="migrate",
    help="Write, check, apply and watch the migrations of a Supabase project.\n\n"
    "Begin with `new NAME --from-sources`, which compiles sql/ and functions/, or with `adopt`, "
    "for a database that is there. Then, for each change: edit the sources, `generate`, `check`, "
    "`plan`, `up`. Files stand in supabase/migrations; the database is --db-url or "
    "$TILLROLL_DB_URL.",
    no_args_is_help=True,
    epilog="Exit: 0 done, 1 failed, 2 usage, 3 pending, 4 drift, 5 connection or pooler, "
    "6 lock contention, 7 failed and rolled back, 8 failed part-way, 9 history tampered or "
    "divergent, 10 gate failed, 130 interrupted.",
)


def _add(name: str, command: Callable[..., None], result: type) -> None:
    app.command(name)(command)
    RESULTS[name] = result


_add("new", writing.new_, NewFile)
_add("generate", writing.generate_, GenerateResult)
_add("check", writing.check_, CheckResult)
_add("status", applying.status, Status)
_add("up", applying.up, UpResult)
_add("plan", planning.plan, Plan)
_add("resume", applying.resume, UpResult)
_add("repair", repairing.repair_, RepairResult)
_add("stats", rehearsing.stats, Sizes)
_add("rehearse", rehearsing.rehearse_, Rehearsal)
_add("lint", lint.lint_, LintResult)
_add("contract", contract.contract_, ContractResult)
_add("matrix", matrix.matrix_, MatrixResult)
_add("adopt", adopting.adopt_, Adoption)
_add("drift", drift.drift_, Drift)
