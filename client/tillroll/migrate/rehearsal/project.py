"""From what was seen, and the tables' sizes, to how long it would take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tillroll.migrate.files import MigrationFile
from tillroll.migrate.parser import Statement, position
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
_BLOCKS_READS = MODES.index("AccessExclusive")


@dataclass(frozen=True)
class Seen:
    """A statement with its number, what it did, and what was there before its file."""

    number: int
    statement: Statement
    effects: Effects
    known: dict[int, Relation]

    def name(self, oid: int) -> str:
        """Return a table's name, as it was before the file."""
        return self.known[oid].name

    @property
    def place(self) -> tuple[int, int]:
        """Line and column of its code in its file."""
        statement = self.statement
        line, column = position(statement.text, statement.code)
        return statement.line + line - 1, column + (statement.column - 1 if line == 1 else 0)


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
        self._sizes: dict[int, TableSize] = {
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
                during = range(index, _end(seen, index, oid) if transactional else index + 1)
                held = sum(seconds[at] for at in during)
                locks.append(
                    Lock(
                        MODES[level],
                        each.name(oid),
                        None if self._is_blind else held,
                        blocks_reads=level >= _BLOCKS_READS,
                        blocks_writes=level >= _BLOCKS_WRITES,
                    )
                )
                counted = sum(seconds[at] for at in during if self._counts(oid, seen[at]))
                if level >= _BLOCKS_WRITES and counted > self._budget and oid not in told:
                    told.add(oid)
                    slowest = seen[max(during, key=seconds.__getitem__)]
                    self._note(file, each, slowest, oid, held)
            statements.append(self._statement(each, seconds[index], locks))
        return RehearsedFile(file.version, file.name, transactional, tuple(statements))

    def _seconds(self, each: Seen) -> float:
        """Return how long a statement runs."""
        effects, rates = each.effects, self._rates
        total = rates.statement_seconds
        for oid, size in self._sized(effects.rewritten):
            total += rates.rewrite(size) - rates.scan(size) * (oid in effects.scans)
        for oid, size in self._sized(effects.scans):
            total += rates.scan(size) * effects.scans[oid]
        for oid, method in effects.built:
            if oid in self._sizes and oid not in effects.emptied:
                total += rates.index(self._sizes[oid], method)
        for pair in effects.foreign_keys:
            total += sum(rates.foreign_key(size) for _, size in self._sized(pair))
        for _, size in self._sized(effects.changed | effects.copied):
            total += rates.change(size, each.statement.moves_data)
        return total

    def _counts(self, oid: int, running: Seen) -> bool:
        """Whether the time of a statement counts for a lock on a table that is held meanwhile.

        Nobody waits for a table that production has not yet. A small one counts only while
        something is done to others which are not.
        """
        tables = (oid, *running.effects.scans, *running.effects.rewritten)
        return oid in self._before and any(not size.small for _, size in self._sized(tables))

    def _note(self, file: MigrationFile, taker: Seen, slowest: Seen, oid: int, held: float) -> None:
        instead = advise(slowest.statement, slowest.effects)
        if slowest is not taker:
            instead = (
                f"move statement {slowest.number} (line {slowest.place[0]}), which most of it goes "
                f"to, into a later file; or {instead}"
            )
        self.over_budget.append(
            OverBudget(
                file.path.name,
                *taker.place,
                taker.number,
                taker.name(oid),
                MODES[taker.effects.taken[oid]],
                held,
                slowest.number,
                instead,
            )
        )

    def _statement(self, each: Seen, seconds: float, locks: list[Lock]) -> StatementEffect:
        effects, statement = each.effects, each.statement
        scans = [(each.name(oid), times) for oid, times in effects.scans.items()]
        return StatementEffect(
            each.number,
            *each.place,
            statement.text[statement.code :],
            None if self._is_blind else seconds,
            tuple(sorted(locks, key=lambda lock: lock.relation)),
            tuple(sorted(map(each.name, effects.rewritten | effects.emptied))),
            tuple(Scan(name, times) for name, times in sorted(scans)),
            tuple(sorted(each.name(oid) for oid, _ in effects.built)),
        )

    def _sized(self, oids: Iterable[int]) -> list[tuple[int, TableSize]]:
        return [(oid, self._sizes[oid]) for oid in oids if oid in self._sizes]


def _end(seen: list[Seen], start: int, oid: int) -> int:
    """Return the index after the last statement that runs under a lock taken at `start`.

    That is the end of the file, unless a ROLLBACK TO gives the lock back.
    """
    level = seen[start].effects.taken[oid]
    for index in range(start + 1, len(seen)):
        if seen[index].effects.held.get(oid, 0) < level:
            return index
    return len(seen)
