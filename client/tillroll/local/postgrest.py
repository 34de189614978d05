"""A real PostgREST behind the front, in place of our gateway."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tillroll.local import leash
from tillroll.local.state import StackError
from tillroll.server import free_port

__all__ = ["find_postgrest", "launched"]

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "host", "date", "server"}


def find_postgrest() -> Path:
    """Return the executable named by TILLROLL_POSTGREST, or else found on PATH.

    Raises:
        StackError: There is none.
    """
    named = os.environ.get("TILLROLL_POSTGREST")
    found = shutil.which(named or "postgrest")
    if found is None:
        raise StackError(
            f"no PostgREST: {named} is no executable; correct TILLROLL_POSTGREST"
            if named
            else "no PostgREST: put `postgrest` on PATH, or its path into TILLROLL_POSTGREST"
        )
    return Path(found)


@contextlib.contextmanager
def launched(
    db_uri: str, schemas: Sequence[str], jwt_secret: str, max_rows: int
) -> Iterator[Starlette]:
    """Run PostgREST inside the `with`; yields an application that hands every request to it.

    Raises:
        StackError: It is not there, or did not get ready.
    """
    port, admin_port = free_port(), free_port()
    settings = {
        "PGRST_DB_URI": db_uri,
        "PGRST_DB_SCHEMAS": ",".join(schemas),
        "PGRST_DB_EXTRA_SEARCH_PATH": "",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_MAX_ROWS": str(max_rows),
        "PGRST_JWT_SECRET": jwt_secret,
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_ADMIN_SERVER_HOST": "127.0.0.1",
        "PGRST_ADMIN_SERVER_PORT": str(admin_port),
    }
    leashed = [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), str(find_postgrest())]
    process = subprocess.Popen(
        leashed, stdin=subprocess.PIPE, stdout=sys.stderr, env={**os.environ, **settings}
    )
    assert process.stdin is not None
    try:
        _await_ready(process, f"http://127.0.0.1:{admin_port}/ready")
        yield _proxy(f"http://127.0.0.1:{port}")
    finally:
        process.stdin.close()
        process.wait()


def _await_ready(process: subprocess.Popen[bytes], url: str, timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, trust_env=False, timeout=1).is_success:
                return
        time.sleep(0.05)
    raise StackError("PostgREST did not get ready; see stack.log")


def _proxy(target: str) -> Starlette:
    client = httpx.AsyncClient(
        base_url=target,
        timeout=httpx.Timeout(None, connect=5),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        trust_env=False,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    async def forward(request: Request) -> Response:
        raw, query = request.scope["raw_path"], request.scope["query_string"]
        asked = client.build_request(
            request.method,
            httpx.URL(target).copy_with(raw_path=raw + (query and b"?" + query)),
            headers=[pair for pair in request.headers.items() if pair[0] not in _OF_THE_CONNECTION],
            content=await request.body(),
        )
        try:
            answer = await client.send(asked, stream=True)
        except httpx.TransportError as failed:
            lost = {"code": "PGRST001", "message": f"PostgREST does not answer: {failed}"}
            return JSONResponse({**lost, "details": None, "hint": None}, 503)
        reply = StreamingResponse(
            answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose)
        )
        reply.raw_headers = [
            (name.lower(), value)
            for name, value in answer.headers.raw
            if name.lower().decode() not in _OF_THE_CONNECTION
        ]
        return reply

    return Starlette(routes=[Route("/{path:path}", forward, methods=_METHODS)], lifespan=lifespan)
