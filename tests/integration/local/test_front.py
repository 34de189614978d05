"""The one address: keys, prefixes, browsers."""

from __future__ import annotations

import uuid

import httpx
import pytest

from tillroll.local.stack import StackInfo

BOOK = {"name": "Home", "base_currency": "EUR"}
LEDGER = {"content-profile": "ledger"}


def create_book(stack: StackInfo, **headers: str) -> httpx.Response:
    url = f"{stack.api_url}/rest/v1/rpc/create_book"
    return httpx.post(url, json=BOOK, headers={**LEDGER, **headers})


@pytest.mark.parametrize("path", ["/rest/v1/books", "/auth/v1/health", "/rest/v1", "/auth/v1"])
def test_nobody_gets_in_without_a_key(stack: StackInfo, path: str) -> None:
    for headers in ({}, {"apikey": "made-up"}, {"apikey": stack.jwt_secret}):
        answer = httpx.get(stack.api_url + path, headers=headers)
        assert answer.status_code == 401
        assert set(answer.json()) == {"message", "hint"}


def test_a_token_alone_is_no_key(stack: StackInfo) -> None:
    answer = create_book(stack, authorization=f"Bearer {stack.service_role_key}")
    assert answer.status_code == 401


def test_without_a_token_the_role_of_the_key_applies(stack: StackInfo) -> None:
    assert create_book(stack, apikey=stack.service_role_key).status_code == 200
    assert create_book(stack, apikey=stack.anon_key).status_code == 401
    twice = f"Bearer {stack.service_role_key}"
    assert create_book(stack, apikey=stack.service_role_key, authorization=twice).is_success


def test_with_a_token_the_user_applies_whatever_the_key(stack: StackInfo, email: str) -> None:
    person = {"email": email, "password": "correct horse"}
    signed_up = httpx.post(
        f"{stack.api_url}/auth/v1/signup", json=person, headers={"apikey": stack.anon_key}
    ).json()
    token = f"Bearer {signed_up['access_token']}"
    mine = create_book(stack, apikey=stack.anon_key, authorization=token)
    assert mine.status_code == 200

    def visible(**headers: str) -> set[str]:
        url = f"{stack.api_url}/rest/v1/books?select=id"
        answer = httpx.get(url, headers={"accept-profile": "ledger", **headers})
        return {row["id"] for row in answer.raise_for_status().json()}

    theirs = create_book(stack, apikey=stack.service_role_key).json()["id"]
    for key in (stack.anon_key, stack.service_role_key):
        assert visible(apikey=key, authorization=token) == {mine.json()["id"]}
    assert theirs in visible(apikey=stack.service_role_key)


def test_a_bad_token_is_no_anonymous_caller(stack: StackInfo) -> None:
    for bad in ("nonsense", f"{stack.service_role_key}x"):
        answer = create_book(stack, apikey=stack.anon_key, authorization=f"Bearer {bad}")
        assert answer.status_code == 401
        assert answer.json()["code"] == "PGRST301"


def test_the_key_may_stand_in_the_address_and_is_no_filter_there(stack: StackInfo) -> None:
    key = f"apikey={stack.service_role_key}"
    url = f"{stack.api_url}/rest/v1/currencies?code=eq.EUR&{key}&select=code"
    assert httpx.get(url, headers={"accept-profile": "ledger"}).json() == [{"code": "EUR"}]


@pytest.mark.parametrize(
    "path", ["/", "/rest", "/rest/v2/x", "/rest/v1x", "/%72est/v1/books", "/storage/v1/object"]
)
def test_other_paths_are_nobodys(stack: StackInfo, path: str) -> None:
    answer = httpx.get(stack.api_url + path, headers={"apikey": stack.anon_key})
    assert answer.status_code == 404


def test_a_browser_may_ask_and_may_read_every_answer(stack: StackInfo, email: str) -> None:
    origin = {"origin": "http://localhost:3000"}
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "apikey,authorization,content-profile",
    }
    for path in ("/rest/v1/rpc/create_book", "/auth/v1/signup"):
        preflight = httpx.options(stack.api_url + path, headers={**origin, **asked})
        assert preflight.is_success
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert "content-profile" in preflight.headers["access-control-allow-headers"]
        assert "POST" in preflight.headers["access-control-allow-methods"]
        for key in ({}, {"apikey": stack.anon_key}):
            answer = httpx.post(stack.api_url + path, json={}, headers={**origin, **key})
            assert answer.headers.get_list("access-control-allow-origin") == ["*"]


def test_a_path_arrives_without_its_prefix(stack: StackInfo) -> None:
    root = httpx.get(f"{stack.api_url}/rest/v1/", headers={"apikey": stack.service_role_key})
    assert root.status_code == 200
    name = f"no_{uuid.uuid4().hex}"
    missing = httpx.post(
        f"{stack.api_url}/rest/v1/rpc/{name}",
        json={},
        headers={"apikey": stack.service_role_key, **LEDGER},
    )
    assert (missing.status_code, missing.json()["code"]) == (404, "PGRST202")
