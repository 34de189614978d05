"""Arguments that would be sent as something else than was meant are refused, each way."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.client.conftest import Home
from tillroll import EntryInput, TransactionInput

MOMENTS = (datetime.datetime(2026, 3, 1, 23, tzinfo=datetime.UTC), datetime.datetime(2026, 3, 1))


def item(home: Home, **words: Any) -> TransactionInput:
    return TransactionInput([EntryInput(home.world, -1), EntryInput(home.bank, 1)], **words)


@pytest.mark.parametrize("flag", ["false", "no", "", 0, 1, None])
def test_a_dry_run_is_a_bool_and_nothing_else(home: Home, flag: object) -> None:
    with pytest.raises(TypeError):
        home.fund(100, dry_run=flag)
    with pytest.raises(TypeError):
        home.book.post_transactions(transactions=[item(home)], dry_run=flag)
    assert home.posted(home.bank) == 0


@pytest.mark.parametrize("flag", ["false", 0, None])
def test_final_is_a_bool_and_nothing_else(home: Home, flag: object) -> None:
    home.fund(100)
    hold = home.book.create_hold(account_id=home.bank, to_account_id=home.cash, amount=60)
    with pytest.raises(TypeError):
        home.book.capture_hold(hold_id=hold.id, amount=10, final=flag)
    assert home.posted(home.cash) == 0


@pytest.mark.parametrize("key", [7, uuid.UUID(int=7), b"seven", True])
def test_a_key_is_a_text_and_nothing_else(home: Home, key: object) -> None:
    with pytest.raises(TypeError):
        home.fund(100, idempotency_key=key)
    with pytest.raises(TypeError):
        home.book.post_transactions(transactions=[item(home, idempotency_key=key)])
    with pytest.raises(TypeError):
        home.book.find_transaction(idempotency_key=key)
    assert home.posted(home.bank) == 0


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_value_date_is_no_moment(home: Home, moment: datetime.datetime) -> None:
    day = datetime.date(2026, 3, 1)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: home.fund(100, effective_on=moment),
        lambda: home.book.post_transactions(transactions=[item(home, effective_on=moment)]),
        lambda: home.book.get_balance(account_id=home.bank, effective_on=moment),
        lambda: home.book.lock_period(from_date=moment, to_date=day),
        lambda: home.book.statement(account_id=home.bank, from_date=day, to_date=moment),
    )
    for call in calls:
        with pytest.raises(TypeError):
            call()
    assert home.posted(home.bank) == 0
