"""`contract`: what clients of the API rely on, against its lock file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tillroll.cli.migrate.options import (
    GATE,
    Dir,
    Platform,
    ShadowUrl,
    WriteLock,
    folder_of,
    platform_of,
    project_root,
    translate,
)
from tillroll.cli.output import DONE, Json, emit, failures, say
from tillroll.migrate import ContractResult, Severity, contract, exposed_schemas

__all__ = ["contract_"]


def contract_(
    schema: Annotated[
        list[str] | None,
        typer.Option(help="An exposed schema, repeatable; [api] schemas of supabase/config.toml."),
    ] = None,
    lock: Annotated[Path | None, typer.Option(help="The lock file; sql/contract.json.")] = None,
    write: WriteLock = False,
    accept_breaking: Annotated[
        bool, typer.Option("--accept-breaking", help="What is BREAKING is meant.")
    ] = False,
    accept_security: Annotated[
        bool, typer.Option("--accept-security", help="What is SECURITY is meant.")
    ] = False,
    directory: Dir = None,
    platform: Platform = None,
    shadow_url: ShadowUrl = None,
    as_json: Json = False,
) -> None:
    """Compare what clients of the API rely on with the committed lock; exit 10 where it differs."""
    with failures(as_json, translate):
        path = lock or project_root() / "sql" / "contract.json"
        accept: list[Severity] = ["BREAKING"] if accept_breaking else []
        accept += ["SECURITY"] if accept_security else []
        result = contract(
            folder_of(directory),
            path,
            schema or exposed_schemas(project_root() / "supabase" / "config.toml"),
            platform=platform_of(platform),
            db_url=shadow_url,
            write=write,
            accept=accept,
        )
        emit(result, as_json, lambda: _show(result))
    raise typer.Exit(DONE if result.agrees else GATE)


def _show(result: ContractResult) -> None:
    for change in result.changes:
        typer.echo(str(change))
    for name in result.missing:
        say(f"no migration makes the exposed schema {name}")
    has = f"{result.functions} functions, {result.relations} relations"
    if result.written:
        say(f"written to {result.lock}: {has}")
    elif result.agrees:
        say(f"{result.lock} agrees: {has}")
    elif not result.accepted:
        grave = [each for each in ("BREAKING", "SECURITY") if each in _severities(result)]
        flags = " ".join(f"--accept-{each.lower()}" for each in grave)
        say(f"what clients rely on changes: {len(result.changes)} changes")
        say(
            f"  fix: keep what is {' or '.join(grave)} as it was, or accept it with --write {flags}"
        )
    else:
        say(f"{result.lock} is stale, or not there yet: it is not what the migrations make")
        say("  fix: the same command with --write")


def _severities(result: ContractResult) -> set[str]:
    return {change.severity for change in result.changes}
