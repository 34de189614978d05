"""What a failure becomes: status, code, headers."""

from __future__ import annotations

import json

import pytest

from .conftest import Api, token

STATUSES = [
    ("08000", 503),
    ("08006", 503),
    ("09000", 500),
    ("0L000", 403),
    ("0P000", 403),
    ("21000", 500),
    ("22023", 400),
    ("22P02", 400),
    ("23502", 400),
    ("23503", 409),
    ("23505", 409),
    ("23514", 400),
    ("25006", 405),
    ("25001", 500),
    ("28000", 403),
    ("2D000", 500),
    ("38000", 500),
    ("39000", 500),
    ("3B000", 500),
    ("40001", 500),
    ("40P01", 500),
    ("42501", 401),
    ("42601", 400),
    ("42703", 400),
    ("42883", 404),
    ("42P01", 404),
    ("42P17", 500),
    ("53400", 500),
    ("53300", 503),
    ("54000", 500),
    ("55000", 500),
    ("55P03", 500),
    ("57014", 500),
    ("57P01", 503),
    ("58000", 500),
    ("F0000", 500),
    ("HV000", 500),
    ("P0001", 400),
    ("P0002", 500),
    ("PT402", 402),
    ("PT422", 422),
    ("PTXYZ", 500),
    ("PT999", 500),
    ("XX000", 500),
    ("ZZ123", 400),
]


@pytest.mark.parametrize(("code", "status"), STATUSES)
def test_each_sqlstate_has_its_status(api: Api, code: str, status: int) -> None:
    response = api.rpc("fail", {"code": code, "message": "m", "detail": "d"})
    assert response.status_code == status
    assert response.json() == {"code": code, "message": "m", "details": "d", "hint": "a hint"}
    assert response.headers["proxy-status"] == f"PostgREST; error={code}"
    assert response.headers["content-type"] == "application/json; charset=utf-8"


def test_two_codes_depend_on_their_message(api: Api) -> None:
    body = {"code": "21000", "message": "UPDATE requires a WHERE clause"}
    assert api.rpc("fail", body).status_code == 400
    body = {"code": "22023", "message": 'role "x" does not exist'}
    assert api.rpc("fail", body).status_code == 401


def test_a_refusal_is_401_for_anon_and_403_for_others(api: Api) -> None:
    response = api.rpc("no_access")
    assert (response.status_code, response.json()["code"]) == (401, "42501")
    assert response.headers["www-authenticate"] == "Bearer"
    response = api.rpc("no_access", **token())
    assert (response.status_code, response.json()["code"]) == (403, "42501")


def test_a_function_may_raise_the_whole_answer(api: Api) -> None:
    body = {"code": "insufficient_funds", "message": "m", "details": "d", "hint": "h"}
    answer = {"status": 422, "headers": {"Retry-After": "1", "X-Two": "2"}}
    response = api.rpc(
        "fail", {"code": "PGRST", "message": json.dumps(body), "detail": json.dumps(answer)}
    )
    assert (response.status_code, response.json()) == (422, body)
    assert (response.headers["retry-after"], response.headers["x-two"]) == ("1", "2")
    assert response.headers["proxy-status"] == "PostgREST; error=insufficient_funds"


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ("no json", '{"status": 422, "headers": {}}'),
        ('{"code": "x"}', '{"status": 422, "headers": {}}'),
        ('{"code": "x", "message": "m"}', ""),
        ('{"code": "x", "message": "m"}', '{"status": 422}'),
        ('{"code": "x", "message": "m"}', '{"status": "422", "headers": {}}'),
        ('{"code": "x", "message": "m"}', '{"status": 99, "headers": {}}'),
        ('{"code": "x", "message": "m"}', '{"status": 422, "headers": {"a": 1}}'),
        ("[1]", "[2]"),
    ],
)
def test_a_raise_of_another_form_is_named(api: Api, message: str, detail: str) -> None:
    response = api.rpc("fail", {"code": "PGRST", "message": message, "detail": detail})
    assert (response.status_code, response.json()["code"]) == (500, "PGRST121")
