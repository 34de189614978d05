"""What clients of PostgREST rely on, as a lock file holds it.

Functions have the aspects `arguments` (name and type, in order), `defaults` (of those that may be
left out), `columns` (of RETURNS TABLE), `execute`, `settings` and `is` (what it returns, its
volatility …). Relations have `columns`, `not null`, `required`, a verb each with the roles and
columns, `embeds` and `is`; types have `fields`, `labels`, or `base` and `checks`; schemas `usage`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tillroll.migrate.errors import UsageError
from tillroll.migrate.lockfile import Aspects

__all__ = ["Contract", "Function"]


@dataclass(frozen=True)
class Function:
    """One function, as a caller sees it; types are SQL, with their schema."""

    aspects: Aspects

    def of(self, aspect: str) -> dict[str, str]:
        """Return all of one aspect."""
        return self.aspects.get(aspect, {})

    @property
    def returns(self) -> str:
        """A type; `setof` before it where it is a set."""
        return self.of("is").get("returns", "void")

    @property
    def names(self) -> frozenset[str]:
        """All arguments."""
        return frozenset(self.of("arguments"))

    @property
    def required(self) -> frozenset[str]:
        """Arguments that must be given."""
        return self.names - self.of("defaults").keys()


@dataclass(frozen=True)
class Contract:
    """All that clients rely on.

    Attributes:
        functions: By name, with all overloads.
        relations: Tables and views.
        types: Of the project, as far as functions and relations use them.
        schemas: Those that are exposed.
    """

    functions: dict[str, tuple[Function, ...]]
    relations: dict[str, Aspects]
    types: dict[str, Aspects]
    schemas: dict[str, Aspects]

    def type(self, name: str, aspect: str) -> dict[str, str]:
        """Return one aspect of a type; none where it is Postgres's own."""
        return self.types.get(name, {}).get(aspect, {})

    def base(self, name: str) -> str:
        """Return what a domain is made of; any other type as it is."""
        return self.type(name, "is").get("base", name)

    def fields(self, name: str) -> dict[str, str]:
        """Return the fields of a composite type, or of a relation's rows."""
        return self.relations.get(name, {}).get("columns", {}) or self.type(name, "fields")

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        functions = {
            name: [each.aspects for each in overloads] for name, overloads in self.functions.items()
        }
        kinds = {"schemas": self.schemas, "relations": self.relations, "types": self.types}
        return {"functions": functions, **kinds}

    @classmethod
    def read(cls, document: dict[str, Any]) -> Contract:
        """Take what `document` returned.

        Raises:
            UsageError: It is something else.
        """
        try:
            functions = {
                name: tuple(Function({**each}) for each in overloads)
                for name, overloads in document["functions"].items()
            }
            return cls(
                functions, *({**document[kind]} for kind in ("relations", "types", "schemas"))
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise UsageError(f"the lock file is damaged ({error}): write it anew") from error
