"""Headers, the root document, CORS."""

from __future__ import annotations

import pytest

from .conftest import Api


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/json", 200),
        ("text/html, application/json;q=0.5", 200),
        ("application/xyz", 406),
        ("text/csv", 501),
        ("application/vnd.pgrst.plan+json", 501),
        ("application/openapi+json", 406),
    ],
)
def test_the_media_type_is_negotiated(api: Api, accept: str, status: int) -> None:
    assert api.get("/people", accept=accept).status_code == status


def test_a_better_media_type_wins(api: Api) -> None:
    accept = "application/json;q=0.1, application/vnd.pgrst.object+json"
    assert api.get("/people", accept=accept).status_code == 406  # five rows are no object


def test_strict_handling_refuses_unknown_preferences(api: Api) -> None:
    assert api.get("/people", prefer="what=ever").status_code == 200
    response = api.get("/people", prefer="handling=strict, what=ever")
    assert (response.status_code, response.json()["code"]) == (400, "PGRST122")
    response = api.get("/people", prefer="handling=strict, count=exact, return=minimal")
    assert response.headers["preference-applied"] == "count=exact, handling=strict"


@pytest.mark.parametrize(("kind", "status"), [("text/plain", 501), ("application/xyz", 400)])
def test_other_bodies_are_refused(api: Api, kind: str, status: int) -> None:
    response = api.http.post("/rpc/add", content="{}", headers={"Content-Type": kind})
    assert response.status_code == status


def test_the_root_describes_the_schema(api: Api) -> None:
    response = api.get("/")
    assert response.headers["content-type"].startswith("application/openapi+json")
    document = response.json()
    assert document["info"] == {
        "title": "Test API",
        "description": "All shapes.",
        "version": "local",
    }
    post = document["paths"]["/rpc/add"]["post"]
    assert (post["summary"], post["description"]) == (
        "Add two numbers.",
        "The second is 10 by default.",
    )
    assert post["parameters"][0]["schema"] == {
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": {"type": "integer", "format": "bigint"},
            "b": {"type": "integer", "format": "bigint"},
        },
    }
    assert "get" in document["paths"]["/rpc/add"]
    assert "get" not in document["paths"]["/rpc/write"]
    assert set(document["definitions"]["people"]["properties"]) == {
        *("id", "name", "born", "score", "tags")
    }
    other = api.get("/", accept_profile="other").json()
    assert set(other["definitions"]) == {"things"}
    assert api.http.post("/").status_code == 405


def test_any_page_may_call(api: Api) -> None:
    origin = "http://example.test"
    response = api.http.options(
        "/rpc/add",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-profile, x-client-info",
        },
    )
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert "x-client-info" in response.headers["access-control-allow-headers"]
    assert "POST" in response.headers["access-control-allow-methods"]
    for path in ("/people", "/nothing"):
        response = api.get(path, origin=origin)
        assert response.headers["access-control-allow-origin"] == "*"
        assert "Content-Range" in response.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in api.get("/people").headers
