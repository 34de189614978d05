"""Every method, each way, against the real thing."""

from __future__ import annotations

import uuid
from datetime import date, timedelta

import pytest

from tests.integration.client.conftest import Clients, Home
from tillroll import (
    AccountFrozen,
    AccountNotFound,
    BookArchived,
    BookNotFound,
    DuplicateCode,
    Forbidden,
    IdempotencyMismatch,
    InsufficientFunds,
    InvalidAmount,
    InvalidArgument,
    InvalidCursor,
    LastOwner,
    LimitExceeded,
    MemberNotFound,
    RequestFailed,
    SameAccount,
    UserNotFound,
    money,
)


def test_money_moves_and_the_receipt_tells(home: Home) -> None:
    receipt = home.fund(
        1234, description="salary", external_id="inv-1", metadata={"tags": ["a", 1, None]}
    )
    assert not receipt.replayed
    assert receipt.book_id == home.book.id
    assert [(e.account_id, e.amount, e.balance_after) for e in receipt.entries] == [
        (home.world, -1234, -1234),
        (home.bank, 1234, 1234),
    ]
    balance = home.book.get_balance(account_id=home.bank)
    assert (balance.posted, balance.held, balance.available) == (1234, 0, 1234)
    [transaction] = home.book.transactions(external_id="inv-1")
    assert transaction.id == receipt.transaction_id
    assert transaction.metadata == {"tags": ["a", 1, None]}
    assert transaction.created_by == home.alice
    [first, second] = home.book.entries(transaction_id=receipt.transaction_id)
    assert first.amount + second.amount == 0


def test_a_key_posts_once_and_is_found_again(home: Home) -> None:
    first = home.fund(500, idempotency_key="order 7")
    again = home.fund(500, idempotency_key="order 7")
    assert not first.replayed
    assert again.replayed
    assert again.transaction_id == first.transaction_id
    assert home.book.find_transaction(idempotency_key="order 7").transaction_id == (
        first.transaction_id
    )
    assert home.book.find_transaction(idempotency_key="order 8") is None
    with pytest.raises(IdempotencyMismatch):
        home.fund(501, idempotency_key="order 7")
    assert home.posted(home.bank) == 500


def test_without_a_key_each_call_is_its_own(home: Home) -> None:
    assert home.fund(1).transaction_id != home.fund(1).transaction_id
    keys = [transaction.idempotency_key for transaction in home.book.transactions()]
    assert [uuid.UUID(key).version for key in keys] == [7, 7]


def test_a_creator_with_an_id_creates_once(clients: Clients, home: Home) -> None:
    book_id, account_id = uuid.uuid4(), uuid.uuid4()
    for _ in range(2):
        assert home.client.create_book(name="B", base_currency="EUR", id=book_id).id == book_id
        opened = home.book.open_account(name="A", type="asset", currency="EUR", id=str(account_id))
        assert opened.id == account_id
    with pytest.raises(IdempotencyMismatch):
        home.client.create_book(name="Other", base_currency="EUR", id=book_id)
    assert {book.id for book in home.client.books()} == {home.book.id, book_id}
    assert len(list(home.book.accounts())) == 4


def test_refusals_have_their_class_and_facts(home: Home) -> None:
    home.fund(100)
    transfer = home.book.transfer
    with pytest.raises(InsufficientFunds) as refused:
        transfer(from_account_id=home.bank, to_account_id=home.cash, amount=101)
    assert refused.value.details["available"] == 100
    assert refused.value.details["required"] == 101
    assert refused.value.hint
    with pytest.raises(SameAccount):
        transfer(from_account_id=home.bank, to_account_id=home.bank, amount=1)
    with pytest.raises(InvalidAmount):
        transfer(from_account_id=home.bank, to_account_id=home.cash, amount=0)
    with pytest.raises(AccountNotFound):
        transfer(from_account_id=home.bank, to_account_id=uuid.uuid4(), amount=1)
    with pytest.raises(RequestFailed):
        transfer(from_account_id=home.bank, to_account_id=home.cash, amount=1.5)
    with pytest.raises(InvalidArgument):
        home.book.open_account(name="x", type="purse", currency="EUR")
    with pytest.raises(DuplicateCode):
        home.open("bank", "asset")
    assert home.posted(home.bank) == 100


def test_limits_and_states_of_an_account(home: Home) -> None:
    limited = home.book.set_balance_limits(account_id=home.bank, min_balance=None, max_balance=1000)
    assert (limited.min_balance, limited.max_balance, limited.available) == (None, 1000, None)
    with pytest.raises(LimitExceeded):
        home.fund(1001)
    assert home.book.freeze_account(account_id=home.bank).status == "frozen"
    assert home.book.freeze_account(account_id=home.bank).status == "frozen"
    with pytest.raises(AccountFrozen):
        home.fund(1)
    assert home.book.unfreeze_account(account_id=home.bank).status == "open"
    changed = home.book.update_account(
        account_id=home.bank, name="Giro", payable=True, metadata={"iban": "…"}, external_id="x"
    )
    assert (changed.name, changed.code, changed.payable) == ("Giro", "asset:bank", True)
    assert changed.metadata == {"iban": "…"}
    [found] = home.book.accounts(code="asset:bank")
    assert found == changed
    [found] = home.book.accounts(external_id="x")
    assert found == changed


def test_members_come_and_go(clients: Clients, home: Home) -> None:
    bob, stranger = clients.backend.user(), clients.backend.user()
    assert home.book.set_member(user_id=bob, role="viewer").role == "viewer"
    his = clients(bob).book(home.book.id)
    assert len(list(his.accounts())) == 3
    with pytest.raises(Forbidden):
        his.transfer(from_account_id=home.world, to_account_id=home.bank, amount=1)
    assert {m.user_id: m.role for m in home.book.members()} == {home.alice: "owner", bob: "viewer"}
    assert home.book.remove_member(user_id=bob).user_id == bob
    with pytest.raises(BookNotFound):
        his.get_balance(account_id=home.bank)
    with pytest.raises(MemberNotFound):
        home.book.remove_member(user_id=bob)
    with pytest.raises(LastOwner):
        home.book.remove_member(user_id=home.alice)
    with pytest.raises(UserNotFound):
        home.book.set_member(user_id=uuid.uuid4(), role="viewer")
    hers = clients(stranger).book(str(home.book.id))
    assert list(hers.accounts()) == []
    with pytest.raises(BookNotFound):
        hers.verify_book()


def test_a_book_is_renamed_archived_and_brought_back(home: Home) -> None:
    assert home.book.update_book(name="Home").name == "Home"
    assert home.book.update_book(archived=True).archived_at is not None
    with pytest.raises(BookArchived):
        home.fund(1)
    back = home.book.update_book(archived=False)
    assert (back.name, back.archived_at) == ("Home", None)


def test_the_register_is_read_page_by_page(home: Home) -> None:
    for amount in range(1, 8):
        home.fund(amount)
    page = home.book.account_register(account_id=home.bank, page_size=3)
    assert [line.amount for line in page] == [7, 6, 5]
    assert page[0].running_balance == 28
    rest = home.book.account_register(account_id=home.bank, before=page[-1].cursor)
    assert [line.amount for line in rest] == [4, 3, 2, 1]
    every = list(home.book.iter_register(account_id=home.bank, page_size=2))
    assert [line.amount for line in every] == [7, 6, 5, 4, 3, 2, 1]
    with pytest.raises(InvalidCursor):
        home.book.account_register(account_id=home.bank, before="nonsense")


def test_a_statement_is_by_value_date(home: Home) -> None:
    today = date(2026, 3, 1)
    for days, amount in ((0, 1), (1, 2), (2, 4)):
        home.fund(amount, effective_on=today + timedelta(days=days))
    statement = home.book.statement(
        account_id=home.bank, from_date=today + timedelta(days=1), to_date=today + timedelta(days=1)
    )
    assert (statement.opening, statement.closing) == (1, 3)
    assert [line.amount for line in statement.lines] == [2]
    with pytest.raises(InvalidArgument):
        home.book.statement(
            account_id=home.bank, from_date=today, to_date=today - timedelta(days=1)
        )


def test_balances_and_checks_of_a_book(home: Home) -> None:
    home.fund(money.MAX_AMOUNT)
    assert home.posted(home.bank) == 2**53 - 1
    by_account = {b.account_id: b.posted for b in home.book.get_balances()}
    assert by_account == {
        home.world: -money.MAX_AMOUNT,
        home.bank: money.MAX_AMOUNT,
        home.cash: 0,
    }
    [only] = home.book.get_balances(account_ids=[str(home.cash)])
    assert only.account_id == home.cash
    assert list(home.book.get_balances(account_ids=[])) == []
    with pytest.raises(AccountNotFound):
        home.book.get_balance(account_id=uuid.uuid4())
    checks = home.book.verify_book()
    assert checks
    assert all(check.ok for check in checks)


def test_currencies_have_their_places(home: Home) -> None:
    places = {currency.code: currency.exponent for currency in home.client.currencies()}
    assert (places["JPY"], places["EUR"], places["KWD"]) == (0, 2, 3)


def test_a_book_id_that_is_none_is_refused_at_once(home: Home) -> None:
    with pytest.raises(ValueError):
        home.client.book("household")
    with pytest.raises(BookNotFound):
        home.client.book(uuid.uuid4()).verify_book()
