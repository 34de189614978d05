"""Which project a command reaches: flag, environment, pyproject.toml, the stack here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Run
from tillroll.local.stack import StackInfo

REMOTE = "https://abcdefgh.supabase.co"


def test_without_a_word_the_stack_here_is_meant(run: Run, book: str) -> None:
    assert book in [each["id"] for each in run("book", "list", "--json").json]


def test_a_proxy_is_not_asked_for_the_stack_here(stack: StackInfo) -> None:
    nobody = "http://127.0.0.1:9"
    quiet = {"NO_PROXY": "", "no_proxy": "", "TILLROLL_DATA_DIR": stack.data_dir}
    done = subprocess.run(
        [sys.executable, "-c", "from tillroll.cli.app import run; run()", "book", "list"],
        env=os.environ | quiet | {"HTTP_PROXY": nobody, "http_proxy": nobody, "ALL_PROXY": nobody},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_the_environment_cannot_reach_another_machine(run: Run) -> None:
    told = run("book", "list", "--json", TILLROLL_URL=REMOTE, TILLROLL_KEY="k")
    assert (told.code, told.error) == (2, "remote_target")


def test_neither_can_a_file(run: Run) -> None:
    Path("pyproject.toml").write_text(f'[tool.tillroll]\nurl = "{REMOTE}"\nkey = "k"\n')
    told = run("book", "list", "--json")
    assert (told.code, told.error) == (2, "remote_target")


@pytest.mark.parametrize("host", ["127.0.0.1.example.com", "localhost.example.com", "10.0.0.1"])
def test_a_name_that_looks_like_here_is_not_here(run: Run, host: str) -> None:
    told = run("book", "list", "--json", TILLROLL_URL=f"http://{host}", TILLROLL_KEY="k")
    assert (told.code, told.error) == (2, "remote_target")


def test_a_target_needs_a_key(run: Run) -> None:
    told = run("book", "list", "--json", "--target", REMOTE)
    assert (told.code, told.error) == (2, "no_key")


def test_the_flag_goes_before_the_environment_and_that_before_the_file(
    run: Run, stack: StackInfo, book: str
) -> None:
    nobody = "http://127.0.0.1:9"
    flags = ("--target", stack.api_url, "--key", stack.service_role_key)
    wrong = {"TILLROLL_URL": nobody, "TILLROLL_KEY": "k"}
    assert run("book", "list", *flags, **wrong).code == 0
    Path("pyproject.toml").write_text(f'[tool.tillroll]\nurl = "{nobody}"\nkey = "k"\n')
    right = {"TILLROLL_URL": stack.api_url, "TILLROLL_KEY": stack.service_role_key}
    assert run("book", "list", **right).code == 0
    Path("pyproject.toml").write_text(
        f'[tool.tillroll]\nurl = "{stack.api_url}"\nkey = "{stack.service_role_key}"\n'
    )
    assert run("book", "list").code == 0


def test_where_nothing_runs_the_command_that_helps_is_told(run: Run, tmp_path: Path) -> None:
    told = run("book", "list", "--json", "--data-dir", str(tmp_path / "none"))
    assert (told.code, told.error) == (2, "no_target")
    assert "tillroll up" in told.talk


def test_a_key_that_is_refused_is_one_line(run: Run, stack: StackInfo) -> None:
    told = run("book", "list", "--json", "--target", stack.api_url, "--token", "nonsense",
               "--key", stack.anon_key)  # fmt: skip
    assert (told.code, told.error) == (1, "unauthenticated")


@pytest.mark.parametrize(
    "content",
    [b"[tool.tillroll\n", b"\xff", b"[tool]\ntillroll = 5\n", b"[tool.tillroll]\ndata_dir = 5\n"],
    ids=["no TOML", "no UTF-8", "no table", "no text"],
)
@pytest.mark.parametrize("command", [("book", "list"), ("status",), ("up",), ("down",)], ids=str)
def test_settings_that_cannot_be_read_are_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], content: bytes
) -> None:
    monkeypatch.delenv("TILLROLL_DATA_DIR")
    Path("pyproject.toml").write_bytes(content)
    told = run(*command, "--json")
    assert (told.code, told.error) == (1, "bad_settings")


@pytest.mark.parametrize(
    "url", ["", "here", "ftp://x", "http://[x", "http://x:99999", r"http://x\@y"]
)
def test_what_is_no_url_is_told(run: Run, url: str) -> None:
    told = run("book", "list", "--json", "--target", url, "--key", "k")
    assert (told.code, told.error) == (2, "bad_url")
