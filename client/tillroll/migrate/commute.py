"""Files that are older than what is applied: whether they may still be applied, proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tillroll.migrate import history
from tillroll.migrate.compare import Difference, compare
from tillroll.migrate.facts import Fact, extract, properties
from tillroll.migrate.files import MigrationFile, read_folder
from tillroll.migrate.parser import order_matters
from tillroll.migrate.replay import replay
from tillroll.migrate.shadow import shadow
from tillroll.migrate.status import State, Status, refuse_divergent

__all__ = ["OrderProof", "prove_order"]

# What runs along with statements that do not name it, and may be anything.
_UNNAMED = {
    "access method",
    "cast",
    "event trigger",
    "language",
    "operator",
    "operator class",
    "operator family",
}
# Foreign keys of one table to another act on its rows in the order in which they were made.
_ACTING = """
    select c.conrelid::regclass::text, c.confrelid::regclass::text,
        string_agg(c.conname, ', ' order by t.oid)
    from pg_catalog.pg_trigger as t
    inner join pg_catalog.pg_constraint as c on c.oid = t.tgconstraint and c.confrelid = t.tgrelid
    where c.contype = 'f'
    group by c.conrelid, c.confrelid
    having bool_or(not array[c.confdeltype, c.confupdtype] <@ array['a', 'r']::"char"[])
"""


@dataclass(frozen=True)
class OrderProof:
    """What two orders make of one database.

    Attributes:
        versions: The late files that may be applied now, in order.
        reasons: Why that is not proven: statements after which rows may depend on the order, and
            what is there to run along with statements.
        differences: Facts that are not the same in both orders; `sources` is the order of the
            versions, `migrations` the order in which they would be applied here.
    """

    versions: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the order does not matter."""
        return not self.reasons and not self.differences


def prove_order(
    folder: Path, status: Status, platform: Path | None, shadow_url: str | None = None
) -> OrderProof:
    """Apply the files in both orders to databases that are thrown away, and compare.

    A new database will run them in the order of their versions, this one in another: both must
    end in the same catalog. Rows cannot be compared that way, so in a late file, and in every file
    that it comes after here and before there, only statements are allowed that leave rows alone in
    any order; see `order_matters`. What is not known to do so is refused.

    Not seen is in which order the foreign keys of two tables act on rows of a third one: Postgres
    takes that from numbers which a restored database has anew.

    Args:
        folder: The migrations.
        status: Of the database.
        platform: See `shadow`.
        shadow_url: See `shadow`.

    Raises:
        HistoryDivergent: There are versions without a file, or edited files.
        GateFailed: One of the orders does not apply at all.
        ConnectionFailed: There is no server to try it on.
    """
    refuse_divergent(status, "What the order does cannot be proven.")
    files = {file.version: file for file in read_folder(folder).files}
    late = [files[file.version] for file in status.in_state("out_of_order")]
    if not late:
        return OrderProof(())
    waits: tuple[State, ...] = ("running", "part_way", "pending", "out_of_order")
    waiting = {file.version for file in status.in_state(*waits)}
    applied = [file for version, file in sorted(files.items()) if version not in waiting]
    versions = tuple(file.version for file in late)
    crossed = [file for file in applied if file.version > late[0].version]
    reasons = tuple(
        reason for file in sorted((*late, *crossed), key=_version) for reason in _reasons(file)
    )
    if reasons:
        return OrderProof(versions, reasons)
    with shadow(platform, shadow_url) as server:
        made, acting = [], []
        for order in (sorted((*applied, *late), key=_version), (*applied, *late)):
            with server.database() as dsn:
                given = _facts(dsn)
                replay(dsn, order)
                made.append(_facts(dsn))
                with history.connect(dsn) as conn:
                    acting.append({*conn.execute(_ACTING)})
    reasons = (
        *_unnamed(set(made[0]) - set(given)),
        *(
            f"{child}: its foreign keys would act on {parent}'s rows in another order: {keys}"
            for child, parent, keys in sorted(acting[0] - acting[1])
        ),
    )
    return OrderProof(versions, reasons, compare(*made))


def _version(file: MigrationFile) -> str:
    return file.version


def _facts(dsn: str) -> tuple[Fact, ...]:
    with history.connect(dsn) as conn:
        return extract(conn)


def _reasons(file: MigrationFile) -> Iterator[str]:
    for statement in file.read().statements:
        reason = order_matters(statement)
        if reason is not None:
            yield f"{file.path.name}:{statement.line}: {reason}"


def _unnamed(facts: set[Fact]) -> Iterator[str]:
    """Tell of what the files made that a statement may meet without a word of it."""
    for fact in sorted(facts):
        if fact.kind in _UNNAMED:
            yield f"{fact.kind} {fact.identity}: what it does is not seen"
        # Of two parents that are given one column, the first decides what stands in old rows.
        if fact.kind == "relation" and "," in properties(fact.definition).get("inherits", ""):
            yield f"{fact.identity}: it inherits from several tables"
