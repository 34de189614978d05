"""A database as facts: one for each thing that its catalog says.

Two databases are equal where their facts are. Left out: what Postgres brings, what an extension
owns, the history of migrations, and what a server's databases share (roles, tablespaces).
"""

from tillroll.migrate.facts.extract import Catalog, extract, facts_of, read_catalog
from tillroll.migrate.facts.fact import SERVER, Fact, define, fingerprint, properties

__all__ = [
    "SERVER",
    "Catalog",
    "Fact",
    "define",
    "extract",
    "facts_of",
    "fingerprint",
    "properties",
    "read_catalog",
]
