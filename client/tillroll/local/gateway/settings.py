from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What a gateway serves, and how.

    Args:
        db_uri: Connection URL of the login role, `authenticator` on Supabase.
        schemas: The exposed schemas; the first is the default.
        jwt_secret: The secret of HS256 tokens, at least 32 bytes.
        anon_role: The role of a request without a token, or whose token names none.
        pre_request: `schema.function` to call before each request's main statement.
        max_rows: The most rows that one answer holds; None: no bound.
        pool_size: Connections to Postgres.
        pool_timeout: Seconds to wait for one of them.
        retry_aborted: Repeat what ended in 40001 or 40P01 for ever, as PostgREST 14 does.
        prepared_statements: False behind a pooler in transaction mode, where a name that one
            session has given may be another's statement.
        extra_search_path: Schemas that follow the request's own in `search_path`.

    Raises:
        ValueError: A setting makes no sense; the message says which.
    """

    db_uri: str
    schemas: tuple[str, ...]
    jwt_secret: str
    anon_role: str = "anon"
    pre_request: str | None = None
    max_rows: int | None = None
    pool_size: int = 10
    pool_timeout: float = 10.0
    retry_aborted: bool = False
    prepared_statements: bool = True
    extra_search_path: tuple[str, ...] = ("public",)

    def __post_init__(self) -> None:
        if not self.schemas:
            raise ValueError("no schema is exposed: name at least one in --schemas")
        if len(self.jwt_secret.encode()) < 32:
            raise ValueError("the JWT secret is too short: HS256 wants at least 32 bytes")
        if self.pool_size < 1:
            raise ValueError("the pool needs at least one connection")
        if self.max_rows is not None and self.max_rows < 0:
            raise ValueError("max_rows cannot be negative")
