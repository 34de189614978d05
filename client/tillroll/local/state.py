"""What a stack keeps in its data directory: its secrets, where it listens, who runs it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import jwt

__all__ = [
    "Secrets",
    "StackError",
    "StackInfo",
    "hold",
    "holder",
    "load_secrets",
    "ports",
    "read_info",
    "write_info",
]

LOGINS = ("postgres", "authenticator", "supabase_auth_admin")
_TEN_YEARS = 10 * 365 * 86_400


class StackError(Exception):
    """The stack could not be started or stopped; the message says why and what to do."""


@dataclass(frozen=True)
class StackInfo:
    """Where a running stack is reached, and with what.

    Attributes:
        api_url: Base URL for the Supabase clients.
        db_url: Postgres over TCP, as the superuser `supabase_admin`.
        owner_url: The same as `postgres`, which owns the ledger and applies migrations.
        anon_key: The apikey of callers who have not signed in.
        service_role_key: The apikey that row level security does not bind.
        jwt_secret: Signs the keys and the users' tokens (HS256).
        data_dir: Everything that the stack keeps.
    """

    api_url: str
    db_url: str = field(repr=False)
    owner_url: str = field(repr=False)
    anon_key: str = field(repr=False)
    service_role_key: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    data_dir: str


@dataclass(frozen=True)
class Secrets:
    """Made once for a data directory."""

    jwt_secret: str
    anon_key: str
    service_role_key: str
    passwords: dict[str, str]


def load_secrets(data_dir: Path) -> Secrets:
    """Return the directory's secrets, made at the first call."""
    file = data_dir / "secrets.json"
    if file.exists():
        return Secrets(**json.loads(file.read_text()))
    secret, now = secrets.token_urlsafe(48), int(time.time())
    keys = {
        f"{role}_key": jwt.encode(
            {"iss": "tillroll-local", "role": role, "iat": now, "exp": now + _TEN_YEARS},
            secret,
            "HS256",
        )
        for role in ("anon", "service_role")
    }
    made = Secrets(secret, **keys, passwords={name: secrets.token_urlsafe(24) for name in LOGINS})
    _write(file, asdict(made))
    return made


def write_info(info: StackInfo) -> None:
    """Note where the stack listens; kept after its end, so that the next one listens there."""
    _write(Path(info.data_dir) / "stack.json", asdict(info))


def read_info(data_dir: Path) -> StackInfo | None:
    """Return where the stack listens, or did at last."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return StackInfo(**json.loads((data_dir / "stack.json").read_text()))
    return None


def ports(info: StackInfo | None) -> tuple[int | None, int | None]:
    """Return the ports of the API and of Postgres."""
    if info is None:
        return None, None
    api, db = (url.split("@")[-1].split("/") for url in (info.api_url, info.db_url))
    return int(api[2].rsplit(":", 1)[1]), int(db[0].rsplit(":", 1)[1])


@contextlib.contextmanager
def hold(data_dir: Path) -> Iterator[Callable[[], None]]:
    """Be the one supervisor of a directory; yields a function that tells that all is ready.

    Raises:
        StackError: It has another.
    """
    deadline = time.monotonic() + 1
    with open(data_dir / "stack.lock", "a+") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as taken:
                if time.monotonic() > deadline:  # `holder` takes the lock for a moment
                    raise StackError(
                        f"a stack is running in {data_dir} already: use that one, end it with "
                        "`tillroll down`, or choose another --data-dir"
                    ) from taken
                time.sleep(0.02)

        def note(state: str) -> None:
            lock.truncate(0)
            lock.write(f"{os.getpid()} {state}")
            lock.flush()

        note("starting")
        yield lambda: note("ready")


def holder(data_dir: Path) -> tuple[int, bool] | None:
    """Return the directory's supervisor, None where it has none, and whether all is ready.

    The process id is 0 in the instant before the supervisor has written it.
    """
    with contextlib.suppress(OSError), open(data_dir / "stack.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            pid, _, state = lock.read().partition(" ")
            return int(pid or 0), state == "ready"
    return None


def _write(file: Path, content: dict[str, Any]) -> None:
    partial = file.with_suffix(f".{os.getpid()}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(content, out)
    partial.replace(file)
