"""Who calls: what a bearer token must be."""

from __future__ import annotations

import base64
import time
from typing import Any

import jwt
import pytest

from tillroll.local.gateway.errors import ApiError
from tillroll.local.gateway.jwt import Verifier

from .conftest import SECRET, Api, token

NOW = int(time.time())
ROLE = {"role": "authenticated"}


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def role(api: Api, headers: dict[str, str]) -> str:
    response = api.rpc("state", **headers)
    assert response.status_code == 200, response.text
    said: str = response.json()["role"]
    return said


def test_the_role_is_the_tokens(api: Api) -> None:
    assert role(api, token(role="service_role")) == "service_role"
    assert role(api, token()) == "authenticated"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Basic YTpi"}, bearer(jwt.encode({"sub": "x"}, SECRET, "HS256"))],
    ids=["no token", "basic", "no role"],
)
def test_without_a_role_the_caller_is_anonymous(api: Api, headers: dict[str, str]) -> None:
    assert role(api, headers) == "anon"


@pytest.mark.parametrize(
    "claims",
    [{}, {"exp": -20}, {"exp": 1000}, {"nbf": 20}, {"iat": 20}],
)
def test_thirty_seconds_of_skew_are_allowed(api: Api, claims: dict[str, int]) -> None:
    moments = {name: int(time.time()) + seconds for name, seconds in claims.items()}
    assert role(api, token(**moments)) == "authenticated"


@pytest.mark.parametrize(
    "claims",
    [{"exp": NOW - 60}, {"nbf": NOW * 2}, {"iat": NOW * 2}, {"exp": "soon"}, {"nbf": True}],
)
def test_claims_that_do_not_hold_are_refused(api: Api, claims: dict[str, Any]) -> None:
    text = jwt.PyJWS().encode(jwt.PyJWT()._encode_payload(ROLE | claims), SECRET, "HS256")
    response = api.rpc("state", **bearer(text))
    assert (response.status_code, response.json()["code"]) == (401, "PGRST303")
    assert "invalid_token" in response.headers["www-authenticate"]


def test_numbers_and_depths_beyond_python_are_answered(api: Api) -> None:
    for payload, status in ((b"[" * 100_000, 401), (b'{"exp":' + b"9" * 400 + b"}", 200)):
        text = jwt.PyJWS().encode(payload, SECRET, "HS256")
        assert api.rpc("state", **bearer(text)).status_code == status


def unsigned() -> str:
    parts = (b'{"alg":"none","typ":"JWT"}', b'{"role":"service_role"}')
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "a.b.c",
        unsigned(),
        jwt.encode(ROLE, "another secret that is quite as long", "HS256"),
        jwt.encode(ROLE, SECRET * 2, "HS512"),
        jwt.encode(ROLE, SECRET, "HS256")[:-2],
        jwt.PyJWS().encode(b"no json", SECRET, "HS256"),
    ],
    ids=["x", "dots", "alg none", "other key", "other alg", "cut", "no json"],
)
def test_a_malformed_token_is_refused_and_not_anonymous(api: Api, text: str) -> None:
    response = api.rpc("state", **bearer(text))
    assert (response.status_code, response.json()["code"]) == (401, "PGRST301")


def test_a_role_must_exist_and_be_granted(api: Api) -> None:
    response = api.rpc("state", **token(role="nobody_here"))
    assert (response.status_code, response.json()["code"]) == (401, "22023")
    response = api.rpc("state", **token(role="supabase_admin"))
    assert (response.status_code, response.json()["code"]) == (403, "42501")


def test_a_remembered_token_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = Verifier(SECRET, "anon")
    now = time.time()
    header = f"Bearer {jwt.encode({**ROLE, 'exp': now + 10}, SECRET, 'HS256')}"
    assert verifier.caller(header).role == "authenticated"
    monkeypatch.setattr(time, "time", lambda: now + 41)
    with pytest.raises(ApiError) as refused:
        verifier.caller(header)
    assert refused.value.code == "PGRST303"


def test_not_every_token_is_remembered() -> None:
    verifier = Verifier(SECRET, "anon")
    for number in range(1100):
        verifier.caller(f"Bearer {jwt.encode({**ROLE, 'n': number}, SECRET, 'HS256')}")
    assert len(verifier._known) == 1000
