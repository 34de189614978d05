"""The folder: which files are migrations, and what a new one is called."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import Database
from tests.migration.conftest import Write
from tillroll.migrate import Runner, UsageError, new
from tillroll.migrate.files import read_folder


def test_files_come_in_the_order_of_their_versions(write: Write) -> None:
    folder = write(
        **{"20260302000000_b.sql": "", "20260301000000_c.sql": "", "20260401000000_a.sql": ""}
    )
    assert [file.name for file in read_folder(folder).files] == ["c", "b", "a"]


def test_sql_files_with_other_names_are_reported(write: Write) -> None:
    names = ["2026_short.sql", "20260301000000.sql", "notes.SQL", "202603010000001_long.sql"]
    folder = write(**dict.fromkeys([*names, "README.md", ".gitkeep"], ""))
    assert read_folder(folder).ignored == tuple(sorted(names))


def test_two_files_of_one_version_are_refused(write: Write) -> None:
    folder = write(**{"20260301000000_a.sql": "", "20260301000000_b.sql": ""})
    with pytest.raises(UsageError):
        read_folder(folder)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_folder(tmp_path / "none")


def test_a_file_that_is_not_utf8_is_refused(write: Write) -> None:
    file = read_folder(write(b"select '\xff';")).files[0]
    with pytest.raises(UsageError):
        file.read()


def test_a_file_that_is_gone_is_told(bare: Database, write: Write) -> None:
    folder = write("select 1;")
    Runner(bare.dsn(), folder).up()
    file = read_folder(folder).files[0]
    file.path.unlink()
    for read in (file.read, file.sha256, file.statements):
        with pytest.raises(UsageError):
            read()


@pytest.mark.parametrize("name", ["20260301000000_a\nb.sql", "20260301000000_\udcff.sql"])
def test_a_name_that_cannot_be_printed_is_refused(write: Write, name: str) -> None:
    with pytest.raises(UsageError, match="rename"):
        read_folder(write(**{name: "select 1;"}))


def test_a_byte_order_mark_is_no_part_of_the_first_statement(write: Write) -> None:
    file = read_folder(write(b"\xef\xbb\xbfselect 1;")).files[0]
    assert [statement.text for statement in file.read().statements] == ["select 1"]


def test_a_new_file_is_empty_and_named_by_the_time_in_utc(tmp_path: Path) -> None:
    path = new(tmp_path / "m", "add_notes", now=datetime(2026, 11, 22, 8, 30, 5, tzinfo=UTC))
    assert path.name == "20261122083005_add_notes.sql"
    assert path.read_bytes() == b""


def test_a_new_file_is_later_than_every_other(write: Write) -> None:
    folder = write(**{"20991231235959_future.sql": ""})
    assert new(folder, "a").name == "21000101000000_a.sql"
    assert new(folder, "b").name == "21000101000001_b.sql"


@pytest.mark.parametrize("slug", ["", "Upper", "a b", "../a", "ä", "-a"])
def test_a_slug_that_is_no_file_name_is_refused(tmp_path: Path, slug: str) -> None:
    with pytest.raises(UsageError):
        new(tmp_path, slug)
