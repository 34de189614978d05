"""The statements of a request: their order, settings, level and access mode."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Database

from .conftest import Api, serve, superuser, token


def test_the_request_is_in_the_settings(api: Api) -> None:
    state = api.rpc("state", x_thing="'1'", cookie="a=b; c=d").json()
    assert state["method"] == "POST"
    assert state["path"] == "/rpc/state"
    assert state["headers"]["x-thing"] == "'1'"
    assert "cookie" not in state["headers"]
    assert state["cookies"] == {"a": "b", "c": "d"}
    assert state["search_path"] == '"api", "public"'
    assert (state["role"], state["claims"]) == ("anon", {"role": "anon"})


def test_claims_reach_postgres_as_they_were_signed(api: Api) -> None:
    state = api.rpc("state", **token(sub="someone", n=9007199254740993)).json()
    assert state["role"] == "authenticated"
    claims = {"role": "authenticated", "sub": "someone", "n": 9007199254740993}
    assert state["claims"] == claims


@pytest.mark.parametrize(
    ("name", "post", "read_only"),
    [
        ("state", "read committed", "off"),
        ("read_state", "read committed", "on"),
        ("state_serializable", "serializable", "off"),
        ("state_repeatable", "repeatable read", "on"),
    ],
)
def test_a_function_sets_level_and_access_mode(
    api: Api, name: str, post: str, read_only: str
) -> None:
    state = api.rpc(name).json()
    assert (state["isolation"], state["read_only"]) == (post, read_only)
    state = api.get(f"/rpc/{name}").json()
    assert (state["isolation"], state["read_only"]) == (post, "on")


def test_role_settings_apply_and_the_functions_own_win(api: Api) -> None:
    assert api.rpc("state").json()["statement_timeout"] == "3s"
    assert api.rpc("state", **token()).json()["statement_timeout"] == "8s"
    hoisted = api.rpc("state_serializable").json()
    assert hoisted["statement_timeout"] == "1234ms"
    assert hoisted["lock_timeout"] == "77ms"
    assert api.rpc("state").json()["statement_timeout"] == "3s"  # nothing stays on the connection


def test_a_hoisted_statement_timeout_ends_the_call(own: Database) -> None:
    superuser(own, "alter function api.sleep set statement_timeout = '50ms'")
    with serve(own) as api:
        response = api.rpc("sleep", {"seconds": 5})
    assert (response.status_code, response.json()["code"]) == (500, "57014")


def test_a_roles_isolation_is_the_default_for_its_requests(own: Database) -> None:
    superuser(own, "alter role service_role set default_transaction_isolation = 'serializable'")
    try:
        with serve(own, anon_role="service_role") as api:
            assert api.rpc("state").json()["isolation"] == "serializable"
            assert api.rpc("state_repeatable").json()["isolation"] == "repeatable read"
    finally:
        superuser(own, "alter role service_role reset default_transaction_isolation")


@pytest.mark.parametrize(("method", "name"), [("GET", "write"), ("POST", "write_stable")])
def test_a_write_in_a_read_is_refused(api: Api, method: str, name: str) -> None:
    before = api.get("/rpc/read_log").json()
    get = method == "GET"
    response = api.get(f"/rpc/{name}?said=x") if get else api.rpc(name, {"said": "x"})
    assert (response.status_code, response.json()["code"]) == (405, "25006")
    assert api.get("/rpc/read_log").json() == before


def test_pre_request_runs_after_the_settings_and_before_the_call(shared: Database) -> None:
    with serve(shared, pre_request="hidden.before") as api:
        state = api.rpc("state_serializable", **token()).json()
        assert state["before"] == "authenticated /rpc/state_serializable 1234ms"
        response = api.rpc("write", {"said": "x"}, x_refuse="yes")
        assert (response.status_code, response.json()["code"]) == (418, "PT418")


def test_the_statements_reach_postgres_in_postgrests_order(own: Database) -> None:
    superuser(own, f"alter role authenticator in database \"{own.name}\" set log_statement = 'all'")
    with serve(own, pre_request="hidden.before") as api:
        begin = own.server.log_file.stat().st_size
        assert api.rpc("add", {"a": 1}).text == "11"
    with own.server.log_file.open() as log:
        log.seek(begin)
        said = [line.split(": ", 2)[2] for line in log if "LOG:  execute" in line]
    assert said[0] == "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY\n"
    assert said[1].startswith("select set_config('search_path', $1, true), ")
    assert said[1].index("statement_timeout") < said[1].index("'role'")
    assert said[2:3] == ['select "hidden"."before"()\n']
    assert said[3].startswith(
        "WITH pgrst_source AS (SELECT pgrst_call.pgrst_scalar FROM (SELECT $1"
    )
    assert said[4:] == ["COMMIT\n"]


def test_an_error_at_commit_is_the_answer(api: Api) -> None:
    response = api.rpc("fail_at_commit", {"code": "23505"})
    assert (response.status_code, response.json()["code"]) == (409, "23505")
    assert api.rpc("add", {"a": 1}).text == "11"


def test_errors_leave_a_usable_connection(shared: Database) -> None:
    with serve(shared, pool_size=1) as api:
        first = api.rpc("pid").json()
        assert api.rpc("fail", {"code": "P0001"}).status_code == 400
        assert api.rpc("add", {"a": "x"}).status_code == 400
        assert api.rpc("state", **token(role="nobody_here")).status_code == 401
        assert api.get("/people?nothing=eq.1").status_code == 400
        assert api.rpc("pid").json() == first


def test_a_prepared_statement_of_one_role_serves_no_other(shared: Database) -> None:
    with serve(shared, pool_size=1) as api:
        for _ in range(10):  # after five executions Postgres keeps one plan
            assert api.rpc("no_access", **token(role="service_role")).text == "1"
        assert api.rpc("no_access", **token()).status_code == 403
        assert api.rpc("no_access").status_code == 401


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_an_aborted_transaction_is_not_repeated(api: Api, code: str) -> None:
    before = api.sql("select last_value from hidden.executions")[0][0]
    response = api.rpc("fail", {"code": code})
    assert (response.status_code, response.json()["code"]) == (500, code)
    assert api.sql("select last_value from hidden.executions")[0][0] == before + 1


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_with_retry_aborted_it_is_repeated_until_it_passes(own: Database, code: str) -> None:
    with serve(own, retry_aborted=True) as api:
        assert api.rpc("fail_times", {"code": code, "times": 50}).text == "51"
        response = api.rpc("fail_times", {"code": "40002", "times": 100})
        assert response.status_code == 500
        assert api.sql("select last_value from hidden.executions") == [(52,)]


def test_retry_aborted_covers_commit(own: Database) -> None:
    with serve(own, retry_aborted=True) as api:
        api.sql("""create or replace function hidden.check_at_commit() returns trigger
            language plpgsql security definer as $$ begin
            if nextval('hidden.executions') < 5 then
                raise sqlstate '40001'; end if; return null; end $$""")
        assert api.rpc("fail_at_commit", {"code": ""}).json() == "looks fine"
        assert api.sql("select last_value from hidden.executions") == [(5,)]
        assert api.sql("select count(*) from api.deferred") == [(1,)]


def test_response_headers_survive_json(api: Api) -> None:
    headers = json.dumps([{"Content-Type": "text/plain"}])
    assert (
        api.rpc("answer", {"status": "200", "headers": headers}).headers["content-type"]
        == "text/plain"
    )
