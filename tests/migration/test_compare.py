"""What differs between two databases' facts, and what of it is only cosmetic."""

from __future__ import annotations

import pytest

from tillroll.migrate import Fact, compare
from tillroll.migrate.facts.fact import define

BODY = "\nbegin\n    return 1;\nend\n"
SAID = {"language": "plpgsql", "volatility": "v"}


def function(**said: str) -> Fact:
    return Fact("function", "s.f()", define({"body": BODY, **SAID, **said}))


def test_each_side_and_what_differs_is_told_in_order() -> None:
    same, ours = Fact("schema", "s", "owner: a"), Fact("type", "s.t", "owner: a")
    found = compare([same, ours, Fact("column", "c", "a: 1")], [same, Fact("column", "c", "a: 2")])
    assert [(each.side, each.kind, each.cosmetic) for each in found] == [
        ("different", "column", False),
        ("only in sources", "type", False),
    ]
    assert [each.side for each in compare([], [ours])] == ["only in migrations"]


@pytest.mark.parametrize(
    ("change", "cosmetic"),
    [
        ({"body": BODY.replace("return", "-- so\n   RETURN")}, True),
        ({"body": BODY.replace("1", "2")}, False),
        ({"body": BODY.replace("return", "  return"), "volatility": "s"}, False),
        ({"volatility": "s"}, False),
    ],
)
def test_comments_and_layout_of_a_body_are_cosmetic(change: dict[str, str], cosmetic: bool) -> None:
    (difference,) = compare([function()], [function(**change)])
    assert difference.cosmetic is cosmetic


def test_only_bodies_that_can_be_read_are_cosmetic() -> None:
    other = {"language": "plpython3u", "body": "return 1"}
    (difference,) = compare([function(**other)], [function(**{**other, "body": "return  1"})])
    assert not difference.cosmetic
    rows = [Fact("row", "s.t 1", define({**SAID, "body": text})) for text in ("a", " a")]
    (difference,) = compare(rows[:1], rows[1:])
    assert not difference.cosmetic


def test_a_difference_reads_as_a_diff_of_properties() -> None:
    (difference,) = compare([function()], [function(body=BODY.replace("1", "2"))])
    lines = str(difference).split("\n")
    assert lines[0] == "different: function s.f()"
    assert "    -        return 2;" in lines
    assert "    +        return 1;" in lines
