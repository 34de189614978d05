"""A book as a file and back: `export`, and `verify` with a database and without one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import psycopg
import pytest

from tests.integration.cli.conftest import Run
from tillroll import Book
from tillroll.local.stack import StackInfo
from tillroll.models import Checkpoint


@pytest.fixture
def used(run: Run, book: str) -> str:
    """A book with entries in two currencies, one of them back-dated."""
    run("account", "open", book, "equity:abroad", "--currency", "JPY")
    assert run("transfer", book, "equity:abroad", "assets:yen", "800").code == 0
    assert run("transfer", book, "assets:bank", "equity:opening", "1").code == 0
    assert (
        run("transfer", book, "equity:opening", "assets:bank", "2", "--on", "1999-12-31").code == 0
    )
    return book


def test_an_export_verifies_without_a_database(run: Run, used: str, tmp_path: Path) -> None:
    exported = run("export", used, "book.jsonl", "--json")
    assert exported.code == 0
    assert (exported.json["book_id"], exported.json["entries"]) == (used, 8)
    assert [path.name for path in tmp_path.iterdir()] == ["book.jsonl"]

    nowhere = {"TILLROLL_DATA_DIR": "none"}
    verify = ("verify", "--checkpoint", "book.jsonl", "--json")
    told = run(*verify, **nowhere)
    assert told.code == 0
    assert told.json == {
        "ok": True,
        "book_id": used,
        "entries": 8,
        "root": exported.json["root"],
        "compared_with_root": False,
        "count": 0,
        "findings": [],
    }
    assert run(*verify, "--root", exported.json["root"], **nowhere).json["compared_with_root"]


def test_people_are_shown_the_root(run: Run, used: str) -> None:
    root = run("export", used, "book.jsonl").out.strip()
    told = run("verify", "--checkpoint", "book.jsonl")
    assert (told.code, told.out.strip()) == (0, root)
    assert "--root" in told.talk
    assert "--root" not in run("verify", "--checkpoint", "book.jsonl", "--root", root).talk


def test_a_changed_file_exits_1_and_names_the_entry(run: Run, used: str, tmp_path: Path) -> None:
    run("export", used, "book.jsonl")
    file = tmp_path / "book.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if '"amount":-800,' in line)
    lines[number] = lines[number].replace("-800", "-801", 1)
    file.write_text("".join(lines))
    told = run("verify", "--checkpoint", "book.jsonl", "--json")
    assert told.code == 1
    entry = json.loads(lines[number])
    assert {
        "line": number + 1,
        "what": "hash",
        **{name: entry[name] for name in ("account_id", "slot", "version", "transaction_id")},
    } in told.json["findings"]
    shown = run("verify", "--checkpoint", "book.jsonl")
    assert shown.code == 1
    assert entry["account_id"] in shown.out


def test_another_root_exits_1(run: Run, used: str) -> None:
    kept = run("export", used, "book.jsonl").out.strip()
    run("transfer", used, "assets:bank", "equity:opening", "1")
    run("export", used, "book.jsonl")
    told = run("verify", "--checkpoint", "book.jsonl", "--root", kept, "--json")
    assert told.code == 1
    assert [finding["what"] for finding in told.json["findings"]] == ["other_root"]


def test_bytes_that_are_no_text_are_findings(run: Run, used: str, tmp_path: Path) -> None:
    run("export", used, "book.jsonl")
    file = tmp_path / "book.jsonl"
    for change in (b"\xff", b"\r", b"\x85", b"\x00", b"\xef\xbb\xbf", b"\n"):
        file.write_bytes(change + file.read_bytes())
        assert run("verify", "--checkpoint", "book.jsonl").code == 1, change
        file.write_bytes(file.read_bytes().removeprefix(change))
        assert run("verify", "--checkpoint", "book.jsonl").code == 0, change
    for end in (b"\r\n", b""):
        file.write_bytes(file.read_bytes().rstrip() + end)
        assert run("verify", "--checkpoint", "book.jsonl").code == 1, end


def test_what_is_posted_after_the_checkpoint_is_left_out(
    run: Run, used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Book.export_checkpoint

    def then_post(book: Book) -> Checkpoint:
        taken = take(book)
        run("account", "open", used, "equity:new", "--currency", "EUR")
        for sink in ("equity:opening", "equity:new"):
            assert run("transfer", used, "assets:bank", sink, "1").code == 0
        return taken

    monkeypatch.setattr(Book, "export_checkpoint", then_post)
    exported = run("export", used, "book.jsonl", "--json")
    assert exported.json["entries"] == 8
    assert run("verify", "--checkpoint", "book.jsonl", "--root", exported.json["root"]).code == 0


def test_what_was_changed_in_the_database_shows_in_the_file(
    run: Run, used: str, stack: StackInfo
) -> None:
    with psycopg.connect(stack.db_url, autocommit=True) as thief:
        thief.execute("set session_replication_role = replica")
        thief.execute(
            "update ledger_private.entries set leg = leg + 5 where book_id = %s and version = 1",
            [used],
        )
    assert run("export", used, "book.jsonl").code == 0
    assert run("verify", "--checkpoint", "book.jsonl").code == 1


def test_an_export_that_lacks_entries_leaves_no_file(
    run: Run, used: str, stack: StackInfo, tmp_path: Path
) -> None:
    with psycopg.connect(stack.db_url, autocommit=True) as thief:
        thief.execute("set session_replication_role = replica")
        thief.execute(
            "delete from ledger_private.entries where book_id = %s and version = 1", [used]
        )
    told = run("export", used, "book.jsonl", "--json")
    assert (told.code, told.error) == (1, "incomplete")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("Household", "--checkpoint", "book.jsonl"),
        ("Household", "--root", "0" * 64),
        ("--checkpoint", "book.jsonl", "--root", "0"),
        ("--checkpoint", "book.jsonl", "--root", "A" * 64),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(run: Run, arguments: tuple[str, ...]) -> None:
    Path("book.jsonl").write_text("")
    told = run("verify", *arguments, "--json")
    assert (told.code, told.error) == (2, "usage")


def test_a_file_that_cannot_be_opened_is_a_usage_error(run: Run, used: str, tmp_path: Path) -> None:
    told = run("verify", "--checkpoint", "none.jsonl", "--json")
    assert (told.code, told.error) == (2, "no_file")
    told = run("export", used, "none/book.jsonl", "--json")
    assert (told.code, told.error) == (2, "no_file")


@pytest.mark.parametrize("place", ["/", ".", "", "..", "folder", "pipe", "nowhere/book.jsonl"])
def test_an_export_replaces_nothing_but_an_ordinary_file(
    run: Run, book: str, tmp_path: Path, place: str
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    told = run("export", book, place, "--json")
    assert (told.code, told.error) == (2, "no_file")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_an_export_keeps_the_mode_of_the_file_and_touches_no_other(
    run: Run, book: str, tmp_path: Path
) -> None:
    file, other, link = (tmp_path / name for name in ("book.jsonl", "book.jsonl.part", "link"))
    file.write_text("old")
    file.chmod(0o640)
    other.write_text("somebody's")
    link.symlink_to(file)
    assert run("export", book, "link").code == 0
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert other.read_text() == "somebody's"
    assert run("verify", "--checkpoint", "book.jsonl").code == 0
    assert len(list(tmp_path.iterdir())) == 3


def test_a_new_export_has_the_mode_that_the_umask_says(run: Run, book: str, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert run("export", book, "book.jsonl").code == 0
    finally:
        os.umask(before)
    assert (tmp_path / "book.jsonl").stat().st_mode & 0o777 == 0o640


def test_an_export_that_breaks_leaves_the_old_file(
    run: Run, book: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "book.jsonl").write_text("old")
    monkeypatch.setattr(Book, "entries", lambda *_: iter(()))
    assert run("export", book, "book.jsonl", "--json").error == "incomplete"
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
