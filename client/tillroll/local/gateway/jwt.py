"""Who calls: a bearer token becomes a role and its claims."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from dataclasses import dataclass

from jwt import PyJWS, PyJWTError

from .errors import ApiError

_SKEW = 30.0  # seconds
_REMEMBERED = 1000  # tokens


@dataclass(frozen=True)
class Caller:
    """The role of a request, and the JSON of its claims."""

    role: str
    claims: bytes
    authenticated: bool
    _not_before: float = float("-inf")
    _expires: float = float("inf")

    def check(self, now: float) -> None:
        """Raise ApiError where the token is not valid at `now`, seconds since the epoch."""
        if now > self._expires + _SKEW:
            raise _refused("PGRST303", "JWT expired")
        if now < self._not_before - _SKEW:
            raise _refused("PGRST303", "JWT is not yet valid")


class Verifier:
    """Reads `Authorization` headers; remembers the tokens it has verified."""

    def __init__(self, secret: str, anon_role: str) -> None:
        self._secret = secret.encode()
        self._jws = PyJWS()
        self._anon = Caller(anon_role, _with_role({}, anon_role), authenticated=False)
        self._known: OrderedDict[str, Caller] = OrderedDict()

    def caller(self, authorization: str | None) -> Caller:
        """Return who calls.

        Raises:
            ApiError: PGRST301, the token is no valid one; PGRST303, its claims do not hold.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return self._anon
        caller = self._known.get(token)
        if caller is None:
            caller = self._known[token] = self._verify(token.strip())
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        caller.check(time.time())
        return caller

    def _verify(self, token: str) -> Caller:
        try:
            raw: bytes = self._jws.decode(token, self._secret, algorithms=["HS256"])
            claims = json.loads(raw.decode())
        except (PyJWTError, ValueError, RecursionError) as bad:
            raise _refused("PGRST301", f"No valid JWT: {bad}") from bad
        if not isinstance(claims, dict):
            raise _refused("PGRST303", "The JWT's payload is no object")
        expires = _moment(claims, "exp", float("inf"))
        begins = max(_moment(claims, name, float("-inf")) for name in ("nbf", "iat"))
        role = claims.get("role")
        if role is None:
            role, raw = self._anon.role, _with_role(claims, self._anon.role)
        elif not isinstance(role, str):
            role = json.dumps(role)
        return Caller(role, raw, role != self._anon.role, begins, expires)


def _with_role(claims: dict[str, object], role: str) -> bytes:
    return json.dumps({**claims, "role": role}).encode()


def _moment(claims: dict[str, object], name: str, absent: float) -> float:
    value = claims.get(name)
    if value is None:
        return absent
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused("PGRST303", f"The JWT's claim {name!r} must be a number")
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return float("inf") if value > 0 else float("-inf")


def _refused(code: str, message: str) -> ApiError:
    reason = " ".join(message.replace('"', "'").encode("ascii", "replace").decode().split())
    header = f'Bearer error="invalid_token", error_description="{reason}"'
    return ApiError(401, code, message, headers={"WWW-Authenticate": header})
