"""Commands that move a database along its migrations: `status`, `up`, `resume`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from tillroll.cli.migrate.options import (
    DIVERGENT,
    PENDING,
    AppliedDir,
    DbUrl,
    LockTimeout,
    Platform,
    ShadowUrl,
    Wait,
    Yes,
    applied_folder,
    confirm,
    platform_of,
    target,
    translate,
    warn_ignored,
)
from tillroll.cli.output import (
    DONE,
    INTERRUPTED,
    Failure,
    Json,
    emit,
    failures,
    say,
    stoppable,
    visible,
    write_table,
)
from tillroll.migrate import (
    AppliedFile,
    GateFailed,
    MigrateError,
    Progress,
    Runner,
    Status,
    UpResult,
    prove_order,
    read_plan,
)

__all__ = ["resume", "status", "up"]


def status(db_url: DbUrl = None, directory: AppliedDir = None, as_json: Json = False) -> None:
    """List the migrations and where each stands; exit 3 where some are pending, 9 if divergent.

    `applied`; `cosmetic`, applied and since changed in layout or comments only; `edited`, changed
    in what it does; `pending`; `out_of_order`, pending and older than one that is applied;
    `running` or `part_way`, a file without a transaction that was begun; `remote_only`, applied
    here and not in the folder.
    """
    with failures(as_json, translate):
        found = Runner(target(db_url), applied_folder(directory)).status()
        warn_ignored(found.ignored)
        emit(found, as_json, lambda: _show(found))
        code = DIVERGENT if found.divergent else PENDING if found.pending else DONE
    raise typer.Exit(code)


def up(
    db_url: DbUrl = None,
    directory: AppliedDir = None,
    yes: Yes = False,
    wait: Wait = 60,
    lock_timeout: LockTimeout = 0.5,
    plan: Annotated[
        Path | None, typer.Option(help="Apply just what this plan says, of `plan --out`.")
    ] = None,
    out_of_order: Annotated[
        bool,
        typer.Option(
            "--out-of-order",
            help="Also apply files older than what is applied, once it is proven on a shadow that "
            "their order does not matter.",
        ),
    ] = False,
    platform: Platform = None,
    shadow_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Apply the pending migrations, each file as a whole or not at all.

    A file whose first line is `-- pg-delta: transaction=false`, or that holds a statement which
    cannot run in a transaction, is run statement by statement; see `resume`.
    """
    with _work(as_json) as work:
        dsn, folder = target(db_url), applied_folder(directory)
        planned = None if plan is None else read_plan(plan)
        confirm(dsn, folder, yes)
        runner = Runner(dsn, folder, wait=wait, lock_timeout=lock_timeout, on_progress=_tell)
        work.runner = runner
        late: tuple[str, ...] = ()
        if out_of_order:
            proof = prove_order(folder, runner.status(), platform_of(platform), shadow_url)
            if not proof.holds:
                raise GateFailed(
                    "the order of these files may matter, so nothing was applied:\n"
                    + "\n".join([*proof.reasons, *map(str, proof.differences)])
                    + "\nGive the late files a later version; here they were never applied."
                )
            late = proof.versions
        result = runner.up(work.announce, out_of_order=late, plan=planned)
        _finish(result, as_json, "nothing pending")


def resume(
    db_url: DbUrl = None,
    directory: AppliedDir = None,
    yes: Yes = False,
    wait: Wait = 60,
    lock_timeout: LockTimeout = 0.5,
    as_json: Json = False,
) -> None:
    """Go on with a file without a transaction that an earlier run left part-way.

    What has run is not run again; an invalid index that a failed or killed CREATE INDEX
    CONCURRENTLY has left is dropped first.
    """
    with _work(as_json) as work:
        dsn, folder = target(db_url), applied_folder(directory)
        confirm(dsn, folder, yes)
        runner = Runner(dsn, folder, wait=wait, lock_timeout=lock_timeout, on_progress=_tell)
        work.runner = runner
        _finish(runner.resume(work.announce), as_json, "nothing is part-way")


class _Work:
    """What a run has done so far, for when it does not come to its end."""

    def __init__(self) -> None:
        self.runner: Runner | None = None
        self.applied: list[AppliedFile] = []

    def announce(self, file: AppliedFile) -> None:
        """Tell of a file that is applied."""
        self.applied.append(file)
        say(visible(f"applied {file.version}_{file.name}.sql: {file.statements} statements"))

    def translate(self, error: Exception) -> Failure | None:
        """Return the Failure of an error, with what was applied before it."""
        failure = translate(error)
        if failure is not None:
            failure.facts["applied"] = self.applied
        return failure

    def interrupted(self) -> Failure:
        """Return the Failure of an interrupt, with how to go on."""
        begun = self._part_way()
        return Failure(
            f"interrupted; {begun} is part-way" if begun else "interrupted",
            fix="tillroll migrate resume" if begun else "",
            code="interrupted",
            exit_code=INTERRUPTED,
            facts={"applied": self.applied},
        )

    def _part_way(self) -> str | None:
        if self.runner is not None:
            with contextlib.suppress(MigrateError):
                for file in self.runner.status().in_state("running", "part_way"):
                    return f"{file.version}_{file.name}.sql"
        return None


@contextlib.contextmanager
def _work(as_json: bool) -> Iterator[_Work]:
    """Around a run: what stops it, stops what it has begun in the server."""
    work = _Work()
    with failures(as_json, work.translate), stoppable():
        try:
            yield work
        except KeyboardInterrupt:
            raise work.interrupted() from None


def _finish(result: UpResult, as_json: bool, nothing: str) -> None:
    warn_ignored(result.ignored)
    if result.superuser:
        say(
            "warning: this role is a superuser, and owns what it made: functions with "
            "`security definer` run with its rights\n"
            "  fix: on a database that is kept, connect as the owner instead (`postgres` on "
            "Supabase, OWNER_URL of `tillroll status --env` here)"
        )
    emit(
        result,
        as_json,
        lambda: say(f"{len(result.applied)} applied" if result.applied else nothing),
    )


def _show(found: Status) -> None:
    rows = [
        (file.version, file.name, str(file.state) if file.verified else f"{file.state}, unverified")
        for file in found.files
    ]
    rows += [(version, "", "remote_only") for version in found.remote_only]
    write_table(("version", "name", "state"), sorted(rows))


def _tell(progress: Progress) -> None:
    where = f"{progress.file}, {progress.seconds:.0f} s"
    if progress.what == "waiting":
        held = "; ".join(map(str, progress.blockers))
        say(visible(f"{where}: waiting for {held}"))
    elif progress.what == "building":
        part = "" if progress.fraction is None else f", {progress.fraction:.0%}"
        say(f"{where}: {progress.phase}{part}")
    elif progress.what == "working":
        say(f"{where}: at work")
