"""Which project a command talks to, and as whom.

Each setting comes from its flag, else the environment, else `[tool.tillroll]` in pyproject.toml,
else the local stack that runs here. Only the flag `--target` reaches another machine: money is
never moved there because of a variable that somebody forgot.
"""

from __future__ import annotations

import ipaddress
import json
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from tillroll import Tillroll
from tillroll.cli.output import USAGE, Failure, Json, failures
from tillroll.errors import LedgerError, RequestFailed, TillrollError, Unauthenticated, Unreachable
from tillroll.local.stack import running

__all__ = [
    "Caller",
    "DataDir",
    "Email",
    "Key",
    "Target",
    "Token",
    "connected",
    "data_folder",
    "told",
    "translate",
]

Target = Annotated[
    str | None,
    typer.Option(help="URL of the project; else $TILLROLL_URL, pyproject.toml, the stack here."),
]
Key = Annotated[str | None, typer.Option(help="The project's API key; else $TILLROLL_KEY.")]
Token = Annotated[str | None, typer.Option(help="Act as this user; else $TILLROLL_TOKEN.")]
Email = Annotated[
    str | None,
    typer.Option(help="Sign in as this user; the password is $TILLROLL_PASSWORD, or asked for."),
]
DataDir = Annotated[
    Path | None, typer.Option(help="Of the local stack; else $TILLROLL_DATA_DIR, .tillroll.")
]


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The options of a command that asks the ledger: where, as whom, in which form."""

    target: Target = None
    key: Key = None
    token: Token = None
    email: Email = None
    data_dir: DataDir = None
    as_json: Json = False

    @contextmanager
    def client(self) -> Iterator[Tillroll]:
        """Give a client, and end the process as a command should where it is refused."""
        with (
            failures(self.as_json, translate),
            connected(self.target, self.key, self.token, self.email, self.data_dir) as client,
        ):
            yield client


@dataclass(frozen=True)
class _Settings:
    url: str
    key: str
    user_key: str


@contextmanager
def connected(
    target: str | None,
    key: str | None,
    token: str | None,
    email: str | None,
    data_dir: Path | None,
) -> Iterator[Tillroll]:
    """Give a client for the flags of a command; without a user, the key's own role acts.

    Raises:
        Failure: There is no target, no key, or no such user.
    """
    file = _pyproject()
    settings = _settings(target, key, data_dir, file)
    token = token or os.environ.get("TILLROLL_TOKEN")
    if email:
        token = _sign_in(settings, email)
    with Tillroll.connect(
        settings.url, settings.user_key if token else settings.key, access_token=token
    ) as client:
        yield client


def _settings(
    target: str | None, key: str | None, data_dir: Path | None, file: dict[str, Any]
) -> _Settings:
    key = key or os.environ.get("TILLROLL_KEY") or file.get("key")
    url = target
    if url is None:
        url = os.environ.get("TILLROLL_URL") or file.get("url") or None
    if url is not None:
        if not _is_loopback(url) and target is None:
            raise Failure(
                f"{url} is on another machine, and only a flag may reach there",
                fix=f"--target {url}",
                code="remote_target",
                exit_code=USAGE,
            )
        if not key:
            raise Failure(
                f"there is no API key for {url}",
                fix="--key KEY, or TILLROLL_KEY; a local stack's are in `tillroll status --json`",
                code="no_key",
                exit_code=USAGE,
            )
        return _Settings(url, key, key)
    folder = data_folder(data_dir)
    stack = running(folder)
    if stack is None:
        raise Failure(
            f"no local stack runs in {folder}, and no other target is named",
            fix="tillroll up, or --target URL --key KEY",
            code="no_target",
            exit_code=USAGE,
        )
    return _Settings(stack.api_url, key or stack.service_role_key, key or stack.anon_key)


def data_folder(data_dir: Path | None) -> Path:
    """Return the local stack's folder: the flag's, else the environment's and so on."""
    named = data_dir or os.environ.get("TILLROLL_DATA_DIR") or _pyproject().get("data_dir")
    return Path(named or ".tillroll")


def _pyproject() -> dict[str, Any]:
    here = Path.cwd()
    for folder in (here, *here.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            try:
                tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool")
            except (OSError, ValueError) as wrong:
                raise Failure(f"{path} cannot be read: {wrong}", code="bad_settings") from wrong
            ours = tools.get("tillroll", {}) if isinstance(tools, dict) else {}
            if not isinstance(ours, dict) or not all(
                isinstance(ours.get(name, ""), str) for name in ("url", "key", "data_dir")
            ):
                raise Failure(
                    f"{path}: [tool.tillroll] takes url, key and data_dir, each a text",
                    code="bad_settings",
                )
            return ours
    return {}


def _is_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") else None
        _ = parts.port  # read, so that it is checked
    except ValueError:
        host = None
    if not host or "\\" in url:
        raise Failure(
            f"{url!r} is no project's URL",
            fix="write it like https://PROJECT.supabase.co",
            code="bad_url",
            exit_code=USAGE,
        )
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _sign_in(settings: _Settings, email: str) -> str:
    import httpx
    from supabase import AuthError, create_client

    password = os.environ.get("TILLROLL_PASSWORD")
    if password is None:
        if not sys.stdin.isatty():
            raise Failure(
                "nobody is here to ask for the password",
                fix="set TILLROLL_PASSWORD",
                code="no_password",
                exit_code=USAGE,
            )
        password = typer.prompt("Password", hide_input=True, err=True)
    auth = create_client(settings.url, settings.user_key).auth
    try:
        answer = auth.sign_in_with_password({"email": email, "password": str(password)})
    except AuthError as refused:
        raise Failure(f"cannot sign in as {email}: {refused.message}", code="sign_in") from refused
    except httpx.HTTPError as broken:
        raise Failure(f"{settings.url} does not answer: {broken}", code="unreachable") from broken
    finally:
        auth.close()
    if answer.session is None:
        raise Failure(f"cannot sign in as {email}: no session was given", code="sign_in")
    return answer.session.access_token


def told(details: Mapping[str, Any]) -> str:
    """Return the facts of a refusal in one line for people."""
    facts = (
        f"{name} {each if isinstance(each, str) else json.dumps(each)}"
        for name, each in sorted(details.items())
    )
    return f"details: {', '.join(facts)}" if details else ""


def translate(error: Exception) -> Failure | None:
    """Return the Failure of what a call of the ledger raises."""
    if isinstance(error, LedgerError):
        return Failure(
            error.message,
            fix=error.hint or "",
            code=error.code,
            facts={"details": dict(error.details)},
            note=told(error.details),
        )
    if isinstance(error, Unauthenticated):
        return Failure(
            f"the key or token was refused: {error}",
            fix="sign in anew; a local stack's keys are in `tillroll status --json`",
            code="unauthenticated",
        )
    if isinstance(error, RequestFailed):
        return Failure(str(error), code=error.code or "request_failed")
    if isinstance(error, Unreachable):
        fix = "tillroll status; tillroll up starts a local stack"
        return Failure(str(error), fix=fix, code="unreachable")
    if isinstance(error, TillrollError):
        return Failure(str(error), code="no_answer")
    return None
