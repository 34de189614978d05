"""`python -m tillroll.local.gateway`: the gateway alone, in front of any database."""

from __future__ import annotations

import argparse
import socket
import sys

import uvicorn

from .app import create_app
from .settings import Settings


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            print(f"gateway: listening on http://{host}:{port}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tillroll.local.gateway",
        description="Speak PostgREST's protocol for a database, on a laptop or in tests.",
    )
    add = parser.add_argument
    add("--db-uri", required=True, help="connection URL of the login role `authenticator`")
    add("--schemas", required=True, help="exposed schemas, separated by commas")
    add("--anon-role", required=True, help="role of requests without a token")
    add("--jwt-secret", required=True, help="secret of HS256 tokens, at least 32 bytes")
    add("--port", required=True, type=int, help="0 takes a free one")
    add("--host", default="127.0.0.1")
    add("--pre-request", metavar="SCHEMA.FUNCTION", help="called before each main statement")
    add("--max-rows", type=int, metavar="N", help="most rows of one answer")
    add("--pool", type=int, default=10, metavar="N", help="connections to Postgres")
    add(
        "--no-prepared-statements",
        dest="prepared_statements",
        action="store_false",
        help="for a database behind a pooler in transaction mode",
    )
    add(
        "--retry-aborted",
        action="store_true",
        help="repeat 40001 and 40P01 for ever without delay, as PostgREST 14 does",
    )
    return parser


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = _parser()
    given = parser.parse_args()
    try:
        settings = Settings(
            db_uri=given.db_uri,
            schemas=tuple(name.strip() for name in given.schemas.split(",") if name.strip()),
            jwt_secret=given.jwt_secret,
            anon_role=given.anon_role,
            pre_request=given.pre_request,
            max_rows=given.max_rows,
            pool_size=given.pool,
            retry_aborted=given.retry_aborted,
            prepared_statements=given.prepared_statements,
        )
    except ValueError as wrong:
        parser.error(str(wrong))
    config = uvicorn.Config(
        create_app(settings),
        host=given.host,
        port=given.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,  # longer than clients keep an idle connection
        timeout_graceful_shutdown=5,
    )
    _Server(config).run()


if __name__ == "__main__":
    main()
