"""What a statement does to the tables that were there before its file.

Nothing is guessed from its text: locks come from pg_locks, rewrites from the relations' files, full
scans from the session's counters. All of that shows on empty tables as well as on full ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tillroll.migrate.parser import Statement
from tillroll.migrate.rehearsal.observe import MODES, Relation, State

__all__ = ["Effects", "compare_states"]

_WRITING, _BESIDE, _ALONE = map(
    MODES.index, ("RowExclusive", "ShareUpdateExclusive", "AccessExclusive")
)


@dataclass(frozen=True)
class Effects:
    """What a statement did to tables that were there before its file, by oid.

    Attributes:
        held: The strongest lock on each that is held after it, as a place in `MODES`; plain
            reading (AccessShare) does not count.
        taken: Those of them that were not held, or weaker, before it.
        rewritten: Tables whose rows were written anew.
        emptied: Tables that got a new file without being read: TRUNCATE.
        scans: How often each was read as a whole.
        built: The table of each index that was built, and the index's access method.
        foreign_keys: The two tables of each foreign key that was validated by reading.
        checked: Tables on which a CHECK was validated.
        changed: Tables of which any number of rows may have been changed.
        copied: Tables whose rows may have been inserted elsewhere.
    """

    held: dict[int, int]
    taken: dict[int, int]
    rewritten: frozenset[int]
    emptied: frozenset[int]
    scans: dict[int, int]
    built: tuple[tuple[int, str], ...]
    foreign_keys: tuple[tuple[int, int], ...]
    checked: frozenset[int]
    changed: frozenset[int]
    copied: frozenset[int]


def compare_states(
    known: dict[int, Relation],
    before: State,
    after: State,
    statement: Statement,
    planned: frozenset[int],
) -> Effects:
    """Return what a statement did.

    Args:
        known: What was there before the statement's file.
        before: The moment before the statement, in the same session.
        after: The moment after it, in the same transaction where it can have one.
        planned: See `planned_scans`.
    """
    change = _Change(known, before, after, planned)
    if statement.moves_data == "REFRESH MATERIALIZED VIEW":
        change.read_what_is_locked()
    if statement.alone is None:
        held, old = change.strongest(after), change.strongest(before)
    else:
        held, old = change.locks_alone(whole="whole" in statement.alone), {}
    changed, copied = change.rows(statement.moves_data)
    return Effects(
        held=held,
        taken={oid: level for oid, level in held.items() if level > old.get(oid, 0)},
        rewritten=change.refiled - change.emptied,
        emptied=change.emptied,
        # The other table is read by its index, if not otherwise.
        scans={**{other: 1 for _, other in change.foreign_keys}, **change.scans},
        built=change.built,
        foreign_keys=change.foreign_keys,
        checked=frozenset(each.table for each in change.proven if each.kind == "c"),
        changed=changed,
        copied=copied,
    )


class _Change:
    """Two moments, and what there was before the file."""

    def __init__(
        self,
        known: dict[int, Relation],
        before: State,
        after: State,
        planned: frozenset[int],
    ) -> None:
        self._known = known
        self._before = before
        self._after = after
        self._both = [
            (before.relations[oid], after.relations[oid])
            for oid in before.relations.keys() & after.relations.keys() & known.keys()
        ]
        self._reads = dict.fromkeys(planned & known.keys(), 1) | {
            new.oid: new.scans - old.scans for old, new in self._both if new.scans > old.scans
        }
        self.refiled = frozenset(
            new.oid
            for old, new in self._both
            if new.kind in {"r", "m"} and new.filenode != old.filenode
        )
        files = {each.filenode for each in before.relations.values()}
        self.built = tuple(
            (each.of, each.method)
            for each in after.relations.values()
            if each.kind == "i" and each.of in known and each.filenode not in files
        )
        self.proven = [
            proven
            for oid, proven in after.proven.items()
            if oid not in before.proven and proven.table in known
        ]

    def read_what_is_locked(self) -> None:
        """Count as read what was locked for it: an empty side of a join hides the other one."""
        new = {oid for oid, _ in self._after.locks - self._before.locks}
        for oid in new & self._known.keys() - self.refiled:
            if self._known[oid].kind in {"r", "m"}:
                self._reads.setdefault(oid, 1)

    @cached_property
    def emptied(self) -> frozenset[int]:
        """Tables that have a new file and were not read for it.

        To build their indexes anew counts as a scan each, of the new file.
        """
        builds = [table for table, _ in self.built]
        by_index = {self._known[oid].of for oid in self._reads}
        return frozenset(
            oid
            for oid in self.refiled - by_index
            if self._known[oid].kind == "r" and self._reads.get(oid, 0) == builds.count(oid)
        )

    @cached_property
    def scans(self) -> dict[int, int]:
        """How often each table was read as a whole."""
        return {
            oid: times
            for oid, times in self._reads.items()
            if not self._known[oid].is_index and oid not in self.emptied
        }

    @cached_property
    def foreign_keys(self) -> tuple[tuple[int, int], ...]:
        """The tables of each foreign key that was validated by reading."""
        return tuple(
            (each.table, each.other)
            for each in self.proven
            if each.kind == "f"
            and each.other in self._known
            and (each.table in self.scans or (self._known[each.table].kind == "p" and self.scans))
        )

    def strongest(self, state: State) -> dict[int, int]:
        """Return the strongest lock on each table, an index's taken for its table's."""
        found: dict[int, int] = {}
        for oid, level in state.locks:
            table = self._table(oid)
            if table is not None and level > found.get(table, 0):
                found[table] = level
        return found

    def locks_alone(self, *, whole: bool) -> dict[int, int]:
        """Return the locks that a statement without a transaction had: they are gone already.

        On which tables is seen by what has happened to them.

        Args:
            whole: Whether it is about all tables of a schema or database, one after the other.
        """
        gone = self._before.relations.keys() - self._after.relations.keys()
        tables = {self._table(oid) for oid in (*gone, *self._reads)} | {of for of, _ in self.built}
        level = _ALONE if whole else _BESIDE
        found = {oid: level for oid in tables if oid is not None}
        for old, new in self._both:
            if old.of is not None and new.of is None:  # a partition that was detached
                found |= {old.of: level, new.oid: _ALONE}
        return found | dict.fromkeys(self.refiled, _ALONE)

    def rows(self, moves: str | None) -> tuple[frozenset[int], frozenset[int]]:
        """Return the tables whose rows may have been changed, and those copied elsewhere.

        Args:
            moves: `Statement.moves_data`.
        """
        nothing: frozenset[int] = frozenset()
        written = self._written(self._after)
        if moves not in {"UPDATE", "DELETE", "MERGE"}:
            written -= self._written(self._before)
        if not (written or moves == "CREATE TABLE AS"):
            return nothing, nothing
        changed = written & self.scans.keys()
        return changed, nothing if changed else frozenset(self.scans)

    def _written(self, state: State) -> frozenset[int]:
        """Return what holds rows and is locked for writing some."""
        return frozenset(
            oid
            for oid, level in state.locks
            if level == _WRITING
            and (found := self._after.relations.get(oid)) is not None
            and found.kind in {"r", "p", "m", "f"}
        )

    def _table(self, oid: int) -> int | None:
        """Return a known table by its own oid or an index's; None for all else."""
        relation = self._known.get(oid)
        if relation is None or not relation.is_index:
            return relation and oid
        return relation.of if relation.of in self._known else None
