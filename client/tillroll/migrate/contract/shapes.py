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

__all__ = ["Contract"]


@dataclass(frozen=True)
class Contract:
    """All that clients rely on; types are SQL, with their schema.

    Attributes:
        functions: By name, with all overloads. An argument that is the whole body is `(json)`.
        schemas: Those that are exposed.
        relations: Tables and views.
        types: Of the project, as far as functions and relations use them.
    """

    functions: dict[str, list[Aspects]]
    schemas: dict[str, Aspects]
    relations: dict[str, Aspects]
    types: dict[str, Aspects]

    @classmethod
    def read(cls, document: dict[str, Any]) -> Contract:
        """Take a lock file's text as JSON.

        Raises:
            UsageError: It is something else.
        """
        try:
            return cls(**{kind: {**named} for kind, named in document.items()})
        except TypeError as error:
            raise UsageError(f"the lock file is damaged ({error}): write it anew") from error

    def base(self, name: str) -> str:
        """Return what a domain is made of, text for an enum; any other type as it is."""
        own = self.types.get(name, {})
        return "text" if "labels" in own else own.get("is", {}).get("base", name)
