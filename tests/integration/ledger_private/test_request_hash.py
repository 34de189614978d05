from __future__ import annotations

import json

from tests.conftest import Database


def test_requests_differ_by_function_and_by_what_is_not_null(db: Database) -> None:
    requests = [
        ("transfer", {"amount": 1}),
        ("transfer", {"amount": 1, "description": None}),
        ("transfer", {"amount": 2}),
        ("transfer", {"amount": "1"}),
        ("transfer", {"description": "1"}),
        ("exchange", {"amount": 1}),
        ("transfer", {"amount": 1, "metadata": '{"a": null}'}),
        ("transfer", {"amount": 1, "metadata": '{"a": null, "b": null}'}),
    ]
    with db.connect() as owner:
        made = [
            owner.execute(
                "select ledger_private.request_hash(%s, %s)", [name, json.dumps(arguments)]
            ).fetchall()[0][0]
            for name, arguments in requests
        ]
    assert made[0] == made[1]
    assert len(set(made)) == len(requests) - 1
    assert {len(digest) for digest in made} == {32}
