"""One stack, its users, and `tillroll` as a function."""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from tillroll.cli.app import app
from tillroll.local.stack import Stack, StackInfo

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Told:
    """What a command said, and how it ended."""

    code: int
    out: str
    talk: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The failure's code."""
        return str(self.json["error"]["code"])


Run = Callable[..., Told]


@pytest.fixture(scope="session")
def stack() -> Iterator[StackInfo]:
    folder = Path(tempfile.mkdtemp(prefix="tillroll-cli-"))
    with Stack(folder, durable=False) as info:
        yield info
    shutil.rmtree(folder)


@pytest.fixture
def run(stack: StackInfo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`tillroll` in an empty folder, with the stack as its local one."""
    monkeypatch.chdir(tmp_path)
    for name in ("TARGET", "URL", "KEY", "TOKEN", "PASSWORD"):
        monkeypatch.delenv(f"TILLROLL_{name}", raising=False)
    monkeypatch.setenv("TILLROLL_DATA_DIR", stack.data_dir)

    def runner(*arguments: str, **environment: str) -> Told:
        done = CliRunner().invoke(app, list(arguments), env=environment, catch_exceptions=False)
        return Told(done.exit_code, done.stdout, done.stderr)

    return runner


@pytest.fixture
def user(stack: StackInfo) -> str:
    """The e-mail address of somebody who has just signed up."""
    email = f"{uuid.uuid4().hex}@example.com"
    answer = httpx.post(
        f"{stack.api_url}/auth/v1/signup",
        headers={"apikey": stack.anon_key},
        json={"email": email, "password": PASSWORD},
    )
    answer.raise_for_status()
    return email


@pytest.fixture
def book(run: Run) -> str:
    """The id of a book with a bank of 100.00 EUR and a yen account."""
    made: str = run("book", "create", f"Home {uuid.uuid4().hex}", "--currency", "EUR").out.strip()
    for code, currency in (
        ("assets:bank", "EUR"),
        ("equity:opening", "EUR"),
        ("assets:yen", "JPY"),
    ):
        assert run("account", "open", made, code, "--currency", currency).code == 0
    assert run("transfer", made, "equity:opening", "assets:bank", "100").code == 0
    return made


@pytest.fixture
def tamper(stack: StackInfo, book: str) -> None:
    """Somebody with the superuser's password makes the bank richer."""
    with psycopg.connect(stack.db_url, autocommit=True) as thief:
        thief.execute("set session_replication_role = replica")
        thief.execute(
            "update ledger_private.balances set posted = posted + 1 where book_id = %s", [book]
        )
