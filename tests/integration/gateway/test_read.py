"""Views and tables over HTTP: columns, filters, order, ranges, counts."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.conftest import Database

from .conftest import Api, serve, token

BIG = 9007199254740993


def ids(api: Api, query: str) -> list[int]:
    response = api.get(f"/people?select=id&order=id&{query}")
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("id=eq.1", [1]),
        ("id=neq.1", [2, 3, 4, BIG]),
        ("id=not.eq.1", [2, 3, 4, BIG]),
        ("id=lt.3", [1, 2]),
        ("id=lte.2&id=gte.2", [2]),
        (f"id=gt.{BIG - 1}", [BIG]),
        (f"id=eq.{BIG}", [BIG]),
        ("id=in.(1,3)", [1, 3]),
        ("id=in.()", []),
        ("id=not.in.(1,3)", [2, 4, BIG]),
        ('name=in.(Ada,"Barbara, L.")', [1, 4]),
        ("name=eq.Barbara, L.", [4]),
        ("name=like.*a*", [1, 2, 4]),
        ("name=ilike.a*", [1]),
        ("name=not.like.*a*", [3, BIG]),
        ("name=match.^A", [1]),
        ("score=is.null", [3]),
        ("score=not.is.null", [1, 2, 4, BIG]),
        ("score=is.not_null", [1, 2, 4, BIG]),
        ("score=isdistinct.8", [1, 3, 4, BIG]),
        ("tags=cs.{code}", [1, 2]),
        ("tags=eq.{}", [3]),
        ("tags=ov.{navy,math}", [1, 2]),
        ("born=gte.1900-01-01", [2, 3, 4]),
        ("or=(id.eq.1,id.eq.3)", [1, 3]),
        ("and=(id.gt.1,or(name.like.G*,name.eq.Edsger))", [2, 3]),
        ("or=(and(id.gt.1,id.lt.3),not.and(id.lt.4,id.gt.0))", [2, 4, BIG]),
        ("not.or=(id.eq.1,id.not.lt.4)", [2, 3]),
        ('or=(name.eq."Barbara, L.",id.in.(1,2))', [1, 2, 4]),
        ("or=(tags.cs.{math,code},score.is.null)", [1, 3]),
    ],
)
def test_filters_choose_rows(api: Api, query: str, found: list[int]) -> None:
    name, _, value = query.partition("=")
    pairs = (
        [pair.partition("=") for pair in query.split("&")] if "&" in query else [(name, "", value)]
    )
    assert ids(api, "&".join(f"{key}={quote(text)}" for key, _, text in pairs)) == found


def test_columns_can_be_chosen_renamed_and_cast(api: Api) -> None:
    assert api.get("/people?id=eq.1&select=who:name,id::text,year:born::text").json() == [
        {"who": "Ada", "id": "1", "year": "1815-12-10"}
    ]
    whole = api.get("/people?id=eq.1&select=*").json()
    assert whole == api.get("/people?id=eq.1").json()
    assert list(whole[0]) == ["id", "name", "born", "score", "tags"]
    assert f'"id":{BIG}' in api.get(f"/people?id=eq.{BIG}").text


def test_rows_can_be_ordered(api: Api) -> None:
    def scores(order: str) -> list[float | None]:
        return [row["score"] for row in api.get(f"/people?select=score&order={order}").json()]

    assert scores("score") == [0.1, 7.25, 8, 9.5, None]
    assert scores("score.desc") == [None, 9.5, 8, 7.25, 0.1]
    assert scores("score.desc.nullslast,id") == [9.5, 8, 7.25, 0.1, None]
    assert scores("score.asc.nullsfirst") == [None, 0.1, 7.25, 8, 9.5]


@pytest.mark.parametrize(
    ("query", "headers", "status", "extent", "rows"),
    [
        ("", {}, 200, "0-4/*", 5),
        ("", {"Prefer": "count=exact"}, 200, "0-4/5", 5),
        ("limit=2", {}, 200, "0-1/*", 2),
        ("limit=2", {"Prefer": "count=exact"}, 206, "0-1/5", 2),
        ("limit=2&offset=4", {"Prefer": "count=exact"}, 206, "4-4/5", 1),
        ("limit=2", {"Prefer": "count=planned"}, 206, "0-1/5", 2),
        ("limit=0", {"Prefer": "count=exact"}, 206, "*/5", 0),
        ("", {"Range": "1-2"}, 200, "1-2/*", 2),
        ("", {"Range": "3-"}, 200, "3-4/*", 2),
        ("", {"Range": "0-2", "Prefer": "count=estimated"}, 206, "0-2/5", 3),
        ("limit=2&offset=1", {"Range": "0-1"}, 200, "1-1/*", 1),
        ("offset=9", {}, 200, "*/*", 0),
        ("id=eq.7", {"Prefer": "count=exact"}, 200, "*/0", 0),
    ],
)
def test_ranges_and_counts(
    api: Api, query: str, headers: dict[str, str], status: int, extent: str, rows: int
) -> None:
    response = api.get(f"/people?{query}", **headers)
    assert (response.status_code, response.headers["content-range"]) == (status, extent)
    assert len(response.json()) == rows
    counted = "count=exact" if "Prefer" in headers else None
    assert response.headers.get("preference-applied") == counted


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("offset=9", {"Prefer": "count=exact"}),
        ("limit=-1", {}),
        ("", {"Range": "5-2"}),
        ("", {"Range": "9" * 4000 + "-"}),
        ("offset=99999999999999999999", {}),
    ],
)
def test_ranges_that_cannot_be(api: Api, query: str, headers: dict[str, str]) -> None:
    response = api.get(f"/people?{query}", **headers)
    assert (response.status_code, response.json()["code"]) == (416, "PGRST103")


def test_max_rows_caps_reads_and_calls(shared: Database) -> None:
    with serve(shared, max_rows=2) as api:
        assert len(api.get("/people").json()) == 2
        assert len(api.get("/people?limit=4").json()) == 2
        assert len(api.get("/people?limit=1").json()) == 1
        assert api.rpc("numbers", {"n": 9}).json() == [1, 2]
        assert len(api.get("/rpc/table_of?n=9").json()) == 2
        assert api.get("/people", prefer="count=exact").headers["content-range"] == "0-1/5"


def test_a_single_object(api: Api) -> None:
    accept = "application/vnd.pgrst.object+json"
    response = api.get("/people?id=eq.1&select=id", accept=accept)
    assert (response.status_code, response.json()) == (200, {"id": 1})
    response = api.get("/people", accept=accept)
    assert (response.status_code, response.json()["code"]) == (406, "PGRST116")


def test_head_counts_without_rows(api: Api) -> None:
    response = api.http.head("/people?id=lt.3", headers={"Prefer": "count=exact"})
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-range"] == "0-1/2"


def test_grants_decide(api: Api) -> None:
    assert api.get("/secrets").status_code == 401
    assert api.get("/secrets", **token()).status_code == 403
    assert api.get("/secrets", **token(role="service_role")).json() == [{"id": 1}]


def test_the_profile_names_the_schema(api: Api) -> None:
    response = api.get("/things", accept_profile="other")
    assert (response.json(), response.headers["content-profile"]) == ([{"name": "thing"}], "other")
    assert api.get("/things").json()["code"] == "PGRST205"
    assert api.get("/people", accept_profile="hidden").json()["code"] == "PGRST106"
    response = api.rpc("add", {"a": 1}, content_profile="hidden")
    assert (response.status_code, response.json()["code"]) == (406, "PGRST106")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nothing", 404, "PGRST205"),
        ("/people/1", 404, "PGRST125"),
        ("/people?nothing=eq.1", 400, "42703"),
        ("/people?select=nothing", 400, "42703"),
        ("/people?id=eq.x", 400, "22P02"),
        ("/people?id=1", 400, "PGRST100"),
        ("/people?id=is.5", 400, "PGRST100"),
        ("/people?id=in.1", 400, "PGRST100"),
        ("/people?or=(id.eq.1", 400, "PGRST100"),
        ("/people?or=()", 400, "PGRST100"),
        ("/people?limit=x", 400, "PGRST100"),
        ("/people?order=id.up", 400, "PGRST100"),
        ("/people?id=eq.%00", 400, "22021"),
        ("/people?select=id::text%3B--", 400, "PGRST100"),
        (f"/people?or={'(or' * 500}(id.eq.1){')' * 500}", 400, "PGRST100"),
        ("/people?select=id,things(*)", 501, "PGRST501"),
        ("/people?select=id.sum()", 501, "PGRST501"),
        ("/people?select=tags->0", 501, "PGRST501"),
        ("/people?tags->>0=eq.x", 501, "PGRST501"),
        ("/people?things.id=eq.1", 501, "PGRST501"),
        ("/people?name=fts.x", 501, "PGRST501"),
        ("/people?id=eq(any).{1,2}", 501, "PGRST501"),
    ],
)
def test_what_cannot_be_read_is_named(api: Api, path: str, status: int, code: str) -> None:
    response = api.get(path)
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    "text",
    ["1);drop table api.log;--", "1' or '1'='1", '") or ("1"="1', "$1", "\\", "%27"],
)
def test_no_value_or_name_becomes_sql(api: Api, text: str) -> None:
    escaped, listed = quote(text), quote(text.replace("\\", "\\\\").replace('"', '\\"'))
    assert api.get(f"/people?name=eq.{escaped}").json() == []
    assert api.get(f'/people?name=in.("{listed}")').json() == []
    for query in (f"{escaped}=eq.1", f"select=id:{escaped}", f"order={escaped}", f"{escaped}=x"):
        code = api.get(f"/people?{query}").json()["code"]
        assert code in ("42703", "PGRST100", "PGRST501")  # never a syntax error of Postgres


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_writes_to_tables_are_refused(api: Api, method: str) -> None:
    response = api.http.request(method, "/log", json={"said": "x"})
    assert (response.status_code, response.json()["code"]) == (405, "PGRST117")
    assert response.headers["allow"] == "OPTIONS, GET, HEAD"
