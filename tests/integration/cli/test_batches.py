"""`tillroll batch`: files of transactions, sent once and again."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Run, Told
from tillroll import EntryInput, TransactionInput
from tillroll.cli.batches import _with_keys

HEAD = "from,to,amount,date,description"
LINES = (
    "assets:bank,equity:opening,10.00,2026-03-01,rent",
    "assets:bank,equity:opening,2.5,,",
    "assets:bank,equity:opening,2.5,,",
)


def sent(run: Run, book: str, lines: tuple[str, ...], *more: str, head: str = HEAD) -> Told:
    Path("bills.csv").write_text("\n".join((head, *lines)) + "\n")
    return run("batch", book, "bills.csv", *more, "--json")


def posted(run: Run, book: str) -> int:
    (balance,) = run("balance", book, "assets:bank", "--json").json
    return int(balance["posted"])


def counts(told: Told) -> tuple[int, int, int]:
    return tuple(told.json[name] for name in ("posted", "replayed", "refused"))


def test_a_file_is_posted_once_and_then_replays(run: Run, book: str) -> None:
    first = sent(run, book, LINES)
    assert (first.code, counts(first)) == (0, (3, 0, 0))
    assert [each["line"] for each in first.json["results"]] == [2, 3, 4]
    assert first.json["results"][0]["receipt"]["effective_on"] == "2026-03-01"
    again = sent(run, book, LINES)
    assert (again.code, counts(again)) == (0, (0, 3, 0))
    assert posted(run, book) == 10000 - 1500


def test_a_file_that_grew_posts_what_is_new(run: Run, book: str) -> None:
    sent(run, book, LINES[:2])
    assert counts(sent(run, book, LINES)) == (1, 2, 0)
    assert counts(sent(run, book, LINES, "--name", "april")) == (3, 0, 0)


def test_keys_of_the_file_are_taken(run: Run, book: str) -> None:
    head = "from,to,amount,idempotency_key"
    line = "assets:bank,equity:opening,1.00,bill-1"
    assert counts(sent(run, book, (line,), head=head)) == (1, 0, 0)
    other = run(
        "transfer", book, "assets:bank", "equity:opening", "2", "--idempotency-key", "bill-1",
        "--json",
    )  # fmt: skip
    assert other.error == "idempotency_mismatch"


def test_an_atomic_file_is_posted_whole_or_not_at_all(run: Run, book: str) -> None:
    told = sent(run, book, (LINES[0], "assets:bank,equity:opening,90.01,,"))
    assert (told.code, told.error, told.json["error"]["line"]) == (1, "insufficient_funds", 3)
    assert posted(run, book) == 10000


def test_per_item_posts_what_can_be_and_exits_1_for_the_rest(run: Run, book: str) -> None:
    lines = (LINES[0], "assets:bank,equity:opening,90.01,,", LINES[1])
    told = sent(run, book, lines, "--mode", "per_item")
    assert (told.code, counts(told)) == (1, (2, 0, 1))
    refused = told.json["results"][1]
    assert (refused["line"], refused["error_code"]) == (3, "insufficient_funds")
    assert posted(run, book) == 10000 - 1250
    mended = (LINES[0], "assets:bank,equity:opening,80.01,,", LINES[1])
    again = sent(run, book, mended, "--mode", "per_item")
    assert (again.code, counts(again)) == (0, (1, 2, 0))


def test_a_dry_run_posts_nothing(run: Run, book: str) -> None:
    assert counts(sent(run, book, LINES, "--dry-run")) == (3, 0, 0)
    assert posted(run, book) == 10000


def test_an_expectation_holds_for_the_file(run: Run, book: str) -> None:
    told = sent(run, book, LINES, "--expect", "assets:bank:posted_eq=1.00")
    assert (told.code, told.error) == (1, "version_conflict")
    assert sent(run, book, LINES, "--expect", "assets:bank:version=1").code == 0


def test_json_lines_have_entries_and_metadata(run: Run, book: str) -> None:
    entries = [
        {"account": "bank", "amount": "-3.00"},
        {"account": "equity:opening", "amount": "1"},
        {"account": "expenses:shop", "amount": "2"},
    ]
    assert run("account", "open", book, "expenses:shop", "--currency", "EUR").code == 0
    lines = [
        {"entries": entries, "metadata": {"order": 7}, "external_id": "o-7"},
        {"from": "bank", "to": "opening", "amount": "0.50", "currency": "EUR"},
    ]
    Path("bills.jsonl").write_text("".join(json.dumps(each) + "\n\n" for each in lines))
    told = run("batch", book, "bills.jsonl", "--json")
    assert told.code == 0, told.out
    assert counts(told) == (2, 0, 0)
    assert [each["line"] for each in told.json["results"]] == [1, 3]
    assert posted(run, book) == 10000 - 350
    assert "replayed" in run("batch", book, "bills.jsonl").out


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("assets:bank,equity:opening,1.001,,", 3),
        ("assets:bank,equity:opening,-1,,", 3),
        ("assets:bank,nowhere,1,,", 3),
        ("assets:bank,equity:opening,1,soon,", 3),
        ("assets:bank,equity:opening,1", 3),
        (",equity:opening,1,,", 3),
    ],
)
def test_a_line_that_is_wrong_is_named_and_nothing_is_posted(
    run: Run, book: str, line: str, number: int
) -> None:
    told = sent(run, book, (LINES[0], line))
    assert (told.code, told.error, told.json["error"]["line"]) == (2, "bad_file", number)
    assert posted(run, book) == 10000


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"entries": 5}',
        '{"entries": [], "from": "bank"}',
        '{"from": "bank", "to": "opening", "amount": 1}',
        '{"from": "bank", "to": "opening", "amount": "1", "currency": "JPY"}',
        '{"from": "bank", "to": "opening", "amount": "1", "metadata": {"a": NaN}}',
        '{"from": "bank", "to": "opening", "amount": "1", "metadata": {"a": [-Infinity]}}',
        '{"from": "bank", "to": "opening", "amount": "1", "metadata": {"a": 1e999}}',
        '{"from": "bank", "to": "opening", "amount": "1", "metadata": {"a": "\\ud800"}}',
        '{"from": "bank", "to": "opening", "amount": "1", "metadata": {"\\udfff": 1}}',
        '{"from": "bank", "to": "opening", "amount": "1", "description": "\\ud800"}',
        '{"\\ud800": "bank"}',
        f'{{"from": "bank", "to": "opening", "amount": "1", "metadata": {"[" * 500 + "]" * 500}}}',
        "[" * 200_000,
    ],
)
def test_json_that_is_wrong_is_named(run: Run, book: str, line: str) -> None:
    Path("bills.jsonl").write_text("\n" + line)
    told = run("batch", book, "bills.jsonl", "--json")
    assert (told.code, told.error, told.json["error"]["line"]) == (2, "bad_file", 2)
    assert posted(run, book) == 10000


def test_a_heading_that_is_wrong_is_named(run: Run, book: str) -> None:
    for head in ("from,to", "from,to,amount,colour", "from,to,amount,to", ""):
        told = sent(run, book, (), head=head)
        assert (told.code, told.error) == (2, "bad_file")


def test_a_file_without_lines_and_one_that_is_not_there_are_a_wrong_usage(
    run: Run, book: str
) -> None:
    assert sent(run, book, ()).error == "empty_file"
    assert run("batch", book, "none.csv", "--json").error == "no_file"


def test_more_than_a_call_takes_needs_per_item(run: Run, book: str) -> None:
    lines = tuple(f"equity:opening,assets:bank,0.01,,{number}" for number in range(1001))
    told = sent(run, book, lines)
    assert (told.code, told.error) == (2, "too_many")
    whole = sent(run, book, lines, "--mode", "per_item")
    assert (whole.code, counts(whole)) == (0, (1001, 0, 0))
    assert whole.json["results"][-1]["ordinal"] == 1001
    assert counts(sent(run, book, lines, "--mode", "per_item")) == (0, 1001, 0)


@pytest.mark.parametrize(
    ("options", "per_item_helps"),
    [
        ((), True),
        (("--name", "april"), True),
        (("--dry-run",), False),
        (("--mode", "per_item", "--dry-run"), False),
        (("--expect", "assets:bank:version=1"), False),
    ],
)
def test_what_a_too_large_file_is_told_to_do_is_no_command_that_lacks_options(
    run: Run, book: str, options: tuple[str, ...], per_item_helps: bool
) -> None:
    told = sent(run, book, ("equity:opening,assets:bank,0.01,,",) * 1001, *options)
    assert (told.code, told.error) == (2, "too_many")
    fix = told.json["error"]["fix"]
    assert "tillroll" not in fix
    assert "split" in fix
    assert ("per_item" in fix) is per_item_helps


def test_a_field_that_the_api_gets_later_changes_no_key() -> None:
    @dataclass(frozen=True)
    class LaterEntry(EntryInput):
        tag: str | None = None

    @dataclass(frozen=True)
    class LaterItem(TransactionInput):
        priority: int | None = None

    account = uuid.UUID(int=1)
    (now,) = _with_keys([TransactionInput([EntryInput(account, -1)])], "april")
    (later,) = _with_keys([LaterItem([LaterEntry(account, -1)])], "april")
    assert later.idempotency_key == now.idempotency_key
    assert now.idempotency_key == (
        "batch-5ee0336d3abfae45a9535c5d8114e07e457b42119320e5bf3aa23faeb678ae4c"
    )
