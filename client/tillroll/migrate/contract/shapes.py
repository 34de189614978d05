"""What clients of PostgREST rely on, as a lock file holds it.

Functions have the aspects `arguments` (name and type, in order), `defaults` (of those that may be
left out), `columns` (of RETURNS TABLE), `execute`, `settings` and `is` (what it returns, its
volatility …). Relations have `columns`, `not null`, `required`, a verb each with the roles and
columns, and `is`; types have `fields`, `labels`, or `base` and `checks`; schemas `usage`.
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

    @property
    def names(self) -> frozenset[str]:
        """All arguments; `(json)` for one that is the whole body."""
        return frozenset(self.aspects.get("arguments", {}))

    @property
    def required(self) -> frozenset[str]:
        """Arguments that must be given."""
        return self.names - self.aspects.get("defaults", {}).keys()


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

    def base(self, name: str) -> str:
        """Return what a domain is made of, text for an enum; any other type as it is."""
        own = self.types.get(name, {})
        return "text" if "labels" in own else own.get("is", {}).get("base", name)

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
