"""What commands share: stdout is data, stderr is talk, an exit code says how it ended."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version

import pytest
import typer
from typer.testing import CliRunner

from tillroll.cli.app import app
from tillroll.cli.output import Failure, failures, jsonable, say, write_json, write_table


@dataclass(frozen=True)
class Thing:
    id: uuid.UUID
    day: date
    parts: tuple[int, ...]


def nothing(error: Exception) -> Failure | None:
    return None


def test_models_become_json(capsys: pytest.CaptureFixture[str]) -> None:
    thing = Thing(uuid.UUID(int=1), date(2025, 1, 2), (1, 2))
    assert jsonable([thing]) == [{"id": str(thing.id), "day": "2025-01-02", "parts": [1, 2]}]


def test_a_failure_is_told_on_stderr_and_as_one_document(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as ended, failures(True, nothing):
        raise Failure("it broke", fix="mend it", code="broken", exit_code=2, facts={"at": 1})
    told = capsys.readouterr()
    assert ended.value.exit_code == 2
    document = {"code": "broken", "message": "it broke", "fix": "mend it", "at": 1}
    assert json.loads(told.out) == {"error": document}
    assert "mend it" in told.err


def test_without_json_stdout_stays_empty(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), failures(False, nothing):
        raise Failure("[red]it broke")
    told = capsys.readouterr()
    assert told.out == ""
    assert "[red]it broke" in told.err


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_is_130_and_a_document(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    with pytest.raises(typer.Exit) as ended, failures(as_json, nothing):
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    out = capsys.readouterr().out
    if as_json:
        assert json.loads(out)["error"]["code"] == "interrupted"
    else:
        assert out == ""


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), failures(False, nothing):
        raise ZeroDivisionError


def test_a_table_is_not_cut_off_where_a_program_reads_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "x" * 300
    write_table(("one", "two"), [(long, None), ("[b]", 2)], right=("two",))
    told = capsys.readouterr().out
    assert long in told
    assert "[b]" in told
    assert "None" not in told


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == version("tillroll")


def test_a_command_that_is_not_there_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2


EVIL = "\x1b[2Ja\nb\rc\x00d\x7fe\x9bf\u2028g"
HARMLESS = r"\x1b[2Ja\nb\rc\x00d\x7fe\x9bf\u2028g"


def test_control_characters_in_a_table_are_shown_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_table(("one", "two"), [(EVIL, "Zoë ✓")])
    assert capsys.readouterr().out.split("\n")[1].split("  ")[0] == HARMLESS


def test_control_characters_in_a_failure_are_shown_escaped_and_kept_in_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit), failures(True, nothing):
        raise Failure(EVIL, fix=EVIL, note=EVIL)
    told = capsys.readouterr()
    assert told.err == f"error: {HARMLESS}\n  {HARMLESS}\n  fix: {HARMLESS}\n"
    assert json.loads(told.out)["error"]["message"] == EVIL


def test_what_is_said_keeps_its_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\ntwo\x1b[2J")
    assert capsys.readouterr().err == "one\ntwo\\x1b[2J\n"
    with pytest.raises(typer.Exit), failures(False, nothing):
        raise Failure("one\ntwo\x9b", lines=True)
    assert capsys.readouterr().err == "error: one\ntwo\\x9b\n"


def test_json_has_texts_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"name": EVIL})
    assert json.loads(capsys.readouterr().out) == {"name": EVIL}
