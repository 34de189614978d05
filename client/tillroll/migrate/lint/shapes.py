"""Rules about what is lost, and what is stored inexactly."""

from __future__ import annotations

from tillroll.migrate.lint.rule import ERROR, WARNING, rule
from tillroll.migrate.lint.world import Here
from tillroll.migrate.parser import Change

_AMOUNTS = {
    *("amount", "balance", "cost", "credit", "debit", "deposit", "discount", "fee", "paid"),
    *("payment", "price", "refund", "salary", "subtotal", "tax", "total", "wage"),
}


@rule(ERROR, "drop table", only="old")
def drop_table(change: Change, here: Here) -> bool:
    """The rows are lost, and clients that still use them fail.

    Stop every use first; then allow it here, with the reason.
    """
    return True


@rule(ERROR, "drop column", only="old")
def drop_column(change: Change, here: Here) -> bool:
    """The values are lost, and clients that still use them fail.

    Stop every use first; then allow it here, with the reason.
    """
    return True


@rule(ERROR, "rename table", "rename column", "rename view", only="old")
def rename(change: Change, here: Here) -> bool:
    """Clients and functions that use the old name fail from one moment to the next.

    Add the new name beside it (a column, a view), move the clients, then drop the old one.
    """
    return True


@rule(
    WARNING,
    *("drop table", "drop column", "drop view", "drop function", "drop other", "drop constraint"),
    only="old",
)
def drop_cascade(change: Change, here: Here) -> bool:
    """CASCADE also drops what nobody has listed: views, policies, foreign keys.

    Drop each by its name.
    """
    return "cascade" in change.flags


@rule(ERROR, "update", "delete", "truncate", only="old")
def whole_table_write(change: Change, here: Here) -> bool:
    """Every row is changed or deleted, and stays locked until the file's end.

    Say which rows, and go in batches.
    """
    return "where" not in change.flags


@rule(ERROR, "add column", "retype column")
def inexact_amount(change: Change, here: Here) -> bool:
    """Float rounds amounts, and what money means is a setting of the server.

    Numeric with a scale, or bigint in minor units.
    """
    is_amount = _AMOUNTS & set(change.part.lower().split("_"))
    return change.type == "money" or bool(is_amount and change.type in {"float4", "float8"})


@rule(WARNING, "add column", "retype column")
def timestamp_zone(change: Change, here: Here) -> bool:
    """A timestamp without time zone is another moment in each session.

    Use timestamptz.
    """
    return change.type.partition("(")[0] == "timestamp"
