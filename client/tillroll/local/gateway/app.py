"""The ASGI application: from a request to its transaction, and back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from . import protocol
from .cache import Function, Listener, Role, SchemaCache
from .errors import ApiError
from .jwt import Caller, Verifier
from .openapi import describe
from .pool import Pool, Statement
from .protocol import Headers, Request, Rows
from .query import LOGIC, RESERVED, is_condition, quote
from .settings import Settings
from .statements import Shape, call_function, read_relation
from .transaction import Answer, Transaction

_to_json = json.JSONEncoder(ensure_ascii=False).encode


def create_app(settings: Settings) -> Starlette:
    """Return the gateway as an application; its lifespan opens and closes the connections."""
    gateway = Gateway(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await gateway.listener.start()
        try:
            yield
        finally:
            await gateway.listener.stop()
            await gateway.pool.close()

    return Starlette(routes=[Mount("/", app=gateway)], lifespan=lifespan)


class Gateway:
    """Serves the exposed schemas of one database."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pool = Pool(
            settings.db_uri,
            settings.pool_size,
            settings.pool_timeout,
            prepares=settings.prepared_statements,
        )
        self.listener = Listener(settings.db_uri, settings.schemas)
        self._verifier = Verifier(settings.jwt_secret, settings.anon_role)
        self._search_paths = {
            schema: ", ".join(map(quote, (schema, *settings.extra_search_path)))
            for schema in settings.schemas
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        query, fields = scope["query_string"], scope["headers"]
        request = protocol.read_request(scope["method"], path, query, fields)
        chunks: list[bytes] = []
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
        request.body = b"".join(chunks)
        try:
            status, headers, body = await self._respond(request)
        except ApiError as failed:
            status, headers, body = _failure(failed)
        headers += protocol.cors(request.headers)
        if status == 204 or request.method == "HEAD":
            body = b""
        else:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _respond(self, request: Request) -> tuple[int, Headers, bytes]:
        if request.method == "OPTIONS":
            return 200, [(b"allow", b"OPTIONS,GET,HEAD,POST")], b""
        caller = self._verifier.caller(request.headers.get("authorization"))
        counted, applied = protocol.read_preferences(request.headers.get("prefer"))
        schema = request.schema(self.settings.schemas)
        cache = self.listener.cache
        if cache is None:
            raise ApiError(503, "PGRST002", "The schema cache is not loaded yet; try again.")
        accept = request.accept()
        path = protocol.segments(request.path)
        if not path and request.reads:
            kind = ("Content-Type", f"{protocol.OPENAPI}; charset=utf-8")
            return 200, protocol.headers(kind), describe(cache, schema)
        if accept == protocol.OPENAPI:
            raise ApiError(406, "PGRST107", "Only the root path has an OpenAPI document.")
        rows = protocol.read_rows(request, self.settings.max_rows)
        shape = Shape(accept == protocol.OBJECT, counted, silent=request.method == "HEAD")
        function = None
        match path:
            case ["rpc", name]:
                function, main = _call(cache, (schema, name), request, rows, shape, caller.role)
            case [name]:
                main = _read(cache, (schema, name), request, rows, shape)
            case []:
                raise _no_method(request.method, "the root path")
            case _:
                raise ApiError(404, "PGRST125", f"{request.path} is no path of this API.")
        transaction = self._transaction(cache, schema, request, caller, function, main, shape)
        answer = await transaction.run(self.pool, retry_aborted=self.settings.retry_aborted)
        status, headers, body = _answer(answer, function, rows, accept, applied)
        if len(self.settings.schemas) > 1:
            headers += protocol.headers(("Content-Profile", schema))
        return status, headers, body

    def _transaction(
        self,
        cache: SchemaCache,
        schema: str,
        request: Request,
        caller: Caller,
        function: Function | None,
        main: Statement,
        shape: Shape,
    ) -> Transaction:
        role = cache.roles.get(caller.role, Role())
        headers = {name: value for name, value in request.headers.items() if name != "cookie"}
        settings: tuple[tuple[str, str | bytes], ...] = (
            ("search_path", self._search_paths[schema]),
            *role.settings,
            ("role", caller.role),
            ("request.jwt.claims", caller.claims),
            ("request.method", request.method),
            ("request.path", request.path),
            ("request.headers", _to_json(headers)),
            ("request.cookies", _to_json(request.cookies())),
            *(function.settings if function else ()),
        )
        return Transaction(
            isolation=(function.isolation if function else None) or role.isolation,
            read_only=request.reads or (function is not None and not function.volatile),
            settings=settings,
            pre_request=self.settings.pre_request,
            main=main,
            one_row=shape.single and (function is None or function.returns_set),
            authenticated=caller.authenticated,
        )


def _read(
    cache: SchemaCache, name: tuple[str, str], request: Request, rows: Rows, shape: Shape
) -> Statement:
    relation = cache.relation(name)
    if not request.reads:
        raise _no_method(request.method, "a table or view through this gateway")
    return read_relation(relation, request.query, rows, shape)


def _call(
    cache: SchemaCache, name: tuple[str, str], request: Request, rows: Rows, shape: Shape, role: str
) -> tuple[Function, Statement]:
    shaping, payload, given = request.query, request.body or b"{}", None
    if request.reads:
        given = [pair for pair in request.query if _is_argument(*pair)]
        shaping = [pair for pair in request.query if not _is_argument(*pair)]
    elif request.method != "POST":
        allowed = {"Allow": "OPTIONS, GET, HEAD, POST"}
        raise ApiError(405, "PGRST101", "Functions take POST, GET and HEAD.", headers=allowed)
    elif request.content_type() == protocol.FORM:
        given = parse_qsl(payload.decode(errors="replace"), keep_blank_values=True)
    names = protocol.read_arguments(payload) if given is None else tuple(key for key, _ in given)
    function = cache.function(name, names)
    # In the function's order, so that one set of arguments is one prepared statement.
    ordered = tuple(a.name for a in function.arguments if a.name in (names or ()))
    values = payload if given is None else [dict(given)[key] for key in ordered]
    return function, call_function(function, ordered, values, shaping, rows, shape, role)


def _is_argument(name: str, value: str) -> bool:
    return name not in RESERVED and name not in LOGIC and not is_condition(value)


def _answer(
    answer: Answer, function: Function | None, rows: Rows, accept: str, applied: str
) -> tuple[int, Headers, bytes]:
    status, extent = protocol.content_range(rows.offset, answer.page, answer.total)
    kind = f"{accept}; charset=utf-8"
    headers = protocol.headers(("Content-Range", extent), ("Content-Type", kind))
    if function is not None and function.returns_void:
        status, headers = 204, []
    if applied:
        headers += protocol.headers(("Preference-Applied", applied))
    if answer.headers is not None:
        given = _given_headers(answer.headers)
        replaced = {name for name, _ in given}
        headers = [pair for pair in headers if pair[0] not in replaced] + given
    if answer.status is not None:
        status = _given_status(answer.status)
    return status, headers, answer.body


def _given_headers(text: bytes) -> Headers:
    """Read the setting `response.headers`: `[{"Name": "value"}, …]`."""
    try:
        items = [pair for item in json.loads(text) for pair in item.items()]
        return protocol.headers(*items)
    except (ValueError, AttributeError, TypeError) as bad:
        wanted = "response.headers must be a JSON array of objects of texts."
        raise ApiError(500, "PGRST111", wanted) from bad


def _given_status(text: bytes) -> int:
    if text.isdigit() and 200 <= int(text) <= 599:
        return int(text)
    raise ApiError(500, "PGRST112", "response.status must be a status code.")


def _failure(failed: ApiError) -> tuple[int, Headers, bytes]:
    headers = {
        "content-type": "application/json; charset=utf-8",
        "proxy-status": f"PostgREST; error={failed.code}",
        **{name.lower(): value for name, value in failed.headers.items()},
    }
    return failed.status, protocol.headers(*headers.items()), failed.body()


def _no_method(method: str, what: str) -> ApiError:
    message = f"{method} is not possible on {what}."
    hint = "Writes go through functions: POST /rpc/NAME. The real PostgREST writes tables, too."
    allowed = {"Allow": "OPTIONS, GET, HEAD"}
    return ApiError(405, "PGRST117", message, hint=hint, headers=allowed)
