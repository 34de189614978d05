"""What is known of a database at a point of its history, from the files alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tillroll.migrate.files import MigrationFile
from tillroll.migrate.parser import Change, Statement

__all__ = ["Here", "Step", "Thing", "Unit", "World"]

CALLERS = frozenset({"public", "anon", "authenticated"})


@dataclass(frozen=True)
class Step:
    """A change, and the statement that makes it."""

    statement: Statement
    change: Change


@dataclass(frozen=True)
class Unit:
    """A file that is read.

    Attributes:
        linted: Whether something shall be found in it; else it tells what is there already.
        shown: Its path, for people.
        steps: What it does, every name with its schema.
        refused: Why the runner does not take it; empty where it does.
    """

    file: MigrationFile
    linted: bool
    shown: str
    statements: tuple[Statement, ...]
    steps: tuple[Step, ...]
    refused: str


@dataclass
class Thing:
    """A relation, or all functions of one name.

    Attributes:
        new: Made by one of the files that are linted: nobody uses it yet.
        gone: Dropped again.
        flags: What was said of it; `row security`, `granted`.
        types: A relation's columns.
        filled: Those that are proven to hold no null.
        unproven: Those that a constraint will prove so, by its name.
        callers: Which of the API's roles may call it, and `public`.
    """

    new: bool = False
    gone: bool = False
    flags: set[str] = field(default_factory=set)
    types: dict[str, str] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)
    unproven: dict[str, tuple[str, ...]] = field(default_factory=dict)
    callers: set[str] = field(default_factory=lambda: set(CALLERS))


class World:
    """Everything that files made so far."""

    def __init__(self) -> None:
        self._things: dict[tuple[bool, str, str], Thing] = {}
        self.domains: set[str] = set()
        self.defaults: set[tuple[str, str]] = set()

    def thing(self, change: Change) -> Thing:
        """Return what a change is to; what was never seen is old."""
        return self._things.setdefault(self._key(change), Thing())

    @staticmethod
    def _key(change: Change) -> tuple[bool, str, str]:
        return (change.kind == "function", change.schema, change.name)

    def apply(self, change: Change, new: bool) -> None:
        """Take in a change that has been made.

        Args:
            new: Whether one of the files that are linted makes it.
        """
        thing = self.thing(change)
        match change.action:
            case "create table" | "create view" | "create materialized view" | "create function":
                if thing.gone or "made" not in thing.flags:
                    thing = self._things[self._key(change)] = Thing(new)
                thing.flags -= {"definer", "invoker", "search path"}
                thing.flags |= change.flags | {"made"}
            case "alter function" | "alter view":
                if "invoker" in change.flags:
                    thing.flags.discard("definer")
                thing.flags |= change.flags
            case "drop table" | "drop view" | "drop materialized view" | "drop function":
                thing.gone = True
            case "add column" | "retype column":
                thing.types[change.part] = change.type
            case "add constraint" if "not valid" in change.flags:
                thing.unproven[change.part] = change.words
            case "add constraint":
                thing.filled.update(change.words)
            case "validate constraint":
                thing.filled.update(thing.unproven.pop(change.part, ()))
            case "enable row security":
                thing.flags.add("row security")
            case "disable row security":
                thing.flags.discard("row security")
            case "create domain" if "constrained" in change.flags:
                self.domains.add(change.name)
            case "grant default table" | "grant default function":
                self.defaults.add((change.kind.removeprefix("default "), change.schema))
            case "grant table" | "grant function" | "revoke table" | "revoke function":
                self._grant(change)

    def _grant(self, change: Change) -> None:
        wanted = (change.kind == "function", change.schema)
        roles = CALLERS & set(change.roles)
        for key, thing in self._things.items():
            if key[:2] == wanted and change.name in {key[2], ""}:
                thing.flags.add("granted")
                thing.callers -= roles
                if change.action.startswith("grant"):
                    thing.callers |= roles


@dataclass(frozen=True)
class Here:
    """Where a change stands, for a rule to look around.

    Attributes:
        world: What was there before it; for rules that wait, what is there after the last file.
        exposed: The schemas that the API shows.
    """

    world: World
    unit: Unit
    step: Step
    exposed: Sequence[str]

    @property
    def thing(self) -> Thing:
        """What the change is to."""
        return self.world.thing(self.step.change)

    @property
    def is_shown(self) -> bool:
        """Whether it is to something that the API shows."""
        change = self.step.change
        return change.schema in self.exposed and "temporary" not in change.flags
