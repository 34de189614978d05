"""What may turn one catalog into another: for each difference the ways to try."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tillroll.migrate.draft import alters
from tillroll.migrate.draft.index import Called, Index
from tillroll.migrate.facts import Catalog

__all__ = ["VIEWS", "Key", "Planner", "Step"]

Key = tuple[str, str]  # kind and identity of a fact

_ORDER = (  # what comes first; what goes for good goes late, when nothing leans on it any more
    *("rename", "schema", "extension", "type", "table", "column"),
    *("function", "view", "constraint", "index", "statistics", "trigger", "rule", "policy"),
    *("event trigger", "publication", "grants", "drop", "comment", "row"),
)
VIEWS = _ORDER.index("view")
_WORDS = {"v": "view", "m": "materialized view", "S": "sequence", "f": "foreign table"}
_ROUTINES = {"p": "procedure", "a": "aggregate"}
_WITH_OTHERS = {"comment", "grants"}  # they go with what they are on
_UNSAID = {"sequence", "column order", "default privileges", "setting"}
_FLAGS = {
    "row security": {True: "enable row level security", False: "disable row level security"},
    "forced row security": {True: "force row level security", False: "no force row level security"},
}
_DROP = {
    "column": "alter {of} {owner} drop {part} {name}",
    "constraint": "alter {of} {owner} drop constraint {name}",
    "index": "drop index {schema}.{name}",
    **dict.fromkeys(("trigger", "rule", "policy"), "drop {word} {name} on {owner}"),
}
_RENAME = {
    "constraint": "alter {of} {owner} rename constraint {name} to ",
    "index": "alter index {schema}.{name} rename to ",
    "column": "alter {of} {owner} rename {part} {name} to ",
    **dict.fromkeys(("trigger", "policy"), "alter {word} {name} on {owner} rename to "),
}
_BY_SHAPE = {"constraint", "index", "trigger", "policy"}
_FILL = "Fails where the table has rows: fill the column before it is NOT NULL."


@dataclass(frozen=True)
class Step:
    """Something to try.

    Attributes:
        keys: The facts that it is to settle.
        ways: Statements, best first; the next way where one fails.
        cascade: Would drop all that stands in the way too.
        note: For who reads the migration.
    """

    keys: tuple[Key, ...]
    ways: tuple[tuple[str, ...], ...]
    cascade: str = ""
    note: str = ""


class Planner:
    """Compares two catalogs; changes nothing.

    Args:
        have: What is there.
        want: What shall be.
        index: The sources.
        skip: Facts to leave as they are, where they are there.
        may_drop: Whether a fact may go for good.
    """

    def __init__(
        self,
        have: Catalog,
        want: Catalog,
        index: Index,
        skip: set[Key],
        may_drop: Callable[[Key], bool],
    ) -> None:
        self._have, self._want, self._index, self._may_drop = have, want, index, may_drop
        self._all = {**have, **want}
        self._owners = {key[1]: key for key in self._all if key[0] in {"relation", "type"}}
        self._schemas = {name: ("schema", name) for kind, name in self._all if kind == "schema"}
        self._present = {self._called(key) for key in have}
        self._differing = {
            key
            for key in self._all
            if have.get(key) != want.get(key)
            and not (key in skip and key in have)
            and not self._follows(key)
        }
        self._gained = {key for key in self._differing if key not in have}
        self.lost = {
            key for key in self._differing if key not in want and _kind(key) not in _WITH_OTHERS
        }
        self._replacing = dict(self._replacements())
        self.replaced = set(self._replacing.values())

    def dropped(self) -> tuple[Key, ...]:
        """Return what goes for good: not what goes with it, nor what something else replaces."""
        gone = {key[1] for key in self.lost if key[0] in {"relation", "type"}}
        renamed = {key for step in self._renames() for key in step.keys}
        return tuple(
            key
            for key in sorted(self.lost - renamed - self.replaced)
            if key[1] in gone or _cut(key[1], self._owners)[0] not in gone
        )

    def steps(self) -> list[tuple[int, Step]]:
        """Return what to try: its rank; in each rank changes first, in the order of the sources."""
        renames = list(self._renames())
        renamed = {key for step in renames for key in step.keys}
        ordered = sorted(self._differing - renamed - self.replaced, key=self._place)
        steps = [(self._place(key)[0], step) for key in ordered for step in self._of(key)]
        return [*((0, step) for step in renames), *steps]

    def rename(self, key: Key, new: str) -> str:
        """Return the statement that gives a thing a new name."""
        return self._say(_RENAME.get(key[0], "alter {word} {identity} rename to "), key) + new

    def drop(self, key: Key) -> str:
        """Return the statement that drops a thing."""
        if key[0] == "row":
            return alters.take_row(*key[1].split(" ", 1))
        return self._say(_DROP.get(key[0], "drop {word} {identity}"), key)

    def _place(self, key: Key) -> tuple[int, bool, int, str]:
        kind, then = _kind(key), key[1]
        order = self._index.order(self._called(key))
        if key in self.lost and kind != "row":
            kind = "drop"
        elif kind == "relation":
            kind = "view" if self._want[key]["kind"] in {"v", "m"} else "table"
        elif kind == "column":
            then, name = _cut(then, self._owners)
            columns = self._want["column order", then]["columns"]
            order = columns.index(name.strip('"')) if name.strip('"') in columns else len(columns)
        rank = _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
        return rank, key in self._gained, order, then

    def _follows(self, key: Key) -> bool:
        """Whether it comes and goes with something else, or nothing can be done about it."""
        kind, identity = key
        owner = self._owners.get(_cut(identity, self._owners)[0], key)
        thing, old, new = self._all[key], self._have.get(owner), self._want.get(owner)
        if old and new and kind != "function" and old.get("kind") != new.get("kind"):
            return True  # a table does not become a view
        if kind == "index":
            return ("constraint", identity) in self._all
        if kind == "relation" and thing["kind"] == "S":
            return self._all["sequence", identity].get("owned by") is not None
        return kind in _UNSAID or (kind == "relation" and thing["kind"] == "c")

    def _replacements(self) -> Iterator[tuple[Key, Key]]:
        """Give each function that takes the place of the only other one of its name."""
        for key in self._gained:
            same = [
                {each for each in keys if self._called(each) == self._called(key)}
                for keys in (self._gained, self.lost)
            ]
            if key[0] == "function" and [len(each) for each in same] == [1, 1]:
                yield key, same[1].pop()

    def _renames(self) -> Iterator[Step]:
        """Give what is the same as another that it replaces, but for the name."""
        fresh = {self._shape(key): key for key in self._gained if key[0] in _BY_SHAPE}
        for key in sorted(self.lost):
            twin = fresh.get(self._shape(key)) if key[0] in _BY_SHAPE else None
            if twin is not None:
                yield Step((key, twin), ((self.rename(key, _cut(twin[1], self._owners)[1]),),))

    def _shape(self, key: Key) -> object:
        owner, name = _cut(key[1], self._owners)
        said = repr(sorted(self._all[key].items(), key=lambda each: each[0]))
        return key[0], owner, said.replace(f" {name} ", " ", 1)

    def _of(self, key: Key) -> Iterator[Step]:
        kind = key[0]
        old, new = self._have.get(key), self._want.get(key)
        if kind == "comment":
            # What is said of several things is said at once.
            said = {each for each, thing in self._want.items() if each[0] == kind and thing == new}
            keys = sorted(said & self._differing)
            if new is not None and key == keys[0]:
                yield Step(tuple(keys), (self._index.comments(new["text"]),))
        elif kind.startswith("grants on "):
            yield from self._grants(key)
        elif new is None:
            if self._may_drop(key):
                yield self._step(key, self.drop(key), drop=True)
        elif kind == "row":
            yield from self._rows(key)
        elif kind == "column":
            yield from self._column(key, old, new)
        elif kind == "constraint":
            yield from self._constraint(key, old, new)
        elif old is None:
            yield from self._make(key, new)
        else:
            yield from self._change(key, old, new)

    def _make(self, key: Key, new: dict[str, Any]) -> Iterator[Step]:
        old = key if key in self._have else self._replacing.get(key)
        if old is None:
            yield self._step(key, *self._texts(key, new))
            return
        drop = self.drop(old)
        over = [(text,) for text in self._texts(key, new, over=True) if old == key]
        anew = [(drop, text) for text in self._texts(key, new)]
        yield Step(tuple(dict.fromkeys((key, old))), (*over, *anew), f"{drop} cascade")

    def _texts(self, key: Key, new: dict[str, Any], *, over: bool = False) -> list[str]:
        texts = self._index.texts(self._called(key), self._present, over=over)
        # An index, a trigger, a rule, statistics: their definition is a statement.
        return [*texts, *filter(None, (new.get("definition"),))]

    def _change(self, key: Key, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Step]:
        kind, identity = key
        begin = f"alter {_word(kind, new)} {identity}"
        if old.get("owner") != new.get("owner"):
            yield self._step(key, f"{begin} owner to {new['owner']}")
        elif kind == "type" and new["labels"]:
            for text in alters.enum_values(identity, old["labels"], new["labels"]):
                yield self._step(key, text)
        elif kind == "relation" and new["query"] is None:
            for flag, words in _FLAGS.items():
                if old[flag] != new[flag]:
                    yield self._step(key, f"{begin} {words[new[flag]]}")
        elif kind != "type":
            yield from self._make(key, new)

    def _column(self, key: Key, old: dict[str, Any] | None, new: dict[str, Any]) -> Iterator[Step]:
        begin = self._say("alter {of} {owner} %s {part} {name}", key)
        if old is not None:
            for ways in alters.column_changes(begin % "alter", old, new):
                yield self._step(key, *ways, drop=True)
            return
        name = _cut(key[1], self._owners)[1]
        added = begin.removesuffix(name) % "add"
        texts = [(added + alters.column(name, new, required),) for required in (True, False)]
        bare = new["default"] is None and not new["identity"] and not new["generated"]
        yield Step((key,), tuple(texts), note=_FILL if new["not null"] and bare else "")

    def _constraint(
        self, key: Key, old: dict[str, Any] | None, new: dict[str, Any]
    ) -> Iterator[Step]:
        add = self._say("alter {of} {owner} add constraint {name} ", key) + new["definition"]
        if old is None:
            yield self._step(key, add)
        elif old["definition"] == f"{new['definition']} NOT VALID":
            yield self._step(key, self._say("alter {of} {owner} validate constraint {name}", key))
        else:
            drop = self.drop(key)
            yield Step((key,), ((drop, add),), f"{drop} cascade")

    def _rows(self, key: Key) -> Iterator[Step]:
        """Put all rows of a table that differ, with the first of them."""
        rows = {each for each in self._all if each[0] == "row" and _table(each) == _table(key)}
        keys = sorted(rows & self._differing & self._want.keys())
        if key == keys[0]:
            text = alters.put_rows(
                _table(key), {each[1].split(" ", 1)[1]: self._want[each] for each in keys}
            )
            whole = "" if rows & self._have.keys() else self._index.rows(_table(key))
            yield Step(tuple(keys), tuple((each,) for each in (whole, text) if each))

    def _grants(self, key: Key) -> Iterator[Step]:
        of = key[0].removeprefix("grants on "), key[1]
        if of not in self._have or of not in self._want:
            return
        old, new = self._have.get(key, {}), self._want.get(key, {})
        if of[0] == "column":
            table, name = _cut(key[1], self._owners)
            texts = alters.grants(f"table {table}", f" ({name})", old, new, None)
        else:
            thing = self._want[of]
            target = "table" if thing.get("kind") in {"v", "m", "f"} else _word(of[0], thing)
            everything = new.get(thing["owner"])
            texts = alters.grants(f"{target} {key[1]}", "", old, new, everything)
        yield Step((key,), (texts,))

    def _step(self, key: Key, *ways: str, drop: bool = False) -> Step:
        cascade = f"{self.drop(key)} cascade" if drop else ""
        return Step((key,), tuple((way,) for way in ways), cascade)

    def _say(self, template: str, key: Key) -> str:
        owner, name = _cut(key[1], self._owners)
        of = self._all.get(self._owners.get(owner, key), {}).get("kind")
        return template.format(
            identity=key[1],
            word=_word(key[0], self._have.get(key) or self._all[key]),
            owner=owner,
            name=name,
            schema=_cut(owner, self._schemas)[0],
            of={"c": "type", "d": "domain"}.get(str(of), "table"),
            part="attribute" if of == "c" else "column",
        )

    def _called(self, key: Key) -> Called:
        """Return what the parser would say that a statement makes which makes it."""
        kind, identity = key
        if kind == "function":
            identity = identity.partition("(")[0]
        elif kind in {"trigger", "rule", "policy", "index"}:
            owner, name = _cut(identity, self._owners)
            of = _cut(owner, self._schemas)[0] if kind == "index" else owner
            identity = f"{of}.{name}"
        kind = "relation" if kind in {"type", "index"} else kind
        return kind, identity.replace('"', "")


def _word(kind: str, thing: Mapping[str, Any]) -> str:
    if kind == "relation":
        return _WORDS.get(thing["kind"], "table")
    if kind == "function":
        return _ROUTINES.get(thing["kind"], "function")
    return "domain" if kind == "type" and thing["kind"] == "d" else kind


def _kind(key: Key) -> str:
    return key[0].split(" on ")[0]


def _table(row: Key) -> str:
    return row[1].split(" ", 1)[0]


def _cut(identity: str, names: dict[str, Key]) -> tuple[str, str]:
    """Return the name that an identity begins with, and what follows it."""
    for at in range(len(identity) - 1, 0, -1):
        if identity[at] in ". " and identity[:at] in names:
            return identity[:at], identity[at + 1 :]
    return identity, ""
