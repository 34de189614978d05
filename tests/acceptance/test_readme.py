"""The examples of the README, run in order as a reader runs them, on one stack."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.conftest import ROOT, missing
from tests.documents import blocks, exports, reader_at_a_stack, run, run_node, run_python

README = ROOT / "README.md"
KEY = "cash-4711"

pytestmark = pytest.mark.xdist_group("documents")


@dataclass(frozen=True)
class Reader:
    """Somebody who has followed the README up to the Python example."""

    environment: dict[str, str]
    transaction_id: str
    replayed: str


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    addresses, _ = blocks(README, "sh")
    (python,) = blocks(README, "python")
    with reader_at_a_stack() as environment:
        activate, _, rest = addresses.text.partition("\n")
        assert activate == ". .venv/bin/activate"  # here: whichever environment runs the tests
        environment = exports(rest, environment)
        *_, receipt, exported = run_python(python.text, environment).splitlines()
        _, transaction_id, replayed = receipt.split()
        for assignment in shlex.split(exported)[1:]:
            name, _, value = assignment.partition("=")
            environment[name] = value
        yield Reader(environment, transaction_id, replayed)


def test_python_moves_the_money(reader: Reader) -> None:
    assert reader.replayed == "replayed=False"
    assert balances(reader) == {"Outside": -10000, "Bank": 8766, "Purse": 1234}


def test_curl_gets_the_first_receipt_again(reader: Reader) -> None:
    if shutil.which("curl") is None:
        missing("curl")
    _, curl = blocks(README, "sh")
    receipt = json.loads(run(["sh", "-euc", curl.text], reader.environment))
    assert receipt["transaction_id"] == reader.transaction_id
    assert receipt["replayed"] is True
    assert_posted_once(reader)


def test_supabase_js_gets_the_first_receipt_again(reader: Reader, tmp_path: Path) -> None:
    (script,) = blocks(README, "js")
    said = run_node(script.text, reader.environment, tmp_path)
    assert said.split() == [reader.transaction_id, "true"]
    assert_posted_once(reader)


def test_sql_gets_the_first_receipt_again(reader: Reader) -> None:
    (statement,) = blocks(README, "sql")
    command = ["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", reader.environment["OWNER_URL"]]
    said = run(command, reader.environment, statement.text)
    assert said.strip() == f"{reader.transaction_id}|t"
    assert_posted_once(reader)


def test_every_example_is_one_of_these() -> None:
    languages = [block.language for block in blocks(README)]
    assert sorted(languages) == ["", "js", "python", "sh", "sh", "sql", "text"]


def balances(reader: Reader) -> dict[str, int]:
    with psycopg.connect(reader.environment["OWNER_URL"]) as owner:
        query = "select name, posted from ledger.accounts where book_id = %s"
        return dict(owner.execute(query, [reader.environment["BOOK"]]).fetchall())


def assert_posted_once(reader: Reader) -> None:
    assert balances(reader)["Purse"] == 1234
    with psycopg.connect(reader.environment["OWNER_URL"]) as owner:
        query = (
            "select id::text from ledger.transactions where book_id = %s and idempotency_key = %s"
        )
        posted = owner.execute(query, [reader.environment["BOOK"], KEY]).fetchall()
    assert posted == [(reader.transaction_id,)]
