"""Functions over HTTP: arguments in, results out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Cluster, Database

from .conftest import Api, prepared_database, serve

ID = "0192d3f4-0000-7000-8000-000000000001"
BIG = 9007199254740993


@pytest.mark.parametrize(
    ("name", "body", "answer"),
    [
        ("add", '{"a": 1}', "11"),
        ("add", '{"b": 2, "a": 1}', "3"),
        ("add", '{"a": "9007199254740992", "b": 1}', str(BIG)),
        ("add", f'{{"a": {BIG}, "b": 0}}', str(BIG)),
        ("echo_json", f'{{"value": {{"n": {BIG}, "d": 0.10}}}}', f'{{"d": 0.10, "n": {BIG}}}'),
        ("echo_json", '{"value": null}', "null"),
        ("echo_json", '{"value": 1e400}', "1" + "0" * 400),
        ("echo_text", '{"value": 9007199254740993}', f'"{BIG}"'),
        ("echo_text", '{"value": "é\\ud83d\\ude00"}', '"é\U0001f600"'),
        ("echo_id", f'{{"id": "{ID}"}}', f'"{ID}"'),
        ("echo_ids", f'{{"ids": ["{ID}", null]}}', f'["{ID}", null]'),
        ("echo_item", f'{{"item": {{"id": {BIG}, "name": "x"}}}}', f'{{"id":{BIG},"name":"x"}}'),
        ("echo_items", '{"items": []}', "[]"),
        ("echo_public", '{"item": {"other": "x"}}', '{"other":"x"}'),
        ("one_out", "", '{"answer":42}'),
        ("body", '[1, {"a": 1}]', '[1, {"a": 1}]'),
        ("body", '{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
        ("joined", '{"words": ["a", "b"]}', '"a b"'),
        ("overloaded", '{"a": 1, "b": 2}', '"two"'),
    ],
)
def test_every_type_passes_unchanged(api: Api, name: str, body: str, answer: str) -> None:
    response = api.rpc(name, body)
    assert response.status_code == 200
    assert _compact(response.text) == _compact(answer)
    assert response.headers["content-type"] == "application/json; charset=utf-8"


def _compact(text: str) -> str:
    """Whitespace outside texts is Postgres' affair; digits are not."""
    value = json.loads(text, parse_int=_Digits, parse_float=_Digits, object_pairs_hook=_pairs)
    return repr(value)


class _Digits(str):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [("{}", None), *pairs]


def test_sets_are_arrays_and_single_rows_are_objects(api: Api) -> None:
    assert api.rpc("numbers", {"n": 3}).json() == [1, 2, 3]
    assert api.rpc("table_of", {"n": 2}).json() == [{"id": 1, "twice": 2}, {"id": 2, "twice": 4}]
    item = {"id": 1, "name": "a"}
    nested = {"item": item, "items": [item, item], "note": {"n": BIG}}
    assert api.rpc("nest", {"item": item}).json() == nested


def test_void_has_no_body(api: Api) -> None:
    response = api.rpc("nothing")
    assert (response.status_code, response.content) == (204, b"")


def test_get_takes_arguments_from_the_query(api: Api) -> None:
    assert api.get(f"/rpc/add?a={BIG}&b=0").text == str(BIG)
    assert api.get(f"/rpc/echo_ids?ids={{{ID}}}").json() == [ID]
    assert api.get("/rpc/echo_text?value=a%26b%20+c").json() == "a&b  c"
    assert api.get("/rpc/add?a=1.5").json()["code"] == "22P02"


def test_a_form_is_arguments_too(api: Api) -> None:
    response = api.http.post("/rpc/add", data={"a": "1", "b": "2"})
    assert response.text == "3"


def test_head_answers_without_a_body(api: Api) -> None:
    response = api.http.head("/rpc/table_of?n=3", headers={"Prefer": "count=exact"})
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-range"] == "0-2/3"


def test_results_can_be_shaped(api: Api) -> None:
    response = api.get("/rpc/table_of?n=5&select=twice&id=gt.1&order=id.desc&limit=2&offset=1")
    assert response.json() == [{"twice": 8}, {"twice": 6}]
    response = api.http.post("/rpc/table_of?id=in.(2,4)&select=n:id", json={"n": 5})
    assert response.json() == [{"n": 2}, {"n": 4}]
    response = api.http.post(
        "/rpc/numbers?limit=2&offset=1", json={"n": 5}, headers={"Prefer": "count=exact"}
    )
    assert (response.status_code, response.json()) == (206, [2, 3])
    assert response.headers["content-range"] == "1-2/5"


def test_a_single_object_can_be_asked_for(api: Api) -> None:
    accept = "application/vnd.pgrst.object+json"
    response = api.rpc("table_of", {"n": 1}, accept=accept)
    assert response.json() == {"id": 1, "twice": 2}
    assert response.headers["content-type"].startswith(accept)
    for n in (0, 2):
        response = api.rpc("table_of", {"n": n}, accept=accept)
        assert (response.status_code, response.json()["code"]) == (406, "PGRST116")
        assert f"{n} rows" in response.json()["details"]


def test_not_exactly_one_row_undoes_what_was_written(api: Api) -> None:
    before = api.get("/rpc/read_log").json()
    response = api.rpc("write_many", {"said": "x"}, accept="application/vnd.pgrst.object+json")
    assert response.json()["code"] == "PGRST116"
    assert api.get("/rpc/read_log").json() == before
    assert len(api.rpc("write_many", {"said": "x"}).json()) == 2
    assert api.get("/rpc/read_log").json() == before + 2


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("add", "{", 400, "PGRST102"),
        ("add", '{"a": NaN}', 400, "PGRST102"),
        ("add", "[" * 100_000, 400, "PGRST102"),
        ("add", '{"a": 1, "c": 2}', 404, "PGRST202"),
        ("add", '{"a": 1, "a": 2}', 404, "PGRST202"),
        ("add", "{}", 404, "PGRST202"),
        ("add", "[1]", 404, "PGRST202"),
        ("missing", "{}", 404, "PGRST202"),
        ("on_write", "{}", 404, "PGRST202"),
        ("overloaded", '{"a": 1}', 300, "PGRST203"),
        ("add", '{"a": 100.0}', 400, "22P02"),
        ("add", '{"a": 1e3}', 400, "22P02"),
        ("add", '{"a": 9223372036854775808}', 400, "22003"),
        ("echo_id", '{"id": "no"}', 400, "22P02"),
        ("echo_text", '{"value": "\\u0000"}', 400, "22P05"),
        ("echo_text", '{"value": "\\ud800"}', 400, "22P02"),
    ],
)
def test_bad_bodies_are_refused(api: Api, name: str, body: str, status: int, code: str) -> None:
    response = api.rpc(name, body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["proxy-status"] == f"PostgREST; error={code}"
    assert set(response.json()) == {"code", "details", "hint", "message"}


def test_bytes_that_are_no_text_are_refused(api: Api) -> None:
    response = api.http.post("/rpc/echo_text", content=b'{"value": "\xff"}')
    assert (response.status_code, response.json()["code"]) == (400, "PGRST102")


def test_a_large_body_goes_both_ways(api: Api) -> None:
    value = "x" * 5_000_000
    assert api.rpc("echo_text", {"value": value}).json() == value


def test_other_methods_are_refused(api: Api) -> None:
    response = api.http.patch("/rpc/add", json={"a": 1})
    assert (response.status_code, response.json()["code"]) == (405, "PGRST101")


def test_a_function_may_set_status_and_headers(api: Api) -> None:
    headers = '[{"X-One": "1"}, {"Set-Cookie": "a=b"}, {"Set-Cookie": "c=d"}]'
    response = api.rpc("answer", {"status": "202", "headers": headers})
    assert (response.status_code, response.json()) == (202, "answered")
    assert response.headers["x-one"] == "1"
    assert response.headers.get_list("set-cookie") == ["a=b", "c=d"]
    split = json.dumps([{"X-One": "1\r\nX-Two: 2"}])
    response = api.rpc("answer", {"status": "200", "headers": split})
    assert (response.headers["x-one"], "x-two" in response.headers) == ("1  X-Two: 2", False)
    assert api.rpc("answer", {"status": "204", "headers": "[]"}).content == b""
    assert api.rpc("answer", {"status": "x", "headers": "[]"}).json()["code"] == "PGRST112"
    assert api.rpc("answer", {"status": "200", "headers": "{}1"}).json()["code"] == "PGRST111"


def test_it_serves_each_postgres_that_is_supported(cluster: Cluster) -> None:
    with prepared_database(cluster) as database, serve(database) as api:
        items = [{"id": BIG, "name": "a"}, {"id": None, "name": None}]
        assert api.rpc("echo_items", {"items": items}).json() == items
        assert api.rpc("state_serializable").json()["isolation"] == "serializable"
        assert api.get("/people?id=in.(1,2)&select=id", prefer="count=exact").json() == [
            {"id": 1},
            {"id": 2},
        ]


def test_it_can_stand_behind_a_prefix(shared: Database) -> None:
    with serve(shared, prefix="/rest/v1") as api:
        assert api.rpc("state").json()["path"] == "/rpc/state"
        assert api.get("/people?id=eq.1&select=id").json() == [{"id": 1}]
        assert api.get("/").json()["swagger"] == "2.0"
