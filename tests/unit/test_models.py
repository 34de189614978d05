from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from tillroll import (
    Account,
    Balance,
    EntryInput,
    GroupFloor,
    LedgerError,
    PostingResult,
    Receipt,
    TransactionInput,
    models,
)

ID = "01920000-0000-7000-8000-000000000001"
RECEIPT: dict[str, Any] = {
    "transaction_id": ID,
    "book_id": ID,
    "kind": "transfer",
    "posted_at": "2026-11-22T13:54:12.3456+00:00",
    "effective_on": "2026-11-22",
    "replayed": False,
    "dry_run": False,
    "entries": [{"account_id": ID, "amount": -5, "balance_after": None, "version": None}],
}
BALANCE = {
    "account_id": ID,
    "currency": "EUR",
    "posted": 5,
    "held": 0,
    "available": None,
    "version": 1,
}


def test_a_receipt_is_read_with_its_types() -> None:
    receipt = models.parse(Receipt, RECEIPT)
    assert receipt.transaction_id == UUID(ID)
    assert receipt.posted_at == datetime(2026, 11, 22, 13, 54, 12, 345600, tzinfo=UTC)
    assert receipt.effective_on == date(2026, 11, 22)
    assert receipt.entries[0].amount == -5
    assert receipt.entries[0].version is None


def test_models_are_frozen_and_can_be_hashed() -> None:
    receipt = models.parse(Receipt, RECEIPT)
    assert hash(receipt) == hash(models.parse(Receipt, RECEIPT))
    with pytest.raises(dataclasses.FrozenInstanceError):
        receipt.kind = "other"  # type: ignore[misc]
    assert "metadata" not in {f.name for f in dataclasses.fields(Account) if f.hash is not False}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("posted", 5.0),
        ("posted", "5"),
        ("posted", True),
        ("posted", None),
        ("account_id", "not-a-uuid"),
        ("account_id", 7),
        ("currency", None),
        ("available", 1.5),
    ],
)
def test_a_field_of_another_type_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        models.parse(Balance, {**BALANCE, field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [("posted_at", "soon"), ("effective_on", 20261122), ("replayed", 0), ("entries", {})],
)
def test_a_receipt_that_is_none_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        models.parse(Receipt, {**RECEIPT, field: value})


def test_a_missing_field_is_refused_and_an_unknown_one_ignored() -> None:
    assert models.parse(Balance, {**BALANCE, "colour": "red"}) == models.parse(Balance, BALANCE)
    with pytest.raises(ValueError, match="held"):
        models.parse(Balance, {k: v for k, v in BALANCE.items() if k != "held"})
    with pytest.raises(ValueError):
        models.parse(Balance, "not an object")


def test_a_refused_item_is_the_error_that_it_would_have_raised() -> None:
    refused = {"ordinal": 2, "receipt": None, "error_code": "group_floor"}
    error = models.parse(PostingResult, {**refused, "error_details": {"available": 7}}).error
    assert type(error) is GroupFloor
    assert error.details == {"available": 7}
    later = models.parse(PostingResult, {**refused, "error_code": "new", "error_details": None})
    assert type(later.error) is LedgerError
    assert (later.error.code, later.error.details) == ("new", {})
    posted = {"ordinal": 1, "receipt": RECEIPT, "error_code": None, "error_details": None}
    assert models.parse(PostingResult, posted).error is None


def test_an_input_is_json_without_what_is_not_given() -> None:
    words = TransactionInput(
        (EntryInput(UUID(ID), -5),), effective_on=date(2026, 1, 2), metadata={"kept": None}
    )
    assert models.plain([words]) == [
        {
            "entries": [{"account_id": ID, "amount": -5}],
            "effective_on": "2026-01-02",
            "metadata": {"kept": None},
        }
    ]
    assert models.plain(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00+00:00"


def test_a_number_alone_is_a_result_too() -> None:
    assert models.parse(int, 3) == 3
    with pytest.raises(ValueError):
        models.parse(int, "3")
