"""The sources by what they make, to be put into a migration in their own words."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

from tillroll.migrate.parser import Statement, made, parse, replacing
from tillroll.migrate.sources import SourceFile, verbatim

__all__ = ["Called", "Index"]

Called = tuple[str, str]  # kind, and name without quotes

# A file of nothing but these says the same thing however often it runs.
_REPEATABLE = {
    "create_function_stmt",
    "view_stmt",
    "comment_stmt",
    "grant_stmt",
    "alter_function_stmt",
    "alter_owner_stmt",
}


@dataclass(frozen=True)
class _Source:
    file: SourceFile
    statements: tuple[Statement, ...]
    makes: frozenset[Called]

    @property
    def repeatable(self) -> bool:
        return all(each.empty or each.kind in _REPEATABLE for each in self.statements)

    def whole(self, over: bool) -> str:
        text = self.file.text
        for each in reversed(self.statements) if over else ():
            end = each.offset + len(each.text)
            text = text[: each.offset] + replacing(each) + text[end:]
        return verbatim(replace(self.file, text=text))


class Index:
    """What each file and statement makes.

    Args:
        files: In an order that loads.
    """

    def __init__(self, files: Sequence[SourceFile]) -> None:
        self._makers: dict[Called, tuple[int, Statement]] = {}
        self._sources: list[_Source] = []
        for number, file in enumerate(files):
            statements = parse(file.text, file.name)
            makes = set()
            for statement in statements:
                if (thing := made(statement)) is not None:
                    called = thing[0], ".".join(thing[1])
                    makes.add(called)
                    self._makers.setdefault(called, (number, statement))
            self._sources.append(_Source(file, statements, frozenset(makes)))

    def order(self, called: Called) -> int:
        """Return where the file that makes it stands in the order that loads."""
        return self._makers[called][0] if called in self._makers else len(self._sources)

    def texts(self, called: Called, present: Set[Called], *, over: bool) -> list[str]:
        """Return what makes it, best first: its file where that does no harm, its statement.

        Args:
            called: What is to be made.
            present: What is there already.
            over: Whether to write over what is there, where SQL can.
        """
        if called not in self._makers:
            return []
        number, statement = self._makers[called]
        source = self._sources[number]
        texts = [replacing(statement) if over else statement.text]
        if source.repeatable or source.makes.isdisjoint(present):
            texts.insert(0, source.whole(over))
        return texts

    def rows(self, table: str) -> str:
        """Return the file whose reference rows are this table's alone, else nothing."""
        files = [each.file for each in self._sources if table in each.file.reference]
        return verbatim(files[0]) if [each.reference for each in files] == [(table,)] else ""

    def comments(self, text: str) -> tuple[str, ...]:
        """Return the statements that make this a comment."""
        every = (each for source in self._sources for each in source.statements)
        return tuple(
            each.text for each in every if each.kind == "comment_stmt" and each.node.comment == text
        )
