"""Errors as PostgREST answers them: a status, a body of four keys, headers."""

from __future__ import annotations

import json
from collections.abc import Mapping

from psycopg.pq import DiagnosticField
from psycopg.pq.abc import PGresult

_BY_CODE = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "53400": 500,
    "57P01": 503,
    "P0001": 400,
}
_BY_CLASS = {
    **dict.fromkeys(("08", "53"), 503),
    **dict.fromkeys(("0L", "0P", "28"), 403),
    **dict.fromkeys(("09", "25", "2D", "38", "39", "3B", "40", "54", "55", "57", "58"), 500),
    **dict.fromkeys(("F0", "HV", "P0", "XX"), 500),
}


class ApiError(Exception):
    """A request's failure, ready to be answered.

    Args:
        status: HTTP status.
        code: A SQLSTATE, a PGRST code, or the code that a function raised.
        headers: Added to the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: object = None,
        hint: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.hint = hint
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Return the JSON body."""
        keys = {
            "code": self.code,
            "details": self.details,
            "hint": self.hint,
            "message": self.message,
        }
        return json.dumps(keys, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def unsupported(what: str) -> ApiError:
    """Return the 501 for what PostgREST has and this gateway lacks."""
    return ApiError(
        501,
        "PGRST501",
        f"This local gateway does not do {what}; the real PostgREST does.",
        hint="Start the stack with `--gateway postgrest`, or ask for it in another way.",
    )


def connection_lost() -> ApiError:
    """Return the 503 for a connection that broke while a request was under way."""
    return ApiError(
        503,
        "PGRST001",
        "The connection to Postgres broke during the request.",
        details="Whether the transaction was committed is unknown.",
    )


def sqlstate_of(result: PGresult) -> str:
    """Return an error result's SQLSTATE; empty where libpq itself made the error."""
    return _field(result, DiagnosticField.SQLSTATE) or ""


def from_postgres(result: PGresult, authenticated: bool) -> ApiError:
    """Return what an error of Postgres becomes.

    Args:
        result: The error.
        authenticated: Whether the request's role is another than the anonymous one.
    """
    code = sqlstate_of(result)
    message = _field(result, DiagnosticField.MESSAGE_PRIMARY) or ""
    details = _field(result, DiagnosticField.MESSAGE_DETAIL)
    if code == "PGRST":
        return _raised(message, details)
    status = status_of(code, message, authenticated)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    hint = _field(result, DiagnosticField.MESSAGE_HINT)
    return ApiError(status, code, message, details=details, hint=hint, headers=headers)


def status_of(code: str, message: str, authenticated: bool) -> int:
    """Return the HTTP status of a SQLSTATE."""
    if code == "42501":
        return 403 if authenticated else 401
    if code == "22023":
        return 401 if message.startswith("role ") and message.endswith("does not exist") else 400
    if code == "21000":
        return 400 if message.endswith("requires a WHERE clause") else 500
    if code.startswith("PT"):
        asked = code[2:]
        return int(asked) if asked.isdecimal() and 200 <= int(asked) <= 599 else 500
    return _BY_CODE.get(code) or _BY_CLASS.get(code[:2], 400)


def _field(result: PGresult, field: DiagnosticField) -> str | None:
    value = result.error_field(field)
    return None if value is None else value.decode(errors="replace")


def _raised(message: str, details: str | None) -> ApiError:
    """Read `raise sqlstate 'PGRST'`: body in the message, status and headers in the detail."""
    try:
        body, answer = json.loads(message), json.loads(details or "")
        code, text = body["code"], body["message"]
        status, headers = answer["status"], answer["headers"]
        texts = (code, text, *headers.keys(), *headers.values())
        if not all(isinstance(item, str) for item in texts):
            raise TypeError("code, message and headers are texts")
        if type(status) is not int or not 200 <= status <= 599:
            raise ValueError("status is a number from 200 to 599")
    except (ValueError, TypeError, KeyError, AttributeError):
        return ApiError(
            500,
            "PGRST121",
            "A function raised SQLSTATE PGRST with a message or detail of another form.",
            hint='message: {"code":…,"message":…}, detail: {"status":…,"headers":{…}}, as JSON',
        )
    return ApiError(
        status,
        code,
        text,
        details=body.get("details"),
        hint=body.get("hint"),
        headers=headers,
    )
