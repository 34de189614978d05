"""From one catalog to another: the statements, found by trying them on a database."""

from tillroll.migrate.draft.engine import Draft, Drafter, Part
from tillroll.migrate.draft.index import Index
from tillroll.migrate.draft.renames import renaming
from tillroll.migrate.draft.steps import Key

__all__ = ["Draft", "Drafter", "Index", "Key", "Part", "renaming"]
