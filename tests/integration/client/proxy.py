"""A proxy that loses, delays and replaces answers, on real sockets."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Proxy:
    """Passes requests on; `faults` says what befalls the next ones, one each.

    cut: executed, and the connection closed instead of an answer
    half: executed, and the answer broken off in its middle
    hang: executed, and no answer until the client has gone
    gateway: executed, and a 502 of HTML in the answer's place
    captive: executed, and a 200 of HTML in the answer's place
    refuse: not executed, 429 with Retry-After: 2
    a status and a code, such as "403 forbidden": not executed, this answer
    """

    def __init__(self, upstream: str) -> None:
        self.faults: list[str] = []
        self.requests = 0
        self.over = threading.Event()
        self.upstream = urlsplit(upstream).netloc
        self.url = ""


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    state = Proxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            state.requests += 1
            fault = state.faults.pop(0) if state.faults else ""
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if fault == "refuse":
                self._answer(429, b"slow down", {"Retry-After": "2"})
                return
            if fault[:1].isdigit():
                status, _, code = fault.partition(" ")
                error = json.dumps({"code": code, "message": "x"}) if code else ""
                self._answer(int(status), error.encode(), {"Content-Type": "application/json"})
                return
            onward = http.client.HTTPConnection(state.upstream, timeout=20)
            try:
                onward.request(self.command, self.path, body or None, dict(self.headers))
                given = onward.getresponse()
                answer = given.read()
                headers = {"Content-Type": given.headers["Content-Type"] or ""}
            finally:
                onward.close()
            if fault == "hang":
                state.over.wait(20)
            if fault in ("cut", "hang"):
                self.close_connection = True
            elif fault == "half":
                self._answer(given.status, answer, headers, len(answer) // 2)
            elif fault in ("gateway", "captive"):
                html = {"Content-Type": "text/html"}
                self._answer(502 if fault == "gateway" else 200, b"<p>sorry</p>", html)
            else:
                self._answer(given.status, answer, headers)

        do_GET = do_POST

        def _answer(
            self, status: int, body: bytes, headers: dict[str, str], sent: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:sent])
            self.close_connection = sent is not None

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        state.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
