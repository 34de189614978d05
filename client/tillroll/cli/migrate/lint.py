"""`tillroll migrate lint`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from tillroll.cli.migrate.options import GATE, Dir, Platform, folder_of, platform_of, translate
from tillroll.cli.output import DONE, Json, emit, failures, say, visible
from tillroll.migrate import LintResult, lint

__all__ = ["lint_"]


class Format(Enum):
    """How findings are written: for people, or as annotations of GitHub's Actions."""

    text = "text"
    github = "github"


def lint_(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files to lint, here or elsewhere; else all, or as told below."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Lint the files that are newer than this version."),
    ] = None,
    shadow_url: Annotated[
        str | None,
        typer.Option(
            "--shadow-url",
            envvar="TILLROLL_SHADOW_URL",
            help="A superuser's URL of a server, to ask its plpgsql_check about every function.",
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail too.")] = False,
    disable: Annotated[
        list[str] | None, typer.Option(metavar="RULE", help="Leave a rule out, repeatable.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How findings are written.")] = (
        Format.text
    ),
    directory: Dir = None,
    platform: Platform = None,
    as_json: Json = False,
) -> None:
    """Read migrations, and tell what would block, break, lose or open something.

    This needs no server; --shadow-url adds what plpgsql_check says. What is meant is allowed by a
    comment before the statement: `-- lint: allow RULE because REASON`. Exit 10 where there are
    errors.
    """
    with failures(as_json, translate):
        result = lint(
            folder_of(directory),
            files=files or (),
            since=since,
            shadow_url=shadow_url,
            platform=platform_of(platform),
            disable=disable or (),
        )
        emit(result, as_json, lambda: _show(result, form))
    failed = result.count("error") or (strict and result.findings)
    raise typer.Exit(GATE if failed else DONE)


def _show(result: LintResult, form: Format) -> None:
    for each in result.findings:
        if form is Format.github:
            place = f"file={each.file},line={each.line},col={each.column},title={each.rule}"
            typer.echo(visible(f"::{each.severity} {place}::{each.text} Fix: {each.fix}"))
        else:
            typer.echo(visible(str(each)))
            typer.echo(f"    fix: {each.fix}")
    for reason in result.skipped:
        say(f"skipped: {reason}")
    say(
        f"{len(result.files)} files: {result.count('error')} errors, "
        f"{result.count('warning')} warnings"
    )
