from __future__ import annotations

import json

import psycopg
import pytest

from tests.callers import answer
from tests.conftest import Database
from tests.world import Household, Refused

STATUSES = {
    400: "invalid_argument invalid_amount invalid_cursor amount_out_of_range wrong_isolation",
    403: "forbidden",
    404: "book_not_found account_not_found member_not_found user_not_found transaction_not_found"
    " hold_not_found group_not_found",
    409: "version_conflict hold_state hold_expired already_reversed account_closed"
    " account_not_empty book_archived duplicate_code last_owner",
    422: "insufficient_funds limit_exceeded currency_mismatch unbalanced same_account"
    " idempotency_mismatch group_floor",
    423: "account_frozen period_locked",
    503: "busy serialization_conflict",
}
CODES = {code: status for status, codes in STATUSES.items() for code in codes.split()}


def _raised(connection: psycopg.Connection, code: str, details: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as raised:
        connection.execute("select ledger_private.raise_error(%s, %s)", [code, details])
    return raised.value


def test_the_catalogue_is_that_of_the_contract(db: Database) -> None:
    with db.connect() as owner:
        rows = owner.execute(
            "select code, http_status, retryable from ledger_private.error_catalogue"
        ).fetchall()
    assert {code: status for code, status, _ in rows} == CODES
    assert {code for code, _, retryable in rows if retryable} == {"busy", "serialization_conflict"}


def test_each_code_leaves_as_the_json_that_postgrest_takes_apart(db: Database) -> None:
    details = {"account_id": "é\"'\\\n", "available": 9007199254740991, "none": None}
    with db.connect() as owner:
        for code, status in CODES.items():
            error = _raised(owner, code, json.dumps(details))
            assert error.sqlstate == "PGRST"
            body = json.loads(error.diag.message_primary or "")
            assert set(body) == {"code", "message", "details", "hint"}
            assert body["code"] == code
            assert body["message"]
            assert body["hint"]
            assert json.loads(body["details"]) == details
            headers = {"Retry-After": "1"} if status == 503 else {}
            told = json.loads(error.diag.message_detail or "")
            assert told == {"status": status, "headers": headers}


def test_an_unknown_code_is_a_defect_and_no_answer_of_the_catalogue(db: Database) -> None:
    with db.connect() as owner:
        assert _raised(owner, "no_such_code", "{}").sqlstate == "P0002"


def test_callers_reach_it_without_reading_the_catalogue(home: Household) -> None:
    carol = home.as_user("carol")
    with pytest.raises(Refused) as refused:
        carol.query("select ledger_private.raise_error('busy')")
    assert (refused.value.code, refused.value.details) == ("busy", {})
    read = "select code from ledger_private.error_catalogue"
    assert answer(lambda: carol.query(read)) == "42501"
