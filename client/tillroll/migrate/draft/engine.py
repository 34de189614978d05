"""Try what may settle a difference, keep what does, look again: until nothing is left to try."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from operator import itemgetter

import psycopg

from tillroll.migrate.draft.index import Index
from tillroll.migrate.draft.steps import VIEWS, Key, Planner, Step
from tillroll.migrate.errors import UsageError
from tillroll.migrate.facts import Catalog, read_catalog

__all__ = ["Draft", "Drafter", "Part"]

Part = tuple[str, str]  # a note for who reads it, and the text

_ROUNDS = 200  # far more than any draft takes: if two steps undo each other, it ends here
_LEANT_ON = {"2BP01", "0A000"}  # dependent objects still exist; a view, policy … uses the column
_OF_COLUMN = {"constraint", "index", "statistics"}
_REMADE = _OF_COLUMN | {"function", "trigger", "rule", "policy"}
_BACK = "In the way of what follows, and made again below."


@dataclass(frozen=True)
class Draft:
    """What was found.

    Attributes:
        parts: Statements and whole files, each with a note, in an order that works.
        reasons: By fact, why it could not be settled.
        dropped: What would go for good, and may not.
    """

    parts: tuple[Part, ...]
    reasons: Mapping[Key, str]
    dropped: tuple[Key, ...]


@dataclass
class Drafter:
    """Works on a database inside a transaction, which it rolls back.

    Attributes:
        conn: Of the database that the migrations made.
        want: What shall be.
        index: The sources.
        reference: Tables whose rows count.
        skip: Facts to leave as they are.
        allowed: Names of what may go for good.
    """

    conn: psycopg.Connection
    want: Catalog
    index: Index
    reference: Sequence[str]
    skip: set[Key]
    allowed: Set[str]
    _parts: list[Part] = field(default_factory=list)
    _reasons: dict[Key, str] = field(default_factory=dict)
    _stuck: set[tuple[Key, ...]] = field(default_factory=set)
    _sqlstate: str | None = None
    _planner: Planner = field(init=False)

    def run(self, have: Catalog, renames: Iterable[tuple[Key, str]]) -> Draft:
        """Find the statements.

        Args:
            have: What is there.
            renames: What gets a new name first, and which.

        Raises:
            UsageError: One of those fails, or nothing of an allowed name would go.
        """
        with self.conn.transaction(force_rollback=True):
            self._plan(have)
            for key, new in renames:
                text = self._planner.rename(key, new)
                if not self._try(Step((key,), ((text,),))):
                    raise UsageError(f"{text}: {self._reasons[key]}")
            have = self._read()
            self._plan(have)
            self._refuse_unknown(self._planner.lost)
            for _ in range(_ROUNDS):
                now = self._round(have)
                if now is None:
                    break
                have = now
                self._plan(have)
            dropped = tuple(key for key in self._planner.dropped() if not self._may_drop(key))
        return Draft(tuple(self._parts), self._reasons, dropped)

    def _refuse_unknown(self, lost: Set[Key]) -> None:
        unknown = self.allowed - {name for key in lost for name in _names(key)}
        if unknown:
            raise UsageError(
                f"nothing of this name would be dropped: {', '.join(sorted(unknown))}\n"
                "Take --allow-drop away, or write the name as the refusal shows it."
            )

    def _round(self, have: Catalog) -> Catalog | None:
        """Take the first rank in which anything can be done; return what is there then.

        The best way of each first, up to the views: a file as a whole may wait for a function that
        one of its triggers calls.
        """
        steps = self._planner.steps()
        best = [(n, replace(s, ways=s.ways[:1], cascade="")) for n, s in steps if n <= VIEWS]
        for _, group in chain(groupby(best, itemgetter(0)), groupby(steps, itemgetter(0))):
            now = self._keep([step for _, step in group if step.keys not in self._stuck], have)
            if now is not None:
                return now
        return None

    def _keep(self, steps: Sequence[Step], have: Catalog) -> Catalog | None:
        """Try steps; return what is there then, None where none could be done.

        Where some did nothing, all are undone, and those are not tried again.
        """
        mark, now = len(self._parts), None
        with self.conn.transaction():
            if done := self._try_all(steps):
                now = self._read()
                idle = {step.keys for step in done if not _differ(now, have, step.keys)}
                if idle:
                    self._stuck |= idle
                    del self._parts[mark:]
                    now = have
                    raise psycopg.Rollback
        return now

    def _try_all(self, steps: Sequence[Step]) -> list[Step]:
        """Run steps in whatever order works; return those that did."""
        done: list[Step] = []
        waiting, before = list(steps), -1
        while len(done) > before:
            before = len(done)
            for step in tuple(waiting):
                if self._try(step) or self._try_after_clearing(step):
                    done.append(step)
                    waiting.remove(step)
        return done

    def _try(self, step: Step) -> bool:
        for way in step.ways:
            try:
                with self.conn.transaction():
                    for text in way:
                        self.conn.execute(text)
            except psycopg.Error as error:
                said = f"{error.diag.message_primary or error} (SQLSTATE {error.sqlstate})"
                self._reasons |= dict.fromkeys(step.keys, said)
                self._sqlstate = error.sqlstate
            else:
                self._parts += [(step.note, text) for text in way]
                return True
        return False

    def _try_after_clearing(self, step: Step) -> bool:
        """Drop what leans on a thing, if it can be made again, and try once more."""
        if not step.cascade or self._sqlstate not in _LEANT_ON or step.keys in self._stuck:
            return False
        have = self._read()
        try:
            with self.conn.transaction(force_rollback=True):
                self.conn.execute(step.cascade)
                after = self._read()
        except psycopg.Error:
            return False
        # A column that changes looks after these itself; one that goes takes its own along.
        own = _OF_COLUMN if step.keys[0][0] == "column" else set()
        drops = [
            Step((key,), ((self._planner.drop(key),),), note=_BACK)
            for key in have
            if key not in after and key not in step.keys and key[0] not in own and self._may_go(key)
        ]
        mark, done = len(self._parts), False
        with self.conn.transaction():
            self._try_all(drops)
            done = self._try(step)
            if not done:
                del self._parts[mark:]
                self._stuck.add(step.keys)
                raise psycopg.Rollback
        return done

    def _may_drop(self, key: Key) -> bool:
        return not self.allowed.isdisjoint(_names(key))

    def _may_go(self, key: Key) -> bool:
        """Whether something in the way may be dropped: it comes back without a loss."""
        if key not in self.want:
            return key in self._planner.replaced or self._may_drop(key)
        return key[0] in _REMADE or self.want[key].get("kind") in {"v", "m"}

    def _plan(self, have: Catalog) -> None:
        self._planner = Planner(have, self.want, self.index, self.skip, self._may_drop)

    def _read(self) -> Catalog:
        with self.conn.transaction(force_rollback=True):
            return read_catalog(self.conn, self.reference)


def _differ(one: Catalog, other: Catalog, keys: Iterable[Key]) -> bool:
    return any(one.get(key) != other.get(key) for key in keys)


def _names(key: Key) -> tuple[str, ...]:
    """Return the names by which a fact may be let go; for a row, also its table's."""
    return (key[1], key[1].split(" ", 1)[0]) if key[0] == "row" else (key[1],)
