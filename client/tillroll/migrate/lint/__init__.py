"""Migrations read before they run: what would block, break, lose or open something."""

from tillroll.migrate.lint.linting import RULES, Finding, LintResult, lint
from tillroll.migrate.lint.rule import Rule

__all__ = ["RULES", "Finding", "LintResult", "Rule", "lint"]
