"""What a statement does to the tables that were there before its file.

Nothing is guessed from its text: locks come from pg_locks, rewrites from the relations' files, full
scans from the session's counters. All of that shows on empty tables as well as on full ones.
"""

from __future__ import annotations

from dataclasses import dataclass

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
        taken: The strongest lock on each that was not held, or a weaker one, before it, as a place
            in `MODES`; plain reading (AccessShare) does not count.
        refiled: Tables that got a new file: written anew, or emptied.
        rewritten: Those of them whose rows were written anew.
        scans: How often each was read as a whole.
        built: The table of each index that was built, and the index's access method.
        foreign_keys: The two tables of each foreign key that was validated by reading.
        moved: Tables of which any number of rows may have been changed or copied.
    """

    taken: dict[int, int]
    refiled: frozenset[int]
    rewritten: frozenset[int]
    scans: dict[int, int]
    built: tuple[tuple[int, str], ...]
    foreign_keys: tuple[tuple[int, int], ...]
    moved: frozenset[int]


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
    moves = statement.moves_data
    both = [
        (before.relations[oid], after.relations[oid])
        for oid in before.relations.keys() & after.relations.keys() & known.keys()
    ]
    refiled = frozenset(
        new.oid for old, new in both if new.kind in {"r", "m"} and new.filenode != old.filenode
    )
    files = {each.filenode for each in before.relations.values()}
    reads = dict.fromkeys(planned & known.keys(), 1) | {
        new.oid: new.scans - old.scans for old, new in both if new.scans > old.scans
    }
    if moves == "REFRESH MATERIALIZED VIEW":  # an empty side of a join hides the other one
        locked = {oid for oid, _ in after.locks - before.locks} & known.keys() - refiled
        reads = {oid: 1 for oid in locked if known[oid].kind in {"r", "m"}} | reads
    built = tuple(
        (each.of, each.method)
        for each in after.relations.values()
        if each.kind == "i" and each.of in known and each.filenode not in files
    )
    if moves == "TRUNCATE":  # indexes of nothing
        reads, built = {}, ()
    scans = {oid: times for oid, times in reads.items() if not known[oid].is_index}
    keys = tuple(
        (table, other)
        for _, table, other in after.keys - before.keys
        if {table, other} <= known.keys()
        and (table in scans or (known[table].kind == "p" and scans))
    )
    if statement.alone is None:
        held, old = _strongest(known, after), _strongest(known, before)
    else:  # they are gone already: on which tables is seen by what has happened to those
        gone = before.relations.keys() - after.relations.keys()
        touched = {_table(known, oid) for oid in (*gone, *reads)} | {of for of, _ in built}
        level = _ALONE if "whole" in statement.alone else _BESIDE
        held, old = {oid: level for oid in touched if oid is not None}, {}
        for was, now in both:
            if was.of is not None and now.of is None:  # a partition that was detached
                held |= {was.of: level, now.oid: _ALONE}
        held |= dict.fromkeys(refiled, _ALONE)
    written = _written(after)
    if moves not in {"UPDATE", "DELETE", "MERGE"}:
        written -= _written(before)
    copied = scans.keys() if written or moves == "CREATE TABLE AS" else ()
    return Effects(
        taken={oid: level for oid, level in held.items() if level > old.get(oid, 0)},
        refiled=refiled,
        rewritten=refiled if moves != "TRUNCATE" else frozenset(),
        # The other table is read by its index, if not otherwise.
        scans={**{other: 1 for _, other in keys}, **scans},
        built=built,
        foreign_keys=keys,
        moved=frozenset(written & scans.keys() or copied),
    )


def _strongest(known: dict[int, Relation], state: State) -> dict[int, int]:
    """Return the strongest lock on each table, an index's taken for its table's."""
    found: dict[int, int] = {}
    for oid, level in state.locks:
        table = _table(known, oid)
        if table is not None and level:
            found[table] = max(level, found.get(table, 0))
    return found


def _written(state: State) -> set[int]:
    """Return what holds rows and is locked for writing some."""
    return {
        oid
        for oid, level in state.locks
        if level == _WRITING
        and (found := state.relations.get(oid)) is not None
        and found.kind in {"r", "p", "m", "f"}
    }


def _table(known: dict[int, Relation], oid: int) -> int | None:
    """Return a known table by its own oid or an index's; None for all else."""
    relation = known.get(oid)
    table = relation.of if relation and relation.is_index else oid
    return table if table in known else None
