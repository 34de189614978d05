"""Sign-up and sign-in over HTTP: the protocol, and what is refused."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from tests.waiting import until

from tillroll.local.stack import StackInfo

PASSWORD = "correct horse"


def sign_up(http: httpx.Client, email: str, **more: Any) -> dict[str, Any]:
    answer = http.post("/auth/v1/signup", json={"email": email, "password": PASSWORD, **more})
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


def refresh(http: httpx.Client, token: str) -> httpx.Response:
    return http.post(
        "/auth/v1/token", params={"grant_type": "refresh_token"}, json={"refresh_token": token}
    )


def sign_in(http: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    return http.post(
        "/auth/v1/token",
        params={"grant_type": "password"},
        json={"email": email, "password": password},
    )


def user(http: httpx.Client, token: str) -> httpx.Response:
    return http.get("/auth/v1/user", headers=bearer(token))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def error(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["code"] == answer.status_code
    assert isinstance(body["msg"], str)
    return answer.status_code, body["error_code"]


def test_a_token_carries_the_claims_that_supabase_gives(
    stack: StackInfo, http: httpx.Client, email: str
) -> None:
    session = sign_up(http, email, data={"name": "Ada"})
    claims = jwt.decode(
        session["access_token"], stack.jwt_secret, ["HS256"], audience="authenticated"
    )
    session_id, issued = claims.pop("session_id"), claims.pop("iat")
    assert claims == {
        "iss": f"{stack.api_url}/auth/v1",
        "sub": session["user"]["id"],
        "aud": "authenticated",
        "exp": issued + 3600,
        "email": email,
        "phone": "",
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": {
            "name": "Ada",
            "sub": session["user"]["id"],
            "email": email,
            "email_verified": True,
            "phone_verified": False,
        },
        "role": "authenticated",
        "aal": "aal1",
        "amr": [{"method": "password", "timestamp": issued}],
        "is_anonymous": False,
    }
    assert abs(issued - time.time()) < 30
    assert session["expires_at"] == claims["exp"]
    with psycopg.connect(stack.db_url) as db:
        known = db.execute("select user_id from auth.sessions where id = %s", (session_id,))
        assert [str(row[0]) for row in known] == [claims["sub"]]


def test_nothing_that_opens_an_account_is_stored(
    stack: StackInfo, http: httpx.Client, email: str
) -> None:
    session = sign_up(http, email)
    following = refresh(http, session["refresh_token"]).json()
    with psycopg.connect(stack.db_url) as db:
        hashed = db.execute(
            "select encrypted_password from auth.users where email = %s", (email,)
        ).fetchone()
        stored = {str(row[0]) for row in db.execute("select token from auth.refresh_tokens")}
    assert hashed is not None
    assert hashed[0].startswith("$argon2id$")
    assert not stored & {session["refresh_token"], following["refresh_token"]}


def test_the_right_password_signs_in_whatever_the_case_of_the_address(
    http: httpx.Client, email: str
) -> None:
    made = sign_up(http, email)
    session = sign_in(http, email.upper()).json()
    assert session["user"]["id"] == made["user"]["id"]
    assert session["token_type"] == "bearer"
    assert user(http, session["access_token"]).json()["email"] == email


def test_a_wrong_password_and_an_unknown_address_are_told_alike(
    http: httpx.Client, email: str
) -> None:
    sign_up(http, email)
    wrong, unknown = sign_in(http, email, "wrong horse"), sign_in(http, f"x{email}")
    assert error(wrong) == (400, "invalid_credentials")
    assert wrong.json() == unknown.json()


def test_an_address_signs_up_once_even_when_asked_at_once(http: httpx.Client, email: str) -> None:
    body = {"email": email, "password": PASSWORD}
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: http.post("/auth/v1/signup", json=body), range(6)))
    assert sorted(each.status_code for each in answers) == [200] + 5 * [422]
    assert {error(each) for each in answers if each.is_error} == {(422, "user_already_exists")}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"email": "nobody", "password": PASSWORD}, (400, "validation_failed")),
        ({"email": "a@" + 300 * "b", "password": PASSWORD}, (400, "validation_failed")),
        ({"email": ["a@b.c"], "password": PASSWORD}, (400, "validation_failed")),
        ({"email": "nul\u0000@b.c", "password": PASSWORD}, (400, "validation_failed")),
        ({"email": "\ud800@b.c", "password": PASSWORD}, (400, "validation_failed")),
        ({"email": "a@b.c"}, (400, "validation_failed")),
        ({"email": "a@b.c", "password": 123456}, (400, "validation_failed")),
        ({"email": "a@b.c", "password": 73 * "x"}, (400, "validation_failed")),
        ({"email": "a@b.c", "password": PASSWORD, "data": [1]}, (400, "validation_failed")),
        (
            {"email": "a@b.c", "password": PASSWORD, "data": {"\u0000": 1}},
            (400, "validation_failed"),
        ),
        ({"email": "a@b.c", "password": "short"}, (422, "weak_password")),
        ({"phone": "+4912345", "password": PASSWORD}, (400, "phone_provider_disabled")),
        ({"data": {}}, (422, "anonymous_provider_disabled")),
        ([], (400, "bad_json")),
    ],
)
def test_what_cannot_be_an_account_is_refused(
    stack: StackInfo, http: httpx.Client, body: Any, expected: tuple[int, str]
) -> None:
    def count() -> Any:
        with psycopg.connect(stack.db_url) as db:
            return db.execute("select count(*) from auth.users").fetchone()

    before = count()
    # ASCII only, as httpx would refuse to send what is no Unicode.
    assert error(http.post("/auth/v1/signup", content=json.dumps(body))) == expected
    assert count() == before


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 60_000, b'"' + b"x" * 70_000 + b'"'])
def test_what_is_no_json_is_a_400(http: httpx.Client, raw: bytes) -> None:
    assert http.post("/auth/v1/signup", content=raw).status_code == 400


def test_a_refresh_gives_new_tokens_for_the_same_session(
    stack: StackInfo, http: httpx.Client, email: str
) -> None:
    first = sign_up(http, email)
    second = refresh(http, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]

    def session_of(answer: dict[str, Any]) -> Any:
        key, audience = stack.jwt_secret, "authenticated"
        return jwt.decode(answer["access_token"], key, ["HS256"], audience=audience)["session_id"]

    assert session_of(first) == session_of(second)
    assert user(http, second["access_token"]).status_code == 200


def test_a_client_that_lost_the_answer_to_a_refresh_may_ask_again(
    http: httpx.Client, email: str
) -> None:
    first = sign_up(http, email)["refresh_token"]
    second, again = (refresh(http, first).json()["refresh_token"] for _ in range(2))
    assert second == again
    assert refresh(http, second).status_code == 200


def test_refreshes_at_the_same_time_give_the_same_token(
    stack: StackInfo, http: httpx.Client, email: str
) -> None:
    session = sign_up(http, email)
    waiting = """
        select count(*) from pg_stat_activity
        where usename = 'supabase_auth_admin' and wait_event_type = 'Lock'
    """
    with (
        ThreadPoolExecutor(3) as threads,
        psycopg.connect(stack.db_url, autocommit=True) as watch,
        psycopg.connect(stack.db_url) as holder,
    ):
        mine = "select from auth.sessions where user_id = %s for update"
        holder.execute(mine, (session["user"]["id"],))
        asked = [threads.submit(refresh, http, session["refresh_token"]) for _ in range(3)]
        until(lambda: watch.execute(waiting).fetchone() == (3,))
        holder.rollback()
        answers = [each.result() for each in asked]
    assert [each.status_code for each in answers] == [200, 200, 200]
    assert len({each.json()["refresh_token"] for each in answers}) == 1


def test_a_refresh_token_used_again_later_ends_the_sessions_refreshing(
    http: httpx.Client, email: str
) -> None:
    first = sign_up(http, email)["refresh_token"]
    other = sign_in(http, email).json()["refresh_token"]
    second = refresh(http, first).json()["refresh_token"]
    third = refresh(http, second).json()["refresh_token"]
    assert error(refresh(http, first)) == (400, "refresh_token_already_used")
    assert error(refresh(http, third)) == (400, "refresh_token_already_used")
    assert refresh(http, other).status_code == 200


def test_an_unknown_refresh_token_is_refused(http: httpx.Client) -> None:
    assert error(refresh(http, "made-up")) == (400, "refresh_token_not_found")


@pytest.mark.parametrize(
    ("scope", "ended"),
    [("local", [True, False]), ("others", [False, True]), ("global", [True, True])],
)
def test_signing_out_ends_the_sessions_of_its_scope(
    http: httpx.Client, email: str, scope: str, ended: list[bool]
) -> None:
    sign_up(http, email)
    sessions = [sign_in(http, email).json() for _ in range(2)]
    answer = http.post(
        "/auth/v1/logout",
        params={"scope": scope},
        headers=bearer(sessions[0]["access_token"]),
    )
    assert answer.status_code == 204
    for session, is_ended in zip(sessions, ended, strict=True):
        known, renewed = (
            user(http, session["access_token"]),
            refresh(http, session["refresh_token"]),
        )
        if is_ended:
            assert error(known) == (403, "session_not_found")
            assert error(renewed) == (400, "refresh_token_not_found")
        else:
            assert [known.status_code, renewed.status_code] == [200, 200]


def test_only_a_users_own_valid_token_names_her(
    stack: StackInfo, http: httpx.Client, email: str
) -> None:
    token = sign_up(http, email)["access_token"]
    claims = jwt.decode(token, stack.jwt_secret, ["HS256"], audience="authenticated")

    def signed(secret: str = stack.jwt_secret, **changed: object) -> str:
        kept = {name: value for name, value in {**claims, **changed}.items() if value is not None}
        return jwt.encode(kept, secret, "HS256")

    unsigned = jwt.encode(claims, "", "none")
    nobody = "00000000-0000-4000-8000-000000000000"
    assert user(http, signed()).status_code == 200
    for bad in (
        *("nonsense", unsigned, stack.anon_key, signed(stack.jwt_secret[::-1]), signed(exp=1)),
        *(signed(sub=None), signed(sub="me"), signed(session_id=None), signed(aud="other")),
    ):
        assert error(user(http, bad)) == (403, "bad_jwt"), bad
    assert error(user(http, signed(sub=nobody))) == (403, "user_not_found")
    assert error(user(http, signed(session_id=nobody))) == (403, "session_not_found")


def test_the_user_can_change_what_is_hers(http: httpx.Client, email: str) -> None:
    here = sign_up(http, email, data={"name": "Ada", "town": "London"})
    elsewhere = sign_in(http, email).json()
    auth = bearer(here["access_token"])

    def change(**what: object) -> httpx.Response:
        return http.put("/auth/v1/user", headers=auth, json=what)

    about = change(data={"town": None, "cat": 1}).json()["user_metadata"]
    assert (about["name"], about["cat"], "town" in about) == ("Ada", 1, False)
    assert change(email=f"new.{email}").json()["email"] == f"new.{email}"
    assert error(change(password=PASSWORD)) == (422, "same_password")
    assert change(password="another horse").status_code == 200
    assert error(sign_in(http, f"new.{email}")) == (400, "invalid_credentials")
    assert sign_in(http, f"new.{email}", "another horse").status_code == 200
    # Whoever knew the old password is out; who changed it is not.
    assert refresh(http, elsewhere["refresh_token"]).is_error
    assert refresh(http, here["refresh_token"]).is_success


def test_an_address_cannot_be_taken_from_another(http: httpx.Client, email: str) -> None:
    sign_up(http, email)
    mine = sign_up(http, f"x{email}")
    answer = http.put("/auth/v1/user", headers=bearer(mine["access_token"]), json={"email": email})
    assert error(answer) == (422, "email_exists")


def test_hashing_a_password_holds_nobody_up(http: httpx.Client, email: str) -> None:
    sign_up(http, email)
    with ThreadPoolExecutor(8) as threads:
        slow = [threads.submit(sign_in, http, email) for _ in range(8)]
        begun = time.monotonic()
        assert http.get("/auth/v1/health").status_code == 200
        answered = time.monotonic() - begun
        still_hashing = sum(not each.done() for each in slow)
        assert all(each.result().status_code == 200 for each in slow)
    assert still_hashing > 4, answered


@pytest.mark.parametrize("path", ["health", "settings", ".well-known/jwks.json"])
def test_what_describes_the_service_is_there(http: httpx.Client, path: str) -> None:
    assert http.get(f"/auth/v1/{path}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "otp", 405), ("GET", "authorize", 404), ("DELETE", "user", 405)],
)
def test_what_is_not_served_is_told_as_an_auth_error(
    http: httpx.Client, method: str, path: str, status: int
) -> None:
    assert error(http.request(method, f"/auth/v1/{path}"))[0] == status


def test_another_grant_is_refused(http: httpx.Client) -> None:
    answer = http.post("/auth/v1/token", params={"grant_type": "pkce"}, json={})
    assert error(answer) == (400, "validation_failed")
