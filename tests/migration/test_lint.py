"""The rules of `lint`: each finds what it is for, and nothing one step beside that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.migration.conftest import Write
from tests.migration.lint_access import ACCESS
from tests.migration.lint_examples import BASE, EXAMPLES
from tillroll.migrate import lint
from tillroll.migrate.lint import RULES

SINCE = "20260101000001"
CASES = [
    pytest.param(rule, sql, found == 0, id=f"{rule}-{'finds' if found == 0 else 'not'}-{number}")
    for rule, both in (EXAMPLES | ACCESS).items()
    for found, examples in enumerate(both)
    for number, sql in enumerate(examples)
]


def found(folder: Path, since: str | None = None) -> list[str]:
    return [each.rule for each in lint(folder, since=since).findings]


@pytest.mark.parametrize(("rule", "sql", "expected"), CASES)
def test_a_rule_finds_what_it_is_for_and_nothing_beside_it(
    write: Write, rule: str, sql: str, expected: bool
) -> None:
    assert (rule in found(write(BASE, sql), SINCE)) is expected


def test_every_rule_about_changes_has_examples_and_all_have_words() -> None:
    assert {rule.name for rule in RULES if rule.on} == EXAMPLES.keys() | ACCESS.keys()
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.summary and rule.fix for rule in RULES)


def test_a_table_that_no_linted_file_made_is_in_use(write: Write) -> None:
    folder = write("create table app.t (id int)", "create index i on app.t (id)")
    assert found(folder) == []
    assert found(folder, SINCE) == ["index-concurrently"]


def test_the_schemas_of_the_api_are_those_of_the_project(write: Write) -> None:
    folder = write("create table app.t (id int)")
    (folder.parent / "config.toml").write_text('[api]\nschemas = ["app"]\n')
    assert sorted(found(folder)) == ["grant-missing", "rls-missing"]


def test_what_up_refuses_for_its_begin_or_commit_is_told_once(write: Write) -> None:
    assert found(write("select 1; commit; select 2")) == ["syntax"]
