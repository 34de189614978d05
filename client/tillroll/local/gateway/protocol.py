"""The HTTP side of PostgREST: what a request asks for, and what an answer's headers say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from .errors import ApiError, unsupported

Headers = list[tuple[bytes, bytes]]

JSON = "application/json"
OBJECT = "application/vnd.pgrst.object+json"
OPENAPI = "application/openapi+json"
FORM = "application/x-www-form-urlencoded"

_ACCEPTED = {
    "*/*": JSON,
    "application/*": JSON,
    JSON: JSON,
    OBJECT: OBJECT,
    "application/vnd.pgrst.object": OBJECT,
    "application/vnd.pgrst.array+json": JSON,
    "application/vnd.pgrst.array": JSON,
    OPENAPI: OPENAPI,
}
_UNSUPPORTED = re.compile(r"text/|application/(geo\+json|octet-stream|vnd\.pgrst\.plan)|image/")
_PREFERENCES = {
    *("handling=strict", "handling=lenient", "count=exact", "count=planned", "count=estimated"),
    *("return=representation", "return=headers-only", "return=minimal", "tx=commit", "tx=rollback"),
    *("resolution=merge-duplicates", "resolution=ignore-duplicates"),
    *("missing=default", "missing=null"),
}
_EXPOSED = (
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, "
    "Transfer-Encoding, Range-Unit"
)


@dataclass(slots=True)
class Request:
    """A request, its body read."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes = b""

    @property
    def reads(self) -> bool:
        """Whether the method is GET or HEAD."""
        return self.method in ("GET", "HEAD")

    def schema(self, exposed: tuple[str, ...]) -> str:
        """Return the schema that the profile header names, by default the first.

        Raises:
            ApiError: PGRST106, it is not exposed.
        """
        name = self.headers.get("accept-profile" if self.reads else "content-profile")
        if name is None:
            return exposed[0]
        if name not in exposed:
            hint = f"Exposed are: {', '.join(exposed)}"
            raise ApiError(406, "PGRST106", f"Schema {name!r} is not exposed.", hint=hint)
        return name

    def accept(self) -> str:
        """Return the media type to answer with.

        Raises:
            ApiError: PGRST107, there is none that the client takes; 501, PostgREST has it.
        """
        header = self.headers.get("accept")
        if not header or header == "*/*":
            return JSON
        asked = [kind.split(";") for kind in header.split(",")]
        asked.sort(key=lambda parts: -_quality(parts[1:]))
        kinds = [parts[0].strip().lower() for parts in asked]
        if any("nulls=stripped" in parameter for parts in asked for parameter in parts[1:]):
            raise unsupported("nulls=stripped")
        for kind in kinds:
            if kind in _ACCEPTED:
                return _ACCEPTED[kind]
        for kind in kinds:
            if _UNSUPPORTED.match(kind):
                raise unsupported(f"the media type {kind}")
        raise ApiError(406, "PGRST107", f"None of these media types can be had: {header}")

    def content_type(self) -> str:
        """Return the body's media type: JSON or a form.

        Raises:
            ApiError: PGRST102, it is neither; 501, PostgREST reads it.
        """
        header = self.headers.get("content-type", JSON)
        kind = header.partition(";")[0].strip().lower()
        if kind in ("text/csv", "text/plain", "text/xml", "application/octet-stream"):
            raise unsupported(f"a body of {kind}")
        if kind not in (JSON, FORM):
            raise ApiError(400, "PGRST102", f"The body's content type {kind} is not known.")
        return kind

    def cookies(self) -> dict[str, str]:
        """Return the cookies."""
        pairs = (item.partition("=") for item in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}


def read_request(
    method: str, path: str, query: bytes, received: list[tuple[bytes, bytes]]
) -> Request:
    """Return the request of an ASGI scope's parts; names of headers are in lower case."""
    fields: dict[str, str] = {}
    for raw, value in received:
        name, text = raw.decode("latin-1"), value.decode(errors="replace")
        fields[name] = f"{fields[name]}, {text}" if name in fields else text
    pairs = parse_qsl(query.decode(errors="replace"), keep_blank_values=True) if query else []
    return Request(method, path, pairs, fields)


def segments(path: str) -> list[str]:
    """Return a path's parts."""
    return path.strip("/").split("/") if path.strip("/") else []


def headers(*pairs: tuple[str, str]) -> Headers:
    """Return headers for ASGI; no value can begin another header.

    Raises:
        AttributeError: A name or value is no text.
    """
    return [
        (_one_line(name).lower().encode("latin-1"), _one_line(value).encode())
        for name, value in pairs
    ]


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")


def read_preferences(header: str | None) -> tuple[bool, str]:
    """Return whether a count is asked for, and the preferences that are applied.

    Every kind of count is an exact one here.

    Raises:
        ApiError: PGRST122, with handling=strict a preference is not known.
    """
    if not header:
        return False, ""
    asked = ["=".join(part.strip() for part in item.split("=", 1)) for item in header.split(",")]
    unknown = [item for item in asked if item and item not in _PREFERENCES]
    if unknown and "handling=strict" in asked:
        details = f"Invalid preferences: {', '.join(unknown)}"
        message = "A preference is not known, and handling=strict was asked for."
        raise ApiError(400, "PGRST122", message, details=details)
    counted = any(item.startswith("count=") and item in _PREFERENCES for item in asked)
    applied = ["count=exact"] if counted else []
    applied += [item for item in asked if item in ("handling=strict", "handling=lenient")]
    return counted, ", ".join(applied)


@dataclass(slots=True)
class Rows:
    """Which rows of a result: from `offset`, at most `limit`."""

    offset: int = 0
    limit: int | None = None


def read_rows(request: Request, max_rows: int | None) -> Rows:
    """Return the rows that `limit`, `offset` and, on GET and HEAD, `Range` ask for, all together.

    Raises:
        ApiError: PGRST103, there can be no such rows.
    """
    asked = dict(request.query)
    first, limit = _whole(asked.get("offset"), "offset"), _whole(asked.get("limit"), "limit")
    rows = Rows(first or 0, limit)
    asked_range = request.headers.get("range", "").strip()
    header = re.fullmatch(r"(?:items=)?(\d{1,4000})-(\d{0,4000})", asked_range, re.ASCII)
    if header and request.reads:
        begin, end = int(header[1]), int(header[2]) if header[2] else None
        if end is not None and end < begin:
            raise _no_range("The range ends before it begins.")
        until = [] if end is None else [end + 1]
        until += [] if rows.limit is None else [rows.offset + rows.limit]
        rows.offset = max(rows.offset, begin)
        rows.limit = max(min(until) - rows.offset, 0) if until else None
    if max_rows is not None:
        rows.limit = max_rows if rows.limit is None else min(rows.limit, max_rows)
    if rows.offset >= 2**63 or (rows.limit or 0) >= 2**63:
        raise _no_range("The range lies beyond any table.")
    return rows


def content_range(offset: int, page: int, total: int | None) -> tuple[int, str]:
    """Return status and `Content-Range` of `page` rows from `offset` on, of `total` if known.

    Raises:
        ApiError: PGRST103, the offset lies beyond the total.
    """
    whole = "*" if total is None else str(total)
    if total is not None and offset > total:
        raise _no_range(f"The offset is {offset}, and there are {total} rows.", extent=f"*/{total}")
    status = 206 if total is not None and page < total else 200
    return status, f"{offset}-{offset + page - 1}/{whole}" if page else f"*/{whole}"


def read_arguments(body: bytes) -> tuple[str, ...] | None:
    """Return the names of a JSON body's arguments, in its order; None for what is no object.

    Only the names are read: the bytes themselves go to Postgres.

    Raises:
        ApiError: PGRST102, it is no JSON.
    """
    try:
        value = _PARSER.decode(body.decode())
    except (ValueError, RecursionError) as bad:
        raise ApiError(400, "PGRST102", "The body is no valid JSON.", details=str(bad)) from bad
    return tuple(name for name, _ in value) if isinstance(value, tuple) else None


def cors(request: dict[str, str]) -> Headers:
    """Return what lets any page read the answer to a request with these headers."""
    if "origin" not in request:
        return []
    origin = ("Access-Control-Allow-Origin", "*")
    if "access-control-request-method" not in request:
        return headers(origin, ("Access-Control-Expose-Headers", _EXPOSED))
    wanted = request.get("access-control-request-headers", "")
    return headers(
        origin,
        ("Access-Control-Allow-Methods", "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"),
        ("Access-Control-Allow-Headers", f"Authorization, {wanted}".rstrip(", ")),
        ("Access-Control-Max-Age", "86400"),
    )


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        found = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d*)?)\s*", parameter)
        if found:
            return float(found[1])
    return 1.0


def _whole(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if re.fullmatch(r"\d{1,30}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"-\d{1,30}", text, re.ASCII):
        raise _no_range(f"{name} must not be negative.")
    raise ApiError(400, "PGRST100", f"{name}={text} is no whole number.")


def _no_range(details: str, extent: str = "*/*") -> ApiError:
    answered = {"Content-Range": extent}
    return ApiError(416, "PGRST103", "No such range.", details=details, headers=answered)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_PARSER = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=_no_constant
)
