"""From what was seen, and the tables' sizes, to how long it would take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tillroll.migrate.files import MigrationFile
from tillroll.migrate.parser import Statement
from tillroll.migrate.rehearsal.advice import advise
from tillroll.migrate.rehearsal.effects import Effects
from tillroll.migrate.rehearsal.observe import MODES, Relation
from tillroll.migrate.rehearsal.rates import Rates
from tillroll.migrate.rehearsal.results import (
    Lock,
    OverBudget,
    RehearsedFile,
    Scan,
    StatementEffect,
)
from tillroll.migrate.rehearsal.sizes import Sizes, TableSize

__all__ = ["Projection", "Seen"]

_BLOCKS_WRITES = MODES.index("Share")


class Seen(NamedTuple):
    """A statement with its number, what it did, and what was there before its file."""

    number: int
    statement: Statement
    effects: Effects
    known: dict[int, Relation]

    def names(self, oids: Iterable[int]) -> tuple[str, ...]:
        """Return the names of tables, as they were before the file, sorted."""
        return tuple(sorted(self.known[oid].name for oid in oids))

    @property
    def place(self) -> tuple[int, int]:
        """Line and column of its code in its file."""
        return self.statement.place(self.statement.code)


class Projection:
    """How long statements run and locks are held.

    Args:
        before: What production has, as it was before any pending file.
        sizes: Of its tables; without them nothing is projected.
        rates: How fast it is.
        budget: Seconds that a lock may block writes.
    """

    def __init__(
        self, before: dict[int, Relation], sizes: Sizes | None, rates: Rates, budget: float
    ) -> None:
        by_name = {each.relation: each for each in (sizes.tables if sizes else ())}
        # By oid: a pending file may give a table another name.
        self._sizes = {
            oid: by_name[each.name] for oid, each in before.items() if each.name in by_name
        }
        self._before = before
        self._is_blind = sizes is None
        self._rates = rates
        self._budget = budget
        self.over_budget: list[OverBudget] = []

    def file(self, file: MigrationFile, seen: list[Seen]) -> RehearsedFile:
        """Return what a file does; note which of its locks are over the budget."""
        transactional = file.read().transactional
        seconds = [self._seconds(each) for each in seen]
        told: set[int] = set()
        statements = []
        for index, each in enumerate(seen):
            locks = []
            for oid, level in each.effects.taken.items():
                end = len(seen) if transactional else index + 1
                held = sum(seconds[index:end])
                name = each.known[oid].name
                locks.append(Lock(MODES[level], name, None if self._is_blind else held))
                during = range(index, end)
                counted = sum(seconds[at] for at in during if self._counts(oid, seen[at]))
                if level >= _BLOCKS_WRITES and counted > self._budget and oid not in told:
                    told.add(oid)
                    slowest = seen[max(during, key=seconds.__getitem__)]
                    self.over_budget.append(_over(file, each, slowest, locks[-1], held))
            effects, statement = each.effects, each.statement
            scans = (Scan(each.known[oid].name, times) for oid, times in effects.scans.items())
            statements.append(
                StatementEffect(
                    each.number,
                    *each.place,
                    statement.text[statement.code :],
                    None if self._is_blind else seconds[index],
                    tuple(sorted(locks, key=lambda lock: lock.relation)),
                    each.names(effects.refiled),
                    tuple(sorted(scans, key=lambda scan: scan.relation)),
                    each.names(oid for oid, _ in effects.built),
                )
            )
        return RehearsedFile(file.version, file.name, transactional, tuple(statements))

    def _seconds(self, each: Seen) -> float:
        """Return how long a statement runs."""
        effects, rates = each.effects, self._rates
        total = rates.statement_seconds
        for oid, size in self._sized(effects.rewritten):
            total += rates.write(size) - rates.read(size) * (oid in effects.scans)
        for oid, size in self._sized(effects.scans):
            total += rates.read(size) * effects.scans[oid]
        for oid, method in effects.built:
            total += sum(rates.index(size, method) for _, size in self._sized([oid]))
        for pair in effects.foreign_keys:
            total += sum(rates.key(size) for _, size in self._sized(pair))
        for _, size in self._sized(effects.moved):
            total += rates.change(size, each.statement.moves_data)
        return total

    def _counts(self, oid: int, running: Seen) -> bool:
        """Whether the time of a statement counts for a lock on a table that is held meanwhile.

        Nobody waits for a table that production has not yet. A small one counts only while
        something is done to others which are not.
        """
        tables = (oid, *running.effects.scans, *running.effects.rewritten)
        return oid in self._before and any(not size.small for _, size in self._sized(tables))

    def _sized(self, oids: Iterable[int]) -> list[tuple[int, TableSize]]:
        return [(oid, self._sizes[oid]) for oid in oids if oid in self._sizes]


def _over(file: MigrationFile, taker: Seen, slowest: Seen, lock: Lock, held: float) -> OverBudget:
    instead = advise(slowest.statement, slowest.effects)
    if slowest is not taker:
        instead = (
            f"move statement {slowest.number} (line {slowest.place[0]}), which most of it goes "
            f"to, into a later file; or {instead}"
        )
    where = (file.path.name, *taker.place, taker.number)
    return OverBudget(*where, lock.relation, lock.mode, held, slowest.number, instead)
