"""SQL as Postgres reads it: the only package that knows which parser is used."""

from tillroll.migrate.parser.bodies import Body, Fault, body_of, comments, fault_of, refusal
from tillroll.migrate.parser.changes import Change, changes
from tillroll.migrate.parser.concurrent import Concurrent, concurrent
from tillroll.migrate.parser.cut import Statement, consists_of, parse, position
from tillroll.migrate.parser.makes import made, replacing
from tillroll.migrate.parser.meaning import bodies_alike, meaning
from tillroll.migrate.parser.names import Name, names
from tillroll.migrate.parser.order import order_matters

__all__ = [
    "Body",
    "Change",
    "Concurrent",
    "Fault",
    "Name",
    "Statement",
    "bodies_alike",
    "body_of",
    "changes",
    "comments",
    "concurrent",
    "consists_of",
    "fault_of",
    "made",
    "meaning",
    "names",
    "order_matters",
    "parse",
    "position",
    "refusal",
    "replacing",
]
