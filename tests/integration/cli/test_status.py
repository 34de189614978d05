"""`tillroll status --env`: a stack's addresses and keys as a shell takes them."""

from __future__ import annotations

import subprocess
from dataclasses import asdict
from pathlib import Path

from tests.integration.cli.conftest import Run
from tillroll.local.stack import StackInfo


def test_env_is_what_a_shell_evaluates(run: Run, stack: StackInfo) -> None:
    told = run("status", "--env")
    assert told.code == 0
    shell = ["env", "-i", "/bin/sh", "-euc", 'eval "$1"; env', "sh", told.out]
    said = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    known = dict(line.split("=", 1) for line in said.splitlines())
    exported = {name.upper(): value for name, value in asdict(stack).items()}
    assert {name: known[name] for name in exported} == exported


def test_env_fails_where_nothing_runs(run: Run, tmp_path: Path) -> None:
    told = run("status", "--env", "--data-dir", str(tmp_path / "none"))
    assert (told.code, told.out) == (1, "")
    assert "tillroll up" in told.talk


def test_env_and_json_exclude_each_other(run: Run) -> None:
    told = run("status", "--env", "--json")
    assert (told.code, told.error) == (2, "usage")
