"""What stands inside functions and DO blocks: is it well formed, and where does it stand?

The PL/pgSQL parser wants to look up the types that a schema is written to, and knows no catalog. So
it is given the statement without those schemas, and what it then says of types is not told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import postgast
from postgast import pg_query_pb2 as pb

from tillroll.migrate.parser.cut import COMMENTS, Statement
from tillroll.migrate.parser.nodes import words

__all__ = ["Body", "Fault", "body_of", "comments", "fault_of", "refusal"]

_SCHEMA = re.compile(r'(("[^"]+"|\w+) *\. *)+(?=[\w"])')
_FORM = re.compile(r"%\s*(row)?type\b|(?<!array)\[\s*\]|\bvariadic\b", re.IGNORECASE)
_UNKNOWABLE = re.compile(
    r"Not implemented|pseudo-type|cannot (accept|return) type|scalar variable|multiple-item INTO|"
    r"\..*\..* is not a known"
)
_NAMED = re.compile(r'at or near "(.*)"$|^"(.*)" is not a known variable$', re.DOTALL)


@dataclass(frozen=True)
class Body:
    """The body of a function or DO block.

    Attributes:
        language: In lower case.
        text: What the server is given.
        start: Where it begins in its statement, in characters.
        doubled: Whether each quote in it is written twice.
        head: What stands before its literal.
        tail: And behind.
    """

    language: str
    text: str
    start: int
    doubled: bool
    head: str
    tail: str

    def place(self, offset: int) -> int:
        """Return where a character of the body stands in the statement."""
        return self.start + offset + (self.text.count("'", 0, offset) if self.doubled else 0)


@dataclass(frozen=True)
class Fault:
    """A syntax error.

    Attributes:
        at: Where, in characters.
        message: The parser's words.
    """

    at: int
    message: str


def comments(text: str) -> tuple[str, ...]:
    """Return the comments in a text that can be parsed."""
    raw = text.encode()
    return tuple(
        raw[token.start : token.end].decode()
        for token in postgast.scan(text).tokens
        if token.token in COMMENTS
    )


def refusal(text: str) -> Fault | None:
    """Return why the parser refuses a text of SQL, else None."""
    try:
        postgast.parse(text)
    except postgast.PgQueryError as error:
        return Fault(max(error.cursorpos - 1, 0), error.message)
    return None


def body_of(statement: Statement) -> Body | None:
    """Return the body of a function or DO block, None where it is none or a C symbol."""
    if statement.kind not in {"create_function_stmt", "do_stmt"}:
        return None
    node = getattr(postgast.parse(statement.text).stmts[0].stmt, statement.kind)
    listed = node.args if statement.kind == "do_stmt" else node.options
    options = {each.def_elem.defname: each.def_elem for each in listed}
    if "as" not in options:
        return None
    raw = statement.text.encode()
    source = options["as"]
    literal = next(
        token
        for token in postgast.scan(statement.text).tokens
        if token.start >= source.location and token.token == pb.SCONST
    )
    written = raw[literal.start : literal.end].decode()
    opening = written.index("$", 1) + 1 if written[0] == "$" else written.index("'") + 1
    language = "plpgsql" if statement.kind == "do_stmt" else "sql"
    if "language" in options:
        language = options["language"].arg.string.sval.lower()
    head, tail = raw[: literal.start].decode(), raw[literal.end :].decode()
    parts = source.arg.list.items if source.arg.HasField("list") else [source.arg]
    start = len(head) + opening
    return Body(language, words(parts)[0], start, written[0] != "$", head, tail)


def fault_of(statement: Statement) -> Fault | None:
    """Return the first syntax error in a body, its place that in the statement."""
    body = body_of(statement)
    if body is None or body.language not in {"sql", "plpgsql"}:
        return None
    found = refusal(body.text) if body.language == "sql" else _plpgsql_fault(body)
    return found and Fault(body.place(found.at), found.message)


def _plpgsql_fault(body: Body) -> Fault | None:
    try:
        tokens = postgast.scan(body.text).tokens
    except postgast.PgQueryError as open_end:  # no token: a literal without an end, 1x …
        return Fault(max(open_end.cursorpos - 1, 0), open_end.message)
    error = _error(body, body.text)
    if error is None or _UNKNOWABLE.search(error.message):
        return None
    # The parser itself names a line at most. The place is the last token of the shortest beginning
    # of the body that fails in the same way; but every one fails at its end.
    raw = body.text.encode()
    if not error.message.endswith("at end of input"):
        for token in tokens:
            beginning = raw[: token.end].decode()
            failed = _error(body, beginning)
            if failed and failed.message == error.message:
                named = _NAMED.search(error.message)
                word = (named and (named[1] or named[2])) or raw[token.start : token.end].decode()
                return Fault(beginning.lower().rfind(word.lower()), error.message)
    line = int((error.context or "1").rpartition(" ")[2])
    code = (each.start for each in tokens if raw.count(b"\n", 0, each.end) + 1 >= line)
    return Fault(len(raw[: next(code, 0)].decode()), error.message)


def _error(body: Body, text: str) -> postgast.PgQueryError | None:
    head = _unlooked(body.head)
    try:
        postgast.parse_plpgsql(f"{head}{_quoted(_without_types(text))}{body.tail}")
    except postgast.PgQueryError as error:
        return error
    except ValueError:  # its JSON of a trigger function is malformed; the body is not
        pass
    return None


def _without_types(text: str) -> str:
    """Return a body whose declarations name no schema, %type or []; no line moves."""
    raw = text.encode()
    marks = [each for each in postgast.scan(text).tokens if each.token in {pb.DECLARE, pb.BEGIN_P}]
    for mark, after in reversed([*pairwise(marks)]):
        if mark.token == pb.DECLARE:
            declared = _unlooked(raw[mark.end : after.start].decode())
            raw = raw[: mark.end] + declared.encode() + raw[after.start :]
    return raw.decode()


def _unlooked(text: str) -> str:
    """Return a text in which every type can be taken for some row's."""
    return _FORM.sub("", _SCHEMA.sub("public.", text))


def _quoted(text: str) -> str:
    tag = "$body$"
    while tag in text:
        tag = tag[:-1] + "_$"
    return tag + text + tag
