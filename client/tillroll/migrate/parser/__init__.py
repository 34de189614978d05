"""SQL as Postgres reads it: the only package that knows which parser is used."""

from tillroll.migrate.parser.cut import Statement, parse, position
from tillroll.migrate.parser.meaning import bodies_alike, meaning

__all__ = [
    "Statement",
    "bodies_alike",
    "meaning",
    "parse",
    "position",
]
