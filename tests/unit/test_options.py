"""Groups of options, taken apart for typer and put together for the command."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from tillroll.cli.options import moment, spread
from tillroll.cli.output import Failure


@dataclass(frozen=True, kw_only=True)
class Group:
    colour: Annotated[str, typer.Option(help="Of it.")] = "red"
    loud: bool = False


@dataclass(frozen=True, kw_only=True)
class Other:
    size: int = 1


def test_a_group_is_options_of_the_command_and_comes_back_whole() -> None:
    said = []

    @spread
    def paint(group: Group, other: Other, what: str, times: int = 2) -> None:
        """Paint something."""
        said.append((group, other, what, times))

    app = typer.Typer()
    app.command()(paint)
    assert CliRunner().invoke(app, ["wall", "--loud", "--size", "3"]).exit_code == 0
    assert said == [(Group(loud=True), Other(size=3), "wall", 2)]
    assert paint.__doc__ == "Paint something."


def test_a_commands_own_parameters_come_first_and_the_first_group_last() -> None:
    def paint(group: Group, other: Other, what: str) -> None: ...

    assert list(inspect.signature(spread(paint)).parameters) == ["what", "size", "colour", "loud"]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("2026-03-31T12:00", "2026-03-31T12:00:00+00:00"),
        ("2026-03-31T12:00+02:00", "2026-03-31T12:00:00+02:00"),
        ("2026-03-31", "2026-03-31T00:00:00+00:00"),
    ],
)
def test_a_moment_without_a_zone_is_utc(typed: str, told: str) -> None:
    found = moment(typed)
    assert found is not None
    assert found.isoformat() == told


def test_what_is_no_moment_is_a_failure() -> None:
    assert moment(None) is None
    with pytest.raises(Failure):
        moment("soon")
