"""Rules about what is lost, what is hidden, and what is stored inexactly."""

from __future__ import annotations

from tillroll.migrate.lint.locks import SERIALS
from tillroll.migrate.lint.rule import ERROR, WARNING, Rule
from tillroll.migrate.lint.world import Here
from tillroll.migrate.parser import Change

__all__ = ["SHAPES"]

_AMOUNTS = {
    *("amount", "balance", "cost", "credit", "debit", "deposit", "discount", "fee", "paid"),
    *("payment", "price", "refund", "salary", "subtotal", "tax", "total", "wage"),
}


def _stays_off(change: Change, here: Here) -> bool:
    return not any(
        each.action == "enable trigger"
        and (each.schema, each.name) == (change.schema, change.name)
        and each.part in {change.part, ""}  # none is named: all are
        for each in here.after
    )


def _is_inexact(change: Change, here: Here) -> bool:
    is_amount = _AMOUNTS & set(change.part.lower().split("_"))
    return change.type == "money" or bool(is_amount and change.type in {"float4", "float8"})


SHAPES = (
    Rule(
        "drop-table",
        ERROR,
        "the rows are lost, and clients that still use them fail",
        "stop every use first; then allow it here, with the reason",
        "drop table",
        "old",
    ),
    Rule(
        "drop-column",
        ERROR,
        "the values are lost, and clients that still use them fail",
        "stop every use first; then allow it here, with the reason",
        "drop column",
        "old",
    ),
    Rule(
        "rename",
        ERROR,
        "clients and functions that use the old name fail from one moment to the next",
        "add the new name beside it (a column, a view), move the clients, then drop the old one",
        "rename table, rename column, rename view",
        "old",
    ),
    Rule(
        "drop-cascade",
        WARNING,
        "CASCADE also drops what nobody has listed: views, policies, foreign keys",
        "drop each by its name",
        "drop table, drop column, drop view, drop function, drop other, drop constraint",
        "old",
        lambda change, here: "cascade" in change.flags,
    ),
    Rule(
        "whole-table-write",
        ERROR,
        "every row is changed or deleted, and stays locked until the file's end",
        "say which rows, and go in batches",
        "update, delete, truncate",
        "old",
        lambda change, here: "where" not in change.flags,
    ),
    Rule(
        "trigger-disabled",
        ERROR,
        "the trigger stays off, and nothing keeps true what it kept true",
        "enable it again in the same file",
        "disable trigger",
        test=_stays_off,
    ),
    Rule(
        "if-not-exists",
        WARNING,
        "what is there under this name is kept, whatever it is: databases drift apart",
        "leave it out: the history knows what is there",
        "create table, create index, create materialized view, add column",
        test=lambda change, here: "if not exists" in change.flags,
    ),
    Rule(
        "do-block",
        WARNING,
        "a DO block that changes the schema: no rule sees what it does",
        "write the statements themselves",
        "do",
        test=lambda change, here: "ddl" in change.flags,
    ),
    Rule(
        "inexact-amount",
        ERROR,
        "float rounds amounts, and what money means is a setting of the server",
        "numeric with a scale, or bigint in minor units",
        "add column, retype column",
        test=_is_inexact,
    ),
    Rule(
        "timestamp-zone",
        WARNING,
        "a timestamp without time zone is another moment in each session",
        "timestamptz",
        "add column, retype column",
        test=lambda change, here: change.type.partition("(")[0] == "timestamp",
    ),
    Rule(
        "serial",
        WARNING,
        "a serial's sequence has grants of its own, and the column can be written past it",
        "bigint generated always as identity",
        "add column",
        test=lambda change, here: change.type in SERIALS,
    ),
)
