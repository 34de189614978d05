"""Sign-up and sign-in for the local stack, in the words of Supabase Auth.

What the official Python and JavaScript clients call with an email and a password: sign-up
(confirmed at once), sign-in, refresh, user, sign-out. Other ways to sign in are answered as by a
project that has them switched off.

A refresh token is used once. Its successor is derived from it, so that a client whose answer was
lost may ask again, while the database holds nothing but hashes. A token whose successor has been
used already is taken for stolen, and ends its session's refreshing.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import argon2
import jwt
import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["AuthSettings", "create_app"]

_AUDIENCE = "authenticated"
_BODY_LIMIT = 65_536  # bytes
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

# Supabase Auth's error codes, with the status and the message that it sends.
_REFUSALS = {
    "anonymous_provider_disabled": (422, "Anonymous sign-ins are disabled"),
    "bad_json": (400, "Could not parse request body as a JSON object"),
    "bad_jwt": (403, "invalid JWT: unable to parse or verify signature"),
    "email_exists": (422, "A user with this email address has already been registered"),
    "invalid_credentials": (400, "Invalid login credentials"),
    "no_authorization": (401, "This endpoint requires a valid Bearer token"),
    "phone_provider_disabled": (400, "Phone sign-ups and logins are disabled"),
    "refresh_token_already_used": (400, "Invalid Refresh Token: Already Used"),
    "refresh_token_not_found": (400, "Invalid Refresh Token: Refresh Token Not Found"),
    "same_password": (422, "New password should be different from the old password."),
    "session_not_found": (403, "Session from session_id claim in JWT does not exist"),
    "user_already_exists": (422, "User already registered"),
    "user_not_found": (403, "User from sub claim in JWT does not exist"),
    "validation_failed": (400, "Unusable value"),
    "weak_password": (422, "Password should be at least 6 characters."),
}

_Connection = psycopg.AsyncConnection[DictRow]
_Json = dict[str, Any]


@dataclass(frozen=True)
class AuthSettings:
    """How the sign-in service works.

    Args:
        db_uri: Connection URL, as `supabase_auth_admin`.
        jwt_secret: Signs the access tokens (HS256); the gateway knows the same.
        issuer: The service's public URL: the tokens' `iss`.
        token_seconds: How long an access token is valid.
    """

    db_uri: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    issuer: str
    token_seconds: int = 3600


class _Refusal(Exception):
    """An error answer; the code says which."""

    def __init__(self, code: str, message: str | None = None) -> None:
        self.status, usual = _REFUSALS[code]
        self.body: _Json = {"code": self.status, "error_code": code, "msg": message or usual}
        super().__init__(code)


def create_app(settings: AuthSettings) -> Starlette:
    """Return the service as an ASGI application; its connections live as long as its lifespan."""
    auth = _Auth(settings)
    return Starlette(
        routes=[
            Route("/signup", auth.sign_up, methods=["POST"]),
            Route("/token", auth.token, methods=["POST"]),
            Route("/user", auth.get_user, methods=["GET"]),
            Route("/user", auth.update_user, methods=["PUT"]),
            Route("/logout", auth.sign_out, methods=["POST"]),
            Route("/{name:path}", _about, methods=["GET"]),
        ],
        exception_handlers={
            _Refusal: _refused,
            HTTPException: _no_route,
            psycopg.DataError: _invalid,
            UnicodeEncodeError: _invalid,
            psycopg.OperationalError: _unavailable,
            PoolTimeout: _unavailable,
        },
        lifespan=auth.lifespan,
    )


class _Auth:
    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        # OWASP's least parameters: a laptop has other work to do, too.
        self._hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        # Derived, so that whoever reads the database cannot make a successor.
        self._successor_key = hmac.digest(settings.jwt_secret.encode(), b"refresh", "sha256")
        self._nobody = ""  # a hash that no password has

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "argon2")
        self._pool = AsyncConnectionPool(
            self._settings.db_uri,
            connection_class=_Connection,
            kwargs={"row_factory": dict_row, "autocommit": True},
            check=AsyncConnectionPool.check_connection,
            min_size=1,
            max_size=4,
            timeout=10,
            open=False,
        )
        try:
            await self._pool.open(wait=True)
            self._nobody = await self._hash(secrets.token_hex())
            yield
        finally:
            await self._pool.close()
            self._threads.shutdown()

    # ---- what the clients call -----------------------------------------------------------------

    async def sign_up(self, request: Request) -> Response:
        body = await _body(request)
        if not body.get("email") and not body.get("password"):
            raise _Refusal("anonymous_provider_disabled")
        email, user_id = _email(body), uuid.uuid4()
        hashed = await self._hash(_new_password(body))
        provider = {"provider": "email", "providers": ["email"]}
        about = {"sub": str(user_id), "email": email, "email_verified": True}
        about = {**_metadata(body), **about, "phone_verified": False}
        async with self._pool.connection() as db, db.transaction():
            made = await db.execute(
                """
                insert into auth.users (id, aud, role, email, encrypted_password,
                    raw_app_meta_data, raw_user_meta_data,
                    email_confirmed_at, last_sign_in_at, created_at, updated_at)
                values (%s, %s, 'authenticated', %s, %s, %s, %s, now(), now(), now(), now())
                on conflict do nothing
                returning *
                """,
                (user_id, _AUDIENCE, email, hashed, Jsonb(provider), Jsonb(about)),
            )
            user = await made.fetchone()
            if user is None:
                raise _Refusal("user_already_exists")
            return JSONResponse(await self._new_session(db, user))

    async def token(self, request: Request) -> Response:
        grants = {"password": self._by_password, "refresh_token": self._by_refresh_token}
        grant = grants.get(request.query_params.get("grant_type", ""))
        if grant is None:
            raise _Refusal("validation_failed", "unsupported_grant_type")
        answer = await grant(await _body(request))
        return JSONResponse(answer, headers={"cache-control": "no-store"})

    async def get_user(self, request: Request) -> Response:
        async with self._pool.connection() as db:
            user, _ = await self._caller(db, request)
        return JSONResponse(_user(user))

    async def update_user(self, request: Request) -> Response:
        body = await _body(request)
        async with self._pool.connection() as db:
            user, session_id = await self._caller(db, request)
        email = _email(body) if body.get("email") else user["email"]
        hashed = None
        if body.get("password"):
            if await self._matches(user["encrypted_password"], _new_password(body)):
                raise _Refusal("same_password")
            hashed = await self._hash(body["password"])
        async with self._pool.connection() as db, db.transaction():
            old = await _one(
                db, "select * from auth.users where id = %s for no key update", user["id"]
            )
            about = {**old["raw_user_meta_data"], **_metadata(body), "email": email}
            about = {name: value for name, value in about.items() if value is not None}
            try:
                new = await _one(
                    db,
                    "update auth.users set email = %s, updated_at = now(), raw_user_meta_data = %s,"
                    " encrypted_password = coalesce(%s, encrypted_password)"
                    " where id = %s returning *",
                    *(email, Jsonb(about), hashed, user["id"]),
                )
            except psycopg.errors.UniqueViolation as taken:
                raise _Refusal("email_exists") from taken
            if hashed:
                await _end_sessions(db, "others", user["id"], session_id)
            return JSONResponse(_user(new))

    async def sign_out(self, request: Request) -> Response:
        scope = request.query_params.get("scope", "global")
        if scope not in ("global", "local", "others"):
            raise _Refusal("validation_failed", f"Unsupported logout scope {scope!r}")
        async with self._pool.connection() as db:
            user, session_id = await self._caller(db, request)
            await _end_sessions(db, scope, user["id"], session_id)
        return Response(status_code=204)

    # ---- sessions and tokens -------------------------------------------------------------------

    async def _by_password(self, body: _Json) -> _Json:
        password = body.get("password")
        if not isinstance(password, str):
            raise _Refusal("validation_failed", "missing password")
        find = "select * from auth.users where lower(email) = %s"
        async with self._pool.connection() as db:
            user = await (await db.execute(find, (_email(body),))).fetchone()
        # An unknown address takes as long as a wrong password: neither tells who has an account.
        hashed = (user and user["encrypted_password"]) or self._nobody
        if not await self._matches(hashed, password) or user is None:
            raise _Refusal("invalid_credentials")
        signed_in = "update auth.users set last_sign_in_at = now() where id = %s returning *"
        async with self._pool.connection() as db, db.transaction():
            return await self._new_session(db, await _one(db, signed_in, user["id"]))

    async def _by_refresh_token(self, body: _Json) -> _Json:
        token = body.get("refresh_token")
        if not isinstance(token, str):
            raise _Refusal("validation_failed", "missing refresh_token")
        successor = hmac.digest(self._successor_key, token.encode(), "sha256").hex()
        mine, next_one = _sha256(token), _sha256(successor)
        async with self._pool.connection() as db, db.transaction():
            # The session's lock comes first, as in sign-out; what depends on it is read after it.
            locked = await db.execute(
                "select s.* from auth.sessions as s "
                "join auth.refresh_tokens as t on t.session_id = s.id "
                "where t.token = %s for no key update of s",
                (mine,),
            )
            session = await locked.fetchone()
            if session is None:
                raise _Refusal("refresh_token_not_found")
            tokens = await db.execute(
                "select token, revoked from auth.refresh_tokens where token in (%s, %s)",
                (mine, next_one),
            )
            revoked = {row["token"]: row["revoked"] for row in await tokens.fetchall()}
            stolen = revoked[mine] and revoked.get(next_one, True)
            if stolen or not revoked[mine]:
                await db.execute(
                    "update auth.refresh_tokens set revoked = true, updated_at = now() "
                    "where session_id = %s and not revoked",
                    (session["id"],),
                )
            if not revoked[mine]:
                await _store(db, successor, session, parent=mine)
            user = await _one(db, "select * from auth.users where id = %s", session["user_id"])
        if stolen:  # raised out here, where the revocation is committed
            raise _Refusal("refresh_token_already_used")
        return self._answer(user, session, successor)

    async def _new_session(self, db: _Connection, user: DictRow) -> _Json:
        session = await _one(
            db,
            "insert into auth.sessions (id, user_id, created_at, updated_at) "
            "values (%s, %s, now(), now()) returning *",
            *(uuid.uuid4(), user["id"]),
        )
        token = secrets.token_urlsafe(32)
        await _store(db, token, session, parent=None)
        return self._answer(user, session, token)

    def _answer(self, user: DictRow, session: DictRow, refresh_token: str) -> _Json:
        now = int(time.time())
        about = _user(user)
        copied = ("email", "phone", "app_metadata", "user_metadata", "role", "is_anonymous")
        claims = {
            "iss": self._settings.issuer,
            "sub": about["id"],
            "aud": _AUDIENCE,
            "exp": now + self._settings.token_seconds,
            "iat": now,
            **{name: about[name] for name in copied},
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": int(session["created_at"].timestamp())}],
            "session_id": str(session["id"]),
        }
        return {
            "access_token": jwt.encode(claims, self._settings.jwt_secret, "HS256"),
            "token_type": "bearer",
            "expires_in": self._settings.token_seconds,
            "expires_at": claims["exp"],
            "refresh_token": refresh_token,
            "user": about,
        }

    async def _caller(self, db: _Connection, request: Request) -> tuple[DictRow, uuid.UUID]:
        """Return the signed-in user and her session's id."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise _Refusal("no_authorization")
        try:
            claims = jwt.decode(token, self._settings.jwt_secret, ["HS256"], audience=_AUDIENCE)
            user_id, session_id = uuid.UUID(claims["sub"]), uuid.UUID(claims["session_id"])
        except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, AttributeError) as bad:
            raise _Refusal("bad_jwt", f"invalid JWT: {bad}") from bad
        user = await _one(db, "select * from auth.users where id = %s", user_id)
        session = await db.execute(
            "select from auth.sessions where id = %s and user_id = %s", (session_id, user_id)
        )
        if session.rowcount == 0:
            raise _Refusal("session_not_found")
        return user, session_id

    # Hashing takes tens of milliseconds of a core: in threads, so that requests go on meanwhile.
    async def _hash(self, password: str) -> str:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._hasher.hash, password)

    async def _matches(self, hashed: str, password: str) -> bool:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._hasher.verify, hashed, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False


async def _one(db: _Connection, statement: str, *values: object) -> DictRow:
    row = await (await db.execute(statement.encode(), values)).fetchone()
    if row is None:
        raise _Refusal("user_not_found")
    return row


async def _store(db: _Connection, token: str, session: DictRow, parent: str | None) -> None:
    await db.execute(
        "insert into auth.refresh_tokens (token, parent, user_id, session_id, created_at, "
        "updated_at) values (%s, %s, %s, %s, now(), now())",
        (_sha256(token), parent, str(session["user_id"]), session["id"]),
    )


async def _end_sessions(
    db: _Connection, scope: str, user_id: uuid.UUID, session_id: uuid.UUID
) -> None:
    of_scope = {"global": "true", "local": "id = %(session)s", "others": "id <> %(session)s"}
    statement = f"delete from auth.sessions where user_id = %(user)s and {of_scope[scope]}"
    await db.execute(statement.encode(), {"user": user_id, "session": session_id})


# ---- reading requests, writing answers ---------------------------------------------------------


async def _body(request: Request) -> _Json:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _BODY_LIMIT:
            raise _Refusal("validation_failed", f"Request body exceeds {_BODY_LIMIT} bytes")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as bad:
        raise _Refusal("bad_json") from bad
    if not isinstance(body, dict):
        raise _Refusal("bad_json")
    if body.get("phone"):
        raise _Refusal("phone_provider_disabled")
    return body


def _email(body: Mapping[str, Any]) -> str:
    email = body.get("email")
    if isinstance(email, str) and len(email) <= 255 and _EMAIL.fullmatch(email.strip()):
        return email.strip().lower()
    raise _Refusal("validation_failed", "Unable to validate email address: invalid format")


def _new_password(body: Mapping[str, Any]) -> str:
    password = body.get("password")
    if not isinstance(password, str) or not password:
        raise _Refusal("validation_failed", "Signup requires a valid password")
    if len(password) < 6:
        weak = _Refusal("weak_password")
        weak.body["weak_password"] = {"reasons": ["length"]}
        raise weak
    if len(password.encode()) > 72:  # Supabase's bound: a password of ours works there, too
        raise _Refusal("validation_failed", "Password cannot be longer than 72 characters")
    return password


def _metadata(body: Mapping[str, Any]) -> _Json:
    data = body.get("data") or {}
    if not isinstance(data, dict):
        raise _Refusal("validation_failed", "data is no JSON object")
    return data


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _user(row: DictRow) -> _Json:
    user_id, email = str(row["id"]), row["email"]
    times = {
        name: moment.isoformat() if isinstance(moment := row[name], datetime) else None
        for name in ("email_confirmed_at", "last_sign_in_at", "created_at", "updated_at")
    }
    identity = {
        **{"identity_id": str(uuid.uuid5(row["id"], "email")), "id": user_id, "user_id": user_id},
        **{"identity_data": {"sub": user_id, "email": email}, "provider": "email", "email": email},
        **{name: times[name] for name in ("last_sign_in_at", "created_at", "updated_at")},
    }
    return {
        **{"id": user_id, "aud": row["aud"], "role": row["role"], "email": email, "phone": ""},
        **times,
        "confirmed_at": times["email_confirmed_at"],
        "app_metadata": row["raw_app_meta_data"],
        "user_metadata": row["raw_user_meta_data"],
        "identities": [identity],
        "is_anonymous": False,
    }


async def _about(request: Request) -> Response:
    """Answer what describes the service; the one signing key is symmetric, so none is published."""
    providers = {"email": True, "phone": False, "anonymous_users": False}
    pages: dict[str, _Json] = {
        "health": {"name": "Tillroll sign-in", "description": "speaks Supabase Auth's API"},
        "settings": {"external": providers, "disable_signup": False, "mailer_autoconfirm": True},
        ".well-known/jwks.json": {"keys": []},
    }
    page = pages.get(request.path_params["name"])
    if page is None:
        raise HTTPException(404)
    return JSONResponse(page)


# Starlette types its handlers by Exception; each of these is registered for its classes alone.
async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, _Refusal)
    return JSONResponse(error.body, error.status)


async def _no_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"code": error.status_code, "error_code": "not_found", "msg": error.detail}
    return JSONResponse(body, error.status_code, error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    return await _refused(_, _Refusal("validation_failed"))


async def _unavailable(_: Request, error: Exception) -> Response:
    body = {"code": 503, "error_code": "unexpected_failure", "msg": "The database is not there"}
    return JSONResponse(body, 503)
