"""What stands before the gateway and the sign-in: one address, one apikey check, as on Supabase.

`/rest/v1` and `/auth/v1` lose their prefix and go on to the applications behind. This lies on the
path of every call, so it is plain ASGI: two comparisons, one look-up, no copy of a body.
"""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send

__all__ = ["Front"]

_ALLOW_ANY = (b"access-control-allow-origin", b"*")
_PREFLIGHT = [
    _ALLOW_ANY,
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-max-age", b"86400"),
]
_NO_KEY = {
    "message": "No API key found in request",
    "hint": "No `apikey` request header or url param was found.",
}
_BAD_KEY = {
    "message": "Invalid API key",
    "hint": "Double check the `anon` or `service_role` key that `tillroll status` prints.",
}
_NO_ROUTE = {
    "message": "no Route matched with those values",
    "hint": "The local stack serves /rest/v1 and /auth/v1.",
}


class Front:
    """The public ASGI application of a stack.

    Args:
        rest: The gateway, which knows nothing of keys.
        auth: The sign-in service.
        keys: The apikeys that are let in; each is itself the token of its role.
    """

    def __init__(self, *, rest: Starlette, auth: Starlette, keys: tuple[str, ...]) -> None:
        self._apps = {"/rest/v1": rest, "/auth/v1": auth}
        self._bearers = {key.encode(): b"Bearer " + key.encode() for key in keys}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        path: str = scope["path"]
        app = self._apps.get(path[:8])
        # The path is cut, encoded and not: both have to begin with the letters themselves.
        if app is None or path[8:9] not in ("/", "") or scope["raw_path"][:8] != path[:8].encode():
            await _answer(send, 404, _NO_ROUTE)
            return

        headers = scope["headers"]
        if scope["method"] == "OPTIONS" and await _preflight(headers, send):
            return
        apikey = authorization = None
        for name, value in headers:
            if name == b"apikey":
                apikey = value
            elif name == b"authorization":
                authorization = value
        query: bytes = scope["query_string"]
        if apikey is None and b"apikey=" in query:
            apikey, query = _take_key(query)
        bearer = self._bearers.get(apikey) if apikey is not None else None
        if bearer is None:
            await _answer(send, 401, _NO_KEY if apikey is None else _BAD_KEY)
            return
        if authorization is None:
            headers = [*headers, (b"authorization", bearer)]
        inner = {
            **scope,
            "path": path[8:] or "/",
            "raw_path": scope["raw_path"][8:] or b"/",
            "query_string": query,
            "headers": headers,
        }

        async def send_to_browsers_too(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [each for each in message["headers"] if each[0] != _ALLOW_ANY[0]]
                message = {**message, "headers": [*given, _ALLOW_ANY]}
            await send(message)

        await app(inner, receive, send_to_browsers_too)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        stage = "startup"
        try:
            async with AsyncExitStack() as opened:
                for app in self._apps.values():
                    await opened.enter_async_context(app.router.lifespan_context(app))
                await send({"type": "lifespan.startup.complete"})
                stage = "shutdown"
                await receive()
        except Exception as error:
            await send({"type": f"lifespan.{stage}.failed", "message": str(error)})
            raise
        await send({"type": "lifespan.shutdown.complete"})


def _take_key(query: bytes) -> tuple[bytes | None, bytes]:
    """Return the key of the query string, and the query string without it."""
    pairs = query.split(b"&")
    keys = [pair[7:] for pair in pairs if pair.startswith(b"apikey=")]
    rest = b"&".join(pair for pair in pairs if not pair.startswith(b"apikey="))
    return (keys[0] if keys else None), rest


async def _preflight(headers: list[tuple[bytes, bytes]], send: Send) -> bool:
    """Answer a browser's question whether it may call; False where it is not one."""
    told = dict(headers)
    if b"access-control-request-method" not in told:
        return False
    allowed = told.get(b"access-control-request-headers", b"*")
    answer = [*_PREFLIGHT, (b"access-control-allow-headers", allowed)]
    await send({"type": "http.response.start", "status": 204, "headers": answer})
    await send({"type": "http.response.body", "body": b""})
    return True


async def _answer(send: Send, status: int, body: dict[str, str]) -> None:
    raw = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(len(raw)).encode()),
        _ALLOW_ANY,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})
