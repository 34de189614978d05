from __future__ import annotations

import re

import pytest

from tillroll import errors


def test_each_code_has_one_class_that_is_exported() -> None:
    import tillroll

    for code, kind in errors.LedgerError.by_code.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
        assert kind.code == code
        assert getattr(tillroll, kind.__name__) is kind


def test_the_tree_at_the_head_of_the_module_names_every_class() -> None:
    classes = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.TillrollError)
    }
    assert set(re.findall(r"\b(?:[A-Z][a-z]+)+\b", errors.__doc__ or "")) >= classes


def test_a_catalogue_code_becomes_its_class_with_the_facts() -> None:
    error = errors.from_answer(
        code="insufficient_funds",
        message="no",
        details='{"available": 5, "required": 9}',
        hint="less",
        http_status=422,
    )
    assert isinstance(error, errors.InsufficientFunds)
    assert isinstance(error, errors.Refused)
    assert error.details == {"available": 5, "required": 9}
    assert (error.code, error.http_status, error.retryable) == ("insufficient_funds", 422, False)


def test_a_code_of_a_later_ledger_is_still_a_refusal() -> None:
    error = errors.from_answer(code="new_rule", message="no", http_status=422)
    assert type(error) is errors.LedgerError
    assert error.code == "new_rule"


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("22P02", 400, errors.RequestFailed),
        ("PGRST301", 401, errors.Unauthenticated),
        (None, 401, errors.Unauthenticated),
        (None, 404, errors.RequestFailed),
        ("bad_gateway", 502, errors.RequestFailed),
    ],
)
def test_what_is_not_the_ledgers_is_told_apart(
    code: str | None, status: int, kind: type[errors.RequestFailed]
) -> None:
    error = errors.from_answer(code=code, message=None, http_status=status)
    assert type(error) is kind
    assert isinstance(error, errors.RequestFailed)
    assert error.http_status == status


@pytest.mark.parametrize("details", [None, "", "words", "[1]", "{"])
def test_details_that_are_no_object_do_not_break_the_error(details: str | None) -> None:
    error = errors.from_answer(code="busy", message="no", details=details, http_status=503)
    assert isinstance(error, errors.Busy)
    assert isinstance(error.details, dict)
