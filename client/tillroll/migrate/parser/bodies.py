"""What stands inside functions and DO blocks: is it well formed, and where does it stand?

The PL/pgSQL parser wants to look up types and knows no catalog. So it reads a body under a
signature of our own and with every declared type replaced, byte for byte, by one that it knows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import postgast
from postgast import pg_query_pb2 as pb

from tillroll.migrate.parser.cut import COMMENTS, Statement
from tillroll.migrate.parser.nodes import type_of, words

__all__ = ["Body", "Fault", "body_of", "comments", "fault_of", "refusal"]

_UNKNOWN = '" is not a known variable'
_NEAR = ' at or near "'
_UNREADABLE = "Not implemented"  # the parser without a catalog gives up, and nothing is wrong


@dataclass(frozen=True)
class Body:
    """The body of a function or DO block.

    Attributes:
        language: In lower case.
        text: What the server is given.
        start: Where it begins in its statement, in characters.
        doubled: Whether each quote in it is written twice.
    """

    language: str
    text: str
    start: int
    doubled: bool

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
    options = [each.def_elem for each in (getattr(node, "options", None) or node.args)]
    language = "plpgsql" if statement.kind == "do_stmt" else "sql"
    source = None
    for option in options:
        if option.defname == "language":
            language = option.arg.string.sval.lower()
        elif option.defname == "as":
            source = option
    if source is None:
        return None
    raw = statement.text.encode()
    literal = next(
        token
        for token in postgast.scan(statement.text).tokens
        if token.start >= source.location and token.token == pb.SCONST
    )
    written = raw[literal.start : literal.end].decode()
    opening = written.index("$", 1) + 1 if written[0] == "$" else written.index("'") + 1
    parts = source.arg.list.items if source.arg.HasField("list") else [source.arg]
    return Body(
        language,
        words(parts)[0],
        len(raw[: literal.start].decode()) + opening,
        doubled=written[0] != "$",
    )


def fault_of(statement: Statement) -> Fault | None:
    """Return the first syntax error in a body, its place that in the statement."""
    body = body_of(statement)
    if body is None:
        return None
    found = None
    if body.language == "sql":
        found = refusal(body.text)
    elif body.language == "plpgsql":
        found = _plpgsql_fault(body.text, _wrapper(statement))
    return found and Fault(body.place(found.at), found.message)


def _wrapper(statement: Statement) -> Callable[[str], str]:
    """Return what puts a body under a signature of the same shape and names, but known types."""
    if statement.kind == "do_stmt":
        return lambda text: f"do {_quoted(text)}"
    node = statement.node
    given, outs = [], 0
    for each in (element.function_parameter for element in node.parameters):
        out = each.mode in {pb.FUNC_PARAM_OUT, pb.FUNC_PARAM_INOUT, pb.FUNC_PARAM_TABLE}
        outs += out
        name = _identifier(each.name) if each.name else ""
        given.append(f"{'out' if out else 'in'} {name} {_cursor_or_text(each.arg_type)}")
    returned = type_of(node.return_type)
    returns = returned if returned in {"trigger", "event_trigger", "void"} else "text"
    if node.return_type.setof:
        returns = "setof record" if outs > 1 else "setof text"
    returns = "" if node.is_procedure or (outs and not node.return_type.setof) else returns
    head = f"create {'procedure' if node.is_procedure else 'function'} "
    head += f"{_identifier(words(node.funcname)[-1])}({', '.join(given)})"
    head += f" returns {returns}" if returns else ""
    return lambda text: f"{head} language plpgsql as {_quoted(text)}"


def _cursor_or_text(node: Any) -> str:
    return "refcursor" if type_of(node) == "refcursor" else "text"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(text: str) -> str:
    tag = "$body$"
    while tag in text:
        tag = tag[:-1] + "_$"
    return tag + text + tag


def _plpgsql_fault(text: str, wrap: Callable[[str], str]) -> Fault | None:
    try:
        readable = _typeless(text)
        while (error := _plpgsql_error(wrap(readable))) is not None:
            # A field of a variable whose type is not known is read as that variable.
            name = error.message.removeprefix('"').removesuffix(_UNKNOWN)
            shorter = _without_field(readable, name)
            if not error.message.endswith(_UNKNOWN) or shorter == readable:
                break
            readable = shorter
        if error is None or error.message.startswith(_UNREADABLE):
            return None
        return Fault(_place(readable, error, wrap), error.message)
    except postgast.PgQueryError as error:  # no token: a literal without an end, 1x …
        return Fault(max(error.cursorpos - 1, 0), error.message)


def _plpgsql_error(text: str) -> postgast.PgQueryError | None:
    try:
        postgast.parse_plpgsql(text)
    except postgast.PgQueryError as error:
        return error
    except ValueError:  # its JSON of a trigger function is malformed; the body is not
        pass
    return None


def _tokens(text: str) -> list[tuple[str, int, int]]:
    """Return the tokens of a text, unquoted words in lower case, and where they stand in bytes."""
    raw = text.encode()
    return [
        (raw[token.start : token.end].decode().lower(), token.start, token.end)
        for token in postgast.scan(text).tokens
        if token.token not in COMMENTS
    ]


def _typeless(text: str) -> str:
    """Replace each declared type by `oid`, the shortest that is known; nothing else moves."""
    tokens = _tokens(text)
    raw = bytearray(text.encode())
    first: int | None = None
    for index, (word, _, _) in enumerate(tokens):
        if word == "declare":
            first = index + 1
        elif word == "begin":
            first = None
        elif word == ";" and first is not None:
            _retype(raw, tokens[first:index])
            first = index + 1
    return raw.decode()


def _retype(raw: bytearray, declaration: list[tuple[str, int, int]]) -> None:
    tokens = declaration[1:]
    if tokens and tokens[0][0] == "constant":
        tokens = tokens[1:]
    ends = (n for n, each in enumerate(tokens) if each[0] in {"not", ":=", "=", "default"})
    tokens = tokens[: next(ends, len(tokens))]
    kept = {"alias", "cursor", "no", "scroll", "record", "refcursor"}
    if tokens and tokens[0][0] not in kept and tokens[-1][2] - tokens[0][1] >= len("oid"):
        _blank(raw, tokens[0][1], tokens[-1][2], b"oid")


def _blank(raw: bytearray, start: int, end: int, word: bytes = b"") -> None:
    raw[start:end] = word + bytes(10 if byte == 10 else 32 for byte in raw[start + len(word) : end])


def _without_field(text: str, name: str) -> str:
    *path, field = name.split(".")
    wanted = [each for part in (*path, field) for each in (part, ".")][:-1]
    raw, tokens = bytearray(text.encode()), _tokens(text)
    for index in range(len(tokens) if path else 0):
        found = tokens[index : index + len(wanted)]
        if [word.strip('"') for word, _, _ in found] == wanted:
            _blank(raw, found[-2][1], found[-1][2])
    return raw.decode()


def _place(text: str, error: postgast.PgQueryError, wrap: Callable[[str], str]) -> int:
    """Return where an error of the PL/pgSQL parser stands, which itself names a line at most.

    It is the last token of the shortest beginning of the text that fails in the same way.
    """
    raw, tokens = text.encode(), _tokens(text)
    if not tokens:
        return 0
    if error.message.endswith("at end of input"):  # as each beginning does
        line = int((error.context or "1").rpartition(" ")[2])
        lines = [raw.count(b"\n", 0, end) + 1 for _, _, end in tokens]
        at = next((n for n, each in enumerate(lines) if each >= line), len(tokens) - 1)
        return len(raw[: tokens[at][1]].decode())
    low, high = 0, len(tokens)
    while low + 1 < high:
        middle = (low + high) // 2
        failed = _plpgsql_error(wrap(raw[: tokens[middle - 1][2]].decode()))
        same = failed is not None and failed.message == error.message
        low, high = (low, middle) if same else (middle, high)
    at = high - 1
    said = error.message.removesuffix(_UNKNOWN)
    word = said.partition(_NEAR)[2] if _NEAR in said else said.partition(".")[0]
    at = next((n for n in range(at, -1, -1) if tokens[n][0] == word.strip('"').lower()), at)
    return len(raw[: tokens[at][1]].decode())
