"""Who calls, and with what: the questions that are asked of every function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import psycopg

from tests.world import Household, Refused, Row, Session

Answers = dict[str, str]

READERS: Answers = {
    "anon": "42501",
    "no sub": "book_not_found",
    "stranger": "book_not_found",
    "holder": "none",
    "viewer": "none",
    "editor": "none",
    "owner": "none",
    "service_role": "none",
    "postgres": "none",
}
"""Of what she holds: the bank account."""
HIDDEN: Answers = {**READERS, "holder": "account_not_found"}
"""Of another account."""
WHOLE: Answers = {**READERS, "holder": "forbidden"}
"""Of all accounts together."""
POSTERS: Answers = {**READERS, "no sub": "forbidden", "viewer": "forbidden"}
"""Between accounts that she may use."""
EDITORS: Answers = {**POSTERS, "holder": "forbidden"}
OWNERS: Answers = {**EDITORS, "editor": "forbidden"}


def answer(attempt: Callable[[], object]) -> str:
    """The catalogue code or else the SQLSTATE of a refusal, `none` where the attempt succeeds."""
    try:
        attempt()
    except Refused as error:
        return error.code
    except psycopg.Error as error:
        return error.sqlstate or type(error).__name__
    return "none"


def holder(home: Household, account: str = "bank", access: str = "spend") -> Session:
    """heidi, who holds this account, and those that were named before."""
    home.owner().call(
        "set_holder",
        book_id=home.book_id,
        account_id=home.accounts[account],
        user_id=home.user("heidi"),
        access=access,
    )
    return home.as_user("heidi")


def everybody(home: Household) -> dict[str, Session]:
    """A session of each kind of caller."""
    return {
        "anon": home.as_role("anon", {"role": "anon"}),
        "no sub": home.as_role("authenticated", {"role": "authenticated"}),
        "stranger": home.as_user("mallory"),
        "holder": holder(home),
        "viewer": home.as_user("carol"),
        "editor": home.as_user("bob"),
        "owner": home.as_user("alice"),
        "service_role": home.as_role("service_role", {"role": "service_role"}),
        "postgres": home.owner(),
    }


def answers(home: Household, function: str, **arguments: Any) -> Answers:
    """What each caller is told; the call has to be one that can be repeated."""
    return {
        name: answer(partial(session.rows, function, **arguments))
        for name, session in everybody(home).items()
    }


def assert_refused(
    home: Household,
    who: Session,
    function: str,
    good: Row,
    cases: Sequence[tuple[Row, str]],
) -> None:
    """Each change of the good arguments is refused with its code, and nothing is stored."""
    before = home.state()
    told = [
        (change, answer(partial(who.rows, function, **{**good, **change}))) for change, _ in cases
    ]
    assert told == list(cases), [t for t, case in zip(told, cases, strict=True) if t != case]
    assert home.state() == before
