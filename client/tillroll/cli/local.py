"""`tillroll up`, `down`, `status`: the local stack."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from tillroll.cli.output import USAGE, Failure, Json, emit, failures, jsonable, say, talk
from tillroll.cli.target import DataDir, data_folder
from tillroll.local.stack import Stack, StackError, StackInfo, running, stop

__all__ = ["down", "status", "up"]


class Gateway(StrEnum):
    """What speaks PostgREST's protocol."""

    builtin = "builtin"
    postgrest = "postgrest"


def up(
    data_dir: DataDir = None,
    api_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="For HTTP; else last time's, or any free one."),
    ] = None,
    db_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="For Postgres; else last time's, or any free one."),
    ] = None,
    gateway: Annotated[
        Gateway,
        typer.Option(help="`postgrest` runs the one in $TILLROLL_POSTGREST or on PATH."),
    ] = Gateway.builtin,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay until Ctrl-C, and stop it then.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Start the local stack: Postgres with the ledger, its HTTP API, sign-in.

    Returns when all is ready, and leaves it running until `tillroll down`. Where it runs already,
    prints where.
    """
    with failures(as_json, _translate):
        folder = data_folder(data_dir)
        if (info := running(folder)) is not None:
            say(f"already up in {folder}")
            _show(info, as_json)
            if not foreground:
                return
            raise Failure(
                f"the stack in {folder} is another process's: it cannot be kept in the foreground",
                fix=f"tillroll down --data-dir {shlex.quote(str(folder))}, then this again",
                code="already_up",
            )
        stack = Stack(folder, api_port=api_port, db_port=db_port, gateway=gateway.value)
        with _bar("starting …"):
            info = stack.start(detached=not foreground)
        _show(info, as_json)
        if foreground:
            _stay(stack)


def down(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Stop the local stack; its data stays."""
    with failures(as_json, _translate):
        folder = data_folder(data_dir)
        stopped = stop(folder)
        answer = {"stopped": stopped, "data_dir": str(folder.absolute())}
        emit(answer, as_json, lambda: None)
        say("stopped" if stopped else f"nothing was running in {folder}")


def status(
    data_dir: DataDir = None,
    env: Annotated[
        bool, typer.Option("--env", help='Lines for a shell: eval "$(tillroll status --env)".')
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell whether the local stack runs, and where; exit 0 either way, with --env 1 if not."""
    with failures(as_json, _translate):
        folder = data_folder(data_dir)
        info = running(folder)
        if env:
            _export(info, folder, as_json)
        elif as_json:
            known = jsonable(info) if info else {"data_dir": str(folder.absolute())}
            emit({"running": info is not None, **known}, True, lambda: None)
        elif info is None:
            say(f"not running in {folder}; `tillroll up` starts it")
        else:
            _show(info, False)


def _export(info: StackInfo | None, folder: Path, as_json: bool) -> None:
    if as_json:
        raise Failure("--env and --json exclude each other", code="usage", exit_code=USAGE)
    if info is None:
        raise Failure(f"no local stack runs in {folder}", fix="tillroll up", code="not_running")
    for name, value in asdict(info).items():
        typer.echo(f"export {name.upper()}={shlex.quote(value)}")


def _translate(error: Exception) -> Failure | None:
    return Failure(str(error), code="stack", lines=True) if isinstance(error, StackError) else None


@contextlib.contextmanager
def _bar(text: str) -> Iterator[None]:
    with talk.status(text) if talk.is_terminal else contextlib.nullcontext():
        yield


def _stay(stack: Stack) -> None:
    """Wait for Ctrl-C, SIGTERM or `tillroll down`, and stop."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        say("running; Ctrl-C stops it")
        if stack.wait() != 0:
            raise Failure(
                "the stack ended by itself",
                fix=f"see {stack.data_dir}/stack.log, then start it again",
                code="stack",
            )
    except KeyboardInterrupt:
        say("stopping …")
    finally:
        stack.stop()
        signal.signal(signal.SIGTERM, before)


def _show(info: StackInfo, as_json: bool) -> None:
    emit(info, as_json, lambda: _print(info))
    if not as_json:
        say("\nNext, in another terminal, in this order:\n")
        for command in next_steps(info):
            say(f"{command}\n")


def _print(info: StackInfo) -> None:
    for name, value in (
        ("API", info.api_url),
        ("Postgres", info.db_url),
        ("as owner", info.owner_url),
        ("anon key", info.anon_key),
        ("service_role key", info.service_role_key),
        ("JWT secret", info.jwt_secret),
        ("data", info.data_dir),
    ):
        typer.echo(f"{name:<17} {value}")


def next_steps(info: StackInfo) -> tuple[str, str, str]:
    """Return three commands for a shell: sign up, sign in from Python, make a book."""
    person = '{"email": "ada@example.com", "password": "correct horse"}'
    python = (
        "from supabase import create_client; "
        f'c = create_client("{info.api_url}", "{info.anon_key}"); '
        f"print(c.auth.sign_in_with_password({person}).user.id)"
    )
    tillroll = Path(sys.argv[0]) if Path(sys.argv[0]).name == "tillroll" else "tillroll"
    return (
        f"curl {info.api_url}/auth/v1/signup -H 'apikey: {info.anon_key}' "
        f"-H 'content-type: application/json' -d '{person}'",
        f"{shlex.quote(sys.executable)} -c {shlex.quote(python)}",
        f"TILLROLL_PASSWORD='correct horse' {shlex.quote(str(tillroll))} book create Home "
        f"--currency EUR --email ada@example.com --data-dir {shlex.quote(info.data_dir)}",
    )
