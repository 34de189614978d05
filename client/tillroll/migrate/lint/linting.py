"""The rules asked of files, and what they find."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tillroll.migrate.errors import UsageError
from tillroll.migrate.exposed import exposed_schemas
from tillroll.migrate.files import MigrationFile, read_sql
from tillroll.migrate.lint import access, locks, shapes
from tillroll.migrate.lint.checker import check_functions
from tillroll.migrate.lint.reading import choose, read_unit, shown
from tillroll.migrate.lint.rule import ERROR, Rule, Severity
from tillroll.migrate.lint.world import Here, Unit, World
from tillroll.migrate.parser import Change, Statement, comments, fault_of, position, refusal

__all__ = ["RULES", "Finding", "LintResult", "lint"]

_SYNTAX = Rule(
    "syntax",
    ERROR,
    "Postgres's parser or `up` refuses the file, or the body of a function or DO block",
    "correct it",
)
_CHECK = Rule(
    "plpgsql-check",
    ERROR,
    "plpgsql_check finds an error in a function; its warnings are warnings here too",
    "correct the function, or what it relies on",
)
_ALLOWANCE = re.compile(r"(--|/\*)\s*lint: allow (?P<rule>\S+) because \S")
RULES: tuple[Rule, ...] = (
    *(_SYNTAX, _CHECK),
    *(
        rule
        for module in (locks, shapes, access)
        for rule in vars(module).values()
        if isinstance(rule, Rule)
    ),
)


@dataclass(frozen=True)
class Finding:
    """What a rule found.

    Attributes:
        file: Its path, from the current directory where it is below that.
        line: From 1.
        column: In characters, from 1.
        rule: Its name.
        text: What was found, and why it matters.
        fix: What to do instead.
    """

    file: str
    line: int
    column: int
    severity: Severity
    rule: str
    text: str
    fix: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return f"{where}: {self.severity} {self.rule}: {self.text}"


@dataclass(frozen=True)
class LintResult:
    """What was linted, and found.

    Attributes:
        files: Which were linted.
        findings: By file and line.
        skipped: Checks that were not made, each with the reason.
    """

    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    skipped: tuple[str, ...]

    def count(self, severity: Severity) -> int:
        """Return how many findings are errors, or warnings."""
        return sum(each.severity == severity for each in self.findings)


Found = tuple[Statement, Finding]


def lint(
    folder: Path,
    *,
    files: Sequence[Path] = (),
    since: str | None = None,
    shadow_url: str | None = None,
    platform: Path | None = None,
    disable: Sequence[str] = (),
) -> LintResult:
    """Read migrations, and tell what would block, break, lose or open something.

    Without a URL this needs no server. What comes before the linted files is read too, so that
    it is known what is there already; nothing is found in it.

    Args:
        folder: The migrations; all are linted, unless one of the next two says otherwise.
        files: Lint these; they may stand elsewhere.
        since: Lint what is newer than this version.
        shadow_url: A superuser's URL of a server, where a database of its own is loaded and
            plpgsql_check asked about every function.
        platform: A folder whose .sql files prepare that database.
        disable: Names of rules that are left out.

    Raises:
        UsageError: A folder, file or rule is not there, or both choices are made.
        GateFailed: The files do not load on the server.
        ConnectionFailed: The server cannot be reached.
    """
    names = [rule.name for rule in RULES]
    if unknown := sorted(set(disable) - set(names)):
        raise UsageError(f"there is no rule {unknown[0]}; there are {', '.join(names)}")
    names, units, findings = [], [], []
    for file, linted in choose(folder, files, since):
        if linted:
            names.append(shown(file.path))
        try:
            units.append(read_unit(file, linted))
        except UsageError as error:
            if linted:
                findings.append(_refused(file, error))
    found = [*_faults(units), *_ask(units, exposed_schemas(folder.parent / "config.toml"))]
    skipped = "plpgsql_check cannot load what cannot be read"
    if not findings:
        checked, skipped = check_functions(units, shadow_url, platform)
        found += [_found(_CHECK, *each) for each in checked]
    findings += [each for statement, each in found if each.rule not in _allowed(statement)]
    findings = [each for each in findings if each.rule not in disable]
    findings.sort(key=lambda each: (each.file, each.line, each.column))
    return LintResult(tuple(names), tuple(findings), tuple(filter(None, (skipped,))))


def _refused(file: MigrationFile, error: UsageError) -> Finding:
    fault, text = None, ""
    with contextlib.suppress(UsageError):
        text = read_sql(file.path)
        fault = refusal(text)
    line, column = position(text, fault.at if fault else 0)
    said = fault.message if fault else str(error)
    return Finding(shown(file.path), line, column, ERROR, _SYNTAX.name, said, _SYNTAX.fix)


def _faults(units: Sequence[Unit]) -> Iterator[Found]:
    for unit in (unit for unit in units if unit.linted):
        for statement in unit.statements:
            if fault := fault_of(statement):
                yield _found(_SYNTAX, unit, statement, fault.at, fault.message)
        if unit.refused:
            yield _found(_SYNTAX, unit, unit.statements[0], 0, unit.refused)


def _ask(units: Sequence[Unit], exposed: Sequence[str]) -> Iterator[Found]:
    world = World()
    places = [Here(world, unit, step, exposed) for unit in units for step in unit.steps]
    for here in places:
        yield from _asked(here, waiting=False)
        world.apply(here.step.change, here.unit.linted)
    for here in places:
        yield from _asked(here, waiting=True)


def _asked(here: Here, waiting: bool) -> Iterator[Found]:
    change = here.step.change
    for rule in RULES if here.unit.linted else ():
        if rule.waits == waiting and rule.fits(here):
            text = f"{_label(change)}: {rule.summary}"
            yield _found(rule, here.unit, here.step.statement, change.at, text)


def _label(change: Change) -> str:
    name = f"{change.schema}.{change.name}" if change.name else change.part
    kind = change.kind or change.action
    if kind == "column":
        return f"column {name}.{change.part}"
    return f"{kind} {change.part} on {name}" if change.part and change.name else f"{kind} {name}"


def _found(
    rule: Rule,
    unit: Unit,
    statement: Statement,
    at: int,
    text: str,
    severity: Severity | None = None,
) -> Found:
    level = severity or rule.severity
    return statement, Finding(unit.shown, *statement.place(at), level, rule.name, text, rule.fix)


def _allowed(statement: Statement) -> set[str]:
    """Return the rules that comments of a statement allow with a reason."""
    said = map(_ALLOWANCE.match, comments(statement.text))
    return {each["rule"] for each in said if each}
